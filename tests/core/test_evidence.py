"""The evidence of trials: paired differences, their weight against the sweep's answer, and the trial that is next."""

import itertools
import math
import random

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrrange.advice.evidence import CONSTANTS, Evidence, PairedDifference, interpolate

RATES = tuple(1e-2 * 10 ** (CONSTANTS.step * k) for k in (-1, 0, 1))


def evidence(levels, *, start=2.0, noise=0.02, answer=RATES[1], resumed=None, train_steps=None, **constants):
    """Return the evidence of trials that reach these losses, by rate; a loss may be a number for all blocks."""
    trials = {
        rate: [level] * 8 if isinstance(level, float) else level for rate, level in zip(RATES, levels, strict=False)
    }
    return Evidence(
        answer=answer,
        trials=trials,
        start=start,
        noise=noise,
        resumed=resumed,
        train_steps=train_steps,
        constants=attrs.evolve(CONSTANTS, **constants),
    )


def moved(found):
    return math.log10(found.posterior.lr / found.answer)


# -- paired differences ------------------------------------------------------------------------------------------------


def test_what_two_trials_share_cancels_in_their_difference():
    batches = [random.Random(block).gauss(0, 1) for block in range(8)]
    better = PairedDifference.between([0.3 + batch for batch in batches], [0.4 + batch for batch in batches])
    assert better.mean == pytest.approx(-0.1)
    assert better.error < 1e-9
    assert better.is_told


def test_the_error_is_that_of_student_s_95_percent_interval():
    gaps = [1.0, 2.0, 3.0, 4.0]
    difference = PairedDifference.between(gaps, [0.0] * 4)
    assert difference.mean == 2.5
    assert difference.error == pytest.approx(3.18 * 1.29099 / 2, rel=1e-3)
    assert difference.is_told
    assert difference.certain == pytest.approx(2.5 - difference.error**2 / 2.5)


def test_a_difference_within_its_error_is_none():
    difference = PairedDifference.between([1.0, -2.0, 3.0, 0.5], [0.0] * 4)
    assert not difference.is_told
    assert difference.certain == 0.0


def test_pure_noise_is_told_apart_about_once_in_twenty_times():
    rng = random.Random(0)
    told = sum(
        PairedDifference.between([rng.gauss(0, 1) for _ in range(8)], [rng.gauss(0, 1) for _ in range(8)]).is_told
        for _ in range(2000)
    )
    assert 60 < told < 140


@given(st.lists(st.floats(-1e3, 1e3), min_size=8, max_size=8))
def test_a_certain_difference_is_never_larger_than_the_difference_and_has_its_sign(gaps):
    difference = PairedDifference.between(gaps, [0.0] * 8)
    assert abs(difference.certain) <= abs(difference.mean)
    assert difference.certain * difference.mean >= 0


@pytest.mark.parametrize("levels", [[1e308] * 8, [-1e308] * 8])
def test_losses_as_far_apart_as_floats_can_be_are_no_certain_difference(levels):
    difference = PairedDifference.between(levels, [-level for level in levels])
    assert difference.certain == 0.0


def test_rounding_is_no_difference():
    assert PairedDifference.between([2.3] * 8, [2.3 * (1 + 2**-52)] * 8).mean == 0.0


# -- the posterior -----------------------------------------------------------------------------------------------------


def test_without_a_difference_the_answer_is_the_sweep_s_to_the_last_bit():
    found = evidence([0.5, 0.5, 0.5])
    assert found.posterior.lr == found.answer
    assert found.posterior.low < RATES[0]
    assert found.posterior.high > RATES[2]


@pytest.mark.parametrize(("levels", "side"), [([0.2, 0.5, 0.9], -1), ([0.9, 0.5, 0.2], 1)])
def test_the_answer_moves_to_the_better_side_and_not_beyond_what_was_tried(levels, side):
    found = evidence(levels)
    assert 0.1 < side * moved(found) < CONSTANTS.step + 1e-9
    assert found.posterior.low < found.posterior.lr < found.posterior.high


@given(st.lists(st.floats(0.1, 3.0), min_size=3, max_size=3), st.floats(0.01, 100), st.floats(-50, 50))
def test_other_units_of_the_loss_change_nothing(levels, scale, shift):
    one = evidence(levels)
    other = evidence([level * scale + shift for level in levels], start=2.0 * scale + shift, noise=0.02 * scale)
    assert moved(other) == pytest.approx(moved(one), abs=1e-6)


