"""Confirmation as the training sees it: short runs at a few rates, each from the same start, within a budget."""

import math
import random
import statistics
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrrange import LRRangeError, StopReason, Sweep, find_lr, hookimpl
from lrrange.errors import NoData, NoSuggestion, PlanError
from lrrange.finder.trials import check_budget
from tests.core.strategies import Landscape, landscapes
from tests.core.training import Late, Loop, OwnLoop, SeededLoop

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


class Trains(Watched):
    """A training whose trials reach losses of their own, with a noise of the batch and one of the run.

    Args:
        reached: returns the loss at a rate, given log10 of it.
        batch_noise: standard deviation of the noise that all trials share, step by step.
        own_noise: standard deviation of the noise of each trial alone.
        seed: of both.
    """

    def __init__(self, reached, *, batch_noise=0.0, own_noise=0.0, seed=0):
        super().__init__(Landscape(noise=0.02, seed=seed))
        self.reached, self.batch_noise, self.own_noise, self.noise_seed = reached, batch_noise, own_noise, seed

    def step(self, lr):
        loss = super().step(lr)
        if self.rates[-3:] != [lr] * 3:
            return loss  # of the sweep, or of the first two steps of a trial
        number = len(self.runs[-1])
        shared, own = random.Random(f"{self.noise_seed} {number}"), random.Random(f"{self.noise_seed} {number} {lr}")
        return self.reached(math.log10(lr)) + shared.gauss(0, self.batch_noise) + own.gauss(0, self.own_noise)


def valley(best, floor=0.3, depth=0.5):
    """Return a loss that rises by `depth` a decade on both sides of the best rate, given as log10."""
    return lambda x: floor + depth * abs(x - best)


def moved(result):
    """Return how far confirmation has moved the answer, in decades."""
    return math.log10(result.lr / result.chosen.lr)


@given(st.integers(90, 3000), landscapes(noise=0.05))
def test_the_trials_take_no_more_steps_than_their_budget(budget, landscape):
    target = Watched(landscape)
    result = confirmed(target, confirm_steps=budget, num_steps=200)
    taken = len(target.rates) - len(result.curve)
    assert taken <= budget
    assert taken == result.confirmation.steps
    assert result.provenance.steps_run == len(target.rates)


@pytest.mark.parametrize("budget", [90, 91, 92, 93, 500])
@pytest.mark.parametrize("best", [-1.5, -2.85, -4.5])
def test_the_step_for_the_held_out_loss_at_the_start_is_within_the_budget_too(budget, best):
    class HeldOut(Watched):
        def evaluate(self):
            return abs(math.log10(self.rates[-1]) - best)

    target = HeldOut(LANDSCAPE)
    result = confirmed(target, confirm_steps=budget)
    taken = len(target.rates) - len(result.curve)
    assert taken == result.confirmation.steps + 1 <= budget
    assert result.provenance.steps_run == len(target.rates)


def steps_from_the_answer(result):
    """Return how many steps each trial lies above the sweep's answer, in the order they ran."""
    return [round(math.log10(trial.lr / result.chosen.lr) / 0.6) for trial in result.confirmation.trials]


@pytest.mark.parametrize(
    ("reached", "rates"),
    [
        pytest.param(lambda _: 0.4, [0, 1], id="alike: two are enough"),
        pytest.param(valley(-2.85), [0, 1, -1], id="the answer is best: one below shows it"),
        pytest.param(valley(-2.25), [0, 1, 2], id="the one above is best: none below is needed"),
        pytest.param(valley(-1.5), [0, 1, 2, 3], id="far above: four, the most"),
        pytest.param(valley(-4.5), [0, 1, -1, -2], id="far below: four, the most"),
    ],
)
def test_trials_are_added_on_the_better_side_until_the_best_one_is_between_others(reached, rates):
    target = Trains(reached)
    result = confirmed(target)
    assert steps_from_the_answer(result) == rates
    assert [trial.steps for trial in result.confirmation.trials] == [124] * len(rates)
    assert len(target.rates) - len(result.curve) == 124 * len(rates)


def test_two_trials_are_enough_if_they_cannot_be_told_apart():
    result = confirmed(Trains(lambda _: 0.4, own_noise=0.1))
    assert steps_from_the_answer(result) == [0, 1]
    assert result.confirmation.steps == 248


