"""The keyword arguments of a backend, checked against its adapter."""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar

from lrrange.errors import OptionError
from lrrange.spelling import why_not

Adapted = TypeVar("Adapted")

# The options of `find_lr` itself, which a call may also take.
OPTIONS_OF_FIND_LR = (
    *("start_lr", "end_lr", "num_steps", "shape", "heuristic", "backend", "progress", "seed", "repeats", "reset"),
    *("confirm", "confirm_steps", "smoothing", "divergence", "non_finite_limit", "watchers", "verify_restore"),
    *("parallel", "train_steps", "paired"),
)

# The options of `result.verify` itself.
OPTIONS_OF_VERIFY = ("steps", "lr", "scheduler")

_NO_HINTS: Mapping[str, str] = MappingProxyType({})

# Cached because it takes longer than a step of a small training.
_signature = functools.cache(inspect.signature)


def with_options(
    adapter: Callable[..., Adapted],
    target: object,
    options: Mapping[str, Any],
    *,
    example: str = "",
    hints: Mapping[str, str] = _NO_HINTS,
    also: Sequence[str] = OPTIONS_OF_FIND_LR,
) -> Adapted:
    """Return `adapter(target, **options)`, for a plug-in's `lrrange_adapt` or `lrrange_verify`.

    Args:
        adapter: takes the target, and the options by name.
        target: what the user gave.
        options: what the user gave, by name.
        example: a call of `find_lr` that works, for the message about a missing option. By default it is made from the
            adapter's arguments.
        hints: what to say about options that the adapter does not take and users may try, by name.
        also: the options of the call itself: by default those of `find_lr`; for `result.verify`, `OPTIONS_OF_VERIFY`.
    Raises: OptionError if `adapter` does not take these options. For each unknown one the message has the name that is
        meant: the closest of the adapter's and of the call's, or the one that another tool calls so.
    """
    signature = _signature(adapter)
    try:
        bound = signature.bind(target, **options)
    except TypeError:
        wrong = why_not(
            signature,
            (target,),
            options,
            also=also,
            example=example or _example(signature),
            hints=hints,
        )
        raise OptionError(wrong or "", options=tuple(options)) from None
    return adapter(*bound.args, **bound.kwargs)


def _example(signature: inspect.Signature) -> str:
    """Return a call of `find_lr` with the target and the options that it needs."""
    target, *others = signature.parameters.values()
    required = [each.name for each in others if each.default is each.empty and each.kind is not each.VAR_KEYWORD]
    return f"find_lr({', '.join([target.name, *(f'{name}={name}' for name in required)])})"
