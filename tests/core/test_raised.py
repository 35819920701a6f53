"""A training that raises an error at a high rate: the points before it are kept, and answered from if they can be."""

import concurrent.futures
import gc
import io
import math
import signal
import threading
import weakref

import pytest
from rich.console import Console

from lrrange import StopReason, Sweep, SweepPlan, find_lr, hookimpl, load
from lrrange.errors import LossError, ProcessFailed, RateNotInForce, TargetError
from lrrange.protocol import StepDriver
from tests.core.strategies import Landscape
from tests.core.training import Late, Loop, OwnLoop, SeededLoop

TEXT = "Expected parameter loc to satisfy the constraint Real(), but found nan"
LANDSCAPE = Landscape(noise=0.02)


class LinAlgError(ValueError):
    pass


class NonFiniteLoss(Exception):
    """A user's own check."""


class Refuses(SeededLoop):
    """A training that raises an error at rates above `limit`."""

    def __init__(self, limit=0.2, error=None):
        super().__init__(LANDSCAPE)
        self.limit, self.error = limit, error or ValueError(TEXT)

    def step(self, lr):
        loss = super().step(lr)
        if lr > self.limit:
            raise self.error
        return loss


class Ends:
    """A watcher that records how runs end."""

    def __init__(self):
        self.reasons = []

    @hookimpl
    def lrrange_finished(self, sweep):
        self.reasons.append(sweep.stop_reason)


BLOW_UPS = [
    ValueError(TEXT),
    RuntimeError("probability tensor contains either `inf`, `nan` or element < 0"),
    LinAlgError("cholesky: the input is not positive-definite"),
    AssertionError(),
    ZeroDivisionError("division by zero"),
    FloatingPointError("overflow"),
    OverflowError("cannot convert float infinity to integer"),
    IndexError("index out of range in self"),
    NonFiniteLoss("loss is nan"),
]


@pytest.mark.parametrize("error", BLOW_UPS, ids=lambda error: type(error).__name__)
def test_the_points_before_the_error_are_kept_and_answered_from(error):
    target, watcher = Refuses(error=error), Ends()
    before = target.state
    result = find_lr(target, watchers=[watcher])
    assert target.state == before
    assert result.stop_reason is StopReason.RAISED
    assert watcher.reasons == [StopReason.RAISED]
    whole = find_lr(Loop(LANDSCAPE), divergence=None)
    steps = len(result.curve)
    assert result.curve.lr == whole.curve.lr[:steps] == tuple(lr for lr in whole.plan.rates if lr <= 0.2)
    assert result.curve.loss == whole.curve.loss[:steps]
    assert abs(math.log10(result.lr / whole.lr)) < 0.3
    assert result.low <= result.lr <= result.high


def test_the_result_says_what_was_raised_and_where_also_when_it_is_loaded(tmp_path):
    result = find_lr(Refuses())
    (raised,) = result.provenance.details["raised"]
    step = len(result.curve)
    assert raised == {"type": "ValueError", "text": TEXT, "lr": result.plan.lr_at(step), "step": step + 1}
    result.save(tmp_path / "result.json")
    assert load(tmp_path / "result.json") == result


def test_the_user_sees_it_in_the_table_and_in_the_verdict():
    result = find_lr(Refuses())
    console = Console(width=300, record=True, file=io.StringIO())
    console.print(result)
    (line,) = [line for line in console.export_text().splitlines() if line.strip().startswith("stopped")]
    assert f"raised an error after {len(result.curve)} of {result.plan.num_steps} steps" in line
    assert f"ValueError: {TEXT}" in line
    assert any("the training raised an error after lr=" in reason for reason in result.verdict.reasons)


def test_escapes_in_the_text_reach_no_terminal():
    result = find_lr(Refuses(error=ValueError("\x1b[2J\x1b]0;gone\x07 \u2028 \u202e")))
    console = Console(width=300, record=True, file=io.StringIO())
    console.print(result)
    assert not set(console.export_text()) & set("\x1b\x07\u2028\u202e")


@pytest.mark.parametrize("limit", [1e-9, 3e-6])
def test_an_error_at_a_rate_at_which_nothing_has_been_learnt_passes_at_once(limit):
    target, watcher = Refuses(limit), Ends()
    target.error = error = ValueError(TEXT)
    before = target.state
    with pytest.raises(ValueError, match="Expected parameter loc") as caught:
        find_lr(target, watchers=[watcher], num_steps=200)
    assert caught.value is error
    assert target.state == before
    assert watcher.reasons == [None]
    notes = getattr(error, "__notes__", [])
    taken = len(target.rates) - 1
    if taken == 0:
        assert notes == []
    else:
        assert [note.startswith(f"lrrange: raised in step {taken + 1} of 200, at lr=") for note in notes] == [True]


