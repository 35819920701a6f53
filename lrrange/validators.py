"""Checks of arguments. Those of numbers raise a `PlanError` that names the argument and its value."""

import inspect
import math
import operator
import sys
import weakref
from collections.abc import Callable, MutableMapping
from types import FunctionType, MethodType
from typing import Any

import attrs

from lrrange.errors import PlanError

# The longest text of a value that a message quotes.
_LONGEST = 60


def as_number(name: str, value: Any) -> float:
    """Return `value` as a float. Raises: PlanError if it is no number."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError, RuntimeError):  # RuntimeError: a tensor of several numbers
        raise PlanError(f"{name}={shown(value)} is not a number. Give one such as 1e-3.", value=value) from None


def whole_number(name: str, value: Any, *, least: int = 1) -> int:
    """Return `value` as an int. Raises: PlanError if it is no whole number, or under `least`."""
    try:
        number = operator.index(value)
    except TypeError:
        message = f"{name}={shown(value)} is not a whole number. {_whole_instead_of(value)}"
        raise PlanError(message, value=value) from None
    if number < least:
        raise PlanError(f"{name}={number} is under {least}. Give {least} or more.", **{name: number})
    return number


def takes(function: object, *given: object, **options: object) -> bool:
    """Return whether something can be called with these arguments, as far as its signature shows."""
    if not callable(function):
        return False
    try:
        signature = _signature(function)
    except (TypeError, ValueError):  # written in C, for example
        return True
    try:
        signature.bind(*given, **options)
    except TypeError:
        return False
    return True


# Of methods, by their functions: looking at one takes a tenth of a step of a small training.
_SIGNATURES: MutableMapping[Any, inspect.Signature] = weakref.WeakKeyDictionary()


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    """Return what `inspect.signature` does, and remember it for the methods of a class."""
    if type(function) is not MethodType or type(function.__func__) is not FunctionType:
        return inspect.signature(function)
    known = _SIGNATURES.get(function.__func__)
    if known is None:
        known = _SIGNATURES[function.__func__] = inspect.signature(function)
    return known


def shown(value: object) -> str:
    """Return a value for an error message: in full if that is short, else its class."""
    text = repr(value)
    return text if len(text) <= _LONGEST and "\n" not in text else f"(a {type(value).__name__})"


def _whole_instead_of(value: object) -> str:
    """Return what to give in place of a value that is no whole number."""
    if isinstance(value, str) and value.strip().isdecimal():
        return f"Give {value.strip()}, without quotes."
    if isinstance(value, float) and value.is_integer():
        return f"Give {value:.0f}."
    return "Give one such as 100."


def check_rising(base_lr: float, max_lr: float) -> None:
    """Raise PlanError unless the two are the bounds of a cycle: positive, finite, the second above the first."""
    if not 0 < base_lr < max_lr < math.inf:
        raise PlanError(
            f"base_lr={base_lr:g} and max_lr={max_lr:g} are not a rising pair of positive rates.",
            base_lr=base_lr,
            max_lr=max_lr,
        )


def checked_numbers(_: type, fields: list["attrs.Attribute[Any]"]) -> list["attrs.Attribute[Any]"]:
    """Give each field of an attrs class that is annotated `float` or `int`, maybe `| None`, a converter to that type.

    It is meant for `attrs.frozen(field_transformer=checked_numbers)`. The constructor then raises a PlanError that
    names the field if its value is not a number.
    """
    return [
        field.evolve(converter=attrs.Converter(_CONVERTERS[field.type], takes_self=True, takes_field=True))
        if field.type in _CONVERTERS
        else field
        for field in fields
    ]


def _number(value: Any, _: object, field: "attrs.Attribute[Any]") -> float:
    return as_number(field.name, value)


def _optional_number(value: Any, _: object, field: "attrs.Attribute[Any]") -> float | None:
    return None if value is None else as_number(field.name, value)


def _whole(value: Any, _: object, field: "attrs.Attribute[Any]") -> int:
    return whole_number(field.name, value, least=-sys.maxsize)


def _optional_whole(value: Any, _: object, field: "attrs.Attribute[Any]") -> int | None:
    return None if value is None else whole_number(field.name, value, least=-sys.maxsize)


_CONVERTERS: dict[Any, Any] = {
    float: _number,
    float | None: _optional_number,
    int: _whole,
    int | None: _optional_whole,
}


def finite_and_positive(_: object, field: "attrs.Attribute[Any]", value: float) -> None:
    """Validate a rate that a sweep can multiply: positive, finite and not subnormal."""
    if not (sys.float_info.min <= value < math.inf):
        raise PlanError(
            f"{field.name}={value:g} is not a positive, finite rate. A sweep multiplies its rates, so it cannot "
            f"start or end there. Take a small positive one, such as 1e-7.",
            **{field.name: value},
        )


def not_negative(_: object, field: "attrs.Attribute[Any]", value: float) -> None:
    """Validate a finite number of zero or above."""
    if not 0 <= value < math.inf:
        raise PlanError(f"{field.name}={value!r} is not zero or a positive number.", value=value)