def test_a_lower_rate_is_tried_if_neither_of_the_first_two_gains_anything():
    result = confirmed(Trains(lambda x: 2.3 if x > -2.3 else 0.5), divergence=None, heuristic=lambda _: 1e-2)
    assert steps_from_the_answer(result)[:3] == [0, 1, -1]
    assert result.confirmation.falls
    assert moved(result) < -0.3


@pytest.mark.parametrize(("train_steps", "steps"), [(None, 124), (1000, 124), (60, 60), (22, 22), (5, 22)])
def test_no_trial_is_longer_than_the_training_unless_that_is_too_short_to_compare(train_steps, steps):
    target = Trains(valley(-2.85))
    result = confirmed(target, train_steps=train_steps)
    assert {trial.steps for trial in result.confirmation.trials} == {steps}
    assert {len(rates) for rates in target.runs[1:]} == {steps}


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
    assert len(starts) >= 4
    assert set(starts) == {before}
    assert target.state == before


def test_each_trial_uses_the_seed_of_the_sweep():
    target = SeededLoop(LANDSCAPE)
    confirmed(target, seed=5)
    seeds = [entry for entry in target.log if str(entry).startswith("seed")]
    assert set(seeds) == {"seed 5"}
    assert len(seeds) == target.log.count("snapshot")


def test_the_first_two_rates_are_the_answer_and_one_above_it():
    result = confirmed()
    rates = [trial.lr for trial in result.confirmation.trials[:2]]
    assert rates[0] == result.chosen.lr
    assert math.log10(rates[1] / rates[0]) == pytest.approx(0.6)


def test_without_held_out_data_a_trial_s_loss_is_the_mean_of_its_last_48_of_124_steps():
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
    assert last.loss == pytest.approx(statistics.fmean(target.losses[-48:]))


@given(landscapes(noise=0.02))
def test_the_interval_contains_the_answer_and_every_rate_that_cannot_be_told_from_the_best(landscape):
    confirmation = confirmed(Watched(landscape)).confirmation
    assert confirmation.best.loss == min(trial.loss for trial in confirmation.trials)
    assert confirmation.low < confirmation.lr < confirmation.high
    for trial in confirmation.trials:
        if not trial.is_told_apart:
            assert confirmation.low <= trial.lr <= confirmation.high


# -- where the answer moves --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("best", "moves"), [(-1.9, 1), (-3.9, -1)])
@pytest.mark.parametrize("batch_noise", [0.0, 0.3])
def test_the_answer_moves_towards_the_rate_that_trains_best_and_not_beyond_it(best, moves, batch_noise):
    result = confirmed(Trains(valley(best), batch_noise=batch_noise), num_steps=200)
    assert math.log10(result.chosen.lr) == pytest.approx(-2.85, abs=0.15)
    assert moves * moved(result) > 0.2
    assert abs(math.log10(result.lr) - best) < abs(math.log10(result.chosen.lr) - best)
    assert math.log10(result.confirmation.best.lr) == pytest.approx(best, abs=0.3)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("noise", [{"batch_noise": 0.5}, {"own_noise": 0.5}, {"batch_noise": 0.5, "own_noise": 0.05}])
def test_differences_within_their_error_move_nothing(seed, noise):
    result = confirmed(Trains(lambda _: 0.4, seed=seed, **noise))
    reference = next(trial for trial in result.confirmation.trials if trial.lr == result.chosen.lr)
    told = [trial.lr for trial in result.confirmation.trials if trial.is_told_apart]
    if not told and reference is result.confirmation.best:
        assert moved(result) == 0.0
        assert result.lr == result.chosen.lr
    assert abs(moved(result)) < 0.2  # at 95 % confidence, a few differences of pure noise are larger than their error
    assert result.low < result.lr < result.high


def test_noise_of_the_batches_alone_hides_no_difference():
    quiet, noisy = (confirmed(Trains(valley(-1.9), batch_noise=noise)) for noise in (0.0, 0.5))
    assert moved(noisy) > 0.8 * moved(quiet)


