"""Whatever ends a sweep, everything is put back, and the watchers hear how it ended."""

import signal

import pytest

from lrrange import StopReason, find_lr, hookimpl
from lrrange.errors import LossError
from tests.core.training import Loop, OwnLoop

TRAININGS = [Loop, OwnLoop]


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
    assert len(getattr(target, "loop", target).rates) == step + 1


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
