"""Confirmation as the training sees it: short runs at a few rates, each from the same start, within a budget."""

import itertools
import math
import statistics
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrrange import LRRangeError, StopReason, Sweep, find_lr, hookimpl
from lrrange.errors import NoData, NoSuggestion, PlanError
from lrrange.finder.trials import check_budget
from tests.core.strategies import Landscape, landscapes
from tests.core.training import Loop, OwnLoop, SeededLoop

LANDSCAPE = Landscape(noise=0.02)


class Watched(Loop):
    """A training that separates its steps into runs, by the snapshots between them."""

    @property
    def runs(self):
        """The rates of each run: first the sweep, then every trial."""
        stretches = groupby(self.log, key=lambda entry: isinstance(entry, float))
        return [list(rates) for are_rates, rates in stretches if are_rates]


class BlowsUpAbove(Watched):
    """A training that diverges if it stays at a rate above `limit`, which a sweep passes in a step or two."""

    def __init__(self, limit):
        super().__init__(LANDSCAPE)
        self.limit = limit

    def step(self, lr):
        loss = super().step(lr)
        stays = self.rates[-5:] == [lr] * 5
        return math.nan if stays and lr > self.limit else loss


def confirmed(target=None, **arguments):
    return find_lr(target or Watched(LANDSCAPE), confirm=True, **arguments)


@given(st.integers(90, 3000), landscapes(noise=0.05))
def test_the_trials_take_no_more_steps_than_their_budget(budget, landscape):
    target = Watched(landscape)
    result = confirmed(target, confirm_steps=budget)
    taken = len(target.rates) - len(result.curve)
    assert taken <= budget
    assert taken == result.confirmation.steps
    assert result.provenance.steps_run == len(target.rates)


def test_the_trials_use_most_of_their_budget():
    assert confirmed(confirm_steps=900).confirmation.steps > 800


def test_each_trial_stays_at_one_rate():
    target = Watched(LANDSCAPE)
    result = confirmed(target)
    assert [(set(rates), len(rates)) for rates in target.runs[1:]] == [
        ({trial.lr}, trial.steps) for trial in result.confirmation.trials
    ]


def test_each_trial_starts_from_the_state_before_the_sweep_and_everything_is_restored():
    starts = []

    class RecordsStarts(Watched):
        def snapshot(self):
            starts.append(self.state)
            return super().snapshot()

    target = RecordsStarts(LANDSCAPE)
    before = target.state
    confirmed(target)
    assert len(starts) > 5
    assert set(starts) == {before}
    assert target.state == before


def test_each_trial_uses_the_seed_of_the_sweep():
    target = SeededLoop(LANDSCAPE)
    confirmed(target, seed=5)
    seeds = [entry for entry in target.log if str(entry).startswith("seed")]
    assert set(seeds) == {"seed 5"}
    assert len(seeds) == target.log.count("snapshot")


def test_rates_on_both_sides_of_the_answer_are_tried_and_the_better_two_for_longer():
    result = confirmed()
    trials = result.confirmation.trials
    short = [trial for trial in trials if trial.steps == trials[0].steps]
    long = [trial for trial in trials if trial.steps > trials[0].steps]
    rates = [trial.lr for trial in short]
    assert min(rates) < result.chosen.lr < max(rates)
    steps = [math.log10(after / before) for before, after in itertools.pairwise(rates)]
    assert steps == pytest.approx([0.5] * 4)
    best_two = sorted(short, key=lambda trial: trial.loss)[:2]
    assert sorted(trial.lr for trial in long) == sorted(trial.lr for trial in best_two)
    assert result.confirmation.steps == sum(trial.steps for trial in trials)


def test_without_held_out_data_a_trial_s_loss_is_the_mean_of_its_second_half():
    class RecordsLosses(Watched):
        losses = ()

        def step(self, lr):
            loss = super().step(lr)
            self.losses = (*self.losses, loss)
            return loss

    target = RecordsLosses(LANDSCAPE)
    result = confirmed(target)
    last = result.confirmation.trials[-1]
    assert result.confirmation.held_out is False
    assert last.loss == pytest.approx(statistics.fmean(target.losses[-math.ceil(last.steps / 2) :]))


@given(landscapes(noise=0.02))
def test_the_interval_contains_the_answer_and_the_best_rate_tried(landscape):
    confirmation = confirmed(Watched(landscape)).confirmation
    best = confirmation.best
    finalists = confirmation.trials[-2:]
    assert best.loss == min(trial.loss for trial in finalists)
    assert confirmation.low <= best.lr <= confirmation.high
    assert confirmation.low <= confirmation.lr <= confirmation.high


@pytest.mark.parametrize(("best", "moves"), [(-2.4, 1), (-3.4, -1)])
def test_the_answer_moves_from_the_sweep_s_answer_towards_the_rate_that_trains_best(best, moves):
    class Prefers(Watched):
        def step(self, lr):
            loss = super().step(lr)
            stays = self.rates[-3:] == [lr] * 3
            return 0.3 + 0.5 * abs(math.log10(lr) - best) if stays else loss

    result = confirmed(Prefers(LANDSCAPE))
    assert math.log10(result.chosen.lr) == pytest.approx(-2.85, abs=0.15)
    assert (result.lr - result.chosen.lr) * moves > 0
    assert math.log10(result.confirmation.best.lr) == pytest.approx(best, abs=0.3)


def test_the_answer_of_the_result_is_the_confirmed_one():
    result = confirmed()
    confirmation = result.confirmation
    assert (result.lr, result.low, result.high) == (confirmation.lr, confirmation.low, confirmation.high)
    assert (result.range.max_lr, result.range.rule) == (confirmation.max_lr, "confirmed")
    assert result.range.base_lr <= result.range.max_lr / 4
    assert result.range_by("smith").rule == "smith"