def test_the_noisier_the_difference_the_less_the_answer_moves():
    moves = [moved(confirmed(Trains(valley(-1.9, depth=0.1), own_noise=noise))) for noise in (0.0, 0.15, 2.0)]
    assert moves[0] > moves[1] >= moves[2] >= 0


def test_a_constant_loss_moves_nothing():
    result = confirmed(Trains(lambda _: 2.3))
    assert moved(result) == 0.0
    assert not result.confirmation.told_apart
    assert result.low < result.lr < result.high


class GoesOn(Loop):
    """A training near its minimum: a sweep only shows where the loss blows up, and short runs favour low rates."""

    def step(self, lr):
        loss = super().step(lr)
        return loss - 0.003 if self.rates[-3:] == [lr] * 3 and lr < self.best_below else loss

    def __init__(self, best_below, seed=0):
        super().__init__(Landscape(top=0.5, drop=0.05, fall=-9.0, blow_up=-1.0, steepness=12.0, noise=0.4, seed=seed))
        self.best_below = best_below

    def loss(self, lr):
        return self.landscape.at(lr) + self.random.gauss(0.0, 0.02)


@pytest.mark.parametrize("seed", range(12))
def test_a_training_that_goes_on_does_not_move_down_because_short_runs_favour_low_rates(seed):
    answer = 1e-2
    result = confirmed(GoesOn(answer / 2, seed), heuristic=lambda _: answer)
    trials = result.confirmation.trials
    assert result.confirmation.best.lr == min(trial.lr for trial in trials)
    assert trials[1].is_told_apart  # the lower rate is better for certain
    assert moved(result) >= 0
    assert not result.confirmation.falls
    assert "as in a training that is nearly done" in str(result.verdict)


def test_a_training_that_goes_on_moves_down_if_its_loss_rises_at_the_answer():
    result = confirmed(GoesOn(0.0), heuristic=lambda _: 0.2, divergence=None)
    assert moved(result) < -0.2


def test_where_no_trial_falls_below_the_start_nothing_is_divided_by_a_drop_of_zero():
    class OnlyRises(Loop):
        def loss(self, lr):
            return 0.5 + max(0.0, math.log10(lr) + 4)

    result = confirmed(OnlyRises(), heuristic=lambda _: 1e-2, divergence=None)
    assert result.curve.drop == pytest.approx(0.0, abs=1e-9)
    assert moved(result) < 0
    assert result.low < result.lr < result.high


def test_the_same_training_gives_the_same_confirmation():
    one, other = (confirmed(Trains(valley(-2), batch_noise=0.1, own_noise=0.05), seed=None) for _ in range(2))
    assert one.confirmation == other.confirmation


# -- what is stored of them --------------------------------------------------------------------------------------------


def test_each_trial_knows_its_difference_from_the_best_and_the_error_of_that():
    result = confirmed(Trains(valley(-2.8), batch_noise=0.5, own_noise=0.01))
    best, *others = sorted(result.confirmation.trials, key=lambda trial: trial.loss)
    assert (best.difference, best.error, best.is_told_apart) == (0.0, 0.0, False)
    for trial in others:
        assert trial.difference == pytest.approx(trial.loss - best.loss)
        assert 0 < trial.error < 0.02  # though a batch has a noise of 0.5
        assert trial.is_told_apart


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


def test_trials_that_diverge_at_once_leave_steps_for_lower_rates():
    result = confirmed(BlowsUpAbove(3e-5))
    assert [trial.loss == math.inf for trial in result.confirmation.trials[:4]] == [True] * 4
    assert result.lr < 3e-5
    assert result.confirmation.steps <= 500


def test_if_every_rate_diverges_confirmation_is_refused_for_that_reason():
    target = BlowsUpAbove(0.0)
    before = target.state
    with pytest.raises(NoSuggestion, match="at every rate from .* the loss became infinite or NaN") as caught:
        confirmed(target)
    assert caught.value.start_lr < caught.value.end_lr
    assert target.state == before


def test_data_that_run_out_in_a_trial_are_an_error():
    swept = len(find_lr(Loop(LANDSCAPE)).curve)
    with pytest.raises(NoData, match="the data ran out after 20 of 124 steps of a trial") as caught:
        confirmed(Loop(LANDSCAPE, batches=swept + 20))
    assert caught.value.steps_run == 20


