"""The argument `optimizer=`: one optimizer or several, and for anything else an error with what to write."""

import functools
import types
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lrrange.errors import OptionError
from lrrange_torch.accelerate import unwrap
from lrrange_torch.wrappers import wrapped_in

# What can be iterated over, but not to find optimizers.
_NOT_SEVERAL = (Optimizer, str, bytes, Mapping, torch.Tensor, type, nn.Module)


def optimizers_of(given: object, scaler: object = None) -> tuple[Optimizer, ...]:
    """Return the optimizers that a user gave, each once, without Accelerate's wrappers.

    Args:
        given: an optimizer, or several in a list, a tuple or an iterator.
        scaler: the GradScaler that the user gave, or None.
    Raises: OptionError for anything else, and for two optimizers of which one wraps the other.
    """
    if not isinstance(given, Iterable) or isinstance(given, _NOT_SEVERAL):
        optimizers = [_checked(unwrap(given, scaler), "optimizer")]
    else:
        values = list(given)
        if not values:
            raise OptionError(f"optimizer is a {type(given).__name__} without any optimizer in it. Give one or more.")
        if all(map(_is_parameters, values)):
            raise OptionError(
                f"optimizer is a {type(given).__name__} of {len(values)} parameters or param groups. Make an optimizer "
                f"of them, such as torch.optim.Adam(model.parameters()), and give that.",
            )
        names = [f"optimizer[{index}]" for index in range(len(values))] if len(values) > 1 else ["optimizer"]
        optimizers = [_checked(unwrap(value, scaler), name) for value, name in zip(values, names, strict=True)]
    distinct = list({id(optimizer): optimizer for optimizer in optimizers}.values())
    owner: dict[int, Optimizer] = {}
    for optimizer in distinct:
        for group in optimizer.param_groups:
            other = owner.setdefault(id(group), optimizer)
            if other is not optimizer:
                raise OptionError(
                    f"optimizer holds a {type(other).__name__} and a {type(optimizer).__name__} with the same param "
                    f"groups: one wraps the other. Give only the one whose step() the training calls.",
                )
    return tuple(distinct)


def check_is_no_mistake(given: object) -> None:
    """Raise OptionError for something of torch's that is given in place of its optimizer. A LightningModule is none."""
    is_model = isinstance(given, nn.Module) and not hasattr(given, "configure_optimizers")
    if is_model or isinstance(given, LRScheduler) or _class_of_optimizer(given) is not None:
        _checked(given, "optimizer")


def check_scheduler(given: object) -> None:
    """Raise OptionError for what is surely no LR scheduler of an optimizer. Any other object may be."""
    for value in given if isinstance(given, (list, tuple)) else [given]:
        if isinstance(value, type):
            what = f"the class {value.__name__}, which has not been called. Give {value.__name__}(optimizer, ...)"
        elif isinstance(value, Optimizer):
            what = f"a {type(value).__name__}, an optimizer. Leave scheduler= out, or give the scheduler made with it"
        elif isinstance(value, (str, bytes, bool, int, float, types.FunctionType)):
            what = f"a {type(value).__name__}. Give the scheduler itself, such as CosineAnnealingLR(optimizer, ...)"
        else:
            continue
        raise OptionError(f"scheduler is {what}.")


def is_meant_for_torch(given: object) -> bool:
    """Return whether the value of `optimizer=` is an optimizer of torch, or something from which one is made or taken.

    `optimizers_of` then refuses what is no optimizer, with what to write instead.
    """
    values = list(given.values()) if isinstance(given, Mapping) else given
    return any(
        isinstance(value, (Optimizer, torch.Tensor, LRScheduler))
        or _class_of_optimizer(value) is not None
        or any(True for _ in wrapped_in(value))
        for value in (values if isinstance(values, (list, tuple)) else [values])
    )


def _is_parameters(value: object) -> bool:
    if isinstance(value, Mapping):
        return "params" in value
    # Of `named_parameters()`, each is a pair of a name and a parameter.
    return isinstance(value[-1] if isinstance(value, tuple) and len(value) == 2 else value, torch.Tensor)


def _class_of_optimizer(value: object) -> type[Optimizer] | None:
    """Return the class of optimizer that calling this value makes, if it is such a class or a partial of one."""
    while isinstance(value, functools.partial):
        value = value.func
    return value if isinstance(value, type) and issubclass(value, Optimizer) else None


def _checked(value: Any, name: str) -> Optimizer:
    if isinstance(value, Optimizer):
        return value
    raise OptionError(f"{name} is {_what_is_wrong(value)}")


def _what_is_wrong(value: Any) -> str:
    kind = type(value).__name__
    made = _class_of_optimizer(value)
    if made is not None:
        what = f"the class {made.__name__}" if isinstance(value, type) else f"a {kind} of {made.__name__}"
        return f"{what}, which has not been called. Call it with the model's parameters, and give what it returns."
    if isinstance(value, LRScheduler):
        return f"a {kind}, an LR scheduler. Give its optimizer here. With a loader, give the scheduler as scheduler=."
    if isinstance(value, Mapping):
        return f"a {kind}, not an optimizer. Several optimizers go in a list, such as list(optimizers.values())."
    if isinstance(value, (list, tuple)):
        return f"a {kind} inside another. Put all optimizers into one list."
    if isinstance(value, (torch.Tensor, nn.Module)):
        return f"a {kind}. Make an optimizer, such as torch.optim.Adam(model.parameters()), and give that."
    inside = next(wrapped_in(value), None)
    if inside is not None:
        place, optimizer = inside
        return (
            f"a {kind}, which is no torch.optim.Optimizer, around the {type(optimizer).__name__} in its {place[1:]}. "
            f"Write a function `step` that trains one step with it and returns the loss, and call find_lr(step, "
            f"optimizer=wrapper{place}, restore=(model, wrapper)) where `wrapper` is this {kind}."
        )
    if callable(value):
        return f"a {kind}, not an optimizer. If it makes one, call it first, and give what it returns."
    return (
        f"a {kind}, not a torch.optim.Optimizer. Make one first, such as torch.optim.Adam(model.parameters()), and "
        f"give that."
    )
