"""Watchers: which of their hooks are called, when, and what their errors do."""

import math

import pytest

from lrrange import NoSuggestion, StopReason, find_lr, grid, hookimpl
from lrrange.protocol import LoopDriver
from tests.core.side_by_side import SideBySide
from tests.core.training import OwnLoop, SeededLoop


class Driven(LoopDriver):
    """A driver whose loop lrrange guards."""

    def __init__(self):
        self.loop = SeededLoop()

    def train(self, sweep):
        while sweep.tell(self.loop.step(sweep.lr)):
            pass

    def snapshot(self):
        return self.loop.snapshot()

    def restore(self, state):
        self.loop.restore(state)


CONFIRM = {"confirm": True, "confirm_steps": 120}


class Diary:
    """A watcher that writes down every call."""

    def __init__(self):
        self.calls, self.results = [], []

    def count(self, name):
        return [call[0] for call in self.calls].count(name)

    @hookimpl
    def lrrange_started(self, plan):
        self.calls.append(("started", plan.num_steps))

    @hookimpl
    def lrrange_advanced(self, point):
        self.calls.append(("advanced", point))

    @hookimpl
    def lrrange_finished(self, sweep):
        self.calls.append(("finished", sweep.stop_reason))

    @hookimpl
    def lrrange_trial_started(self, lr, steps):
        self.calls.append(("trial started", lr, steps))

    @hookimpl
    def lrrange_trial_advanced(self, point):
        self.calls.append(("trial advanced", point))

    @hookimpl
    def lrrange_trial_finished(self, lr, stop_reason):
        self.calls.append(("trial finished", lr, stop_reason))

    @hookimpl
    def lrrange_found(self, result):
        self.calls.append(("found",))
        self.results.append(result)

    @hookimpl
    def lrrange_failed(self, error):
        self.calls.append(("failed", type(error)))


@pytest.mark.parametrize("make", [SeededLoop, OwnLoop])
def test_each_trial_starts_takes_its_steps_and_finishes_and_the_answer_comes_last(make):
    diary = Diary()
    result = find_lr(make(), watchers=[diary], **CONFIRM)
    tried = result.confirmation.trials
    assert [call[1:] for call in diary.calls if call[0] == "trial started"] == [(t.lr, t.steps) for t in tried]
    for trial in tried:
        steps = [call[1] for call in diary.calls if call[0] == "trial advanced" and call[1].lr == trial.lr]
        assert [point.step for point in steps] == list(range(trial.steps))
        assert ("trial finished", trial.lr, StopReason.COMPLETED) in diary.calls
    assert diary.count("trial advanced") + diary.count("advanced") == result.provenance.steps_run
    assert diary.calls[-1] == ("found",)
    assert diary.results == [result]


def test_trials_side_by_side_are_told_apart_by_their_rates():
    diary = Diary()
    result = find_lr(SideBySide(), watchers=[diary], parallel="vmap", **CONFIRM)
    assert "together" in result.provenance.details["parallel"][0]
    rates = [trial.lr for trial in result.confirmation.trials[:2]]
    order = [call[1].lr for call in diary.calls if call[0] == "trial advanced"][: 2 * 2]
    assert sorted(order[:2]) == sorted(order[2:]) == sorted(rates)


@pytest.mark.parametrize("options", [{}, {"repeats": 3, "seed": 0}, CONFIRM, {"heuristic": "steepest"}])
def test_the_answer_is_given_once_for_each_range_test(options):
    diary = Diary()
    result = find_lr(SeededLoop(), watchers=[diary], **options)
    assert diary.results == [result]


def test_the_answer_of_each_cell_of_a_grid_is_given_once():
    diary = Diary()
    cells = grid(lambda size: SeededLoop(), {"size": [1, 2, 3]}, watchers=[diary])
    assert diary.results == [cell.result for cell in cells]


def test_no_answer_is_given_for_a_test_that_raises():
    class Failing(SeededLoop):
        def step(self, lr):
            raise RuntimeError("out of memory")

    diary = Diary()
    with pytest.raises(RuntimeError, match="out of memory"):
        find_lr(Failing(), watchers=[diary])
    assert diary.count("found") == 0
    assert diary.calls[-2:] == [("finished", None), ("failed", RuntimeError)]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("hook", ["lrrange_started", "lrrange_finished", "lrrange_trial_advanced", "lrrange_found"])
def test_a_test_that_fails_at_any_moment_is_announced_once(hook, error):
    def fail(self):
        raise error

    fail.__name__ = hook
    diary, clumsy = Diary(), type("Clumsy", (), {hook: hookimpl(fail)})()
    with pytest.raises(error):
        find_lr(SeededLoop(), watchers=[diary, clumsy], **CONFIRM)
    assert (diary.count("failed"), diary.calls[-1]) == (1, ("failed", error))


def test_trials_that_confirm_nothing_are_a_failed_test():
    class Exploding(SeededLoop):
        def step(self, lr):
            return math.nan if self.log.count("restore") else super().step(lr)

    diary = Diary()
    with pytest.raises(NoSuggestion, match="the loss became infinite or NaN"):
        find_lr(Exploding(), watchers=[diary], **CONFIRM)
    assert diary.calls[-1] == ("failed", NoSuggestion)


def test_an_error_of_a_watcher_after_a_failed_test_is_a_note_on_its_error():
    class Clumsy:
        @hookimpl
        def lrrange_failed(self):
            raise ValueError("the watcher fails")

    class Failing(SeededLoop):
        def step(self, lr):
            raise NameError("the sweep fails")

    with pytest.raises(NameError, match="the sweep fails") as caught:
        find_lr(Failing(), watchers=[Clumsy()])
    assert "A watcher then raised in lrrange_failed: ValueError: the watcher fails" in caught.value.__notes__


def test_an_error_of_a_watcher_after_one_of_a_trial_is_a_note_on_it():
    class Failing(SeededLoop):
        def step(self, lr):
            if self.log.count("restore"):
                raise NameError("the trial fails")
            return super().step(lr)

    class Clumsy:
        @hookimpl
        def lrrange_trial_finished(self):
            raise ValueError("the watcher fails")

    with pytest.raises(NameError, match="the trial fails") as caught:
        find_lr(Failing(), watchers=[Clumsy()], **CONFIRM)
    note = "A watcher then raised in lrrange_trial_finished: ValueError: the watcher fails"
    assert any(note in text for text in caught.value.__notes__)


@pytest.mark.parametrize("hook", ["lrrange_advanced", "lrrange_trial_advanced"])
@pytest.mark.parametrize("make", [SeededLoop, OwnLoop, Driven])
def test_an_error_of_a_watcher_is_none_of_the_training_even_if_it_looks_like_one_of_a_rate_that_is_too_high(hook, make):
    calls = []

    def fail(self, point):
        calls.append(point)
        if len(calls) == 35:  # the loss of the sweep has fallen by then
            raise FloatingPointError("the disk is full")

    fail.__name__ = hook
    watcher = type("Clumsy", (), {hook: hookimpl(fail)})()
    with pytest.raises(FloatingPointError, match="the disk is full"):
        find_lr(make(), watchers=[watcher], start_lr=1e-4, end_lr=1, num_steps=40, confirm=True, confirm_steps=300)
    assert len(calls) == 35
