"""What a user's factory returns: the target, or the target and its options."""

import functools
import inspect
from collections.abc import Mapping
from typing import Any

from lrrange.errors import OptionError, TargetError
from lrrange.validators import takes


def check_factory(make: object, name: str, arguments: Mapping[str, object]) -> None:
    """Raise an error for what cannot be called with these arguments to make a training, as far as its signature shows.

    Args:
        make: what the user gave.
        name: of it, for the error message.
        arguments: that it will be called with, by name.
    Raises: TargetError for what is no function; OptionError for one that takes other arguments.
    """
    names = " and ".join(arguments)
    given = ", ".join(f"{argument}={_shown(value)}" for argument, value in arguments.items())
    call = f"{name.rpartition(':')[2]}({given})"
    kind = type(make)
    is_function = isinstance(make, (type, functools.partial)) or inspect.isroutine(make)
    if not callable(make) or (not is_function and _takes_anything(kind)):
        raise TargetError(f"{name} is a {kind.__name__}. Give a function that makes the training, called as {call}.")
    if not takes(make, **arguments):
        parameters = ", ".join(inspect.signature(make).parameters)
        take = f"take {names} and nothing else" if names else "take no argument, or give each a default"
        raise OptionError(f"{call} does not work: it takes ({parameters}). Let it {take}.")


def _takes_anything(kind: type) -> bool:
    """Return whether objects of this class can be called with any arguments, as models can, which make no training."""
    parameters = inspect.signature(kind.__call__).parameters.values()
    return any(each.kind is each.VAR_POSITIONAL for each in parameters)


def _shown(value: object) -> str:
    return repr(value) if isinstance(value, (int, float, str)) else "..."


def split_made(made: Any, name: str) -> tuple[object, dict[str, Any]]:
    """Return the target and its options, from what a factory returned: the target, or `(target, options)`.

    Args:
        made: what the factory returned.
        name: of the factory, for the error message.
    Raises: TargetError if it is neither.
    """
    if made is None:
        raise TargetError(f"{name}() returned None. Return the target, or (target, options).")
    if isinstance(made, Mapping):
        raise TargetError(
            f"{name}() returned a {type(made).__name__} ({', '.join(map(str, list(made)[:6]))}). Return (target, "
            f"options): first the model, or another target, then a dict of the options of find_lr."
        )
    if not isinstance(made, tuple):
        return made, {}
    if len(made) != 2 or not isinstance(made[1], Mapping) or not all(isinstance(key, str) for key in made[1]):
        what = ", ".join(type(part).__name__ for part in made)
        raise TargetError(
            f"{name}() returned a tuple of ({what}). Return the target, or (target, options) with a dict of options."
        )
    return made[0], dict(made[1])
