"""One form for all spellings of a name."""

from collections.abc import Mapping
from typing import TypeVar

Value = TypeVar("Value")


def fold(name: str) -> str:
    """Return a name in lower case without `_`, `-` and blanks, so that spellings of one name are equal."""
    return name.lower().translate({ord(char): None for char in "_- "})


def one_name_each(table: Mapping[str, Value]) -> dict[str, Value]:
    """Return a table by single names, from one whose keys are several folded names with blanks between them."""
    return {name: value for names, value in table.items() for name in names.split()}
