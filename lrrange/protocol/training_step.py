"""What a training loop must offer for a sweep to run on it. Two small protocols; a backend implements one of them."""

import contextlib
import functools
import inspect
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol, TypeVar, runtime_checkable

import attrs

from lrrange.errors import OptionError, TargetError
from lrrange.sweep.curve import Curve
from lrrange.sweep.sweep import StopReason, Sweep

Adapted = TypeVar("Adapted")


@runtime_checkable
class TrainingStep(Protocol):
    """A loop that lrrange runs: one optimizer step at a time.

    These methods are used where they exist: `seed(value)`, called once after the snapshot, if the user gives a seed;
    and `report()`, called after the sweep, a mapping that goes into the result's provenance (`versions`, itself a
    mapping of package to version, and anything else that JSON can hold). Two more widen what `find_lr` can do:
    `bounds()`, a mapping with `start_lr` or `end_lr` where the usual ones do not fit the optimizer; and `evaluate()`,
    the held-out loss of the training as it is, by which `confirm=True` and `compare` then judge. One is for `compare`
    alone: `set_momentum(value)`, the momentum of the steps that follow, which returns whether the optimizer has any.
    Two let several runs be taken together, `why_alone` and `replica`; `lrrange.finder.together.Replica` describes them.
    What is wrong with the target is best raised where the adapter is made, before any step.

    `digest()` makes `verify_restore=True` possible: an iterable of pairs, the name of something that training can
    change and its value or a hash of it, in the same order each time. It is taken before a sweep and after it.
    """

    def step(self, lr: float) -> Any:
        """Train one step at this rate; return its loss, one number. Raise StopIteration when the data has run out.

        A loss that a device has yet to compute may be read late: return an object with `__float__`, and with
        `steps_late`, the number of further steps that are taken before it is read. A sweep then ends as many steps
        late, and what those measured is left out.
        """

    def snapshot(self) -> Any:
        """Everything that `step` may change, in a form that `restore` understands."""

    def restore(self, state: Any) -> None:
        """Put everything back exactly as it was at the snapshot."""


@runtime_checkable
class Driver(Protocol):
    """A loop that a framework owns. It is given the sweep, and puts everything back itself, in `finally`.

    The same further methods are used where they exist, as for `TrainingStep`; `seed` is called before `run`, which
    seeds inside its own snapshot and restore.
    """

    def run(self, sweep: Sweep) -> Curve:
        """Train at `sweep.lr`, tell it each loss, until `sweep.running` is false; return `sweep.curve`."""


@attrs.frozen
class StepDriver:
    """Runs a sweep over a `TrainingStep`: snapshot, steps, and restore whatever happens.

    Args:
        target: to train.
        seed: for its `seed` method, after the snapshot.
        reset: called after that; makes other initial weights.
    """

    target: TrainingStep
    seed: int | None = None
    reset: Callable[[], object] | None = None

    def run(self, sweep: Sweep) -> Curve:
        """Sweep, and leave `target` as it was, also after an error and after Ctrl-C."""
        state = self.target.snapshot()
        try:
            if self.seed is not None:
                self.target.seed(self.seed)  # type: ignore[attr-defined]  # find_lr has checked that it is there
            if self.reset is not None:
                self.reset()
            self._run_steps(sweep)
        except KeyboardInterrupt:
            if sweep.running:
                sweep.close(StopReason.INTERRUPTED)
            raise
        finally:
            with deferred_interrupts():
                self.target.restore(state)
        return sweep.curve

    def _run_steps(self, sweep: Sweep) -> None:
        untold: deque[Any] = deque()
        taken, exhausted = 0, False
        step, tell = self.target.step, sweep.tell
        while sweep.running:
            if not exhausted and taken < sweep.plan.num_steps:
                try:
                    untold.append(step(sweep.plan.lr_at(taken)))
                    taken += 1
                except StopIteration:
                    exhausted = True
            if not untold:
                sweep.close(StopReason.DATA_EXHAUSTED)
            elif exhausted or taken == sweep.plan.num_steps or len(untold) > getattr(untold[0], "steps_late", 0):
                tell(untold.popleft())


@contextlib.contextmanager
def deferred_interrupts() -> Iterator[None]:
    """Signals wait until the block is done, so that whatever their handlers raise does not leave half a restore.

    A second Ctrl-C of an impatient user is one. So is the death of a data loader's worker, of which PyTorch hears by a
    signal, and raises wherever the program is.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread receives signals
        return
    waiting: dict[int, Any] = {}  # the first of each kind, as one Ctrl-C is enough
    handled: dict[int, Callable[[int, Any], Any]] = {
        number: handler for number in signal.valid_signals() if callable(handler := signal.getsignal(number))
    }
    for number in handled:
        signal.signal(number, lambda received, frame: waiting.setdefault(received, frame))
    try:
        yield
    finally:
        for number, handler in handled.items():
            signal.signal(number, handler)
        with contextlib.ExitStack() as handling:  # which calls every one, also after one that raises
            for received, frame in reversed(waiting.items()):
                handling.callback(handled[received], received, frame)


def split_made(made: Any, name: str) -> tuple[object, dict[str, Any]]:
    """The target and its options, from what a user's factory returned: the target, or `(target, options)`.

    Args:
        made: what it returned.
        name: of the factory, for the message.
    Raises: TargetError if it is neither.
    """
    if made is None:
        raise TargetError(f"{name}() returned None. Return the target, or (target, options).")
    if not isinstance(made, tuple):
        return made, {}
    if len(made) != 2 or not isinstance(made[1], Mapping) or not all(isinstance(key, str) for key in made[1]):
        what = ", ".join(type(part).__name__ for part in made)
        raise TargetError(
            f"{name}() returned a tuple of ({what}). Return the target, or (target, options) with a dict of options."
        )
    return made[0], dict(made[1])


# Which takes longer than a step of a small training.
_signature = functools.cache(inspect.signature)


def with_options(adapter: Callable[..., Adapted], target: object, options: Mapping[str, Any]) -> Adapted:
    """`adapter(target, **options)`, for a plug-in's `lrrange_adapt`.

    Raises: OptionError, naming the options there are, if `adapter` does not take these.
    """
    signature = _signature(adapter)
    try:
        bound = signature.bind(target, **options)
    except TypeError as error:
        known = ", ".join(f"{parameter}=" for parameter in list(signature.parameters)[1:])
        raise OptionError(f"{error}. The options here are {known or 'none'}.", options=tuple(options)) from None
    return adapter(*bound.args, **bound.kwargs)
