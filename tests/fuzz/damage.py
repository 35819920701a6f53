"""Documents that somebody has tampered with: every value replaced, removed, added, or made absurd."""

import copy
import itertools
import json
from collections.abc import Iterator
from typing import Any

# One value of each JSON type, and of each kind that is harder than it looks.
REPLACEMENTS: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    1,
    -1,
    10**6,
    -(10**6),
    10**400,
    0.0,
    -0.0,
    0.5,
    1e-300,
    5e-324,
    1e308,
    -1e308,
    "",
    "x",
    "nan",
    "inf",
    "-inf",
    "\x1b[31m$x$ [red]\ud800\u202e\r",
    [],
    [0.5],
    [[]],
    ["x", None],
    {},
    {"x": 1},
    {"lr": 0.1},
)


_REMOVED = object()


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value inside. Of a long list, the first two and the last stand for all."""
    if path:
        yield path
    if isinstance(value, dict):
        inside = list(value.items())
    elif isinstance(value, list):
        inside = [(i, item) for i, item in enumerate(value) if i < 2 or i == len(value) - 1]
    else:
        inside = []
    for key, inner in inside:
        yield from places(inner, (*path, key))


def damaged(document: Any, every: int = 1) -> Iterator[tuple[str, Any]]:
    """Yield a description of each damage, and the damaged document; only one of so many if `every` is given."""
    for where, path, change in itertools.islice(_damages(document), 0, None, every):
        yield where, _without(document, path) if change is _REMOVED else replaced(document, path, change)


def _damages(document: Any) -> Iterator[tuple[str, tuple[Any, ...], Any]]:
    for path in places(document):
        where = "/".join(map(str, path))
        for replacement in REPLACEMENTS:
            yield f"{where} = {replacement!r:.40}", path, replacement
        yield f"{where} removed", path, _REMOVED
        value = value_at(document, path)
        if isinstance(value, dict):
            yield f"{where} with another key", path, {**value, "x": 1}
        if isinstance(value, list):
            yield f"{where} twice as long", path, value * 2
            yield f"{where} shorter", path, value[:-1]
            yield f"{where} backwards", path, value[::-1]
        if isinstance(value, float):
            for factor in (1e-12, 1e12, -1.0):
                yield f"{where} * {factor}", path, value * factor


def nested(document: Any, depth: int, every: int = 1) -> Iterator[tuple[str, bytes]]:
    """Yield the text of the document with lists, and with objects, of this depth in place of each value."""
    for path in itertools.islice(places(document), 0, None, every):
        text = json.dumps(replaced(document, path, "DEEP"))
        where = "/".join(map(str, path))
        yield f"{where} = nested lists", text.replace('"DEEP"', "[" * depth + "]" * depth).encode()
        yield f"{where} = nested objects", text.replace('"DEEP"', '{"x":' * depth + "1" + "}" * depth).encode()


def value_at(document: Any, path: tuple[Any, ...]) -> Any:
    """Return the value at this path."""
    for key in path:
        document = document[key]
    return document


def replaced(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Return the document with this value at this path."""
    changed = copy.deepcopy(document)
    value_at(changed, path[:-1])[path[-1]] = copy.deepcopy(value)
    return changed


def _without(document: Any, path: tuple[Any, ...]) -> Any:
    changed = copy.deepcopy(document)
    del value_at(changed, path[:-1])[path[-1]]
    return changed
