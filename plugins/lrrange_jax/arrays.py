"""Arrays in a pytree: copies of them, and those that cannot be trained."""

import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy

from lrrange.errors import TargetError


def copied(tree: Any) -> Any:
    """Return the tree with a copy of each array, which a step that donates its arguments may use up."""
    return jax.tree_util.tree_map(
        lambda leaf: leaf.copy() if isinstance(leaf, (jax.Array, numpy.ndarray)) else leaf, tree
    )


def is_array(leaf: Any) -> bool:
    """Return whether a leaf is data that a compiled step takes, and not a function, a text or the like."""
    return isinstance(leaf, (jax.Array, numpy.ndarray, numpy.generic, bool, int, float, complex))


def is_key(leaf: Any) -> bool:
    """Return whether this is an array of typed random keys, as `jax.random.key` makes them."""
    return isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def check_arrays(state: Any) -> None:
    """Raise TargetError for a state with arrays that are gone, that lie on several devices, or are being traced."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(state):
        if isinstance(leaf, jax.core.Tracer):
            raise TargetError(
                "the state is being traced: find_lr was called within a function that JAX compiles or "
                "differentiates. Call it outside."
            )
        if not isinstance(leaf, jax.Array):
            continue
        where = jax.tree_util.keystr(path) or "the state"
        if leaf.is_deleted():
            raise TargetError(
                f"the array of {where} has been deleted: a step that donates its arguments has used up this state. "
                f"Give the state that the last step returned."
            )
        devices = len(leaf.sharding.device_set)
        if devices > 1 or not leaf.is_fully_addressable:
            raise TargetError(
                f"the array of {where} lies on {devices} devices, and a sweep trains on one. Sweep with a state on "
                f"one device, jax.device_put(state, jax.devices()[0]), and batches of the same size."
            )


def bits_of(leaf: Any) -> object:
    """Return a checksum of an array's bits, or its deletion; of anything else, its identity."""
    if is_key(leaf):
        leaf = leaf if leaf.is_deleted() else jax.random.key_data(leaf)
    if not is_array(leaf):
        return id(leaf)
    if isinstance(leaf, jax.Array) and leaf.is_deleted():
        return "deleted"
    array = numpy.asarray(leaf)
    return f"{array.dtype}{list(array.shape)} {zlib.crc32(array.tobytes()):08x}"


def named_bits(state: Any) -> Iterator[tuple[str, object]]:
    """Yield the path of each leaf of a state, with `bits_of` it."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(state):
        yield jax.tree_util.keystr(path) or "state", bits_of(leaf)


def number_of_bytes(leaves: Iterable[Any]) -> int:
    """Return the bytes of the arrays among these leaves."""
    return sum(leaf.nbytes for leaf in leaves if isinstance(leaf, (jax.Array, numpy.ndarray)))
