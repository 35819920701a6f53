"""The protocols that backends implement, and what lrrange offers to write one."""

import contextlib
import os
import signal
import threading

import attrs
import pytest

import lrrange
from lrrange import Driver, StopReason, Sweep, SweepPlan, TrainingStep
from lrrange.errors import OptionError
from lrrange.finder import Settings
from lrrange.protocol import StepDriver, deferred_interrupts, with_options
from lrrange.protocol.options import OPTIONS_OF_FIND_LR
from tests.core.training import Loop, OwnLoop, SeededLoop


@pytest.fixture
def handler():
    """Install a handler of Ctrl-C that records its calls, and return the list of them."""
    calls = []
    before = signal.signal(signal.SIGINT, lambda *received: calls.append(received))
    yield calls
    signal.signal(signal.SIGINT, before)


def short_sweep():
    return Sweep(SweepPlan(start_lr=1e-4, end_lr=1.0, num_steps=5))


def test_an_object_satisfies_a_protocol_by_its_methods():
    assert isinstance(Loop(), TrainingStep)
    assert isinstance(OwnLoop(), Driver)
    assert not isinstance(Loop(), Driver)
    assert not isinstance(OwnLoop(), TrainingStep)


def test_a_step_driver_takes_a_snapshot_trains_at_each_rate_and_restores():
    target = Loop()
    before, sweep = target.state, short_sweep()
    assert StepDriver(target).run(sweep) is None
    assert target.log == ["snapshot", *sweep.plan.rates, "restore"]
    assert sweep.curve.lr == sweep.plan.rates
    assert target.state == before


def test_a_step_driver_seeds_and_resets_between_the_snapshot_and_the_first_step():
    target = SeededLoop()
    StepDriver(target, 3, lambda: target.log.append("reset")).run(short_sweep())
    assert target.log[:3] == ["snapshot", "seed 3", "reset"]


@pytest.mark.parametrize("at", ["seed", "reset", "step"])
def test_a_step_driver_restores_wherever_it_was_interrupted(at):
    class Interrupted(SeededLoop):
        pass

    def interrupt(*_):
        target.weights = 5.0
        raise KeyboardInterrupt

    setattr(Interrupted, at, interrupt)
    target, sweep = Interrupted(), short_sweep()
    before = target.state
    with pytest.raises(KeyboardInterrupt):
        StepDriver(target, 3, interrupt if at == "reset" else None).run(sweep)
    assert target.state == before
    assert sweep.stop_reason is StopReason.INTERRUPTED


def test_a_step_driver_does_not_restore_if_the_snapshot_failed():
    class NoSnapshot(Loop):
        def snapshot(self):
            raise MemoryError

    target = NoSnapshot()
    with pytest.raises(MemoryError):
        StepDriver(target).run(short_sweep())
    assert target.log == []


def test_ctrl_c_after_the_sweep_ended_does_not_change_its_stop_reason():
    class Slow(Loop):
        def step(self, lr):
            loss = super().step(lr)
            if lr == 1.0:
                sweep.tell(loss)
                raise KeyboardInterrupt
            return loss

    sweep = short_sweep()
    with pytest.raises(KeyboardInterrupt):
        StepDriver(Slow()).run(sweep)
    assert sweep.stop_reason is StopReason.COMPLETED


def test_an_interrupt_inside_the_block_waits_until_the_block_is_done(handler):
    done = []
    with deferred_interrupts():
        signal.raise_signal(signal.SIGINT)
        done.append(list(handler))
    assert done == [[]]
    assert len(handler) == 1


def test_several_interrupts_inside_the_block_become_one_after_it(handler):
    with deferred_interrupts():
        for _ in range(3):
            signal.raise_signal(signal.SIGINT)
    assert len(handler) == 1


def test_without_an_interrupt_the_handler_is_restored_and_not_called(handler):
    before = signal.getsignal(signal.SIGINT)
    with deferred_interrupts():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before
    assert handler == []


def test_the_handler_is_restored_after_an_error_in_the_block(handler):
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(RuntimeError):
        with deferred_interrupts():
            raise RuntimeError
    assert signal.getsignal(signal.SIGINT) is before


def test_by_default_a_deferred_interrupt_raises_keyboard_interrupt():
    with pytest.raises(KeyboardInterrupt):
        with deferred_interrupts():
            signal.raise_signal(signal.SIGINT)


def test_a_process_that_ignores_ctrl_c_still_ignores_it_afterwards():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with deferred_interrupts():
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_in_another_thread_which_receives_no_signals_the_block_runs_as_usual():
    done = []

    def work():
        with deferred_interrupts():
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [True]


@pytest.fixture
def counted():
    """Install a handler of SIGUSR1 that counts its calls and does not raise."""
    calls = []
    before = signal.signal(signal.SIGUSR1, lambda *received: calls.append(received))
    yield calls
    signal.signal(signal.SIGUSR1, before)


