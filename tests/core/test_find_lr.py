"""The front door over trainings without a framework: what it refuses, what it puts back, what it returns."""

import itertools
import json
import math
import signal

import pytest

from lrrange import Divergence, LRRangeError, StopReason, Suggestion, find_lr, hookimpl
from lrrange.errors import BackendNotFound, LossError, OptionError, PlanError, TargetError, UnknownName
from tests.core.strategies import Landscape
from tests.core.training import Loop, OwnLoop, SeededLoop, SeededOwnLoop

TRAININGS = [Loop, OwnLoop]


def steps_of(target):
    return len((target.loop if isinstance(target, OwnLoop) else target).rates)


class Raises:
    """A watcher that raises at this step."""

    def __init__(self, error, step):
        self.error, self.step = error, step

    @hookimpl
    def lrrange_advanced(self, point):
        if point.step == self.step:
            raise self.error


class Listens:
    """A watcher that writes down what it hears."""

    def __init__(self):
        self.heard = []

    @hookimpl
    def lrrange_started(self, plan, sweep):
        self.heard.append(("started", plan, len(sweep.points)))

    @hookimpl
    def lrrange_advanced(self, point, sweep):
        self.heard.append(("advanced", point.step, len(sweep.points)))

    @hookimpl
    def lrrange_finished(self, sweep):
        self.heard.append(("finished", sweep.stop_reason, len(sweep.points)))


@pytest.mark.parametrize("training", TRAININGS)
def test_a_training_is_swept_and_answered(training):
    target = training(Landscape(noise=0.02))
    result = find_lr(target)
    assert result.stop_reason is StopReason.DIVERGED
    assert math.log10(result.lr) == pytest.approx(-2.9, abs=0.2)
    assert result.range.base_lr < result.lr < result.range.max_lr
    assert result.provenance.backend == training.__name__
    assert len(result.curve) == result.provenance.steps_run == steps_of(target)


@pytest.mark.parametrize("training", TRAININGS)
def test_everything_is_back_after_a_sweep(training):
    target = training()
    before = target.state
    find_lr(target)
    assert target.state == before


@pytest.mark.parametrize("training", TRAININGS)
@pytest.mark.parametrize("error", [RuntimeError("out of memory"), KeyboardInterrupt(), SystemExit(3)])
@pytest.mark.parametrize("step", [0, 7])
def test_what_is_raised_in_the_middle_passes_through_and_everything_is_back(training, error, step):
    target = training()
    before = target.state
    with pytest.raises(type(error)) as caught:
        find_lr(target, watchers=[Raises(error, step)])
    assert caught.value is error
    assert target.state == before
    assert steps_of(target) == step + 1


def test_a_training_step_that_raises_is_restored_too():
    class Fails(Loop):
        def step(self, lr):
            loss = super().step(lr)
            if len(self.rates) == 5:
                raise RuntimeError("out of memory")
            return loss

    target = Fails()
    before = target.state
    with pytest.raises(RuntimeError, match="out of memory"):
        find_lr(target)
    assert target.state == before
    assert target.log[-1] == "restore"


def test_a_loss_that_is_no_number_ends_the_sweep_with_a_reason_and_everything_is_back():
    class Forgets(Loop):
        def step(self, lr):
            super().step(lr)

    target = Forgets()
    before = target.state
    with pytest.raises(LossError, match="returned None"):
        find_lr(target)
    assert target.state == before


def test_ctrl_c_ends_the_sweep_as_interrupted():
    watcher = Listens()
    with pytest.raises(KeyboardInterrupt):
        find_lr(Loop(), watchers=[Raises(KeyboardInterrupt(), 5), watcher])
    assert watcher.heard[-1] == ("finished", StopReason.INTERRUPTED, 6)