@pytest.mark.parametrize("limit", [1e-3, 1e-2])
def test_a_rate_at_which_a_trial_diverges_is_not_confirmed(limit):
    result = confirmed(BlowsUpAbove(limit))
    blown_up = [trial for trial in result.confirmation.trials if trial.lr > limit]
    assert blown_up
    assert all(trial.loss == math.inf for trial in blown_up)
    assert result.confirmation.best.lr <= limit


def test_a_trial_that_diverges_ends_at_that_step():
    trials = confirmed(BlowsUpAbove(1e-2)).confirmation.trials
    assert {trial.steps for trial in trials if trial.loss == math.inf} == {5}


def test_if_every_rate_diverges_confirmation_is_refused_for_that_reason():
    target = BlowsUpAbove(0.0)
    before = target.state
    with pytest.raises(NoSuggestion, match="at every rate from .* the loss became infinite or NaN") as caught:
        confirmed(target)
    assert caught.value.start_lr < caught.value.end_lr
    assert target.state == before


def test_data_that_run_out_in_a_trial_are_an_error():
    swept = len(find_lr(Loop(LANDSCAPE)).curve)
    with pytest.raises(NoData, match="the data ran out after 20 of 72 steps of a trial") as caught:
        confirmed(Loop(LANDSCAPE, batches=swept + 20))
    assert caught.value.steps_run == 20


def test_trials_are_judged_by_the_held_out_loss_if_there_is_one():
    class HeldOut(Watched):
        evaluated = ()

        def evaluate(self):
            self.evaluated = (*self.evaluated, len(self.runs[-1]))
            return abs(math.log10(self.rates[-1]) + 3.4)

    target = HeldOut(LANDSCAPE)
    confirmation = confirmed(target).confirmation
    assert confirmation.held_out is True
    assert list(target.evaluated) == [trial.steps for trial in confirmation.trials]
    assert [trial.loss for trial in confirmation.trials] == [
        abs(math.log10(trial.lr) + 3.4) for trial in confirmation.trials
    ]


def test_a_held_out_loss_that_is_not_finite_counts_as_infinite():
    class HeldOut(Watched):
        def evaluate(self):
            return math.nan if self.rates[-1] > 1e-3 else 1.0

    confirmation = confirmed(HeldOut(LANDSCAPE)).confirmation
    assert {trial.loss for trial in confirmation.trials if trial.lr > 1e-3} == {math.inf}


def test_an_error_of_the_held_out_evaluation_passes_through_and_everything_is_restored():
    class HeldOut(Watched):
        def evaluate(self):
            raise RuntimeError("no such file")

    target = HeldOut(LANDSCAPE)
    before = target.state
    with pytest.raises(RuntimeError, match="no such file"):
        confirmed(target)
    assert target.state == before


def test_no_rate_above_the_end_of_the_sweep_is_tried():
    low_end = Landscape(noise=0.02, fall=-4.5, blow_up=-2.5)
    result = confirmed(Watched(low_end), end_lr=1e-2)
    assert max(trial.lr for trial in result.confirmation.trials) <= 1e-2


def test_a_sweep_without_an_answer_is_not_confirmed():
    target = Watched(Landscape(fall=math.inf, blow_up=math.inf, noise=0.02))
    result = confirmed(target)
    assert result.confirmation is None
    assert len(target.rates) == len(result.curve)
    with pytest.raises(LRRangeError):
        _ = result.lr


def test_without_confirm_there_is_no_confirmation():
    assert find_lr(Loop(LANDSCAPE)).confirmation is None


def test_a_driver_that_owns_its_loop_can_be_confirmed():
    target = OwnLoop(LANDSCAPE)
    before = target.state
    result = confirmed(target, confirm_steps=200)
    assert result.confirmation.steps <= 200
    assert target.state == before


def test_watchers_are_called_for_the_sweep_and_not_for_the_trials():
    points = []

    class RecordsPoints:
        @hookimpl
        def lrrange_advanced(self, point):
            points.append(point)

        @hookimpl
        def lrrange_started(self, sweep):
            assert type(sweep) is Sweep

    result = find_lr(Loop(LANDSCAPE), confirm=True, watchers=[RecordsPoints()])
    assert [point.lr for point in points] == list(result.curve.lr)


def test_the_answer_of_another_heuristic_is_not_confirmed():
    result = confirmed()
    other = result.with_heuristic("steepest")
    assert other.confirmation is None
    assert other.lr != result.lr


def test_a_best_rate_at_the_edge_of_the_tried_rates_is_not_a_confident_answer():
    class Prefers(Watched):
        def step(self, lr):
            loss = super().step(lr)
            return 1.0 - 0.1 * math.log10(lr) if self.rates[-3:] == [lr] * 3 else loss

    verdict = confirmed(Prefers(LANDSCAPE)).verdict
    assert not verdict.confident
    assert "highest rate tried" in str(verdict)


@pytest.mark.parametrize("budget", [89, 10, 1])
def test_a_budget_below_ten_steps_for_the_shortest_trial_is_refused_with_its_number(budget):
    with pytest.raises(PlanError, match="Give 90 or more") as caught:
        check_budget(budget)
    assert caught.value.confirm_steps == budget


def test_the_smallest_budget_is_enough():
    check_budget(90)
    assert confirmed(confirm_steps=90).confirmation.steps <= 90


def test_confirmation_does_not_change_the_sweep_before_it():
    without, with_trials = find_lr(Loop(LANDSCAPE)), confirmed(Loop(LANDSCAPE))
    assert with_trials.curve == without.curve
    assert with_trials.stop_reason is without.stop_reason is StopReason.DIVERGED
