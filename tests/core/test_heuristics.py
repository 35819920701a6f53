"""Each heuristic on curves whose answer is known, and its refusals. `midway` has a file of its own."""

import math
import random

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrrange import Curve, Refusal, Suggestion
from lrrange.advice.heuristics import (
    HEURISTICS,
    ask_heuristic,
    known_name,
    slide,
    steepest,
    tenth_of_minimum,
    valley,
)
from lrrange.errors import FlatCurve, NoSuggestion, OnlyRises, TooFewPoints, UnknownName
from tests.core.strategies import PLAN, STEP, Landscape, landscapes, losses

FALL_ONLY = ["steepest", "valley", "min/10", "slide"]  # these read the fall alone

NEEDED = {"midway": 12, "steepest": 6, "valley": 12, "min/10": 6, "slide": 6}


def exponent(answer):
    return math.log10(answer.lr)


def curve(readings):
    return Curve(lr=PLAN.rates[: len(readings)], loss=readings)


# Landscapes with a fall so slow that the floor is a point and not flat.
pointed = landscapes(noise=0.02, fall=-4.0, decades=2.5, blow_up=-3.0, steepness=2.0)


@given(landscapes(noise=0.0))
def test_steepest_is_where_a_sigmoid_falls_fastest(landscape):
    assert exponent(steepest(landscape.curve())) == pytest.approx(landscape.fall, abs=STEP)


@given(landscapes(noise=0.03))
def test_steepest_is_there_in_noise_too(landscape):
    assert exponent(steepest(landscape.curve())) == pytest.approx(landscape.fall, abs=0.4)


@given(landscapes(noise=0.0, decades=1.0))
def test_the_slope_of_steepest_is_per_decade_and_in_the_unit_of_the_loss(landscape):
    slope = -landscape.drop * 2 * math.log(9) / 4  # the derivative of the sigmoid at its middle
    assert steepest(landscape.curve()).slope == pytest.approx(slope, rel=0.15)


@given(landscapes(noise=0.05))
def test_steepest_lies_at_a_point_of_the_curve_below_the_lowest_loss(landscape):
    measured = landscape.curve()
    answer = steepest(measured)
    assert answer.lr == measured.lr[answer.index]
    assert answer.index <= measured.lowest


@given(pointed)
def test_valley_is_halfway_from_a_tenth_of_the_drop_to_the_lowest_loss(landscape):
    halfway = (landscape.falls_to(0.1) + landscape.lowest) / 2
    assert exponent(valley(landscape.curve())) == pytest.approx(halfway, abs=0.35)


@given(pointed)
def test_tenth_of_minimum_is_a_decade_below_the_lowest_loss(landscape):
    answer = tenth_of_minimum(landscape.curve())
    assert exponent(answer) == pytest.approx(landscape.lowest - 1, abs=0.35)
    assert PLAN.rates[answer.index] == pytest.approx(10 * answer.lr)


@pytest.mark.parametrize("kink", [-4.0, -3.0, -2.0])
def test_slide_is_its_interval_below_the_kink_where_the_slope_changes(kink):
    bent = curve([-max(math.log10(lr) - kink, 0.0) for lr in PLAN.rates])
    assert exponent(slide(bent)) == pytest.approx(kink - 1.2, abs=0.3)


@given(landscapes(noise=0.05))
def test_slide_lies_between_the_foot_of_the_fall_and_the_blow_up(landscape):
    answer = exponent(slide(landscape.curve()))
    assert landscape.falls_to(0.1) - 1.2 < answer < landscape.back_at_top


def test_slide_refuses_a_curve_shorter_than_its_interval():
    short = Curve(lr=[10 ** (k / 100) for k in range(100)], loss=[100.0 - k for k in range(100)])
    with pytest.raises(NoSuggestion, match="1.2-decade interval.*more decades") as caught:
        slide(short)
    assert caught.value.decades == pytest.approx(0.99)


@pytest.mark.parametrize("name", HEURISTICS)
@given(landscapes(noise=0.05))
def test_every_heuristic_answers_a_good_curve(name, landscape):
    answer = ask_heuristic(name, HEURISTICS[name], landscape.curve())
    assert isinstance(answer, Suggestion)
    assert PLAN.start_lr < answer.lr < PLAN.end_lr
    assert answer.low <= answer.lr <= answer.high