def test_a_real_ctrl_c_during_a_step_does_too():
    class Interrupted(Loop):
        def step(self, lr):
            loss = super().step(lr)
            if len(self.rates) == 5:
                signal.raise_signal(signal.SIGINT)
            return loss

    target, watcher = Interrupted(), Listens()
    before = target.state
    with pytest.raises(KeyboardInterrupt):
        find_lr(target, watchers=[watcher])
    assert target.state == before
    assert watcher.heard[-1] == ("finished", StopReason.INTERRUPTED, 4)


def test_a_second_ctrl_c_waits_until_the_restore_is_done():
    class Impatient(Loop):
        def restore(self, state):
            signal.raise_signal(signal.SIGINT)
            super().restore(state)

    target = Impatient()
    before = target.state
    with pytest.raises(KeyboardInterrupt):
        find_lr(target)
    assert target.state == before


@pytest.mark.parametrize("training", TRAININGS)
def test_data_that_run_out_end_the_sweep_with_that_name_and_the_points_before_are_kept(training):
    result = find_lr(training(batches=20), num_steps=100)
    assert (result.stop_reason, len(result.curve)) == (StopReason.DATA_EXHAUSTED, 20)


def test_a_driver_that_stops_without_saying_why_is_told_to():
    with pytest.raises(TargetError, match="ended its training after 20 of 100 steps without saying why") as caught:
        find_lr(OwnLoop(batches=20, ends=None), num_steps=100)
    assert caught.value.steps_run == 20


@pytest.mark.parametrize("training", TRAININGS)
def test_an_empty_training_gives_a_result_without_points_that_says_so(training):
    result = find_lr(training(batches=0))
    assert (result.stop_reason, len(result.curve)) == (StopReason.DATA_EXHAUSTED, 0)
    with pytest.raises(LRRangeError, match="this curve has 0"):
        _ = result.lr


BAD_ARGUMENTS = {
    "start_lr above end_lr": ({"start_lr": 1.0, "end_lr": 0.1}, PlanError),
    "start_lr zero": ({"start_lr": 0.0}, PlanError),
    "end_lr negative": ({"end_lr": -1.0}, PlanError),
    "start_lr above the default end": ({"start_lr": 100.0}, PlanError),
    "one step": ({"num_steps": 1}, PlanError),
    "half a step": ({"num_steps": 10.5}, PlanError),
    "shape": ({"shape": "cosine"}, PlanError),
    "heuristic": ({"heuristic": "best"}, UnknownName),
    "heuristic that cannot be called": ({"heuristic": 3}, LRRangeError),
    "backend": ({"backend": "jax"}, BackendNotFound),
    "smoothing": ({"smoothing": "gauss"}, UnknownName),
    "no repeat": ({"repeats": 0}, PlanError),
    "repeats that are text": ({"repeats": "2"}, LRRangeError),
    "repeats that are not whole": ({"repeats": 1.5}, LRRangeError),
    "seed for what takes none": ({"seed": 3}, OptionError),
    "repeats of what takes no seed": ({"repeats": 2}, OptionError),
    "reset without repeats": ({"reset": list}, OptionError),
    "budget": ({"confirm": True, "confirm_steps": 89}, PlanError),
    "budget that is text": ({"confirm": True, "confirm_steps": "675"}, LRRangeError),
    "limit": ({"non_finite_limit": 0}, PlanError),
    "limit that is text": ({"non_finite_limit": "3"}, LRRangeError),
    "divergence that is no rule": ({"divergence": "never"}, LRRangeError),
    "option": ({"loader": [1, 2]}, OptionError),
}


@pytest.mark.parametrize(("arguments", "reason"), BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS)
def test_a_wrong_argument_is_refused_before_the_first_step(arguments, reason):
    target = Loop() if reason is OptionError else SeededLoop()
    with pytest.raises(reason):
        find_lr(target, **arguments)
    assert target.rates == []


def test_an_option_nobody_takes_is_named():
    with pytest.raises(OptionError, match="loader, optimiser: unknown here") as caught:
        find_lr(Loop(), loader=[], optimiser=None)
    assert caught.value.options == ("loader", "optimiser")


