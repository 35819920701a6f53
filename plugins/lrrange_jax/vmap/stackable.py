"""What a training step must offer so that several of its runs can be stacked."""

from typing import Any, Protocol

from lrrange.protocol import Seedable, StartsFrom, TrainingStep
from lrrange_jax.batches import Batches
from lrrange_jax.host_state import HostState
from lrrange_jax.training import JaxTraining


class CannotBatch(Exception):
    """The reason why runs cannot be taken side by side, or why that does not pay."""


class StackableStep(TrainingStep, Seedable, StartsFrom, Protocol):
    """A training step of JAX.

    Attributes:
        training: the user's step and its state.
        batches: what it trains on.
        compiled: its stacked steps, once compiled.
    """

    training: JaxTraining
    batches: Batches
    compiled: dict[Any, Any]

    @property
    def evaluates(self) -> bool:
        """Whether there are held-out data."""

    def host_state(self) -> HostState:
        """Return everything outside of JAX that a step or a loader may change, as it is now."""

    def number_of(self, output: Any) -> Any:
        """Return the loss in the output of the user's step."""
