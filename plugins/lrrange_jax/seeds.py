"""Random keys in a state, and other keys for a run with a seed."""

from typing import Any

import jax
import jax.numpy as jnp

from lrrange_jax.arrays import is_key


def seeded(state: Any, value: int) -> Any:
    """Return the state with this seed folded into each of its random keys.

    Those are typed keys, of `jax.random.key`, and raw ones, of `jax.random.PRNGKey`, in a leaf called a key or an rng.
    """
    return jax.tree_util.tree_map_with_path(lambda path, leaf: _folded(path, leaf, value & 0xFFFFFFFF), state)


def has_keys(state: Any) -> bool:
    """Return whether a state has random keys that a seed changes."""
    return any(is_key(leaf) or _is_raw_key(path, leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(state))


def _folded(path: Any, leaf: Any, value: int) -> Any:
    if _is_raw_key(path, leaf):
        return jax.random.fold_in(leaf, value)
    if not is_key(leaf):
        return leaf
    keys = leaf.reshape(-1)
    return jax.vmap(jax.random.fold_in, (0, None))(keys, value).reshape(leaf.shape)


def _is_raw_key(path: Any, leaf: Any) -> bool:
    if not isinstance(leaf, jax.Array) or is_key(leaf) or leaf.dtype != jnp.uint32 or leaf.shape != (2,):
        return False
    name = jax.tree_util.keystr(path[-1:]).lower()
    return "key" in name or "rng" in name
