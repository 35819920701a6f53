"""Whatever ends a sweep, everything is restored, and watchers see how it ended."""

import signal

import pytest

from lrrange import StopReason, find_lr, hookimpl
from lrrange.errors import LossError
from tests.core.training import Loop, OwnLoop

TRAININGS = [Loop, OwnLoop]


class Raises:
    """A watcher that raises an error at one step."""

    def __init__(self, error, step):
        self.error, self.step = error, step

    @hookimpl
    def lrrange_advanced(self, point):
        if point.step == self.step:
            raise self.error


class Recorder:
    """A watcher that records the calls of its hooks."""

    def __init__(self):
        self.calls = []

    @hookimpl
    def lrrange_started(self, plan, sweep):
        self.calls.append(("started", plan, len(sweep.points)))

    @hookimpl
    def lrrange_advanced(self, point, sweep):
        self.calls.append(("advanced", point.step, len(sweep.points)))

    @hookimpl
    def lrrange_finished(self, sweep):
        self.calls.append(("finished", sweep.stop_reason, len(sweep.points)))


@pytest.mark.parametrize("training", TRAININGS)
def test_everything_is_restored_after_a_sweep(training):
    target = training()
    before = target.state
    find_lr(target)
    assert target.state == before


@pytest.mark.parametrize("training", TRAININGS)
@pytest.mark.parametrize("error", [RuntimeError("out of memory"), KeyboardInterrupt(), SystemExit(3)])
@pytest.mark.parametrize("step", [0, 7])
def test_an_error_during_a_sweep_passes_through_and_everything_is_restored(training, error, step):
    target = training()
    before = target.state
    with pytest.raises(type(error)) as caught:
        find_lr(target, watchers=[Raises(error, step)])
    assert caught.value is error
    assert target.state == before
    assert len(getattr(target, "loop", target).rates) == step + 1


def test_everything_is_restored_after_a_training_step_that_raises():
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


def test_a_loss_that_is_not_a_number_ends_the_sweep_with_an_error_and_everything_is_restored():
    class Forgets(Loop):
        def step(self, lr):
            super().step(lr)

    target = Forgets()
    before = target.state
    with pytest.raises(LossError, match="returned None"):
        find_lr(target)
    assert target.state == before


def test_ctrl_c_ends_the_sweep_as_interrupted():
    watcher = Recorder()
    with pytest.raises(KeyboardInterrupt):
        find_lr(Loop(), watchers=[Raises(KeyboardInterrupt(), 5), watcher])
    assert watcher.calls[-1] == ("finished", StopReason.INTERRUPTED, 6)


def test_a_real_ctrl_c_during_a_step_ends_the_sweep_as_interrupted():
    class Interrupted(Loop):
        def step(self, lr):
            loss = super().step(lr)
            if len(self.rates) == 5:
                signal.raise_signal(signal.SIGINT)
            return loss

    target, watcher = Interrupted(), Recorder()
    before = target.state
    with pytest.raises(KeyboardInterrupt):
        find_lr(target, watchers=[watcher])
    assert target.state == before
    assert watcher.calls[-1] == ("finished", StopReason.INTERRUPTED, 4)


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


def test_watchers_see_the_start_every_step_and_the_end_in_this_order():
    watcher = Recorder()
    result = find_lr(Loop(), num_steps=60, watchers=[watcher])
    steps = len(result.curve)
    assert watcher.calls == [
        ("started", result.plan, 0),
        *[("advanced", step, step + 1) for step in range(steps)],
        ("finished", result.stop_reason, steps),
    ]


def test_watchers_are_called_at_the_end_after_everything_is_restored():
    target = Loop()
    before, states = target.state, []

    class RecordsState:
        @hookimpl
        def lrrange_finished(self):
            states.append(target.state)

    find_lr(target, watchers=[RecordsState()])
    assert states == [before]


def test_after_an_error_watchers_see_an_end_without_a_stop_reason():
    watcher = Recorder()
    with pytest.raises(RuntimeError):
        find_lr(Loop(), watchers=[Raises(RuntimeError(), 3), watcher])
    assert watcher.calls[-1] == ("finished", None, 4)


def test_an_error_of_a_watcher_at_the_start_prevents_the_first_step():
    class Fails:
        @hookimpl
        def lrrange_started(self):
            raise RuntimeError("no disk")

    target = Loop()
    with pytest.raises(RuntimeError, match="no disk"):
        find_lr(target, watchers=[Fails()])
    assert target.rates == []
