"""A training whose state is a value: `step(state, batch)` returns the next one, and nothing is changed in place."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax

from lrrange.errors import OptionError, TargetError
from lrrange_jax.arrays import check_arrays, copied, named_bits
from lrrange_jax.facts import facts_of
from lrrange_jax.functions import check_step_of_state, check_takes, split_returned
from lrrange_jax.rates import rates_in
from lrrange_jax.seeds import seeded


class StateTraining:
    """The user's step, and copies of his state.

    Args:
        step: called as `step(state, batch)`. It returns the new state, and an output.
        state: any pytree with the rates in it. It is never changed: each run starts from a copy.
    """

    form = "state"
    why_alone: str | None = None

    def __init__(self, user_step: Callable[[Any, Any], Any], state: Any) -> None:
        if not jax.tree_util.tree_leaves(state):
            raise TargetError(
                f"state is a {type(state).__name__} without an array in it. Give what the step takes first: "
                f"find_lr(train_step, state=state, batches=batches)."
            )
        check_arrays(state)
        check_step_of_state(user_step)
        self.user_step = user_step
        self.start = state
        self.rates = rates_in(state)
        self._structure = jax.tree_util.tree_structure(state)
        self._leaves: list[Any] = []

    def begin(self) -> None:
        """Begin a run: copy the user's state."""
        check_arrays(self.start)
        self._leaves = jax.tree_util.tree_leaves(copied(self.start))

    def end(self) -> None:
        """End a run: drop the copy."""
        self._leaves = []

    def start_from(self, state: Any) -> None:
        """Begin with another state, as `reset=` has returned it.

        Raises: OptionError unless it is like the user's.
        """
        if state is None:
            raise OptionError(
                "reset= returned None. The state of this training is not changed in place: let reset return a new "
                "one, with other weights."
            )
        self._leaves = jax.tree_util.tree_leaves(copied(self._alike(state, "reset=")))

    def seed(self, value: int) -> None:
        """Fold a seed into the random keys of the state."""
        self._leaves = jax.tree_util.tree_leaves(seeded(self._state(), value))

    def step(self, lr: float, batch: Any) -> Any:
        """Take one step at this rate, and return the output of the user's step."""
        self.rates.write(self._leaves, lr)
        return self.step_as_it_is(batch)

    def step_as_it_is(self, batch: Any) -> Any:
        """Take one step at the rate that the state has."""
        state, output = split_returned(self.user_step(self._state(), batch))
        leaves = jax.tree_util.tree_leaves(state)
        if len(leaves) != self._structure.num_leaves:
            self._alike(state, "the step")
        self._leaves = leaves
        return output

    def pure(self, leaves: Sequence[Any], batch: Any) -> tuple[list[Any], Any]:
        """Return the leaves after a step, and its output, and change nothing."""
        state, output = split_returned(self.user_step(self._as_state(leaves), batch))
        return jax.tree_util.tree_leaves(state), output

    def leaves(self) -> list[Any]:
        """Return the leaves of the present state."""
        return list(self._leaves)

    def load(self, leaves: Sequence[Any]) -> None:
        """Go on from these leaves."""
        self._leaves = list(leaves)

    def evaluate(self, function: Callable[..., Any]) -> Any:
        """Return what the user's function gives for the present state."""
        return function(self._state())

    def check_evaluate(self, function: Any) -> None:
        """Raise OptionError for a function that cannot be called as `evaluate` calls it."""
        check_takes("evaluate", function, "state")

    def facts(self) -> Mapping[str, Any]:
        """Return what the optimizer's state tells about the training."""
        return facts_of(self.start, self.rates)

    def digest(self) -> Any:
        """Yield a checksum of each leaf of the user's state."""
        return named_bits(self.start)

    def start_leaves(self) -> list[Any]:
        """Return the leaves of the user's state, from which each run starts."""
        leaves: list[Any] = jax.tree_util.tree_leaves(self.start)
        return leaves

    def is_like(self, other: Any) -> bool:
        """Return whether both have the same step, and states of one structure with arrays of the same kinds."""
        if other is self:
            return True
        alike = isinstance(other, StateTraining) and self.user_step is other.user_step
        kinds = [[_kind(leaf) for leaf in training.start_leaves()] for training in (self, other)]
        return alike and self._structure == other._structure and kinds[0] == kinds[1]

    def _state(self) -> Any:
        return self._as_state(self._leaves)

    def _as_state(self, leaves: Sequence[Any]) -> Any:
        return jax.tree_util.tree_unflatten(self._structure, leaves)

    def _alike(self, state: Any, source: str) -> Any:
        """Return a state with as many leaves as the user's. Raises: TargetError for another."""
        count, wanted = len(jax.tree_util.tree_leaves(state)), self._structure.num_leaves
        if count != wanted:
            raise TargetError(
                f"{source} returned a state of {count} leaves, and the state given has {wanted}. Let it return all "
                f"that it was given: the parameters, the optimizer's state and whatever else the state holds."
            )
        return state


def _kind(leaf: Any) -> tuple[Any, ...]:
    return getattr(leaf, "shape", None), getattr(leaf, "dtype", type(leaf))
