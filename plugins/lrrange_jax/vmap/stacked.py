"""The states of several runs, stacked, and one compiled step for all of them."""

import contextlib
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy

from lrrange_jax.arrays import copied, is_array
from lrrange_jax.rates import dtype_of
from lrrange_jax.vmap.stackable import CannotBatch, StackableStep

# The loss of the first step may differ by this part of it when runs are stacked.
_ROUNDING = 2e-2


class StackedStates:
    """The leaves of the states of several runs of one step, with a first dimension for the run.

    Args:
        step: whose runs they are.
        leaves: of each run.
    Raises: CannotBatch if they have no arrays of one shape.
    """

    def __init__(self, step: StackableStep, leaves: Sequence[Sequence[Any]]) -> None:
        self._step = step
        self._count = len(leaves)
        self._places = [place for place, leaf in enumerate(leaves[0]) if is_array(leaf)]
        self._others = [None if is_array(leaf) else leaf for leaf in leaves[0]]
        self._stack = self._stacked(leaves)

    def step(self, lrs: Sequence[float], batches: Sequence[Any]) -> jax.Array:
        """Take a step of all runs. Return their losses, shape (runs,).

        Args:
            lrs: the rate of each run.
            batches: one for all runs, or one for each.
        """
        shared = len(batches) == 1
        if not shared and len({_shapes(batch) for batch in batches}) > 1:
            return self._one_by_one(lrs, batches)
        batch = batches[0] if shared else jax.tree_util.tree_map(lambda *parts: _stack(parts), *batches)
        self._stack, losses = self._compiled(shared)(self._stack, self._rates(lrs), batch)
        return losses

    def leaves(self, run: int) -> list[Any]:
        """Return the leaves of the state of one run."""
        arrays = iter([leaf[run] for leaf in self._stack])
        return [next(arrays) if place in self._places else other for place, other in enumerate(self._others)]

    def check(self, lrs: Sequence[float], batches: Sequence[Any]) -> None:
        """Compare the first loss of the last run with that of this run alone. The states are as before afterwards.

        Raises: CannotBatch if they differ by more than rounding, or if the step cannot be stacked.
        """
        before = [leaf.copy() for leaf in self._stack]
        training, host = self._step.training, self._step.host_state()
        digest = host.digest()
        try:
            loss = self.step(lrs, batches)[-1]
            jax.block_until_ready(loss)
        except CannotBatch:
            raise
        except Exception as error:
            text = str(error).splitlines()[0] if str(error) else ""
            raise CannotBatch(f"the step cannot be stacked: {type(error).__name__}: {text:.200}") from error
        if host.digest() != digest:
            raise CannotBatch("the step draws random numbers outside of JAX")
        self._stack = before
        training.load(copied(self.leaves(self._count - 1)))
        alone = self._step.number_of(training.step(lrs[-1], copied(batches[-1])))
        if not numpy.isclose(float(loss), float(alone), rtol=_ROUNDING, atol=1e-6, equal_nan=True):
            raise CannotBatch(f"the first step gives the loss {float(loss):.6g} stacked, and {float(alone):.6g} alone")

    def copy(self) -> "StackedStates":
        """Return the same states, to take steps that are not meant to count."""
        return StackedStates(self._step, [self.leaves(run) for run in range(self._count)])

    def _rates(self, lrs: Sequence[float]) -> list[jax.Array]:
        rates = self._step.training.rates
        return [
            jnp.asarray(numpy.asarray([lr * ratio for lr in lrs], dtype=dtype_of(value)))
            for ratio, value in zip(rates.ratios, rates.values, strict=True)
        ]

    def _compiled(self, shared: bool) -> Any:
        """Return the compiled step of all runs, which the training keeps from one group of runs to the next."""
        step, places, others = self._step, self._places, self._others
        key = shared, tuple(places)
        if key not in step.compiled:
            positions = step.training.rates.positions

            def one(arrays: Sequence[Any], rates: Sequence[Any], batch: Any) -> Any:
                leaves = list(others)
                for place, array in zip(places, arrays, strict=True):
                    leaves[place] = array
                for position, rate in zip(positions, rates, strict=True):
                    leaves[position] = rate
                new, output = step.training.pure(leaves, batch)
                return [new[place] for place in places], jnp.reshape(jnp.asarray(step.number_of(output)), ())

            batched = jax.vmap(one, in_axes=(0, 0, None if shared else 0))
            step.compiled[key] = jax.jit(batched, donate_argnums=0)
        return step.compiled[key]

    def _one_by_one(self, lrs: Sequence[float], batches: Sequence[Any]) -> jax.Array:
        """Take a step of each run alone, because their batches have different shapes."""
        training, losses, leaves = self._step.training, [], []
        for run, (lr, batch) in enumerate(zip(lrs, batches, strict=True)):
            training.load(self.leaves(run))
            losses.append(jnp.reshape(jnp.asarray(self._step.number_of(training.step(lr, copied(batch)))), ()))
            leaves.append(training.leaves())
        self._stack = self._stacked(leaves)
        return jnp.stack(losses)

    def _stacked(self, leaves: Sequence[Sequence[Any]]) -> list[jax.Array]:
        with contextlib.suppress(TypeError, ValueError):
            return [jnp.stack([jnp.asarray(run[place]) for run in leaves]) for place in self._places]
        raise CannotBatch("the states of the runs have arrays of different shapes")


def _shapes(batch: Any) -> tuple[Any, ...]:
    leaves, structure = jax.tree_util.tree_flatten(batch)
    return (structure, *(numpy.shape(leaf) for leaf in leaves))


def _stack(parts: Sequence[Any]) -> Any:
    if not is_array(parts[0]):
        raise CannotBatch(f"the batches hold a {type(parts[0]).__name__}, of which no array can be made")
    return jnp.stack(parts) if isinstance(parts[0], jax.Array) else numpy.stack(parts)
