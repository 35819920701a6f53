"""Results as JSON files: written whole or not at all, read with care."""

import contextlib
import glob
import json
import math
import operator
import os
import secrets
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn

from lrrange.advice.heuristics import Refusal, Suggestion
from lrrange.errors import LoadError, LRRangeError, NoSuggestion, SaveError
from lrrange.result import RangeTestResult

SCHEMA = 1

# In seconds. A part file as old as this is nobody's.
_LONGER_THAN_ANY_WRITE = 3600

Value = TypeVar("Value")


def plain(value: Any) -> Any:
    """The same value with floats that JSON does not know as strings, at any depth."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(float(value))
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (str, int, float, bool, type(None))):
        return value
    return operator.index(value) if hasattr(value, "__index__") else str(value)


def _as_float(value: Any, _: type) -> float:
    if isinstance(value, str) and value in ("nan", "inf", "-inf"):
        return float(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    raise ValueError(f"{value!r} is not a number")


def _exactly(kind: type) -> Any:
    def structure(value: Any, _: type) -> Any:
        if type(value) is not kind:
            raise ValueError(f"{value!r} is not a {kind.__name__}")
        return value

    return structure


def _answer(value: Any, _: Any) -> Suggestion | Refusal:
    return converter.structure(value, Refusal) if "reason" in value else converter.structure(value, Suggestion)


converter = cattrs.Converter(forbid_extra_keys=True, detailed_validation=False)
converter.register_structure_hook(float, _as_float)
converter.register_structure_hook(int, _exactly(int))
converter.register_structure_hook(bool, _exactly(bool))
converter.register_structure_hook(str, _exactly(str))
converter.register_structure_hook(Suggestion | Refusal, _answer)
converter.register_structure_hook_factory(
    attrs.has, lambda cls: make_dict_structure_fn(cls, converter, _cattrs_forbid_extra_keys=True)
)


def dumps(result: RangeTestResult) -> str:
    """`result` as the JSON document that `save` writes."""
    document = document_of(result, kind="result", answer=plain(_answer_of(result)))
    return json.dumps(document, allow_nan=False, indent=1) + "\n"


def _answer_of(result: RangeTestResult) -> dict[str, Any]:
    """What most readers of the file look for. All of it follows from the rest, and `load` does not read it."""
    try:
        answer = {"lr": result.lr, "low": result.low, "high": result.high, "verdict": str(result.verdict)}
    except NoSuggestion as refusal:
        return {"refused": str(refusal)}
    with contextlib.suppress(LRRangeError):  # a rate can be read from some curves that have no range
        answer |= {"base_lr": result.range.base_lr, "max_lr": result.range.max_lr}
    return answer


def save(result: RangeTestResult, path: str | Path) -> None:
    """Write `result` to `path` so that at any moment there is a whole file or none.

    Raises: SaveError. What was at `path` before is then still there.
    """
    write_whole(dumps(result).encode(), path, "the result")


def write_whole(content: bytes, path: str | Path, what: str) -> None:
    """Write a file so that at any moment there is a whole one or none. Raises: SaveError, naming `what` it was."""
    try:
        # Where `path` is a link, its target is replaced and the link stays.
        final = Path(os.path.realpath(path))
        partial = final.with_name(f".{final.name}.{secrets.token_hex(4)}.part")
        try:
            with open(partial, "xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, final)
            _clean_up_beside(final)
        finally:
            with contextlib.suppress(OSError):
                partial.unlink()
    except (OSError, ValueError) as error:  # a path may be none at all
        reason = getattr(error, "strerror", None) or error
        raise SaveError(
            f"{what} could not be written to {path}: {reason}. Give a path you can write to.",
            path=str(path),
        ) from error


def _clean_up_beside(final: Path) -> None:
    """Remove what a save to the same path left that was killed half-way."""
    for left in final.parent.glob(f".{glob.escape(final.name)}.*.part"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > _LONGER_THAN_ANY_WRITE:
                left.unlink()


def load(path: str | Path) -> RangeTestResult:
    """Read a result that `RangeTestResult.save` wrote.

    Raises: LoadError if the file is not one, or if its schema, which a later lrrange wrote, is unknown to this one;
        OSError if it cannot be read.
    """
    return read_document(Path(path).read_bytes(), path, kind="result", of=RangeTestResult)


def document_of(value: object, *, kind: str, **more: Any) -> dict[str, Any]:
    """`value` as a JSON document: its kind, the schema, the version that wrote it, whatever `more`, and itself."""
    head = {"format": f"lrrange {kind}", "schema": SCHEMA, "lrrange": version("lrrange")}
    return head | more | {kind: plain(converter.unstructure(value))}


def read_document(text: bytes, path: object, *, kind: str, of: type[Value]) -> Value:
    """What `document_of` made a document of.

    Args:
        text: the document.
        path: where it is from, for messages.
        kind: what it should hold, `"result"` say.
        of: the class of that.
    Raises: LoadError if it holds anything else.
    """
    try:
        document = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise LoadError(f"{path} is not JSON: {error}. Was it cut short?", path=str(path)) from error
    if not isinstance(document, dict) or document.get("format") != f"lrrange {kind}":
        raise LoadError(f"{path} is JSON, but not a {kind} that lrrange saved.", path=str(path))
    if document.get("schema") != SCHEMA:
        raise LoadError(
            f"{path} has schema {document.get('schema')!r}, written by lrrange {document.get('lrrange')}, and this is "
            f"lrrange {version('lrrange')}, which reads schema {SCHEMA}. Install that version.",
            path=str(path),
            schema=document.get("schema"),
        )
    try:
        return converter.structure(document.get(kind), of)
    except Exception as error:  # cattrs passes on whatever the values' own checks raise
        raise LoadError(
            f"{path} is a damaged {kind}: {type(error).__name__}: {error}.", path=str(path), schema=SCHEMA
        ) from error


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")
