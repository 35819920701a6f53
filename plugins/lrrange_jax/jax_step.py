"""The training step of JAX: one call of the user's step at a rate that is written into its state."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import jax
import jax.numpy as jnp

from lrrange.errors import OptionError, TargetError
from lrrange.sweep import MetricValue, PlannedSteps
from lrrange_jax.arrays import copied
from lrrange_jax.batches import Batches, BatchSource, check_makes_new
from lrrange_jax.functions import check_takes, is_number, not_one_loss
from lrrange_jax.host_state import HostState
from lrrange_jax.training import JaxTraining
from lrrange_jax.vmap import Replica, why_alone

# The number of further steps after which a loss is read. JAX returns from a step before the device has computed it.
_STEPS_LATE = 4

# More micro-batches than anybody accumulates for one update.
_MOST_CALLS = 4096


class PendingLoss:
    """A loss that a device may still be computing: an `lrrange.protocol.DeferredLoss`."""

    steps_late = _STEPS_LATE

    def __init__(self, value: Any) -> None:
        self._value = value

    def __float__(self) -> float:
        return float(jnp.reshape(self._value, ()))


class JaxStep:
    """A `TrainingStep` made of a user's step and the state that it changes.

    Args:
        training: the step and its state.
        batches: what to train on; see `Batches`.
        loss: takes the output of the user's step, and returns the loss; None if the output is the loss.
        evaluate: returns the held-out loss of a state or of objects; None without held-out data.
    Raises: OptionError or TargetError for what cannot be called as it is.
    """

    def __init__(
        self,
        training: JaxTraining,
        batches: BatchSource,
        loss: Callable[[Any], Any] | None,
        evaluate: Callable[..., Any] | None,
    ) -> None:
        self.training = training
        self.batches = Batches(batches)
        check_takes("loss", loss, "output")
        training.check_evaluate(evaluate)
        self._loss = loss
        self._evaluate = evaluate
        self._first_step_checked = False
        self._makes_new_iterators = False
        self._donates: bool | None = None  # whether the user's step uses up its batches; None if that is not known
        self._is_drawing = False
        self._host: HostState | None = None
        self._not_kept: dict[str, str] = {}
        self.compiled: dict[Any, Any] = {}  # of steps side by side

    def snapshot(self) -> HostState:
        """Keep what a step or a loader may change outside of JAX, and begin with a copy of the arrays."""
        host = self.host_state()
        try:
            if not self._makes_new_iterators:
                check_makes_new(self.batches.source, host.not_kept)
                self._makes_new_iterators = True
                host.restore()
            self.training.begin()
        except BaseException:
            host.restore()
            raise
        self._host, self._not_kept = host, host.not_kept
        self.batches.restart()
        return host

    def restore(self, state: HostState) -> None:
        """Put everything back."""
        self.batches.restart()
        self.training.end()
        state.restore()
        self._host = None

    def host_state(self) -> HostState:
        """Return everything outside of JAX that a step or a loader may change, as it is now."""
        return HostState(self.batches.source, self.training.user_step)

    def start_from(self, state: Any) -> None:
        """Begin the run with other weights, as `reset=` has made them."""
        self.training.start_from(state)

    def seed(self, value: int) -> None:
        """Seed the run: the random keys of the state, the order of the batches, and generators outside of JAX."""
        assert self._host is not None
        self.training.seed(value)
        self._host.seed(value)
        self.batches.restart(value)

    def step(self, lr: float) -> Any:
        """Train one update at this rate. Return its loss, the mean of those of its micro-batches if there are several.

        Raises: TargetError, RateNotInForce or LossError if the first step shows that no sweep is possible.
        """
        rates = self.training.rates
        before = None if self._first_step_checked else self._counted(rates.counts)
        updates = self._counted(rates.accumulated)
        losses = [self._call(lr)]
        while updates and self._counted(rates.accumulated) == updates and len(losses) < _MOST_CALLS:
            losses.append(self._call(lr))
        number = losses[0] if len(losses) == 1 else sum(map(jnp.asarray, losses)) / len(losses)
        if before is not None:
            self._check_first_step(lr, number, before)
        return PendingLoss(number) if isinstance(number, jax.Array) else number

    def _call(self, lr: float) -> Any:
        return self.number_of(self.output_for(self.draw(), lambda batch: self.training.step(lr, batch)))

    def output_for(self, batch: Any, call: Callable[[Any], Any]) -> Any:
        """Return what `call` returns for a batch. A step that donates its batches uses up a copy.

        Raises: OptionError for a batch that a compiled step does not take.
        """
        arrays = [leaf for leaf in jax.tree_util.tree_leaves(batch) if isinstance(leaf, jax.Array)]
        given = copied(batch) if arrays and self._donates is not False else batch
        try:
            output = call(given)
        except TypeError as error:
            raise _of_batch(error, batch) or error from error
        if self._donates is None and arrays:
            copies = [leaf for leaf in jax.tree_util.tree_leaves(given) if isinstance(leaf, jax.Array)]
            self._donates = any(leaf.is_deleted() for leaf in copies)
        return output

    def draw(self) -> Any:
        """Return the next batch."""
        self._is_drawing = True
        batch = next(self.batches)
        self._is_drawing = False
        return batch

    def number_of(self, output: Any) -> Any:
        """Return the loss in the output of the user's step. Raises: LossError if it is not one number."""
        value = output if self._loss is None else self._loss(output)
        if not is_number(value) and not isinstance(value, MetricValue):
            raise not_one_loss(value, picked=self._loss is not None)
        return value

    def _counted(self, positions: Sequence[int]) -> list[int]:
        """Return the numbers of updates at these positions of the state."""
        if not positions:
            return []
        leaves = self.training.leaves()
        return [int(leaves[position]) for position in positions]

    def _check_first_step(self, lr: float, loss: Any, before: list[int]) -> None:
        """Raise an error if the first step shows that the user's step does not train with the optimizer in its state.

        Args:
            lr, loss: of the step.
            before: the numbers of updates before it.
        """
        rates = self.training.rates
        rates.check(
            self.training.leaves(),
            lr,
            "after a step, the state",
            "The step sets the rate itself, over the one of the sweep. Let it keep what is in the state.",
        )
        finite = not isinstance(loss, MetricValue) and math.isfinite(float(PendingLoss(loss)))
        if before and finite and self._counted(rates.counts) == before:
            raise TargetError(
                f"the step returned a state whose optimizer has counted no update: {before[0]} before and after. Let "
                f"it return the new parameters, and the optimizer's state that tx.update(...) returned."
            )
        self._first_step_checked = True

    def is_blow_up(self, error: Exception) -> bool:
        """Return whether a rate that is too high may have caused this error of a step."""
        return not self._is_drawing and "RESOURCE_EXHAUSTED" not in str(error)  # the device is out of memory

    def evaluate(self) -> Any:
        """Return the held-out loss of the training as it is now; None without held-out data."""
        if self._evaluate is None:
            return None
        host = self.host_state()
        try:
            loss = self.training.evaluate(self._evaluate)
        finally:
            host.restore()
        if not is_number(loss) and not isinstance(loss, MetricValue):
            raise OptionError(
                f"evaluate returned a {type(loss).__name__}, and not one number. Let it return the mean loss of the "
                f"held-out data."
            )
        return loss

    @property
    def evaluates(self) -> bool:
        """Whether there are held-out data."""
        return self._evaluate is not None

    def bounds(self) -> dict[str, float]:
        """Return the lowest rate that float16 can hold, if a rate is of that dtype."""
        if any(value.dtype == jnp.float16 for value in self.training.rates.at(1.0)):
            return {"start_lr": float(jnp.finfo(jnp.float16).tiny)}
        return {}

    def facts(self) -> Mapping[str, Any]:
        """Return what the optimizer's state tells about the training."""
        return self.training.facts()

    def digest(self) -> Iterator[tuple[str, Any]]:
        """Yield names with checksums of everything that a step is known to change."""
        yield from self.training.digest()
        for number, state in enumerate(self.host_state().digest()):
            yield f"random state {number + 1}", hash(state) & 0xFFFFFFFF

    def why_alone(self, count: int, measure: bool) -> str | None:
        """Return why `count` runs cannot be taken side by side; None if no reason is known."""
        return why_alone(self, count, measure)

    def replica(self, sweep: PlannedSteps, seed: int | None, reset: Callable[[], object] | None) -> Replica:
        """Return one run of several that may be taken side by side."""
        return Replica(self, sweep, seed, reset)

    def report(self) -> dict[str, Any]:
        """Return versions, and facts about the sweeps."""
        rates = self.training.rates
        return {
            "versions": {name: version(name) for name in ("jax", "optax")},
            "form": self.training.form,
            "group_ratios": list(rates.ratios),
            "group_rates": [[float(value) for value in rates.values]],
            "groups": list(rates.names),
            "batches": self.batches.taken,
            "not_kept": self._not_kept,
        }


def _of_batch(error: TypeError, batch: Any) -> OptionError | None:
    """Return a better error for a batch that a compiled step does not take, such as tensors of torch."""
    foreign = [leaf for leaf in jax.tree_util.tree_leaves(batch) if not isinstance(leaf, jax.Array)]
    named = next((leaf for leaf in foreign if hasattr(leaf, "__array__") and str(type(leaf)) in str(error)), None)
    if named is None:
        return None
    return OptionError(
        f"the batches hold objects of {type(named).__module__}.{type(named).__name__}, which a compiled step does not "
        f"take. Make arrays of them: batches=lambda: (jax.tree.map(numpy.asarray, batch) for batch in loader)."
    )