def test_a_handler_that_does_not_raise_runs_at_the_end_of_the_step_and_the_sweep_goes_on(counted):
    seen = []

    class Signalled(Loop):
        def step(self, lr):
            seen.append(len(counted))
            signal.raise_signal(signal.SIGUSR1)
            seen.append(len(counted))
            return super().step(lr)

    sweep = short_sweep()
    StepDriver(Signalled()).run(sweep)
    assert seen == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert len(counted) == 5
    assert sweep.stop_reason is StopReason.COMPLETED


def test_a_second_signal_in_the_same_step_is_handled_at_once_and_the_first_after_the_step(counted):
    seen = []

    class Signalled(Loop):
        def step(self, lr):
            for _ in range(3):
                signal.raise_signal(signal.SIGUSR1)
                seen.append(len(counted))
            return super().step(lr)

    StepDriver(Signalled()).run(Sweep(SweepPlan(start_lr=1e-4, end_lr=1.0, num_steps=2)))
    assert seen == [0, 1, 2, 3, 4, 5]
    assert len(counted) == 6


def test_a_second_ctrl_c_stops_a_step_that_hangs():
    class Hangs(Loop):
        def step(self, lr):
            self.weights = 5.0
            while True:
                signal.raise_signal(signal.SIGINT)

    target, sweep = Hangs(), short_sweep()
    before = target.state
    with pytest.raises(KeyboardInterrupt):
        StepDriver(target).run(sweep)
    assert target.state == before
    assert sweep.stop_reason is StopReason.INTERRUPTED


def test_an_exception_that_a_step_swallows_is_raised_after_it_if_there_was_a_second_signal():
    class Swallows(Loop):
        def step(self, lr):
            with contextlib.suppress(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
                signal.raise_signal(signal.SIGINT)
            return super().step(lr)

    with pytest.raises(KeyboardInterrupt):
        StepDriver(Swallows()).run(short_sweep())


@pytest.mark.parametrize("at", ["snapshot", "restore"])
def test_no_number_of_signals_interrupts_a_snapshot_or_a_restore(at, handler):
    class Signalled(Loop):
        pass

    def signalled(self, *arguments):
        for _ in range(3):
            signal.raise_signal(signal.SIGINT)
        return getattr(Loop, at)(self, *arguments)

    setattr(Signalled, at, signalled)
    target = Signalled()
    before = target.state
    StepDriver(target).run(short_sweep())
    assert target.state == before
    assert len(handler) == 1


def test_a_handler_that_a_step_installs_stays_and_waits_for_the_restore():
    def late(number, frame):
        raise RuntimeError("from the handler")

    class Installs(Loop):
        def step(self, lr):
            signal.signal(signal.SIGUSR2, late)
            return super().step(lr)

        def restore(self, state):
            signal.raise_signal(signal.SIGUSR2)
            super().restore(state)

    target, before = Installs(), signal.getsignal(signal.SIGUSR2)
    state = target.state
    try:
        with pytest.raises(RuntimeError, match="from the handler"):
            StepDriver(target).run(short_sweep())
        assert target.state == state
        assert signal.getsignal(signal.SIGUSR2) is late
    finally:
        signal.signal(signal.SIGUSR2, before)


def test_a_handler_that_a_step_puts_in_the_place_of_another_stays_and_calls_it(counted):
    """As PyTorch's handler for dead workers calls the one that was there before."""
    calls = []

    class Installs(Loop):
        def step(self, lr):
            if not self.rates:
                before = signal.getsignal(signal.SIGUSR1)

                def chained(number, frame):
                    calls.append(number)
                    before(number, frame)

                signal.signal(signal.SIGUSR1, chained)
            return super().step(lr)

        def restore(self, state):
            signal.raise_signal(signal.SIGUSR1)
            assert (calls, counted) == ([], [])
            super().restore(state)

    before = signal.getsignal(signal.SIGUSR1)
    try:
        StepDriver(Installs()).run(short_sweep())
        assert (len(calls), len(counted)) == (1, 1)
        signal.raise_signal(signal.SIGUSR1)
        assert (len(calls), len(counted)) == (2, 2)
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_sweeps_within_a_step_of_another_deliver_its_signals_too():
    class Nested(Loop):
        def step(self, lr):
            inner = Loop()
            inner.step = lambda lr: signal.raise_signal(signal.SIGINT) or 1.0
            StepDriver(inner).run(short_sweep())
            self.log.append("went on")
            return super().step(lr)

    target = Nested()
    before = target.state
    with pytest.raises(KeyboardInterrupt):
        StepDriver(target).run(short_sweep())
    assert target.state == before
    assert "went on" not in target.log


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes cannot be forked")
def test_a_process_that_is_forked_in_a_step_handles_its_signals_at_once(counted):
    """As worker processes of a loader do."""

    class Forks(Loop):
        def step(self, lr):
            child = os.fork()
            if child == 0:
                signal.raise_signal(signal.SIGUSR1)
                os._exit(len(counted))
            codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
            return super().step(lr)

    codes = []
    StepDriver(Forks()).run(short_sweep())
    assert codes == [1] * 5
    assert counted == []


def test_afterwards_all_handlers_are_those_of_before(counted):
    before = [signal.getsignal(number) for number in signal.valid_signals()]
    lrrange.find_lr(Loop())
    lrrange.find_lr(Loop(), confirm=True)
    assert [signal.getsignal(number) for number in signal.valid_signals()] == before


class Adapted:
    def __init__(self, target, optimizer, *, loader=None):
        self.given = target, optimizer, loader


def test_options_reach_the_adapter():
    assert with_options(Adapted, "model", {"optimizer": "sgd", "loader": [1]}).given == ("model", "sgd", [1])


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"optimizer": 1, "colour": 2}, "colour= is unknown here. The options here are optimizer=, loader=, start_lr="),
        ({"optimizer": 1, "loder": 2}, r"loder= is not an option here\. Did you mean loader=\?$"),
        ({"optimizer": 1, "end_rl": 2}, r"end_rl= is not an option here\. Did you mean end_lr=\?$"),
        ({"optimizer": 1, "num_iter": 2}, r"num_iter= is called num_steps= here\.$"),
        ({"opt": 1, "max_lr": 2}, r"opt= is called optimizer= here\. max_lr= is called end_lr= here\.$"),
        ({"optimizer": 1, "batchsize": 2}, r"batchsize= is not an option here: the loader has it\.$"),
        ({"num_it": 2}, r"num_it= is called num_steps= here\. optimizer= is missing"),
        ({}, r"optimizer= is missing\. For example: find_lr\(target, optimizer=optimizer\)$"),
    ],
)
def test_an_unknown_or_missing_option_is_refused_with_the_one_that_is_meant(options, named):
    with pytest.raises(OptionError, match=named) as caught:
        with_options(Adapted, "model", options)
    assert caught.value.options == tuple(options)


