"""What a user's factory returns: the target, or the target and its options."""

from collections.abc import Mapping
from typing import Any

from lrrange.errors import TargetError


def split_made(made: Any, name: str) -> tuple[object, dict[str, Any]]:
    """Return the target and its options, from what a factory returned: the target, or `(target, options)`.

    Args:
        made: what the factory returned.
        name: of the factory, for the error message.
    Raises: TargetError if it is neither.
    """
    if made is None:
        raise TargetError(f"{name}() returned None. Return the target, or (target, options).")
    if not isinstance(made, tuple):
        return made, {}
    if len(made) != 2 or not isinstance(made[1], Mapping) or not all(isinstance(key, str) for key in made[1]):
        what = ", ".join(type(part).__name__ for part in made)
        raise TargetError(
            f"{name}() returned a tuple of ({what}). Return the target, or (target, options) with a dict of options."
        )
    return made[0], dict(made[1])