@pytest.mark.parametrize("target", [None, 3, "model", object()])
def test_a_target_that_nothing_can_train_is_refused_with_its_type(target):
    with pytest.raises(TargetError, match=f"nothing installed can train a {type(target).__name__}") as caught:
        find_lr(target)
    assert caught.value.target_type == type(target).__name__


def test_a_watcher_that_takes_what_its_hook_does_not_give_is_refused_before_the_first_step():
    class Odd:
        @hookimpl
        def lrrange_advanced(self, banana):
            raise AssertionError(banana)

    target = Loop()
    with pytest.raises(LRRangeError, match="banana"):
        find_lr(target, watchers=[Odd()])
    assert target.rates == []


def test_a_watcher_of_a_hook_that_does_not_exist_is_refused_before_the_first_step():
    class Misspelt:
        @hookimpl
        def lrrange_advance(self, point):
            raise AssertionError(point)

    target = Loop()
    with pytest.raises(LRRangeError, match="lrrange_advance"):
        find_lr(target, watchers=[Misspelt()])
    assert target.rates == []


def test_watchers_hear_start_every_step_and_end_in_that_order():
    watcher = Listens()
    result = find_lr(Loop(), num_steps=60, watchers=[watcher])
    steps = len(result.curve)
    assert watcher.heard == [
        ("started", result.plan, 0),
        *[("advanced", step, step + 1) for step in range(steps)],
        ("finished", result.stop_reason, steps),
    ]


def test_a_watcher_hears_the_end_after_everything_was_restored():
    target = Loop()
    before, seen = target.state, []

    class Looks:
        @hookimpl
        def lrrange_finished(self):
            seen.append(target.state)

    find_lr(target, watchers=[Looks()])
    assert seen == [before]


def test_a_watcher_hears_of_an_end_by_an_error_without_a_reason():
    watcher = Listens()
    with pytest.raises(RuntimeError):
        find_lr(Loop(), watchers=[Raises(RuntimeError(), 3), watcher])
    assert watcher.heard[-1] == ("finished", None, 4)


def test_a_watcher_that_fails_at_the_start_takes_no_step():
    class Fails:
        @hookimpl
        def lrrange_started(self):
            raise RuntimeError("no disk")

    target = Loop()
    with pytest.raises(RuntimeError, match="no disk"):
        find_lr(target, watchers=[Fails()])
    assert target.rates == []


def test_the_seed_is_set_after_the_snapshot_and_gives_the_same_curve_again():
    target = SeededLoop()
    first, second = find_lr(target, seed=7), find_lr(target, seed=7)
    assert target.log[:2] == ["snapshot", "seed 7"]
    assert first.curve == second.curve
    assert first.provenance.seed == 7
    assert find_lr(target, seed=8).curve != first.curve


def test_a_driver_is_given_its_seed_before_it_runs():
    target = SeededOwnLoop()
    assert find_lr(target, seed=7).curve == find_lr(target, seed=7).curve
    assert target.loop.log[:2] == ["seed 7", "snapshot"]


def test_without_a_seed_nothing_is_seeded():
    target = SeededLoop()
    find_lr(target)
    assert not any(str(entry).startswith("seed") for entry in target.log)


def test_a_second_sweep_gives_the_same_curve():
    target = Loop(Landscape(noise=0.1))
    assert find_lr(target).curve == find_lr(target).curve


def test_the_heuristic_asked_for_is_the_one_chosen():
    result = find_lr(Loop(), heuristic="steepest")
    assert (result.heuristic, result.chosen.heuristic) == ("steepest", "steepest")
    assert math.log10(result.lr) == pytest.approx(-3.5, abs=0.2)


def test_fastai_s_name_for_it_is_understood():
    assert find_lr(Loop(), heuristic="steep").heuristic == "steepest"