@given(st.lists(st.floats(0.1, 1.9), min_size=3, max_size=3), st.floats(0.01, 1.0))
def test_a_lower_loss_at_the_upper_rate_never_moves_the_answer_down(levels, less):
    one, other = evidence(levels), evidence([*levels[:2], levels[2] - less])
    assert moved(other) >= moved(one) - 1e-6


def test_a_larger_spread_of_the_sweep_s_answers_trusts_the_trials_more():
    moves = [moved(evidence([0.9, 0.5, 0.3], spread=spread)) for spread in (0.1, 0.3, 0.9)]
    assert moves[0] < moves[1] < moves[2]


def test_the_answer_lies_lower_for_how_far_short_runs_favour_high_rates():
    moves = [moved(evidence([0.9, 0.5, 0.4], short_run=short_run)) for short_run in (0.0, 0.2, 0.4)]
    assert moves[0] > moves[1] > moves[2]


def test_a_trial_that_did_not_stay_finite_is_worse_than_any_other():
    found = evidence([0.5, 0.5, None])
    assert moved(found) < 0
    assert found.posterior.lr >= RATES[0]
    assert found.shortfalls[RATES[2]] >= 1


def test_if_the_sweep_s_answer_did_not_stay_finite_the_answer_is_lower():
    found = evidence([0.5, None, None])
    assert found.reference == RATES[0]
    assert moved(found) < -0.2


@pytest.mark.parametrize("apart", [1, 2, 4, 6])
def test_the_answer_is_no_rate_at_which_the_loss_did_not_stay_finite(apart):
    rates = [1e-2 * 10 ** (CONSTANTS.step * k) for k in range(-apart, 2)]
    found = Evidence(answer=1e-2, trials={**dict.fromkeys(rates), rates[0]: [0.5] * 8}, start=2.0, noise=0.02)
    assert found.posterior.lr == pytest.approx(rates[0])
    assert found.posterior.low < found.posterior.lr < found.posterior.high


@pytest.mark.parametrize("wild", [[1e3, 1e6, 5.0, 1e4, 9.0, 1e5, 1e2, 1e6], [1e300, 2.0] * 4])
def test_how_wildly_the_loss_explodes_at_the_sweep_s_answer_hides_no_better_rate(wild):
    found = evidence([0.5, wild, wild])
    assert found.difference(RATES[1], RATES[0]).is_told
    assert moved(found) < -0.2


@pytest.mark.parametrize("start", [math.nan, 2.0, 0.1])
@pytest.mark.parametrize("noise", [0.0, 0.1])
@pytest.mark.parametrize(
    "levels", [(0.5, 0.5, 0.5), (0.5, 0.6, 0.7), (0.7, 0.6, 0.5), (0.5, None, None), (0.0, 0.0, 0.0)]
)
def test_the_interval_has_a_width_whatever_is_known_of_the_start_and_the_noise(start, noise, levels):
    posterior = evidence(levels, start=start, noise=noise).posterior
    assert posterior.low < posterior.lr < posterior.high


@pytest.mark.parametrize("levels", [(0.46, 0.48, 0.50), (0.43, 0.46, 0.49)])
def test_in_a_training_that_goes_on_a_lower_rate_is_not_preferred(levels):
    near_its_end = evidence(levels, start=0.5, noise=0.1)
    assert near_its_end.goes_on
    assert moved(near_its_end) >= 0
    assert near_its_end.next_rates(math.inf) == []
    from_scratch = evidence(levels, start=0.5, noise=0.001)
    assert not from_scratch.goes_on
    assert moved(from_scratch) < 0


def test_in_a_training_that_goes_on_a_lower_rate_is_preferred_if_the_loss_rises_at_the_answer():
    found = evidence([0.48, 1.5, 2.5], start=0.5, noise=0.1)
    assert not found.falls
    assert not found.goes_on
    assert moved(found) < -0.2


def test_a_training_that_is_known_to_be_fresh_may_move_down_however_noisy_it_is():
    assert moved(evidence([0.43, 0.46, 0.49], start=0.5, noise=0.1, resumed=True)) >= 0
    assert moved(evidence([0.43, 0.46, 0.49], start=0.5, noise=0.1, resumed=False)) < 0