def test_trials_are_judged_by_the_held_out_loss_if_there_is_one():
    class HeldOut(Watched):
        evaluated = ()

        def evaluate(self):
            self.evaluated = (*self.evaluated, len(self.runs[-1]))
            return abs(math.log10(self.rates[-1]) + 3.4)

    target = HeldOut(LANDSCAPE)
    result = confirmed(target)
    confirmation = result.confirmation
    assert confirmation.held_out is True
    assert list(target.evaluated) == [88, 100, 112, 124] * 2 + [1] + [88, 100, 112, 124] * (
        len(confirmation.trials) - 2
    )
    assert [trial.loss for trial in confirmation.trials] == pytest.approx([
        abs(math.log10(trial.lr) + 3.4) for trial in confirmation.trials
    ])  # fmt: skip
    assert moved(result) < 0


def test_losses_that_arrive_late_are_awaited_before_the_held_out_loss_is_measured():
    class LateHeldOut(Watched):
        evaluated = ()

        def step(self, lr):
            return Late(super().step(lr))

        def evaluate(self):
            self.evaluated = (*self.evaluated, len(self.runs[-1]))
            return abs(math.log10(self.rates[-1]) + 3.4)

    target = LateHeldOut(LANDSCAPE)
    confirmed(target)
    assert list(target.evaluated)[:9] == [88, 100, 112, 124] * 2 + [1]


def test_a_held_out_loss_that_differs_by_less_than_it_varies_moves_nothing():
    class HeldOut(Watched):
        def evaluate(self):
            return 1.0 + random.Random(f"{self.rates[-1]} {len(self.runs[-1])}").gauss(0, 0.1)

    result = confirmed(HeldOut(LANDSCAPE))
    assert not result.confirmation.told_apart
    assert moved(result) == 0.0
    assert "differ by less than their errors: give more confirm_steps" in str(result.verdict)
    assert "confirm_steps=992" in result.verdict.ways  # four runs, each twice as long


@pytest.mark.parametrize(("held_out", "instead"), [(False, ", so give held-out data"), (True, "")])
def test_longer_trials_are_no_way_out_if_they_are_as_long_as_the_training(held_out, instead):
    target = Trains(lambda _: 0.4, own_noise=0.1)
    if held_out:
        target.evaluate = lambda: 1.0 + random.Random(f"{target.rates[-1]} {len(target.rates)}").gauss(0, 0.1)
    result = confirmed(target, train_steps=60)
    assert result.confirmation.whole
    assert f"differ by less than their errors: the trials are as long as the training{instead}" in str(result.verdict)
    assert not any("confirm_steps" in way for way in result.verdict.ways)
    assert not confirmed(Trains(lambda _: 0.4, own_noise=0.1), train_steps=125).confirmation.whole


def test_a_training_that_has_no_held_out_data_after_all_is_judged_by_its_training_loss():
    class NoHeldOut(Watched):
        calls = 0

        def evaluate(self):
            self.calls += 1

    target = NoHeldOut(LANDSCAPE)
    confirmation = confirmed(target).confirmation
    assert confirmation == confirmed(Watched(LANDSCAPE)).confirmation
    assert target.calls == len(confirmation.trials)


def test_a_held_out_loss_that_is_not_finite_counts_as_infinite():
    class HeldOut(Watched):
        def evaluate(self):
            return math.nan if self.rates[-1] > 1e-3 else 1.0

    confirmation = confirmed(HeldOut(LANDSCAPE)).confirmation
    assert {trial.loss for trial in confirmation.trials if trial.lr > 1e-3} == {math.inf}


def test_an_interrupted_trial_confirms_nothing():
    class Interrupted(OwnLoop):
        def run(self, sweep):
            self.batches = 30 if sweep.plan.num_steps == 124 else None
            super().run(sweep)

    target = Interrupted(LANDSCAPE, ends=StopReason.INTERRUPTED)
    before = target.state
    with pytest.raises(NoSuggestion, match="was interrupted after 30 of 124 steps: nothing is confirmed"):
        confirmed(target)
    assert target.state == before


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
    result = confirmed(target, num_steps=200)
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