def test_an_option_of_the_adapters_comes_before_advice_about_one_of_that_name_elsewhere():
    def adapter(target, batch_size):
        raise AssertionError((target, batch_size))

    with pytest.raises(OptionError, match=r"batchsize= is not an option here\. Did you mean batch_size=\?$"):
        with_options(adapter, "model", {"batchsize": 2})


def test_words_of_the_plug_in_are_used():
    with pytest.raises(
        OptionError, match=r"epochs= is not an option here: count in laps\. optimizer= is missing.*: go!"
    ):
        with_options(Adapted, "model", {"epochs": 2}, example="go!", hints={"epochs": "count in laps"})


def test_the_options_of_find_lr_are_all_known():
    assert set(OPTIONS_OF_FIND_LR) == {field.name for field in attrs.fields(Settings)}


def test_the_error_for_an_adapter_without_options_says_that_it_has_none():
    with pytest.raises(OptionError, match="loader= is unknown here. The options here are start_lr="):
        with_options(lambda target: target, "model", {"loader": []})


def test_an_error_of_the_adapter_itself_passes_through():
    def adapter(target, loader):
        raise TypeError("a loader of the wrong kind")

    with pytest.raises(TypeError, match="a loader of the wrong kind") as caught:
        with_options(adapter, "model", {"loader": 3})
    assert not isinstance(caught.value, OptionError)


# -- optional abilities ------------------------------------------------------------------------------------------------


class PassingOn:
    """A `TrainingStep` that passes on everything else to another one, as a wrapper does."""

    def __init__(self, inner):
        self.inner = inner
        self.step, self.snapshot, self.restore = inner.step, inner.snapshot, inner.restore

    def __getattr__(self, name):
        return getattr(self.inner, name)


class Able(SeededLoop):
    """A training with every ability of one that takes its runs one after another."""

    def report(self):
        return {"wheels": 4}

    def bounds(self):
        return {"end_lr": 2.0}

    def evaluate(self):
        return self.landscape.at(self.rates[-1])

    def digest(self):
        yield "weights", self.weights


def test_abilities_that_a_target_passes_on_by_getattr_are_used():
    result = lrrange.find_lr(PassingOn(Able()), seed=3, confirm=True, confirm_steps=90, verify_restore=True)
    assert result.plan.end_lr == 2.0
    assert result.confirmation.held_out
    assert result.provenance.details == {
        "wheels": 4,
        "rate_in_force": "proved by the backend",
        "restore_verified": True,
    }


def test_an_ability_is_looked_up_only_where_it_is_needed():
    class Detached(SeededLoop):
        @property
        def evaluate(self):
            raise RuntimeError("not attached to a trainer")

    assert lrrange.find_lr(Detached(), num_steps=100).lr > 0
    with pytest.raises(RuntimeError, match="not attached to a trainer"):
        lrrange.find_lr(Detached(), num_steps=100, confirm=True, confirm_steps=90)


@pytest.mark.parametrize("ability", ["seed", "report", "bounds", "evaluate", "digest"])
def test_an_ability_that_is_set_to_none_is_one_that_the_target_lacks(ability):
    target = type("Lacking", (Able,), {ability: None})()
    options = {} if ability == "seed" else {"seed": 1}
    result = lrrange.find_lr(target, num_steps=100, confirm=True, confirm_steps=90, **options)
    assert result.confirmation.held_out == (ability != "evaluate")
    assert ("wheels" in result.provenance.details) == (ability != "report")
    assert ("restore_verified" in result.provenance.details) == (ability != "digest")
    assert (result.plan.end_lr == 2.0) == (ability != "bounds")
