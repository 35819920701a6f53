"""Several sweeps as one curve with a band."""

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrrange import StopReason, Suggestion, Sweep, SweepPlan, find_lr
from lrrange.advice.heuristics import steepest
from lrrange.sweep.repeats import band, common_reason, median_curve
from tests.core.strategies import PLAN, Landscape, finite_losses, replay
from tests.core.training import Loop, SeededLoop, SeededOwnLoop

SHORT = SweepPlan(start_lr=1e-3, end_lr=1.0, num_steps=6)


def swept(readings, plan=SHORT, closed=StopReason.DATA_EXHAUSTED):
    """Return an ended sweep with these losses."""
    sweep = replay(Sweep(plan, divergence=None), readings)
    if sweep.running:
        sweep.close(closed)
    return sweep


def median_of(sweeps):
    """Return the curve of the median of these sweeps."""
    return median_curve([sweep.curve for sweep in sweeps], [sweep.stop_reason for sweep in sweeps], "none")


@given(st.lists(st.lists(finite_losses, min_size=6, max_size=6), min_size=1, max_size=5))
def test_the_loss_at_each_rate_is_the_median_of_the_sweeps(readings):
    curve = median_of([swept(losses) for losses in readings])
    assert curve.lr == SHORT.rates
    assert curve.loss == tuple(map(statistics.median_high, zip(*readings, strict=True)))


def test_a_sweep_that_blew_up_counts_as_infinitely_high_at_the_rates_it_did_not_reach():
    blown_up = swept([1.0, 1.0, *[math.nan] * 3])
    calm = swept([2.0] * 6)
    assert blown_up.stop_reason is StopReason.NON_FINITE
    assert len(median_of([calm, calm, blown_up])) == 6
    assert len(median_of([calm, blown_up, blown_up])) == 5


def test_a_sweep_whose_data_ran_out_does_not_count_at_the_rates_it_did_not_reach():
    assert median_of([swept([1.0] * 6), swept([3.0] * 2), swept([3.0] * 2)]).loss == (3.0, 3.0, 1, 1, 1, 1)


@pytest.mark.parametrize("reading", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("sweeps", [2, 3])
def test_a_loss_that_is_not_finite_is_a_gap_in_its_sweep_but_not_in_the_median(reading, sweeps):
    with_gap = swept([1.0, 1.0, reading, 1.0, 1.0, 1.0])
    curve = median_of([with_gap, *[swept([1.0] * 6)] * (sweeps - 1)])
    assert curve.loss == (1.0,) * 6


def test_where_no_sweep_has_a_finite_loss_the_median_has_a_gap():
    with_gap = swept([1.0, 1.0, math.nan, 1.0, 1.0, 1.0])
    curve = median_of([with_gap, with_gap])
    assert math.isnan(curve.loss[2])
    assert len(curve) == 6


def test_the_common_reason_is_the_one_of_most_sweeps():
    ended = {reason: swept([1.0], closed=reason) for reason in (StopReason.DATA_EXHAUSTED, StopReason.INTERRUPTED)}
    few, many = ended.values()
    assert common_reason([each.stop_reason for each in (few, many, many)]) is many.stop_reason
    assert common_reason([few.stop_reason, many.stop_reason]) is few.stop_reason


def test_the_band_is_the_lowest_and_highest_smoothed_loss_that_any_sweep_reached():
    curves = [swept(readings).curve for readings in ([1.0] * 6, [3.0] * 4, [2.0, math.nan, 2.0])]
    assert band(curves) == ((1.0,) * 6, (3.0, 3.0, 3.0, 3.0, 1.0, 1.0))
    assert band([]) == ((), ())


def test_a_band_has_a_gap_where_no_sweep_has_a_finite_loss():
    low, high = band([swept([1.0, math.nan, 1.0]).curve])
    assert math.isnan(low[1])
    assert math.isnan(high[1])


@pytest.mark.parametrize("training", [SeededLoop, SeededOwnLoop])
def test_repeats_are_sweeps_of_other_seeds_from_the_same_start(training):
    target = training(Landscape(noise=0.1))
    before = target.state
    result = find_lr(target, repeats=3, seed=4)
    log = (target.loop if training is SeededOwnLoop else target).log
    assert [entry for entry in log if str(entry).startswith("seed")] == ["seed 4", "seed 5", "seed 6"]
    assert len({curve.loss for curve in result.sweeps}) == 3
    assert result.provenance.steps_run == sum(map(len, result.sweeps))
    assert target.state == before


def test_the_curve_of_a_repeated_test_is_the_median_of_its_sweeps():
    result = find_lr(SeededLoop(Landscape(noise=0.1)), repeats=5, seed=0, divergence=None)
    medians = tuple(map(statistics.median, zip(*(curve.loss for curve in result.sweeps), strict=True)))
    assert result.curve.loss == medians


def test_one_sweep_alone_is_not_listed_again():
    assert find_lr(Loop()).sweeps == ()


def test_the_interval_spans_the_answers_to_each_sweep_and_to_halves_of_their_median():
    result = find_lr(SeededLoop(Landscape(noise=0.03)), repeats=5, seed=0, heuristic="steepest", num_steps=200)
    target, options = SeededLoop(Landscape(noise=0.03)), {"heuristic": "steepest", "num_steps": 200}
    single = [find_lr(target, seed=seed, **options).lr for seed in range(5)]
    halves = [steepest(half).lr for half in result.curve.halves]
    assert result.low == min([result.lr, *single, *halves])
    assert result.high == max([result.lr, *single, *halves])


def test_repeats_find_a_fall_that_noise_hides_from_one_sweep():
    """The noise of the median of nine sweeps is about a third."""
    landscape = Landscape(noise=1.0, blow_up=math.inf, fall=-4.0)
    single = find_lr(SeededLoop(landscape), seed=1, end_lr=1.0)
    nine = find_lr(SeededLoop(landscape), seed=1, end_lr=1.0, repeats=9)
    assert nine.curve.noise < single.curve.noise / 2
    assert isinstance(nine.chosen, Suggestion)


def test_every_repeat_starts_from_weights_of_reset_and_the_old_ones_are_put_back():
    target, starts = SeededLoop(), []
    before = target.state

    def reset():
        target.weights = 100.0 * (1 + len(starts))
        starts.append(target.weights)

    find_lr(target, repeats=3, seed=0, reset=reset, num_steps=200)
    assert starts == [100.0, 200.0]
    assert target.state == before


def test_equal_plans_are_swept_in_every_repeat():
    assert find_lr(SeededLoop(), repeats=2, seed=0, num_steps=200).plan == PLAN
