"""The keyword arguments of a backend, checked against its adapter."""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from lrrange.errors import OptionError

Adapted = TypeVar("Adapted")

# Cached because it takes longer than a step of a small training.
_signature = functools.cache(inspect.signature)


def with_options(adapter: Callable[..., Adapted], target: object, options: Mapping[str, Any]) -> Adapted:
    """Return `adapter(target, **options)`, for a plug-in's `lrrange_adapt`.

    Raises: OptionError if `adapter` does not take these options. The message names those it takes.
    """
    signature = _signature(adapter)
    try:
        bound = signature.bind(target, **options)
    except TypeError as error:
        known = ", ".join(f"{parameter}=" for parameter in list(signature.parameters)[1:])
        raise OptionError(f"{error}. The options here are {known or 'none'}.", options=tuple(options)) from None
    return adapter(*bound.args, **bound.kwargs)
