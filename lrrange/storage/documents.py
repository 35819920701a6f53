"""JSON documents of values. Each names its kind, its schema and the version of lrrange that wrote it."""

import json
import math
import operator
import os
import reprlib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, SupportsIndex, TypeVar, get_args, get_origin

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn

from lrrange.errors import LoadError, OptionError, UnreadableFile

SCHEMA = 4

# Documents of these schemas can be read: what is new since has a default.
_READABLE = (1, 2, 3, 4)

# A message quotes no more than this of a file, and values of no fixed type are nested no deeper.
_LONGEST_QUOTE = 300
_DEEPEST = 50

# A seed may have this many bits, and every count is still a number that a plot can show.
_LONGEST_INT = 128

Value = TypeVar("Value")


def to_document(value: object, *, kind: str, **summary: Any) -> dict[str, Any]:
    """Return a JSON document that holds `value`.

    Args:
        value: a value made of attrs classes and plain values.
        kind: its kind, such as `"result"`, which is also its key in the document.
        summary: further keys, for readers that do not use lrrange. `from_document` ignores them.
    """
    head = {"format": f"lrrange {kind}", "schema": SCHEMA, "lrrange": version("lrrange")}
    return head | summary | {kind: to_json(value)}


def from_document(text: bytes, path: object, *, kind: str, of: type[Value]) -> Value:
    """Return the value in a document that `to_document` returned.

    Args:
        text: the document.
        path: the file it was read from, for error messages.
        kind: what it must hold, such as `"result"`.
        of: class of the value.
    Raises: LoadError if it holds anything else, or was written under another schema.
    """
    try:
        document = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise LoadError(f"{path} is not JSON: {_quote(error)}. Was it cut short?", path=str(path)) from error
    if not isinstance(document, dict) or document.get("format") != f"lrrange {kind}":
        raise LoadError(f"{path} is JSON, but not a {kind} that lrrange saved.", path=str(path))
    schema = document.get("schema")
    if type(schema) is not int or schema not in _READABLE:
        writer = document.get("lrrange")
        raise LoadError(
            f"{path} has schema {reprlib.repr(schema)}, written by lrrange "
            f"{writer if isinstance(writer, str) and len(writer) < 30 else reprlib.repr(writer)}, and this is lrrange "
            f"{version('lrrange')}, which reads schema {_READABLE[0]} to {SCHEMA}. Install that version.",
            path=str(path),
            schema=schema,
        )
    try:
        return from_json(document.get(kind), of)
    except Exception as error:  # cattrs, and the checks of the values themselves, raise many types
        raise LoadError(
            f"{path} is a damaged {kind}: {type(error).__name__}: {_quote(error)}.", path=str(path), schema=SCHEMA
        ) from error


def read_document(path: object, what: str) -> bytes:
    """Return the content of a file that holds a document.

    Args:
        path: of the file.
        what: is in it, for the error message, such as `"a result"`.
    Raises: UnreadableFile if there is no such file, or none that may be read; OptionError for what is no path.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise OptionError(
            f"a {type(path).__name__} is not the path of a file. Give the path of {what} that was saved, such as "
            f"'result.json'."
        )
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        reason = f"there is no file {path}, looked for in {os.getcwd()}"
    except (OSError, ValueError) as error:  # ValueError: the text cannot be a path, such as one with a NUL in it
        reason = f"{path} cannot be read: {error.strerror if isinstance(error, OSError) and error.strerror else error}"
    raise UnreadableFile(f"{reason}. Give the path of {what} that was saved.", path=str(path))


def to_json(value: object) -> Any:
    """Return `value`, made of attrs classes and plain values, in JSON's types. NaN and infinities become strings."""
    return _jsonable(_converter.unstructure(value))


def from_json(value: Any, of: type[Value]) -> Value:
    """Return the value of class `of` from what `to_json` returned. Raises: what its checks raise if it is damaged."""
    return _converter.structure(value, of)


def _jsonable(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(float(value))
    if isinstance(value, dict):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(item) for item in value]
    if isinstance(value, (str, int, float, bool, type(None))):
        return value
    return operator.index(value) if isinstance(value, SupportsIndex) else str(value)


def _as_float(value: Any, _: type) -> float:
    if isinstance(value, str) and value in ("nan", "inf", "-inf"):
        return float(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    raise ValueError(f"{reprlib.repr(value)} is not a number")


def _as_int(value: Any, _: type) -> int:
    if type(value) is not int or value.bit_length() > _LONGEST_INT:
        raise ValueError(f"{reprlib.repr(value)} is not an int")
    return value


def _exactly(kind: type) -> Any:
    def structure(value: Any, _: type) -> Any:
        if type(value) is not kind:
            raise ValueError(f"{reprlib.repr(value)} is not a {kind.__name__}")
        return value

    return structure


def _is(container: type) -> Callable[[Any], bool]:
    """Return the function that recognises an annotation such as `tuple[float, ...]`."""
    return lambda kind: get_origin(kind) is container


def _tuple_of(kind: Any) -> Any:
    """Return the function that makes a `tuple[kind, ...]`. cattrs would also make one of text or of an object."""
    item = get_args(kind)[0]

    def structure(value: Any, _: type) -> tuple[Any, ...]:
        if type(value) is not list:
            raise ValueError(f"{reprlib.repr(value)} is not a list")
        return tuple(_converter.structure(inner, item) for inner in value)

    return structure


def _dict_of(kind: Any) -> Any:
    """Return the function that makes a `dict[str, kind]`. cattrs would also make one of a list."""
    item = get_args(kind)[1]

    def structure(value: Any, _: type) -> dict[str, Any]:
        if type(value) is not dict:
            raise ValueError(f"{reprlib.repr(value)} is not an object")
        if item is Any:
            return {key: _checked_depth(inner, _DEEPEST) for key, inner in value.items()}
        return {key: _converter.structure(inner, item) for key, inner in value.items()}

    return structure


def _checked_depth(value: Any, left: int) -> Any:
    """Return the value. Raises: ValueError if lists and objects in it are nested deeper than this."""
    if not left:
        raise ValueError(f"lists and objects are nested more than {_DEEPEST} deep")
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _checked_depth(inner, left - 1)
    return value


def _quote(error: Exception) -> str:
    text = str(error)
    return text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}..."


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


# In a union of attrs classes, cattrs recognises a class by the required fields that no other class has.
_converter = cattrs.Converter(forbid_extra_keys=True, detailed_validation=False)
_converter.register_structure_hook(float, _as_float)
_converter.register_structure_hook(int, _as_int)
_converter.register_structure_hook(bool, _exactly(bool))
_converter.register_structure_hook(str, _exactly(str))
_converter.register_structure_hook_factory(_is(tuple), _tuple_of)
_converter.register_structure_hook_factory(_is(dict), _dict_of)
_converter.register_structure_hook_factory(
    attrs.has, lambda cls: make_dict_structure_fn(cls, _converter, _cattrs_forbid_extra_keys=True)
)
