"""One signature of a function that has several, for `help` and for notebooks."""

import inspect
from collections.abc import Callable
from typing import Any, get_overloads


def signature_of_overloads(function: Callable[..., Any]) -> inspect.Signature:
    """Return the signature of `function`, with the keyword arguments of its overloads in place of its `**options`."""
    signature = inspect.signature(function)
    parameters = dict(signature.parameters)
    others = parameters.pop("options")
    for typed in get_overloads(function):
        for name, parameter in inspect.signature(typed).parameters.items():
            if parameter.kind is parameter.KEYWORD_ONLY:
                required = parameter.default is parameter.empty  # for one kind of target, and not for all
                parameters.setdefault(name, parameter.replace(default=None) if required else parameter)
    return signature.replace(parameters=[*parameters.values(), others])
