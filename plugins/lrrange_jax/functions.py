"""The functions that a user gives: what they take, what they return, and what to write for anything else."""

import inspect
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from lrrange.errors import LossError, OptionError, TargetError


def parameters_of(function: Any) -> list[str] | None:
    """Return the names of a function's arguments; None if they are not known."""
    try:
        return list(inspect.signature(function).parameters)
    except (TypeError, ValueError):  # written in C
        return None


def takes(function: Any, *names: str) -> bool:
    """Return whether a function can be called with that many arguments, as far as its signature shows."""
    try:
        inspect.signature(function).bind(*names)
    except TypeError:
        return False
    except ValueError:  # written in C
        return True
    return True


def is_compiled(function: Any) -> bool:
    """Return whether JAX compiles this function: `jax.jit`, `nnx.jit`, `eqx.filter_jit` and the like have made it."""
    return callable(function) and hasattr(function, "lower") and hasattr(function, "__wrapped__")


def check_takes(option: str, function: Any, *names: str) -> None:
    """Raise OptionError unless an option is a function of these arguments."""
    if function is None:
        return
    call = f"{option}({', '.join(names)})"
    if not callable(function):
        raise OptionError(f"{option} is a {type(function).__name__}. Give a function, called as {call}.")
    if not takes(function, *names):
        raise OptionError(f"{option} takes ({', '.join(parameters_of(function) or ())}), and is called as {call}.")


def check_step_of_state(step: Any) -> None:
    """Raise OptionError, with the function to write, unless the user's step can be called as step(state, batch)."""
    if takes(step, "state", "batch"):
        return
    parameters = parameters_of(step) or []
    text = f"the step takes ({', '.join(parameters)}), and is called as step(state, batch)."
    if len(parameters) < 3:
        raise OptionError(f"{text} Let it take the state, which holds everything that it changes, and then a batch.")
    raise OptionError(
        f"{text} Put what it changes in one state, state=({', '.join(parameters[:-1])}), and wrap it: def "
        f"step(state, batch): *new, loss = {_name_of(step)}(*state, batch); return tuple(new), loss."
    )


def check_step_of_objects(step: Any, count: int) -> bool:
    """Return whether the user's step takes its objects and a batch; False if it takes the batch alone.

    Raises: OptionError if it takes neither.
    """
    if "cached_partial" in getattr(getattr(step, "__code__", None), "co_qualname", ""):
        raise OptionError(
            "the step is made by nnx.cached_partial, which hides the objects that it trains. Give the function that "
            "cached_partial was called with, and its objects in objects=."
        )
    names = [f"object_{number + 1}" for number in range(count)]
    if takes(step, *names, "batch"):
        return True
    if takes(step, "batch"):
        return False
    raise OptionError(
        f"the step takes ({', '.join(parameters_of(step) or ())}), and is called with the {count} objects of objects= "
        f"and a batch: step(*objects, batch). Name in objects= what it takes, in its order, or wrap it."
    )


def split_returned(returned: Any) -> tuple[Any, Any]:
    """Return the new state and the output of a step. Raises: TargetError, with what to return, for anything else."""
    if type(returned) in (tuple, list) and len(returned) == 2:
        state, output = returned
        if is_number(state) and not is_number(output):
            raise TargetError("the step returned (loss, state). Return the state first: return state, loss.")
        return state, output
    if returned is None:
        what = "None"
    elif type(returned) in (tuple, list):
        what = f"a {type(returned).__name__} of {len(returned)} ({', '.join(type(part).__name__ for part in returned)})"
        if len(returned) > 2:
            what += ". Put the parts of the state together: return (params, opt_state), loss"
    elif is_number(returned):
        what = "one number, and no state. It must not change its state in place"
    else:
        what = f"a {type(returned).__name__}"
    raise TargetError(f"the step returned {what}. Let it return two values: the new state, and the loss.")


def is_number(value: Any) -> bool:
    """Return whether a value can be recorded as a loss."""
    if isinstance(value, (bool, int, float)):
        return True
    return hasattr(value, "dtype") and hasattr(value, "shape") and value.size == 1 and not _is_key_dtype(value.dtype)


def _is_key_dtype(dtype: Any) -> bool:
    return bool(jnp.issubdtype(dtype, jax.dtypes.prng_key))


def not_one_loss(value: Any, picked: bool) -> LossError:
    """Return the error about an output that is not one loss.

    Args:
        value: the output.
        picked: whether the user's `loss=` returned it.
    """
    source = "loss=" if picked else "the step"
    kind = type(value).__name__
    if value is None:
        return LossError(f"{source} returned no loss, but None. Return it.", loss=value)
    if isinstance(value, Mapping):
        name = next((key for key in value if "loss" in str(key)), next(iter(value), "loss"))
        keys = ", ".join(map(repr, list(value)[:6]))
        return LossError(
            f"{source} returned a {kind} ({keys}) as its output, and not one number. Say which is the loss: "
            f"loss=lambda output: output[{name!r}].",
            loss=value,
        )
    if isinstance(value, (tuple, list)):
        return LossError(
            f"{source} returned a {kind} of {len(value)} values as its output, and not one number. Say which is "
            f"the loss: loss=lambda output: output[0].",
            loss=value,
        )
    if hasattr(value, "shape"):
        return LossError(
            f"{source} returned {value.size} numbers, of shape {tuple(value.shape)}, as the loss, and not one. Return "
            f"their mean, or say loss=lambda output: output.mean().",
            loss=value,
        )
    return LossError(
        f"{source} returned a {kind} as its output, and not one number. Say which part is the loss: "
        f"loss=lambda output: output.loss.",
        loss=value,
    )


def _name_of(function: Any) -> str:
    return str(getattr(function, "__name__", "train_step"))
