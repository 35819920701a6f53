import signal
import threading

import pytest

from lrrange import Driver, StopReason, Sweep, SweepPlan, TrainingStep
from lrrange.errors import OptionError
from lrrange.protocol import StepDriver, deferred_interrupts, with_options
from tests.core.training import Loop, OwnLoop, SeededLoop


@pytest.fixture
def handler():
    """A handler of Ctrl-C that writes down when it was called."""
    calls = []
    before = signal.signal(signal.SIGINT, lambda *received: calls.append(received))
    yield calls
    signal.signal(signal.SIGINT, before)


def short():
    return Sweep(SweepPlan(start_lr=1e-4, end_lr=1.0, num_steps=5))


def test_both_protocols_are_recognised_by_their_methods():
    assert isinstance(Loop(), TrainingStep)
    assert isinstance(OwnLoop(), Driver)
    assert not isinstance(Loop(), Driver)
    assert not isinstance(OwnLoop(), TrainingStep)


def test_a_step_driver_takes_a_snapshot_trains_at_each_rate_and_restores():
    target = Loop()
    before, sweep = target.state, short()
    assert StepDriver(target).run(sweep) is None
    assert target.log == ["snapshot", *sweep.plan.rates, "restore"]
    assert sweep.curve.lr == sweep.plan.rates
    assert target.state == before


def test_a_step_driver_seeds_and_resets_between_snapshot_and_first_step():
    target = SeededLoop()
    StepDriver(target, 3, lambda: target.log.append("reset")).run(short())
    assert target.log[:3] == ["snapshot", "seed 3", "reset"]


@pytest.mark.parametrize("at", ["seed", "reset", "step"])
def test_a_step_driver_restores_wherever_it_was_interrupted(at):
    class Interrupted(SeededLoop):
        pass

    def interrupt(*_):
        target.weights = 5.0
        raise KeyboardInterrupt

    setattr(Interrupted, at, interrupt)
    target, sweep = Interrupted(), short()
    before = target.state
    with pytest.raises(KeyboardInterrupt):
        StepDriver(target, 3, interrupt if at == "reset" else None).run(sweep)
    assert target.state == before
    assert sweep.stop_reason is StopReason.INTERRUPTED


def test_a_step_driver_does_not_restore_what_it_has_no_snapshot_of():
    class NoSnapshot(Loop):
        def snapshot(self):
            raise MemoryError

    target = NoSnapshot()
    with pytest.raises(MemoryError):
        StepDriver(target).run(short())
    assert target.log == []


def test_a_driver_stopped_by_ctrl_c_after_its_sweep_ended_keeps_the_end():
    class Slow(Loop):
        def step(self, lr):
            loss = super().step(lr)
            if lr == 1.0:
                sweep.tell(loss)
                raise KeyboardInterrupt
            return loss

    sweep = short()
    with pytest.raises(KeyboardInterrupt):
        StepDriver(Slow()).run(sweep)
    assert sweep.stop_reason is StopReason.COMPLETED


def test_an_interrupt_inside_the_block_waits_until_it_is_done(handler):
    done = []
    with deferred_interrupts():
        signal.raise_signal(signal.SIGINT)
        done.append(list(handler))
    assert done == [[]]
    assert len(handler) == 1


def test_several_interrupts_inside_the_block_are_one_after_it(handler):
    with deferred_interrupts():
        for _ in range(3):
            signal.raise_signal(signal.SIGINT)
    assert len(handler) == 1


def test_without_an_interrupt_nothing_is_called_and_the_handler_is_as_before(handler):
    before = signal.getsignal(signal.SIGINT)
    with deferred_interrupts():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before
    assert handler == []


def test_the_handler_is_back_after_an_error_in_the_block_too(handler):
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(RuntimeError):
        with deferred_interrupts():
            raise RuntimeError
    assert signal.getsignal(signal.SIGINT) is before


def test_by_default_the_interrupt_that_waited_is_a_keyboard_interrupt():
    with pytest.raises(KeyboardInterrupt):
        with deferred_interrupts():
            signal.raise_signal(signal.SIGINT)


def test_a_process_that_ignores_ctrl_c_still_does_afterwards():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with deferred_interrupts():
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_in_another_thread_which_gets_no_signals_the_block_just_runs():
    done = []

    def work():
        with deferred_interrupts():
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [True]


class Adapted:
    def __init__(self, target, optimizer, *, loader=None):
        self.given = target, optimizer, loader


def test_options_reach_the_adapter():
    assert with_options(Adapted, "model", {"optimizer": "sgd", "loader": [1]}).given == ("model", "sgd", [1])


@pytest.mark.parametrize(
    ("options", "said"),
    [({"optimizer": 1, "loder": 2}, "'loder'"), ({}, "'optimizer'")],
    ids=["unknown", "missing"],
)
def test_an_option_too_many_or_too_few_is_refused_and_those_there_are_are_named(options, said):
    with pytest.raises(OptionError, match=f"{said}.*The options here are optimizer=, loader=") as caught:
        with_options(Adapted, "model", options)
    assert caught.value.options == tuple(options)


def test_an_adapter_without_options_says_so():
    with pytest.raises(OptionError, match="The options here are none"):
        with_options(lambda target: target, "model", {"loader": []})


def test_what_the_adapter_itself_raises_passes_through():
    def adapter(target, loader):
        raise TypeError("a loader of the wrong kind")

    with pytest.raises(TypeError, match="a loader of the wrong kind") as caught:
        with_options(adapter, "model", {"loader": 3})
    assert not isinstance(caught.value, OptionError)