def test_without_one_the_choice_is_lrrange_s_own():
    result = find_lr(Loop())
    assert (result.heuristic, result.chosen.heuristic) == (None, "midway")


def test_a_heuristic_may_be_a_function_of_the_user_s_own():
    def half_of_the_last(curve):
        return curve.lr[-1] / 2

    result = find_lr(Loop(), heuristic=half_of_the_last)
    assert (result.heuristic, result.lr) == ("half_of_the_last", result.curve.lr[-1] / 2)
    assert isinstance(result.chosen, Suggestion)


def test_a_heuristic_may_be_an_object_that_can_be_called():
    class Last:
        def __call__(self, curve):
            return curve.lr[-1]

    result = find_lr(Loop(), heuristic=Last())
    assert (result.heuristic, result.lr) == ("Last", result.curve.lr[-1])


def test_options_of_the_sweep_reach_it():
    landscape = Landscape(noise=0.02)
    never = find_lr(Loop(landscape), divergence=None)
    assert never.stop_reason is StopReason.COMPLETED
    early = find_lr(Loop(landscape), divergence=Divergence(drops=0.5))
    assert len(early.curve) < len(find_lr(Loop(landscape)).curve)
    linear = find_lr(Loop(landscape), shape="linear", start_lr=1e-4, end_lr=1e-1, num_steps=50)
    assert linear.plan.shape == "linear"
    unsmoothed = find_lr(Loop(landscape), smoothing="none")
    assert unsmoothed.curve.smoothed == unsmoothed.curve.loss


@pytest.mark.parametrize("limit", [1, 3, 6])
def test_non_finite_losses_end_the_sweep_after_as_many_as_were_allowed(limit):
    class Breaks(Loop):
        def step(self, lr):
            super().step(lr)
            return math.nan

    result = find_lr(Breaks(), non_finite_limit=limit)
    assert (result.stop_reason, len(result.curve)) == (StopReason.NON_FINITE, limit)


def test_what_the_backend_reports_is_in_the_provenance():
    class Reports(Loop):
        def report(self):
            return {"versions": {"fake": "1.2"}, "skipped_steps": 3}

    provenance = find_lr(Reports(), num_steps=50).provenance
    assert provenance.details == {"skipped_steps": 3}
    assert provenance.versions["fake"] == "1.2"
    assert {"python", "lrrange"} <= provenance.versions.keys()
    assert provenance.wall_time > 0


def test_progress_draws_a_bar_on_standard_error_alone_and_takes_nothing_from_the_result(capsys):
    quiet, shown = (find_lr(Loop(), progress=progress) for progress in (False, True))
    assert shown.curve == quiet.curve
    assert capsys.readouterr().out == ""


def test_a_target_with_a_run_method_that_a_plug_in_knows_goes_to_the_plug_in(adapter):
    adapter.made = Loop()
    target = OwnLoop()
    result = find_lr(target, colour="red")
    assert result.provenance.backend == "adapter"
    assert adapter.asked == [(target, {"colour": "red"})]
    assert steps_of(target) == 0


def test_a_backend_asked_for_by_name_is_the_only_one_asked(adapter):
    with pytest.raises(TargetError, match=r"Asked: adapter \(not of its kind\)"):
        find_lr(Loop(), backend="adapter")
    assert len(adapter.asked) == 1


def test_the_result_of_a_sweep_can_be_saved_as_it_is(tmp_path):
    path = tmp_path / "result.json"
    find_lr(Loop()).save(path)
    assert json.loads(path.read_text())["schema"] == 1


@pytest.mark.parametrize("training", TRAININGS)
def test_the_rates_of_the_plan_are_trained_at_in_their_order(training):
    target = training()
    result = find_lr(target, start_lr=1e-4, end_lr=1e-1, num_steps=30)
    rates = (target.loop if training is OwnLoop else target).rates
    assert tuple(rates) == result.plan.rates[: len(rates)]
    assert all(before < after for before, after in itertools.pairwise(rates))