@pytest.mark.parametrize("name", HEURISTICS)
@given(landscapes(noise=0.01, decades=0.8), st.integers(1, 198), st.floats(-50.0, 50.0))
def test_one_spike_moves_no_answer_by_half_a_decade(name, landscape, step, height):
    clean = ask_heuristic(name, HEURISTICS[name], landscape.curve())
    readings = landscape.losses()
    readings[step] += height * landscape.drop
    spiked = ask_heuristic(name, HEURISTICS[name], curve(readings))
    # On a flat floor min/10 follows the lowest noise, with or without a spike.
    if name != "min/10":
        assert exponent(spiked) == pytest.approx(exponent(clean), abs=0.5)
    assert isinstance(spiked, Suggestion)


@pytest.mark.parametrize("name", HEURISTICS)
@given(landscapes(noise=0.02), st.sets(st.integers(0, 199), max_size=20))
def test_gaps_change_no_answer(name, landscape, gaps):
    """A curve with gaps is read like the curve without those points, but the index counts the gaps."""
    readings = landscape.losses()
    kept = [i for i in range(200) if i not in gaps]
    without = Curve(lr=[PLAN.rates[i] for i in kept], loss=[readings[i] for i in kept])
    with_gaps = curve([math.nan if i in gaps else readings[i] for i in range(200)])
    expected, answer = HEURISTICS[name](without), HEURISTICS[name](with_gaps)
    assert answer.lr == expected.lr
    if answer.index is not None:
        assert answer.index == kept[expected.index]


@pytest.mark.parametrize("name", HEURISTICS)
@given(st.data())
def test_too_few_finite_points_are_refused_with_both_numbers(name, data):
    finite = data.draw(st.integers(0, NEEDED[name] - 1))
    gaps = data.draw(st.integers(0, 5))
    with pytest.raises(TooFewPoints, match=f"needs {NEEDED[name]} finite losses and this curve has {finite}") as caught:
        HEURISTICS[name](curve([math.nan] * gaps + [10.0 - k for k in range(finite)]))
    assert (caught.value.needed, caught.value.found) == (NEEDED[name], finite)


@pytest.mark.parametrize("name", HEURISTICS)
@pytest.mark.parametrize("seed", range(5))
def test_noise_alone_is_refused_as_flat_with_its_noise(name, seed):
    random_ = random.Random(seed)
    with pytest.raises(FlatCurve, match="does not fall") as caught:
        HEURISTICS[name](curve([2.3 + random_.gauss(0.0, 0.1) for _ in range(200)]))
    assert caught.value.noise == pytest.approx(0.1, rel=0.3)
    assert (caught.value.start_lr, caught.value.end_lr) == (PLAN.start_lr, PLAN.end_lr)


@pytest.mark.parametrize("name", HEURISTICS)
@given(level=st.floats(-1e6, 1e6), length=st.integers(12, 200))
def test_a_constant_loss_is_refused_as_flat(name, level, length):
    with pytest.raises(FlatCurve):
        HEURISTICS[name](curve([level] * length))


@pytest.mark.parametrize("name", FALL_ONLY)
@given(landscapes(noise=0.05, fall=math.inf), st.booleans())
def test_a_loss_that_only_rises_is_refused_with_where_it_starts(name, landscape, at_once):
    """Only a sweep whose loss rises at once started too high. One that was level for decades did not."""
    if at_once:
        landscape = attrs.evolve(landscape, blow_up=-6.9)
    readings = [
        loss + 1e-6 * (k % 3) for k, loss in enumerate(landscape.losses())
    ]  # real losses always have some noise
    remedy = "Lower start_lr" if at_once else "level up to .*start_lr is low enough"
    with pytest.raises(OnlyRises, match=f"only rises.*{remedy}") as caught:
        HEURISTICS[name](curve(readings))
    assert caught.value.start_lr == PLAN.start_lr


@given(st.lists(losses, max_size=60))
def test_whatever_the_losses_every_heuristic_answers_with_a_rate_or_refuses_with_a_reason(readings):
    measured = curve(readings)
    for name, heuristic in HEURISTICS.items():
        answer = ask_heuristic(name, heuristic, measured)
        if isinstance(answer, Suggestion):
            low, high = answer.interval or (answer.lr, answer.lr)
            assert 0 < low <= answer.lr <= high < math.inf
        else:
            assert " failed with " not in answer.reason


@given(st.lists(st.floats(-100.0, 100.0), min_size=12, max_size=40), st.data())
def test_rates_however_close_are_read_or_refused_too(readings, data):
    """Such rates come from hand-made curves or from files of other tools; a `SweepPlan` keeps its rates apart."""
    rates = [1e-3]
    while len(rates) < len(readings):
        rates.append(rates[-1] + data.draw(st.integers(1, 3)) * math.ulp(rates[-1]))
    for name, heuristic in HEURISTICS.items():
        answer = ask_heuristic(name, heuristic, Curve(lr=rates, loss=readings))
        assert isinstance(answer, Suggestion) or " failed with " not in answer.reason


