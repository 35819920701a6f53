"""Which targets are JAX's, and what to write in place of one that cannot be trained as it is."""

import sys
from collections.abc import Mapping
from typing import Any

import jax
import numpy

from lrrange.errors import OptionError, TargetError
from lrrange_jax.functions import is_compiled

_EXAMPLE = "find_lr(train_step, state=state, batches=batches)"
_OBJECTS = "find_lr(train_step, objects=(model, optimizer), batches=batches)"

# Packages of models, optimizers and states.
_PACKAGES = ("flax", "equinox", "optax", "haiku", "chex")


def is_meant_for_jax(target: object, options: Mapping[str, Any]) -> bool:
    """Return whether this is a training of JAX, or what somebody would give who means one."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(target, torch.nn.Module):
        return False
    if "state" in options or "objects" in options:
        return callable(target) or is_of_package(target) or holds_arrays(target)
    if is_compiled(target) or is_of_package(target) or holds_arrays(target):
        return True
    return callable(target) and "batches" in options


def refuse(target: object, options: Mapping[str, Any]) -> None:
    """Raise an error that says what is missing, unless the target is a step that comes with its state."""
    if is_of_nnx(target):
        raise TargetError(f"the target is a {_kind(target)} of Flax NNX. The step goes first: {_OBJECTS}.")
    if is_of_package(target) and not is_compiled(target):
        raise TargetError(
            f"the target is a {_kind(target)}, and not a step. The step goes first, a function that takes a state and "
            f"a batch and returns the new state and the loss: {_EXAMPLE}."
        )
    if not callable(target):
        raise TargetError(
            f"the target is a {_kind(target)} of arrays: a state, and not a step. The step goes first: {_EXAMPLE}."
        )
    if isinstance(target, type):
        raise TargetError(f"the target is the class {target.__name__}. The step goes first: {_EXAMPLE}.")
    if "state" not in options and "objects" not in options:
        raise OptionError(
            f"state= is missing: what the step takes first, and returns. {_EXAMPLE}; for Flax NNX, whose step changes "
            f"its objects, {_OBJECTS}."
        )
    if is_of_nnx(options.get("state")):
        raise OptionError(f"state= holds objects of Flax NNX, which the step changes in place: {_OBJECTS}.")
    if _is_pmapped(target):
        raise TargetError(
            "the step is made by jax.pmap, and a sweep trains on one device. Sweep with the same step under jax.jit, a "
            "state on one device, and batches of the same size as all devices together have."
        )


def holds_arrays(value: object, kinds: tuple[type, ...] = (jax.Array,)) -> bool:
    """Return whether this is a container of arrays of these kinds: a state, parameters, or a batch."""
    if isinstance(value, kinds):
        return True
    if callable(value) and not is_of_package(value):
        return False
    try:
        return any(isinstance(leaf, kinds) for leaf in jax.tree_util.tree_leaves(value))
    except Exception:  # keys that cannot be sorted, or a class that cannot be taken apart
        return False


def is_of_package(value: object) -> bool:
    """Return whether the class of a value, or one that it derives from, is of a package of models or optimizers."""
    kinds = type(value).__mro__
    return any(kind.__module__.partition(".")[0] in _PACKAGES for kind in kinds) and not is_compiled(value)


def is_of_nnx(value: object) -> bool:
    """Return whether this is an object of Flax NNX, or several in a list."""
    nnx = sys.modules.get("flax.nnx")
    if nnx is None:
        return False
    if isinstance(value, (list, tuple)):
        return bool(value) and all(map(is_of_nnx, value))
    return isinstance(value, nnx.Pytree) and not isinstance(value, nnx.State)


def is_state(value: object) -> bool:
    """Return whether this may be a state of JAX. One that was read from a file may have arrays of NumPy alone."""
    return holds_arrays(value, (jax.Array, numpy.ndarray))


def check_is_value(state: object) -> None:
    """Raise TargetError for objects that are changed in place."""
    if is_of_nnx(state):
        raise TargetError(f"a {_kind(state)} of Flax NNX is changed in place: result.apply(optimizer).")


def check_can_be_applied(optimizer: object, scheduler: object | None) -> None:
    """Raise an error for what has no rate that can be set in place."""
    if is_of_nnx(optimizer):
        if scheduler is not None:
            raise OptionError("scheduler= is not for JAX: a schedule of optax's gets its peak when it is made.")
        return
    if type(optimizer).__module__.startswith("optax") and hasattr(optimizer, "init"):
        raise TargetError(
            f"a {_kind(optimizer)} of optax holds no rate that can be set. Its state does: "
            f"state = result.applied(state)."
        )
    if holds_arrays(optimizer):
        raise TargetError(
            "a state of JAX is not changed in place. Take a new one, with the rate in it: "
            "state = result.applied(state)."
        )


def check_can_be_verified(target: object, options: Mapping[str, Any], scheduler: object | None) -> None:
    """Raise OptionError for what is no step with its state."""
    if is_of_package(target) or holds_arrays(target) or (is_compiled(target) and not _has_training(options)):
        call = "objects=(model, optimizer)" if is_of_nnx(target) or "objects" in options else "state=state"
        raise OptionError(
            f"the steps of a training of JAX are taken at once, on a copy, so the step, its state and its batches are "
            f"needed: result.verify(train_step, {call}, batches=batches)."
        )
    if scheduler is not None and _has_training(options):
        raise OptionError("scheduler= is not for JAX: a schedule within the compiled step cannot be watched.")


def _has_training(options: Mapping[str, Any]) -> bool:
    return "state" in options or "objects" in options


def _is_pmapped(step: object) -> bool:
    """Return whether `jax.pmap` has made a step: a function of its module, or in earlier versions an object of C++."""
    made_in = str(getattr(getattr(step, "__code__", None), "co_qualname", ""))
    return made_in.startswith("pmap.") or type(step).__name__ == "PmapFunction"


def _kind(value: object) -> str:
    return type(value).__name__
