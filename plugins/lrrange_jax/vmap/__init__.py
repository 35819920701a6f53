"""Several runs of one training in one batched pass, by `jax.vmap`. Nothing outside knows how it works."""

from lrrange_jax.vmap.replica import Replica, why_alone

__all__ = ["Replica", "why_alone"]
