"""The default advice: which rates it is read from, and when it refuses."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrrange import Curve, SweepPlan, TrainingFacts
from lrrange.advice.heuristics import midway
from lrrange.advice.midway import find_fall_and_blow_up
from lrrange.advice.ranges import RANGE_RULES
from lrrange.advice.rule import (
    ASSUMED_TRAIN_STEPS,
    CONSTANT,
    LONGEST_KNOWN,
    ONE_CYCLE,
    SHORTEST_KNOWN,
    WIDEST,
)
from lrrange.errors import OnlyRises, RatesTooFarApart, StillFalls
from tests.core.strategies import PLAN, Landscape, landscapes

midway_range = RANGE_RULES["midway"]


def exponents(*rates):
    return [math.log10(rate) for rate in rates]


def expected(rule, landscape, **facts):
    """Return log10 of the rate that a rule reads from the landscape itself."""
    return rule.read(landscape.falls_to(0.8), landscape.back_at_top, TrainingFacts(**facts))


def per_decade(number):
    """Return even rates from 1e-7 to 10 with this many in a decade."""
    return [10 ** (-7 + step / number) for step in range(8 * number + 1)]


def cut(landscape, end, plan=PLAN):
    """Return the curve up to this rate, in log10."""
    rates = [lr for lr in plan.rates if math.log10(lr) <= end]
    return Curve(lr=rates, loss=landscape.losses(rates))


@given(landscapes(noise=0.05))
def test_the_rate_is_what_the_rule_reads_from_the_fall_and_the_blow_up(landscape):
    assert math.log10(midway(landscape.curve()).lr) == pytest.approx(expected(CONSTANT, landscape), abs=0.2)


def from_what_was_read(read):
    """Return the rate that follows from what an answer says it has read."""
    decades = min(max(math.log10(read.get("blow_up", read.get("last")) / read["usual_fall"]), 0.0), WIDEST)
    return read["usual_fall"] * 10 ** (read["part"] * decades + read["shift"])


@given(landscapes(noise=0.05), st.sampled_from(["sgd", "adam", "sign", None]), st.integers(10, 10_000))
def test_an_answer_says_what_it_has_read_and_its_rate_follows_from_that(landscape, kind, steps):
    answer = midway(landscape.curve(), TrainingFacts(optimizer=kind, train_steps=steps))
    assert from_what_was_read(answer.read) == pytest.approx(answer.lr)
    assert math.log10(answer.read["fall"]) == pytest.approx(landscape.falls_to(0.8), abs=0.3)
    assert math.log10(answer.read["blow_up"]) == pytest.approx(landscape.back_at_top, abs=0.3)


def test_the_fall_that_was_read_is_the_one_of_this_curve_however_dense_its_steps_are():
    landscape = Landscape()
    plan = SweepPlan(start_lr=1e-7, end_lr=10.0, num_steps=800)
    dense = midway(landscape.curve(plan))
    assert math.log10(dense.read["fall"]) == pytest.approx(landscape.falls_to(0.8), abs=0.1)
    # The sum of the rates before one of them, in units of that rate.
    trained, usual = (1 / (rates[1] / rates[0] - 1) for rates in (plan.rates, per_decade(25)))
    assert dense.read["usual_fall"] == pytest.approx(trained / usual * dense.read["fall"], rel=0.001)
    assert from_what_was_read(dense.read) == pytest.approx(dense.lr)


@pytest.mark.parametrize("densities", [(8, 8), (12, 25), (25, 12), (4, 40)])
def test_the_usual_fall_is_where_a_sweep_of_25_steps_a_decade_has_trained_as_much(densities):
    """Whatever the distances of the rates before it, and wherever they change."""
    before, after = densities
    rates = [lr for lr in per_decade(before) if lr < 1e-4] + [lr for lr in per_decade(after) if lr >= 1e-4]
    read = midway(Curve(lr=rates, loss=Landscape().losses(rates))).read
    below = [lr for lr in rates if lr < read["fall"]]
    usual = per_decade(25)
    # In a sweep of these rates, as much is trained before `usual_fall`.
    trained = read["usual_fall"] / (usual[1] / usual[0] - 1)
    assert sum(below[:-1]) <= trained <= sum(below)


def test_an_answer_without_a_fall_has_read_the_blow_up_alone():
    answer = midway(Landscape(drop=0.5, fall=math.inf).curve())
    assert set(answer.read) == {"blow_up", "shift"}
    assert answer.lr == pytest.approx(answer.read["blow_up"] * 10 ** answer.read["shift"])


def test_an_answer_without_a_blow_up_has_read_the_last_rate_in_its_place():
    answer = midway(Landscape(blow_up=math.inf, fall=-5.0).curve())
    assert answer.read["last"] == pytest.approx(PLAN.end_lr)
    assert "blow_up" not in answer.read
    assert from_what_was_read(answer.read) == pytest.approx(answer.lr)


@given(landscapes(noise=0.05))
def test_the_interval_is_under_two_decades_wide_and_holds_the_rate(landscape):
    answer = midway(landscape.curve())
    assert answer.low < answer.lr < answer.high < 100 * answer.low


@given(landscapes(noise=0.05))
def test_the_range_goes_from_where_the_loss_begins_to_fall_to_the_peak_of_a_one_cycle(landscape):
    bounds = midway_range(landscape.curve())
    assert math.log10(bounds.max_lr) == pytest.approx(expected(ONE_CYCLE, landscape), abs=0.15)
    assert math.log10(bounds.base_lr) <= landscape.falls_to(0.5)
    assert bounds.base_lr <= bounds.max_lr / 4


@given(landscapes(noise=0.02), st.integers(1, 100_000))
def test_a_longer_training_has_a_lower_rate_within_the_known_lengths(landscape, steps):
    curve = landscape.curve()
    rates = [midway(curve, TrainingFacts(train_steps=length)).lr for length in (steps, steps + 1, 10 * steps)]
    assert rates == sorted(rates, reverse=True)
    decades = math.log10(rates[0] / rates[2])
    within = [min(max(length, SHORTEST_KNOWN), LONGEST_KNOWN) for length in (steps, 10 * steps)]
    assert decades == pytest.approx(-CONSTANT.per_decade_of_steps * math.log10(within[1] / within[0]))


def test_an_unknown_length_counts_as_the_assumed_one():
    curve = Landscape().curve()
    assert midway(curve) == midway(curve, TrainingFacts(train_steps=ASSUMED_TRAIN_STEPS))


@pytest.mark.parametrize(
    "kind", ["sgd", "momentum", "adam", "rmsprop", "adagrad", "adafactor", "sign", "muon", "other"]
)
def test_the_kind_of_the_optimizer_shifts_the_rate_by_what_the_rule_says(kind):
    facts = {"optimizer": "sgd", "momentum": 0.9} if kind == "momentum" else {"optimizer": kind}
    curve = Landscape().curve()
    shift = math.log10(midway(curve, TrainingFacts(**facts)).lr / midway(curve).lr)
    assert shift == pytest.approx(CONSTANT.kinds.get(kind, 0.0))


def test_the_rate_of_an_optimizer_that_steps_by_signs_falls_faster_with_the_length():
    curve = Landscape().curve()
    lengths = [TrainingFacts(optimizer="sign", train_steps=steps) for steps in (200, 2000)]
    short, long = (midway(curve, facts).lr for facts in lengths)
    assert math.log10(short / long) == pytest.approx(-CONSTANT.per_decade_of_steps - CONSTANT.of_signs)


def test_a_blow_up_far_above_the_fall_counts_only_to_a_bound():
    near, far = (CONSTANT.read(-5.0, blow_up, TrainingFacts()) for blow_up in (-5.0 + WIDEST, 3.0))
    assert near == far


@given(landscapes(noise=0.02, decades=1.0))
def test_base_lr_is_where_the_loss_begins_to_fall(landscape):
    bounds = midway_range(landscape.curve())
    assert math.log10(bounds.base_lr) == pytest.approx(landscape.falls_to(0.1), abs=0.3)


def test_the_number_of_steps_moves_the_answer_by_less_than_a_fifth_of_a_decade_at_equal_training():
    """A sweep of half the steps trains half as much before each rate, so its loss falls at twice the rate."""
    answers = []
    for steps in (100, 200, 400):
        landscape = Landscape(noise=0.02, fall=-3.5 + math.log10(200 / steps))
        answers.append(math.log10(midway(landscape.curve(SweepPlan(num_steps=steps))).lr))
    assert max(answers) - min(answers) < 0.2


@given(landscapes(noise=0.02))
def test_without_a_blow_up_the_interval_reaches_further_up(landscape):
    whole, cut_off = midway(landscape.curve()), midway(cut(landscape, landscape.blow_up - 0.1))
    widths = [math.log10(answer.high / answer.lr) for answer in (whole, cut_off)]
    assert widths[1] > widths[0] + 0.5


@given(landscapes(noise=0.02))
def test_a_loss_that_still_falls_at_the_last_rate_is_refused_and_end_lr_is_to_be_raised(landscape):
    ended = cut(landscape, landscape.falls_to(0.7))
    with pytest.raises(StillFalls, match="still falls.*Raise end_lr") as caught:
        midway(ended)
    assert caught.value.end_lr == ended.lr[-1]


@given(landscapes(noise=0.02))
def test_a_loss_that_has_fallen_long_before_the_last_rate_is_not_refused(landscape):
    ended = cut(landscape, max(landscape.falls_to(0.95) + 0.6, -2.0))
    assert midway(ended).lr > 0


@given(landscapes(noise=0.05, fall=math.inf, blow_up=-6.9))
def test_a_blow_up_within_the_first_decade_is_refused_and_start_lr_is_to_be_lowered(landscape):
    readings = [loss + 1e-3 * landscape.drop * (k % 3) for k, loss in enumerate(landscape.losses())]
    with pytest.raises(OnlyRises, match="Lower start_lr"):
        midway(Curve(lr=PLAN.rates, loss=readings))


@pytest.mark.parametrize("blow_up", [-6.7, -6.5, -6.3])
def test_a_blow_up_that_ends_the_sweep_within_the_first_decade_is_refused_too(blow_up):
    sweep = Landscape(fall=math.inf, blow_up=blow_up, noise=0.01).sweep()
    assert math.log10(sweep.points[-1].lr) < -6.0
    with pytest.raises(OnlyRises, match="Lower start_lr"):
        midway(sweep.curve)


def test_where_noise_hides_the_fall_the_answer_follows_from_the_blow_up_with_a_wider_interval():
    """In at least 198 of 200 curves. In a few of a thousand, the noise passes for a fall or a blow-up by chance."""
    misled = 0
    for seed in range(200):
        blow_up = random.Random(seed).uniform(-4.0, 0.0)
        landscape = Landscape(fall=math.inf, blow_up=blow_up, noise=0.3, seed=seed, steepness=8.0)
        answer = midway(landscape.curve())
        misled += abs(math.log10(answer.lr) - (landscape.back_at_top + CONSTANT.without_fall)) > 0.3
        assert answer.low < answer.lr / 4
    assert misled <= 2


@pytest.mark.parametrize("steps", [13, 20])
def test_fewer_than_three_steps_a_decade_are_refused_with_their_number(steps):
    with pytest.raises(RatesTooFarApart, match="Raise num_steps") as caught:
        midway(Landscape().curve(SweepPlan(num_steps=steps)))
    assert caught.value.per_decade == pytest.approx((steps - 1) / 8)
    assert caught.value.needed == 3


def test_the_height_of_the_explosion_changes_nothing():
    low, high = (
        Curve(lr=PLAN.rates, loss=[min(loss, 1e9) if k < 170 else top for k, loss in enumerate(Landscape().losses())])
        for top in (100.0, 1e30)
    )
    assert midway(high) == midway(low)


@given(landscapes(noise=0.05), st.floats(3.0, 100.0), st.integers(0, 2**32))
def test_one_loss_in_a_hundred_far_off_the_curve_moves_the_answer_little(landscape, height, seed):
    random_ = random.Random(seed)
    readings = landscape.losses()
    for step in (random_.randrange(0, 100), random_.randrange(100, 200)):
        readings[step] += height * landscape.drop
    answer = midway(Curve(lr=PLAN.rates, loss=readings))
    assert math.log10(answer.lr / midway(landscape.curve()).lr) == pytest.approx(0.0, abs=0.3)


def test_a_curve_that_is_short_because_it_blew_up_at_once_is_refused_for_the_blow_up():
    climbing = [2.3, 2.31, 2.3, 2.29, 2.3, 9.0, 40.0, 200.0, 900.0]
    with pytest.raises(OnlyRises, match="Lower start_lr"):
        midway(Curve(lr=PLAN.rates[: len(climbing)], loss=climbing))


def pretrained(noise=0.02, late=0.02, plateau=1.6):
    """Return the curve of a pretrained network: it falls from 4 to 0.5 at about lr=1e-2, and from 0.3 on it guesses."""
    source = random.Random(0)
    readings = []
    for lr in PLAN.rates:
        x = math.log10(lr)
        fallen = 4.0 - 3.5 / (1 + 10 ** (-2 * (x + 3)))
        level = fallen if x < math.log10(0.3) else plateau
        readings.append(level + source.gauss(0, noise if x < -3 else late))
    return Curve(lr=PLAN.rates, loss=readings)


@pytest.mark.parametrize("noise", [0.02, 0.4])
def test_a_loss_that_climbs_a_quarter_of_its_drop_again_has_blown_up_though_it_began_higher(noise):
    rates = find_fall_and_blow_up(pretrained(noise))
    assert rates.blown_up
    assert rates.blow_up == pytest.approx(math.log10(0.3), abs=0.1)


def test_a_loss_that_wavers_about_its_lowest_level_has_not_blown_up():
    assert not find_fall_and_blow_up(pretrained(late=0.3, plateau=0.5)).blown_up
