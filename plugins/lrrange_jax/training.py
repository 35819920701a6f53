"""What the two forms of a training have in common: the state as a value, and objects that are changed in place."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from lrrange_jax.rates import Rates


class JaxTraining(Protocol):
    """A user's step and what it changes: a `StateTraining` or an `ObjectsTraining`.

    Leaves are those of the state as a pytree, in the order of `jax.tree.leaves`.

    Attributes:
        form: name of the form.
        user_step: the user's step.
        rates: where the state has its rates.
        why_alone: why runs of this form cannot be stacked; None if they can.
    """

    form: str
    user_step: Callable[..., Any]
    rates: Rates
    why_alone: str | None

    def begin(self) -> None:
        """Begin a run on copies of the user's arrays."""

    def end(self) -> None:
        """End the run, and put everything back."""

    def start_from(self, state: Any) -> None:
        """Begin the run with the weights that `reset=` has made, and returned if states are values."""

    def seed(self, value: int) -> None:
        """Fold a seed into the random keys of the run."""

    def step(self, lr: float, batch: Any) -> Any:
        """Take one step at this rate, and return the output of the user's step."""

    def step_as_it_is(self, batch: Any) -> Any:
        """Take one step at the rate that the state has."""

    def pure(self, leaves: Sequence[Any], batch: Any) -> tuple[list[Any], Any]:
        """Return the leaves after a step from these, and its output, and change nothing."""

    def leaves(self) -> list[Any]:
        """Return the present leaves of the run."""

    def load(self, leaves: Sequence[Any]) -> None:
        """Let the run go on from these leaves."""

    def start_leaves(self) -> list[Any]:
        """Return the leaves of the user's own state."""

    def evaluate(self, function: Callable[..., Any]) -> Any:
        """Return what the user's function gives for the present state, and put back what it changes."""

    def check_evaluate(self, function: Any) -> None:
        """Raise OptionError for a function that cannot be called as `evaluate` calls it."""

    def facts(self) -> Mapping[str, Any]:
        """Return what the optimizer's state tells about the training."""

    def digest(self) -> Iterator[tuple[str, Any]]:
        """Yield a checksum of each of the user's own leaves, with its name."""

    def is_like(self, other: "JaxTraining") -> bool:
        """Return whether the other has the same step, and leaves of the same kinds."""
