"""The places where a scheduler, or the param groups for it, may keep a rate: find them, and scale what is there.

Which numbers of a scheduler are rates is declared nowhere. Names that the field uses for rates are a first guess. It is
checked by stepping copies; see `lrrange_torch.scheduler.forecast`.
"""

import math
import types
from collections.abc import Iterator
from typing import Any

import attrs
import torch
from torch import nn
from torch.optim import Optimizer

# How deep to look into a scheduler's attributes: `self.config["phases"][0]["lr"]` is three levels deep.
_DEPTH = 3

# A name is that of a rate if it has one of the first words, and otherwise only some of the second.
_RATE_WORDS = {"lr", "lrs", "eta"}
_OTHER_WORDS = {
    *("", "min", "max", "base", "init", "initial", "last", "peak", "start", "end", "final", "warmup", "swa", "target"),
    *("floor", "top", "bottom", "low", "high", "default", "cooldown", "current", "values"),
}

# What a param group holds of the optimizer's own. Those of a scheduler are everything else.
_OF_THE_OPTIMIZER = {"params", "param_names", "name", "lr", "initial_lr", "lr_scale"}

_NOT_SEARCHED = (
    *(Optimizer, nn.Module, torch.Tensor, type, types.ModuleType),
    *(types.FunctionType, types.MethodType, types.BuiltinFunctionType),
)


@attrs.frozen(eq=False)
class RateSlot:
    """A number, or a list of numbers, that may be a rate.

    Args:
        name: its key, as the user wrote it.
        holder: the dictionary or list that contains it. For an attribute, the `__dict__` of its object.
        key: where in the holder.
        in_place: whether to write into the memory of a tensor, as param groups need it.
    """

    name: str
    holder: Any = attrs.field(repr=False)
    key: Any
    in_place: bool = False

    @property
    def is_named_after_a_rate(self) -> bool:
        """Whether its name is one that rates have."""
        words = set(self.name.lower().split("_"))
        named = bool(words & _RATE_WORDS) and words <= _RATE_WORDS | _OTHER_WORDS
        return named or self.name == "base_values"  # timm's name for base_lrs

    @property
    def is_whole(self) -> bool:
        """Whether it holds a whole number, such as a number of steps."""
        value = self.holder[self.key]
        return any(type(number) is int for number in (value if isinstance(value, (list, tuple)) else [value]))

    @property
    def first(self) -> float:
        """The number, or the first one of a list, tensor or array; NaN if there is none."""
        value = self.holder[self.key]
        if isinstance(value, torch.Tensor) or type(value).__module__ == "numpy":
            value = value.reshape(-1).tolist() or [math.nan]
        return float(value[0] if isinstance(value, (list, tuple)) else value)

    def scale(self, factor: float) -> None:
        """Multiply it."""
        value = self.holder[self.key]
        if isinstance(value, torch.Tensor) and self.in_place:
            value.mul_(factor)
        else:
            self.holder[self.key] = _scaled(value, factor)


def slots_of(optimizer: Optimizer, schedulers: list[Any]) -> list[RateSlot]:
    """Return all slots, in an order that is the same for copies, without `lr` and `initial_lr` of param groups."""
    slots: dict[tuple[int, Any], RateSlot] = {}
    for group in optimizer.param_groups:
        for key, value in group.items():
            if key not in _OF_THE_OPTIMIZER and key not in optimizer.defaults and _is_numeric(value):
                slots[id(group), key] = RateSlot(key, group, key, in_place=True)
    seen = {id(group) for group in optimizer.param_groups}
    for scheduler in schedulers:
        for slot in _slots(vars(scheduler), _DEPTH, seen):
            slots[id(slot.holder), slot.key] = slot
    return list(slots.values())


def _slots(holder: Any, depth: int, seen: set[int]) -> Iterator[RateSlot]:
    if id(holder) in seen:
        return
    seen.add(id(holder))
    items = list(holder.items() if isinstance(holder, dict) else enumerate(holder))
    for key, value in items:
        if _is_numeric(value):
            yield RateSlot(str(key), holder, key)
        elif depth and (inner := _holder(value)) is not None:
            yield from _slots(inner, depth - 1, seen)


def _holder(value: Any) -> Any:
    """Return an object of the scheduler's own as a dictionary or list; None for any other object."""
    if type(value) in (dict, list):
        return value
    return None if isinstance(value, _NOT_SEARCHED) or not hasattr(value, "__dict__") else vars(value)


def _is_numeric(value: Any) -> bool:
    if type(value) in (list, tuple):
        return len(value) > 0 and all(_is_number(item) for item in value)
    return _is_number(value)


def _is_number(value: Any) -> bool:
    if isinstance(value, torch.Tensor):
        return value.is_floating_point()
    if type(value).__module__ == "numpy":
        return str(getattr(value, "dtype", "")).startswith("float")
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _scaled(value: Any, factor: float) -> Any:
    if isinstance(value, (list, tuple)):
        return type(value)([_scaled(item, factor) for item in value])
    return value * factor
