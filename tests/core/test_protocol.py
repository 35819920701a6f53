"""The protocols that backends implement, and what lrrange offers to write one."""

import signal
import threading

import pytest

import lrrange
from lrrange import Driver, StopReason, Sweep, SweepPlan, TrainingStep
from lrrange.errors import OptionError
from lrrange.protocol import StepDriver, deferred_interrupts, with_options
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


class Adapted:
    def __init__(self, target, optimizer, *, loader=None):
        self.given = target, optimizer, loader


def test_options_reach_the_adapter():
    assert with_options(Adapted, "model", {"optimizer": "sgd", "loader": [1]}).given == ("model", "sgd", [1])


@pytest.mark.parametrize(
    ("options", "named"),
    [({"optimizer": 1, "loder": 2}, "'loder'"), ({}, "'optimizer'")],
    ids=["unknown", "missing"],
)
def test_an_unknown_or_missing_option_is_refused_and_the_known_ones_are_listed(options, named):
    with pytest.raises(OptionError, match=f"{named}.*The options here are optimizer=, loader=") as caught:
        with_options(Adapted, "model", options)
    assert caught.value.options == tuple(options)


def test_the_error_for_an_adapter_without_options_says_that_it_has_none():
    with pytest.raises(OptionError, match="The options here are none"):
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
    assert result.provenance.details == {"wheels": 4, "restore_verified": True}


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
