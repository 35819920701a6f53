"""No answer at the edge of a sweep: a rate that the curve does not show from both sides is refused."""

import random

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrrange import Curve, Refusal, StopReason, Suggestion, SweepPlan, find_lr, hookimpl
from lrrange.advice.ending import Ending
from lrrange.advice.heuristics import HEURISTICS, ask_heuristic
from lrrange.advice.preconditions import check_inside
from lrrange.advice.ranges import RANGE_RULES
from lrrange.advice.readings import read_answers
from lrrange.errors import AtTheEdge, EndedEarly, NoSuggestion
from tests.core.strategies import PLAN, Landscape, landscapes
from tests.core.training import Loop

RATES = PLAN.rates
LAST = len(RATES) - 1
GOOD = Landscape(noise=0.02).curve()

# Where a rate lies, and whether it is an answer.
PLACES = {
    "far below the sweep": (RATES[0] / 100, False),
    "below the first rate": (RATES[0] * 0.99, False),
    "the first rate": (RATES[0], False),
    "the second rate": (RATES[1], False),
    "the third rate": (RATES[2], False),
    "between the third and the fourth": ((RATES[2] + RATES[3]) / 2, True),
    "the fourth rate": (RATES[3], True),
    "the middle": (1e-3, True),
    "three before the last": (RATES[LAST - 3], True),
    "two before the last": (RATES[LAST - 2], False),
    "the last rate": (RATES[LAST], False),
    "above the last rate": (RATES[LAST] * 1.01, False),
    "far above the sweep": (1e6, False),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_rate_is_an_answer_if_the_sweep_goes_on_for_three_steps_on_both_sides(place):
    lr, inside = PLACES[place]
    for heuristic in (lambda _: lr, lambda _: Suggestion(heuristic="mine", lr=lr, low=lr / 2, high=lr * 2)):
        answer = ask_heuristic("mine", heuristic, GOOD)
        assert isinstance(answer, Suggestion if inside else Refusal)
        assert inside or answer.kind == "AtTheEdge"


@pytest.mark.parametrize(
    ("index", "inside"), [(0, False), (2, False), (3, True), (196, True), (197, False), (199, False)]
)
def test_the_point_that_a_rate_was_read_from_counts_as_well(index, inside):
    answer = ask_heuristic("mine", lambda _: Suggestion(heuristic="mine", lr=1e-3, index=index), GOOD)
    assert isinstance(answer, Suggestion) == inside


def test_a_computed_rate_that_differs_from_a_swept_one_by_rounding_is_at_the_edge():
    for lr in (RATES[2] * (1 + 1e-15), RATES[LAST - 2] * (1 - 1e-15)):
        with pytest.raises(AtTheEdge):
            check_inside(GOOD, "mine", lr)


@pytest.mark.parametrize("number", [0, 1, 2, 3, 5])
def test_a_curve_of_five_points_has_no_inside(number):
    curve = Curve(lr=RATES[:number], loss=[1.0] * number)
    with pytest.raises(AtTheEdge):
        check_inside(curve, "mine", 1e-7)


def test_the_edges_of_a_linear_sweep_are_two_of_its_own_steps():
    plan = SweepPlan(start_lr=1e-3, end_lr=1.0, num_steps=50, shape="linear")
    curve = Landscape().curve(plan)
    assert isinstance(ask_heuristic("mine", lambda _: 0.03, curve), Refusal)
    assert isinstance(ask_heuristic("mine", lambda _: 0.07, curve), Suggestion)


def test_gaps_count_as_steps_because_their_rates_were_swept():
    losses = [*Landscape(noise=0.02).losses()[:150], *[float("nan")] * 3]
    curve = Curve(lr=RATES[:153], loss=losses)
    assert isinstance(ask_heuristic("mine", lambda measured: measured.finite.lr[-1], curve), Suggestion)


# Curves on which a heuristic would answer from the edge: the noise of a fine-tuned network whose batches are tiny, a
# loss that falls from the first step on, and one that falls up to the last.
NOISE = random.Random(3)
EDGES = {
    "falls from the first step": [2.0 - 0.5 * (step > 0) - 1e-4 * step for step in range(200)],
    "falls at the first steps": [2.0 - 0.2 * min(step, 4) for step in range(100)],
    "falls to the last": [2.3 - 0.01 * step for step in range(200)],
    "falls at the last steps": [2.3 - max(0, step - 196) for step in range(200)],
    "lowest at the first": [0.1 * step for step in range(100)],
    "one outlier at the first": [9.0, *[1.0 + NOISE.gauss(0, 0.1) for _ in range(199)]],
    "one outlier at the last": [*[1.0 + NOISE.gauss(0, 0.1) for _ in range(199)], -9.0],
}


@pytest.mark.parametrize("case", EDGES)
@pytest.mark.parametrize("name", HEURISTICS)
def test_no_heuristic_answers_from_the_edge_of_such_a_curve(case, name):
    curve = Curve(lr=RATES[: len(EDGES[case])], loss=EDGES[case])
    answer = ask_heuristic(name, HEURISTICS[name], curve)
    if isinstance(answer, Suggestion):
        assert curve.lr[2] < answer.lr < curve.lr[-3]
        assert answer.index is None or 2 < answer.index < len(curve) - 3


@given(landscapes(noise=2.0), st.integers(20, 200))
def test_no_heuristic_answers_from_the_edge_in_any_noise(landscape, swept):
    curve = Curve(lr=RATES[:swept], loss=landscape.losses()[:swept])
    for name, heuristic in HEURISTICS.items():
        answer = ask_heuristic(name, heuristic, curve)
        if isinstance(answer, Suggestion):
            assert curve.lr[2] < answer.lr < curve.lr[-3]
            assert answer.interval is None or answer.low < answer.high


def adapters(seed):
    """Return losses that fall from 1.0 to 0.5 between 1e-4 and 1e-2, in noise of half of that."""
    noise = random.Random(seed)
    fallen = [min(1.0, max(0.0, (i - 75) / 50)) for i in range(200)]
    return [1.0 - 0.5 * part + noise.gauss(0, 0.26) for part in fallen]


@pytest.mark.parametrize("seed", range(40))
def test_a_noisy_fine_tuning_gets_a_rate_from_inside_its_fall_or_silence(seed):
    """Before, another heuristic answered in the place of the default one: with 1e-7, the first rate of the sweep."""
    losses = adapters(seed)

    class Adapters(Loop):
        def loss(self, lr):
            return losses[min(range(200), key=lambda i: abs(RATES[i] - lr))]

    result = find_lr(Adapters(), num_steps=200)
    if isinstance(result.chosen, Suggestion):
        assert result.chosen.heuristic == "midway"
        assert RATES[2] < result.lr < RATES[-3]
    else:
        with pytest.raises(NoSuggestion):
            _ = result.lr


def test_the_refusal_says_which_edge_and_what_to_change():
    low, high = (ask_heuristic("mine", lambda _, lr=lr: lr, GOOD) for lr in (1e-7, 10.0))
    assert low.reason == (
        '"mine" reads lr=1e-07, within two steps of the first rate of the sweep, 1e-07: the curve does not show both '
        "sides of it. If the loss falls there, lower start_lr, for example to 1e-09; if it falls only at higher rates, "
        "raise num_steps."
    )
    assert "within two steps of the last rate of the sweep, 10" in high.reason
    assert "Raise end_lr, for example to 1e+03." in high.reason
    assert (low.error.edge_lr, low.error.lr, high.error.edge_lr) == (1e-7, 1e-7, 10.0)
    assert "below the first rate" in ask_heuristic("mine", lambda _: 1e-9, GOOD).reason
    assert "above the last rate" in ask_heuristic("mine", lambda _: 1e3, GOOD).reason
    read_at = ask_heuristic("mine", lambda _: Suggestion(heuristic="mine", lr=1e-3, index=199), GOOD)
    assert "lr=0.001 at the point lr=10, within two steps of the last rate" in read_at.reason


def test_a_sweep_that_starts_where_nothing_trains_is_not_told_to_start_lower():
    curve = Curve(lr=[10 ** (-12 + k / 25) for k in range(100)], loss=[1.0] * 100)
    reason = ask_heuristic("mine", lambda measured: measured.lr[0], curve).reason
    assert "No training moves at such a rate" in reason
    assert "start_lr" not in reason


def test_the_remedy_is_one_that_is_possible_after_the_way_in_which_the_sweep_ended():
    plan, curve = SweepPlan(), Landscape().curve()
    short = Curve(lr=curve.lr[:120], loss=curve.loss[:120])
    late = {"late": lambda measured: measured.lr[-1]}

    def refusal(stop_reason):
        (answer,) = read_answers(short, late, (), Ending(plan=plan, stop_reason=stop_reason))
        return answer.error

    blown_up = refusal(StopReason.DIVERGED)
    assert type(blown_up) is AtTheEdge
    assert "end_lr" not in str(blown_up)
    assert "num_steps" in str(blown_up)
    ran_out = refusal(StopReason.DATA_EXHAUSTED)
    assert type(ran_out) is EndedEarly
    assert "Give a loader that can start again" in str(ran_out)


def test_a_heuristic_of_a_plug_in_is_refused_at_the_edge_as_well(registered):
    class Offers:
        @hookimpl
        def lrrange_offer_heuristics(self):
            return {"first": lambda curve: curve.lr[0]}

    registered(Offers(), "offers")
    with pytest.raises(AtTheEdge, match='"first" reads lr=1e-07'):
        _ = find_lr(Loop(), heuristic="first").lr


def test_what_a_user_s_own_function_returns_is_refused_at_the_edge_as_well():
    def mine(curve):
        return curve.lr[0]

    result = find_lr(Loop(), heuristic=mine)
    for read in (lambda: result.lr, lambda: result.low, lambda: result.verdict, lambda: result.apply(object())):
        with pytest.raises(AtTheEdge, match='"mine" reads lr=1e-07'):
            read()


def test_the_default_range_is_refused_where_its_rate_or_its_peak_is_at_the_edge():
    """The loss falls at the first rates of the sweep, so the answer would lie below them."""
    plan = SweepPlan(start_lr=1e-4, end_lr=1e-2, num_steps=50)
    curve = Landscape(fall=-3.7, decades=0.15, blow_up=-3.2).curve(plan)
    with pytest.raises(AtTheEdge):
        RANGE_RULES["midway"](curve)
    (answer, *_) = read_answers(curve, HEURISTICS)
    assert answer.kind == "AtTheEdge"


@given(landscapes(noise=0.05))
def test_good_curves_are_not_refused_for_their_edges(landscape):
    for answer in read_answers(landscape.curve(), HEURISTICS):
        assert isinstance(answer, Suggestion)


def test_a_refused_answer_is_equal_when_it_is_read_again():
    result = find_lr(Loop(), heuristic=lambda curve: curve.lr[1])
    assert attrs.evolve(result) == result
    assert result.refusal is not None
    assert str(result.refusal) == str(result.refusal)
