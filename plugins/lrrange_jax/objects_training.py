"""A training of Flax NNX, whose step changes objects in place: models, optimizers, metrics."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import jax
from flax import nnx

from lrrange.errors import TargetError
from lrrange_jax.arrays import check_arrays, copied, named_bits
from lrrange_jax.facts import facts_of
from lrrange_jax.functions import check_step_of_objects, check_takes
from lrrange_jax.rates import rates_in
from lrrange_jax.seeds import seeded


class ObjectsTraining:
    """The user's step and objects. The objects are put back after each run: their arrays, and their attributes.

    Args:
        step: called as `step(*objects, batch)`, or as `step(batch)` if that is what it takes. It returns its output.
        objects: everything that the step changes, an `nnx.Optimizer` among them.
    """

    form = "objects"

    def __init__(self, user_step: Callable[..., Any], objects: Any) -> None:
        self.objects = tuple(objects) if isinstance(objects, (tuple, list)) else (objects,)
        _check_objects(self.objects)
        self._takes_objects = check_step_of_objects(user_step, len(self.objects))
        self.user_step = user_step
        state = nnx.state(self.objects)
        check_arrays(state)
        self.rates = rates_in(state)
        self._structure = jax.tree_util.tree_structure(state)
        rates = nnx.state(self.objects, _is_rate)
        self._rates_only = jax.tree_util.tree_structure(rates)
        self.why_alone = None if self._takes_objects else "the step does not take its objects as arguments"
        self._put_back: list[list[Callable[[], object]]] = []  # of each run that has begun, the last one on top

    def begin(self) -> None:
        """Begin a run: keep the arrays of the objects, and train on copies."""
        # A state of NNX refers to the Variables of the objects, so its arrays are kept apart.
        arrays, structure = jax.tree_util.tree_flatten(nnx.state(self.objects))
        check_arrays(arrays)
        attributes = [partial(_set_attributes, vars(node), dict(vars(node))) for node in _nodes(self.objects)]
        self._put_back.append([*attributes, partial(_set_arrays, self.objects, structure, arrays)])
        _set_arrays(self.objects, structure, copied(arrays))

    def end(self) -> None:
        """End a run: put the arrays and the attributes back."""
        for undo in self._put_back.pop():
            undo()

    def start_from(self, _: Any) -> None:
        """Do nothing: `reset=` has changed the objects in place."""

    def seed(self, value: int) -> None:
        """Fold a seed into the random keys of the objects."""
        nnx.update(self.objects, seeded(nnx.state(self.objects), value))

    def step(self, lr: float, batch: Any) -> Any:
        """Take one step at this rate, and return the output of the user's step."""
        nnx.update(self.objects, jax.tree_util.tree_unflatten(self._rates_only, self.rates.at(lr)))
        return self.step_as_it_is(batch)

    def step_as_it_is(self, batch: Any) -> Any:
        """Take one step at the rate that the optimizer has."""
        return self.user_step(*self.objects, batch) if self._takes_objects else self.user_step(batch)

    def pure(self, leaves: Sequence[Any], batch: Any) -> tuple[list[Any], Any]:
        """Return the leaves after a step, and its output, and change nothing: the step gets new objects."""
        objects = nnx.merge(nnx.graphdef(self.objects), jax.tree_util.tree_unflatten(self._structure, leaves))
        output = self.user_step(*objects, batch)
        return jax.tree_util.tree_leaves(nnx.state(objects)), output

    def leaves(self) -> list[Any]:
        """Return the arrays of the objects."""
        leaves: list[Any] = jax.tree_util.tree_leaves(nnx.state(self.objects))
        return leaves

    def load(self, leaves: Sequence[Any]) -> None:
        """Go on from these arrays."""
        nnx.update(self.objects, jax.tree_util.tree_unflatten(self._structure, leaves))

    def evaluate(self, function: Callable[..., Any]) -> Any:
        """Return what the user's function gives for the objects, and put back what it changes, such as their modes."""
        self.begin()
        try:
            return function(*self.objects)
        finally:
            self.end()

    def check_evaluate(self, function: Any) -> None:
        """Raise OptionError for a function that cannot be called as `evaluate` calls it."""
        check_takes("evaluate", function, *(f"object_{number + 1}" for number in range(len(self.objects))))

    def facts(self) -> Mapping[str, Any]:
        """Return what the optimizers' states tell about the training."""
        states = [each.opt_state for each in self.objects if isinstance(each, nnx.Optimizer)]
        return facts_of(states, rates_in(nnx.state(self.objects)), nnx.state(self.objects))

    def digest(self) -> Any:
        """Yield a checksum of each array of the objects."""
        return named_bits(nnx.state(self.objects))

    def start_leaves(self) -> list[Any]:
        """Return the arrays of the objects, from which each run starts."""
        return self.leaves()

    def is_like(self, other: Any) -> bool:
        """Return whether both have the same step and objects of the same structure."""
        if other is self:
            return True
        alike = isinstance(other, ObjectsTraining) and self.user_step is other.user_step
        return alike and bool(nnx.graphdef(self.objects) == nnx.graphdef(other.objects))


def apply_to(objects: Any, lr: float) -> Mapping[str, float]:
    """Set the rate in NNX objects in place, ratios kept. Return the rates that were set, by name."""
    state = nnx.state(objects)
    check_arrays(state)
    rates = rates_in(state)
    structure = jax.tree_util.tree_structure(nnx.state(objects, _is_rate))
    values = rates.at(lr)
    nnx.update(objects, jax.tree_util.tree_unflatten(structure, values))
    return {name: float(value) for name, value in zip(rates.names, values, strict=True)}


def _is_rate(path: Sequence[Any], _: Any) -> bool:
    return tuple(path)[-2:] == ("hyperparams", "learning_rate")


def _nodes(objects: Any) -> Iterator[Any]:
    """Yield the objects and the objects within them, without the Variables, whose arrays are their state."""
    for _, node in nnx.iter_graph(objects):
        if isinstance(node, nnx.Pytree):
            yield node


def _set_attributes(attributes: dict[str, Any], values: dict[str, Any]) -> None:
    attributes.clear()
    attributes.update(values)


def _set_arrays(objects: Any, structure: Any, arrays: Sequence[Any]) -> None:
    nnx.update(objects, jax.tree_util.tree_unflatten(structure, arrays))


def _check_objects(objects: tuple[Any, ...]) -> None:
    for each in objects:
        if isinstance(each, type) or not isinstance(each, nnx.Pytree):
            raise TargetError(
                f"objects has a {type(each).__name__}, which is no object of Flax NNX. Name the objects that the step "
                f"changes, in the order in which it takes them: objects=(model, optimizer). For other states use "
                f"state=."
            )
    if not any(isinstance(each, nnx.Optimizer) for each in objects):
        raise TargetError(
            "objects has no nnx.Optimizer, whose rate would be swept. Name the model and its optimizer: "
            "objects=(model, optimizer)."
        )
