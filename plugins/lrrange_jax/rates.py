"""The learning rates in a training's state: the leaves that `optax.inject_hyperparams` puts there."""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import attrs
import jax
import jax.numpy as jnp

from lrrange.errors import RateNotInForce, TargetError

# The line to write where the rate is no leaf of the state.
INJECT = "optax.inject_hyperparams(optax.adam)(learning_rate=1e-3)"

_NAME = "learning_rate"


@attrs.frozen(kw_only=True)
class Rates:
    """Where a state has its learning rates. Positions are those among the leaves of the state.

    Args:
        positions: of the rates.
        names: their paths in the state.
        values: the rates as they are in the state.
        ratios: each rate, divided by the first that is not 0.
        counts: positions of the numbers of updates that `inject_hyperparams` counts.
        accumulated: positions of the numbers of updates that `optax.MultiSteps` counts; empty if it is not used.
    """

    positions: tuple[int, ...]
    names: tuple[str, ...]
    values: tuple[Any, ...]
    ratios: tuple[float, ...]
    counts: tuple[int, ...]
    accumulated: tuple[int, ...]

    @property
    def reference(self) -> float:
        """The first rate that is not 0."""
        return next(float(value) for value, ratio in zip(self.values, self.ratios, strict=True) if ratio == 1.0)

    def at(self, lr: float) -> list[jax.Array]:
        """Return the rates when the first one is `lr`, each of the dtype and on the device that it has in the state.

        With another dtype, a compiled step would be traced again.
        """
        return self._arrays([lr * ratio for ratio in self.ratios])

    def write(self, leaves: list[Any], lr: float) -> None:
        """Replace the rates among these leaves of a state."""
        for position, value in zip(self.positions, self.at(lr), strict=True):
            leaves[position] = value

    def replaced(self, leaves: Sequence[Any], rates: Sequence[float]) -> list[Any]:
        """Return these leaves of a state with other rates, one for each group."""
        replaced = list(leaves)
        for position, value in zip(self.positions, self._arrays(rates), strict=True):
            replaced[position] = value
        return replaced

    def _arrays(self, rates: Sequence[float]) -> list[jax.Array]:
        return [
            _like(old, jnp.asarray(rate, dtype=dtype_of(old))) for rate, old in zip(rates, self.values, strict=True)
        ]

    def check(self, leaves: Sequence[Any], lr: float, where: str, advice: str) -> None:
        """Raise RateNotInForce unless the rates among these leaves are those of `lr`, to the rounding of their dtype.

        Args:
            leaves: of a state.
            lr: the rate of the first group.
            where: where the leaves are from, for the message.
            advice: what to do, for the message.
        """
        for name, position, wanted in zip(self.names, self.positions, self.at(lr), strict=True):
            actual = float(leaves[position])
            # Rates that were computed elsewhere may be rounded in another order.
            if not math.isclose(float(wanted), actual, rel_tol=4 * float(jnp.finfo(wanted.dtype).eps)):
                raise RateNotInForce(
                    f"{where} has {name} = {actual:.6g}, not {float(wanted):.6g}. {advice}",
                    group=name,
                    wanted=float(wanted),
                    actual=actual,
                )


def dtype_of(value: Any) -> Any:
    """Return the dtype that a leaf has in a compiled step. A number of Python's has the default one."""
    return jax.dtypes.canonicalize_dtype(jnp.result_type(value))


def _like(old: Any, value: jax.Array) -> jax.Array:
    """Return the value on the device to which the old one was committed, without which a step is compiled again."""
    if isinstance(old, jax.Array) and getattr(old, "committed", False):
        return jax.device_put(value, old.sharding)
    return value


def with_rate(state: Any, lr: float) -> Any:
    """Return a state like this one whose first rate is `lr`, and the others in proportion. Raises: see `rates_in`."""
    leaves, structure = jax.tree_util.tree_flatten(state)
    rates_in(state).write(leaves, lr)
    return jax.tree_util.tree_unflatten(structure, leaves)


def rates_in(state: Any) -> Rates:
    """Return where a state has its learning rates.

    Raises: TargetError, with the line to write, if there is none that can be set, or one that follows a schedule.
    """
    leaves = [(_names(path), path, leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(state)]
    scheduled = [path for names, path, _ in leaves if ("hyperparams_states", _NAME) in itertools.pairwise(names)]
    if scheduled:
        raise TargetError(
            f"{_NAME} follows a schedule, which sets it again in every step, over the rate of the sweep. Sweep with a "
            f"number in its place, {INJECT}, and give your schedule its peak afterwards: "
            f"result.lr_for('cosine').lr."
        )
    rates = [(position, path, leaf) for position, (names, path, leaf) in enumerate(leaves) if _is_rate(names)]
    if not rates:
        raise _no_rate(leaves)
    values = [leaf for _, _, leaf in rates]
    for _, path, value in rates:
        if jnp.shape(value) != ():
            raise TargetError(
                f"{jax.tree_util.keystr(path)} has the shape {jnp.shape(value)}, and is not one rate. If the state is "
                f"replicated for pmap, give the state of one device: jax.tree.map(lambda leaf: leaf[0], state)."
            )
    reference = next((float(value) for value in values if float(value) != 0), None)
    if reference is None:
        raise TargetError(f"{_NAME} is 0 in the state. Make the optimizer with a positive number: {INJECT}.")
    prefixes = [names[:-2] for names, _, _ in leaves if _is_rate(names)]
    every = [names for names, _, _ in leaves]
    return Rates(
        positions=tuple(position for position, _, _ in rates),
        names=tuple(jax.tree_util.keystr(path).removesuffix(".value") for _, path, _ in rates),
        values=tuple(values),
        ratios=tuple(float(value) / reference for value in values),
        counts=tuple(every.index((*prefix, "count")) for prefix in prefixes if (*prefix, "count") in every),
        accumulated=tuple(
            position
            for position, names in enumerate(every)
            if names[-1:] == ("gradient_step",) and (*names[:-1], "mini_step") in every
        ),
    )


def _names(path: Sequence[Any]) -> tuple[Any, ...]:
    """Return the names and positions along a path. That of a Variable of Flax NNX ends in its value, which is left out.

    They are alike for a state of optax and for an `nnx.State` made of one.
    """
    names = tuple(getattr(each, "name", getattr(each, "key", getattr(each, "idx", None))) for each in path)
    return names[:-1] if names[-1:] == ("value",) else names


def _is_rate(names: tuple[Any, ...]) -> bool:
    return names[-2:] == ("hyperparams", _NAME)


def _no_rate(leaves: Sequence[tuple[tuple[Any, ...], Any, Any]]) -> TargetError:
    """Return the error about a state without a rate that can be set."""
    injected = list(dict.fromkeys(str(names[-1]) for names, _, _ in leaves if names[-2:-1] == ("hyperparams",)))
    if injected:
        return TargetError(
            f"the hyperparameters in the state are called {', '.join(injected)}, and none of them {_NAME}. Name the "
            f"rate so: optax.inject_hyperparams(lambda learning_rate: ...)(learning_rate=1e-3)."
        )
    return TargetError(
        f"the learning rate is a constant in the compiled step: no leaf of the state is called "
        f"hyperparams['{_NAME}']. Make it a part of the optimizer's state: {INJECT}. If it follows a schedule, put a "
        f"number in its place for the sweep."
    )