def test_fastai_s_names_are_understood():
    assert known_name("steep", HEURISTICS) == "steepest"
    assert known_name("minimum", HEURISTICS) == "min/10"
    assert known_name("valley", HEURISTICS) == "valley"


def test_a_name_of_the_user_s_own_comes_before_an_alias():
    assert known_name("steep", {**HEURISTICS, "steep": steepest}) == "steep"


def test_an_unknown_name_is_refused_and_the_others_are_named():
    with pytest.raises(UnknownName, match="midway, steepest, valley, min/10, slide") as caught:
        known_name("best", HEURISTICS)
    assert caught.value.name == "best"


GOOD = Landscape().curve()


def test_a_heuristic_may_return_just_a_rate():
    answer = ask_heuristic("mine", lambda _: 0.01, GOOD)
    assert (answer.heuristic, answer.lr) == ("mine", 0.01)


def test_an_interval_of_no_width_is_no_interval():
    for heuristic in (lambda _: 0.01, lambda _: Suggestion(heuristic="mine", lr=0.01, low=0.01, high=0.01)):
        answer = ask_heuristic("mine", heuristic, GOOD)
        assert (answer.lr, answer.low, answer.high, answer.interval) == (0.01, None, None, None)


def test_an_answer_has_the_name_given_to_ask_heuristic():
    assert ask_heuristic("mine", steepest, GOOD).heuristic == "mine"


def test_the_interval_spans_the_answers_to_every_other_point():
    answer = ask_heuristic("late", lambda measured: measured.lr[-7], GOOD)
    assert (answer.low, answer.lr, answer.high) == (PLAN.rates[-14], PLAN.rates[-7], PLAN.rates[-7])


def test_an_interval_of_the_heuristic_s_own_is_kept():
    answer = ask_heuristic("mine", lambda _: Suggestion(heuristic="mine", lr=0.1, low=0.01, high=1.0), GOOD)
    assert (answer.low, answer.high) == (0.01, 1.0)


def test_the_interval_spans_the_answers_to_single_sweeps():
    sweeps = [Curve(lr=[k * lr for k in range(1, 8)], loss=[1.0] * 7) for lr in (0.0005, 0.125)]
    answer = ask_heuristic("mid", lambda measured: measured.lr[3] if len(measured) == 7 else 0.1, GOOD, sweeps)
    assert (answer.low, answer.lr, answer.high) == (0.002, 0.1, 0.5)


def test_a_single_sweep_with_an_answer_at_its_edge_does_not_widen_the_interval():
    sweeps = [Curve(lr=[k * 0.001 for k in range(1, 8)], loss=[1.0] * 7)]
    for edge in (0, 2, 4, 6):
        answer = ask_heuristic("mid", lambda m, i=edge: m.lr[i] if len(m) == 7 else 0.1, GOOD, sweeps)
        assert answer.interval is None


def test_a_heuristic_that_refuses_says_why_with_its_numbers():
    def fussy(_):
        raise NoSuggestion("not on a Monday", day=1, name="text is no number")

    answer = ask_heuristic("fussy", fussy, GOOD)
    assert answer == Refusal(heuristic="fussy", kind="NoSuggestion", reason="not on a Monday", numbers={"day": 1.0})


def test_a_heuristic_that_fails_refuses_and_names_the_error():
    answer = ask_heuristic("broken", lambda _: 1 / 0, GOOD)
    assert (answer.kind, answer.reason) == (
        "NoSuggestion",
        'the "broken" heuristic failed with ZeroDivisionError: division by zero',
    )


@pytest.mark.parametrize("rate", [0.0, -0.1, math.nan, math.inf])
def test_a_heuristic_that_answers_with_no_rate_refuses(rate):
    answer = ask_heuristic("odd", lambda _: rate, GOOD)
    assert isinstance(answer, Refusal)
    assert "not a positive, finite rate" in answer.reason


def test_a_refusal_is_raised_as_the_error_it_was():
    refusal = ask_heuristic("valley", valley, curve([1.0] * 20))
    assert (type(refusal.error), str(refusal.error)) == (FlatCurve, refusal.reason)
    assert refusal.error.heuristic == "valley"
    assert refusal.error.drop == 0.0