def test_an_error_before_the_curve_gives_an_answer_passes_with_a_note_that_says_what_to_change():
    target = Refuses(10**-3.3, ValueError(TEXT))
    before = target.state
    with pytest.raises(ValueError, match="Expected parameter loc") as caught:
        find_lr(target, num_steps=200)
    assert target.state == before
    (note,) = caught.value.__notes__
    assert note.startswith(f"lrrange: raised in step {len(target.rates)} of 200, at lr={target.rates[-1]:.3g}.")
    assert "give no answer" in note
    assert note.endswith("lower end_lr below this rate.")


class OutOfMemoryError(RuntimeError):
    """As PyTorch's."""


@pytest.mark.parametrize(
    "error",
    [
        KeyboardInterrupt(),
        SystemExit(3),
        GeneratorExit(),
        MemoryError(),
        OutOfMemoryError("CUDA out of memory."),
        TimeoutError("from a watchdog"),
        OSError(5, "Input/output error"),
        concurrent.futures.TimeoutError(),
        TypeError("a bug"),
        AttributeError("a bug"),
        NameError("a bug"),
        ImportError("a bug"),
        NotImplementedError("a bug"),
        RecursionError("a bug"),
        RateNotInForce("another rate"),
        TargetError("not this one"),
        LossError("no number"),
        ProcessFailed("elsewhere"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_that_no_rate_causes_always_passes(error):
    target = Refuses(error=error)
    before = target.state
    with pytest.raises(type(error)) as caught:
        find_lr(target)
    assert caught.value is error
    assert target.state == before


def test_an_error_of_a_watcher_always_passes():
    class Fails:
        @hookimpl
        def lrrange_advanced(self, point):
            if point.lr > 0.2:
                raise ValueError("from a watcher")

    with pytest.raises(ValueError, match="from a watcher"):
        find_lr(Loop(LANDSCAPE), watchers=[Fails()])


@pytest.fixture
def raising():
    """Install a handler of SIGUSR1 that raises what a model could raise."""

    def handler(number, frame):
        raise ValueError("from a handler")

    before = signal.signal(signal.SIGUSR1, handler)
    yield
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize("times", [1, 2, 3])
def test_an_error_of_a_signal_s_handler_always_passes(raising, times):
    class Signalled(Loop):
        def step(self, lr):
            loss = super().step(lr)
            if lr > 0.2:
                for _ in range(times):
                    signal.raise_signal(signal.SIGUSR1)
            return loss

    target = Signalled(LANDSCAPE)
    before = target.state
    with pytest.raises(ValueError, match="from a handler"):
        find_lr(target)
    assert target.state == before


def test_so_does_one_that_the_training_turns_into_another_error(raising):
    class Wraps(Loop):
        def step(self, lr):
            loss = super().step(lr)
            if lr > 0.2:
                try:
                    signal.raise_signal(signal.SIGUSR1)
                    signal.raise_signal(signal.SIGUSR1)
                except ValueError as error:
                    raise RuntimeError("the step failed") from error
            return loss

    with pytest.raises((RuntimeError, ValueError)):
        find_lr(Wraps(LANDSCAPE))


def test_the_steps_of_a_comparison_or_of_a_plan_of_one_s_own_are_not_ended_by_it():
    from lrrange.sweep import PlannedSteps

    target = Refuses(limit=0.0)
    with pytest.raises(ValueError, match="Expected parameter loc"):
        StepDriver(target).run(PlannedSteps(SweepPlan(start_lr=1e-3, end_lr=1.0, num_steps=5)))


@pytest.mark.parametrize("confirm", [False, True])
def test_nothing_that_the_training_used_is_kept_alive_by_the_error(confirm):
    class Batch:
        pass

    class Holds(RefusesToStay if confirm else Refuses):
        def step(self, lr):
            batch = Batch()
            batches.append(weakref.ref(batch))
            return super().step(lr)

    batches = []
    gc.disable()
    try:
        result = find_lr(Holds(0.002 if confirm else 0.2), confirm=confirm)
        alive = [batch for batch in batches if batch() is not None]
    finally:
        gc.enable()
    assert result.provenance.details["raised"]
    assert alive == []


def test_in_a_repeated_test_the_rates_above_count_as_a_blow_up():
    result = find_lr(Refuses(), repeats=3, seed=1)
    assert result.stop_reason is StopReason.RAISED
    assert len(result.provenance.details["raised"]) == 3
    assert result.curve.lr[-1] <= 0.2


class TwoStepsLate(Late):
    steps_late = 2


def test_losses_that_are_read_late_are_read_before_the_error_counts():
    class Device(Refuses):
        def step(self, lr):
            return TwoStepsLate(super().step(lr))

    late, at_once = find_lr(Device()), find_lr(Refuses())
    assert (late.curve, late.stop_reason) == (at_once.curve, StopReason.RAISED)


def test_an_error_in_a_step_after_the_last_that_counts_is_none():
    """The sweep has diverged two steps before, which is known only when the losses are read."""
    diverges = find_lr(Loop(LANDSCAPE)).curve.lr[-1]

    class Device(Refuses):
        def step(self, lr):
            return TwoStepsLate(super().step(lr))

    result = find_lr(Device(limit=diverges * 1.01))
    assert result.stop_reason is StopReason.DIVERGED
    assert "raised" not in result.provenance.details


class RefusesToStay(SeededLoop):
    """A training that raises an error if it stays at a rate above `limit`, which a sweep passes in a step or two."""

    def __init__(self, limit):
        super().__init__(LANDSCAPE)
        self.limit = limit

    def step(self, lr):
        loss = super().step(lr)
        if self.rates[-5:] == [lr] * 5 and lr > self.limit:
            raise ValueError(TEXT)
        return loss


def test_a_trial_that_raises_counts_as_one_that_did_not_stay_finite():
    lr = find_lr(Loop(LANDSCAPE)).lr
    target = RefusesToStay(lr * 1.5)
    before = target.state
    result = find_lr(target, confirm=True)
    assert target.state == before
    lost = {trial.lr for trial in result.confirmation.trials if trial.loss == math.inf}
    assert lost == {trial.lr for trial in result.confirmation.trials if trial.lr > lr * 1.5}
    assert lost
    assert [entry["step"] for entry in result.provenance.details["raised"]] == [5] * len(lost)
    assert result.stop_reason is StopReason.DIVERGED


def test_if_every_trial_raises_the_error_passes_with_a_note():
    with pytest.raises(ValueError, match="Expected parameter loc") as caught:
        find_lr(RefusesToStay(1e-9), confirm=True)
    (note,) = caught.value.__notes__
    assert "in step 5 of 124" in note
    assert "So did every other trial" in note


def test_a_blow_up_while_the_held_out_loss_is_computed_counts_too():
    class Evaluated(Loop):
        def evaluate(self):
            if self.rates[-1] > limit:
                raise ValueError(TEXT)
            return 1.0

    limit = find_lr(Loop(LANDSCAPE)).lr * 1.5
    result = find_lr(Evaluated(LANDSCAPE), confirm=True)
    assert {trial.lr > limit for trial in result.confirmation.trials if trial.loss == math.inf} == {True}


def test_a_backend_may_know_that_an_error_is_not_of_the_rate():
    class Knows(Refuses):
        def is_blow_up(self, error):
            return "corrupt" not in str(error)

    assert find_lr(Knows()).stop_reason is StopReason.RAISED
    with pytest.raises(ValueError, match="corrupt"):
        find_lr(Knows(error=ValueError("a corrupt example")))


def test_drivers_of_their_own_raise_as_before():
    class RefusingLoop(OwnLoop):
        def __init__(self):
            super().__init__(LANDSCAPE)
            self.loop = Refuses()

    with pytest.raises(ValueError, match="Expected parameter loc"):
        find_lr(RefusingLoop())


def test_a_sweep_that_refuses_an_error_goes_on():
    sweep = Sweep(SweepPlan(start_lr=1e-3, end_lr=1.0, num_steps=4))
    sweep.tell(1.0)
    assert not sweep.fail(ValueError())
    assert sweep.running
    assert sweep.error is None


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="signals cannot be sent to a thread")
def test_a_hung_step_is_stopped_by_one_signal_alone(raising):
    class Hangs(Loop):
        def step(self, lr):
            loss = super().step(lr)
            if len(self.rates) == 5:
                signal.raise_signal(signal.SIGUSR1)
                released.wait(60)  # which a signal's handler can interrupt only by raising
                self.log.append("went on")
            return loss

    released, target = threading.Event(), Hangs()
    before = target.state
    with pytest.raises(ValueError, match="from a handler"):
        find_lr(target)
    assert target.state == before
    assert "went on" not in target.log
