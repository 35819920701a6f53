"""JAX for lrrange: `find_lr(train_step, state=state, batches=batches)`, or `objects=(model, optimizer)` for Flax NNX.

The hooks are here. They import JAX only when there is work for it: a user who has a compiled step has imported it.
"""

import sys
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from lrrange import TrainingStep, hookimpl
from lrrange.errors import MissingExtra
from lrrange.protocol import ProvedRate

__all__: list[str] = []

if find_spec("jax") is None or find_spec("optax") is None:
    raise MissingExtra("the jax backend needs JAX and optax. Install it with: pip install 'lrrange[jax]'", extra="jax")

_EXAMPLE = "find_lr(train_step, state=state, batches=batches)"
_OBJECTS = "find_lr(train_step, objects=(model, optimizer), batches=batches)"

_IN_STATE = "it is a part of the state, which holds everything that the step changes: state=(params, opt_state)"

# What to do with options of other backends.
_HINTS = {
    **dict.fromkeys(("optimizer", "opt_state", "tx", "params", "model", "restore"), _IN_STATE),
    **dict.fromkeys(("loader", "data", "train_loader", "dataset"), "they are called batches="),
    "loss_fn": "the step computes its loss itself; loss= picks it from what the step returns",
    "val_loader": "give evaluate=, a function that takes the state and returns the held-out loss",
    "scheduler": "the sweep sets the rate; for your schedule take result.lr_for(...)",
    "key": "keep random keys in the state",
    "rng": "keep random keys in the state",
    "objects": "give either state= or objects=",
    "state": "give either state= or objects=",
    "train_epochs": "give train_steps=, in optimizer steps",
    "epochs": "give train_steps=, in optimizer steps",
}


@hookimpl
def lrrange_adapt(target: object, options: Mapping[str, Any]) -> TrainingStep | None:
    """Make a training step of a function that comes with a state, or with objects of NNX, of JAX."""
    if "jax" not in sys.modules:
        return None
    from lrrange_jax.targets import is_meant_for_jax, refuse

    if not is_meant_for_jax(target, options):
        return None
    refuse(target, options)
    adapted: TrainingStep = _adapted(target, options)
    return adapted


@hookimpl
def lrrange_applied(state: object, lr: float) -> object | None:
    """Return a state with another rate in the optimizer state that it holds."""
    if "jax" not in sys.modules:
        return None
    from lrrange_jax.targets import check_is_value, is_state

    if not is_state(state):
        return None
    check_is_value(state)
    from lrrange_jax.arrays import check_arrays
    from lrrange_jax.rates import with_rate

    check_arrays(state)
    applied: object = with_rate(state, lr)
    return applied


@hookimpl
def lrrange_apply(optimizer: object, lr: float, scheduler: object | None) -> Mapping[str, Any] | None:
    """Set the rate in an `nnx.Optimizer`, or in several, in place."""
    if "jax" not in sys.modules:
        return None
    from lrrange_jax.targets import check_can_be_applied, is_of_nnx

    check_can_be_applied(optimizer, scheduler)
    if not is_of_nnx(optimizer):
        return None
    from lrrange_jax.objects_training import apply_to

    return apply_to(optimizer, lr)


@hookimpl
def lrrange_verify(
    target: object, lr: float, steps: int, scheduler: object | None, options: Mapping[str, Any]
) -> ProvedRate | None:
    """Take steps of the training on a copy, at its own rate and at others, and compare them."""
    if "jax" not in sys.modules:
        return None
    from lrrange_jax.targets import check_can_be_verified, is_meant_for_jax

    check_can_be_verified(target, options, scheduler)
    if not is_meant_for_jax(target, options):
        return None
    from lrrange_jax.proof import prove

    return prove(_adapted(target, options, verify=True), lr, steps)


def _adapted(target: object, options: Mapping[str, Any], *, verify: bool = False) -> Any:
    """Return the step of JAX that the options make of a target, for `find_lr` or for `result.verify`."""
    from lrrange.protocol import OPTIONS_OF_VERIFY, with_options
    from lrrange_jax.adapters import objects_step, state_step

    of_objects = "objects" in options and "state" not in options
    example = _OBJECTS if of_objects else _EXAMPLE
    also = {"also": OPTIONS_OF_VERIFY} if verify else {}
    if verify:
        example = example.replace("find_lr", "result.verify")
    adapter: Any = objects_step if of_objects else state_step
    return with_options(adapter, target, options, example=example, hints=_HINTS, **also)