def test_the_longer_the_training_the_lower_the_answer():
    answers = [evidence([0.9, 0.5, 0.4], train_steps=steps).posterior.lr for steps in (150, 500, 5000)]
    assert answers[0] > answers[1] > answers[2]
    assert answers[1] == evidence([0.9, 0.5, 0.4]).posterior.lr
    assert moved(evidence([0.5, 0.5, 0.5], train_steps=5000)) == 0.0


# -- which trial is next -----------------------------------------------------------------------------------------------


def test_the_first_trials_are_the_answer_and_one_above_it_unless_that_is_above_the_highest_rate():
    first = Evidence(answer=1e-2, trials={}, start=2.0, noise=0.0)
    assert first.next_rates(math.inf) == pytest.approx([RATES[1], RATES[2]])
    assert first.next_rates(1e-2) == pytest.approx([RATES[1], RATES[0]])


def test_a_lower_trial_is_next_if_nothing_is_gained_at_the_answer_and_above():
    found = Evidence(answer=RATES[1], trials=dict.fromkeys(RATES[1:], [2.0] * 8), start=2.0, noise=0.1)
    assert found.next_rates(math.inf) == pytest.approx([RATES[0]])
    assert attrs.evolve(found, start=3.0).next_rates(math.inf) == []
    assert evidence([2.0, 2.0, 2.0], noise=0.1).next_rates(math.inf) == []


@pytest.mark.parametrize("levels", [(0.9, 0.5, 0.9), (0.5, 0.5, 0.5), (0.5, 0.5, None), (0.499, 0.5, 0.9)])
def test_no_trial_follows_if_none_on_the_outside_stands_out(levels):
    assert evidence(levels).next_rates(math.inf) == []


def test_the_next_trial_lies_beyond_the_one_on_the_outside_that_stands_out():
    apart = 10**CONSTANTS.step
    assert evidence([0.9, 0.5, 0.2]).next_rates(math.inf) == pytest.approx([RATES[2] * apart])
    assert evidence([0.9, 0.5, 0.2]).next_rates(RATES[2]) == []
    assert evidence([0.2, 0.5, 0.9]).next_rates(math.inf) == pytest.approx([RATES[0] / apart])


def test_if_no_trial_stayed_finite_a_lower_rate_is_next():
    assert evidence([None, None, None]).next_rates(math.inf) == pytest.approx([RATES[0] / 10**CONSTANTS.step])


def test_there_are_never_more_than_four_trials_that_stay_finite():
    trials = {10.0**-k: [float(-k)] * 8 for k in range(CONSTANTS.most)}
    assert Evidence(answer=0.1, trials=trials, start=9.0, noise=0.0).next_rates(math.inf) == []
    del trials[1.0]
    assert Evidence(answer=0.1, trials=trials | {1.0: None}, start=9.0, noise=0.0).next_rates(math.inf) != []


def test_a_training_that_diverges_at_every_rate_is_tried_eight_times():
    found = Evidence(answer=0.1, trials={}, start=2.0, noise=0.0)
    while rates := found.next_rates(math.inf):
        found = attrs.evolve(found, trials={**found.trials, **dict.fromkeys(rates)})
    assert len(found.trials) == 8


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=5, unique=True), st.floats(0, 1))
def test_a_value_between_points_lies_between_their_values(xs, part):
    xs = sorted(xs)
    ys = [math.sin(3 * each) for each in xs]
    x = xs[0] + part * (xs[-1] - xs[0])
    value = interpolate(x, xs, ys)
    pairs = [(low, high) for (left, low), (right, high) in itertools.pairwise(zip(xs, ys, strict=True)) if left <= x]
    assert min(pairs[-1]) - 1e-9 <= value <= max(pairs[-1]) + 1e-9


@pytest.mark.parametrize(
    ("x", "value"), [(-2.0, 3.0), (-1.0, 2.0), (0.0, 1.0), (1.0, 0.0), (2.0, 2.0), (3.0, 4.0), (4.0, 6.0)]
)
def test_beyond_the_points_the_line_goes_on_where_it_rises_outwards(x, value):
    assert interpolate(x, [0.0, 1.0, 3.0], [1.0, 0.0, 4.0]) == pytest.approx(value)


@pytest.mark.parametrize(("x", "value"), [(-2.0, 0.0), (5.0, 1.0)])
def test_beyond_the_points_the_value_stays_where_the_line_falls_outwards(x, value):
    assert interpolate(x, [0.0, 1.0, 3.0], [0.0, 2.0, 1.0]) == value
