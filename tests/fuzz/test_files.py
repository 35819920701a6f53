"""A file that was tampered with raises LoadError, or it is a value that can be printed, drawn and asked.

Every value of a saved result and of a saved comparison is replaced by one of each kind, removed, and nested. The tests
take every 61st of these files; `python -m tests.fuzz.test_files` takes all of them and draws each.
"""

import contextlib
import gzip
import io
import itertools
import json
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure
from rich.console import Console

import lrrange
from lrrange.advice.ranges import RANGE_RULES
from lrrange.cli.commands import _read_again
from lrrange.comparison.comparison import dumps as comparison_text
from lrrange.comparison.journal import Journal
from lrrange.errors import LoadError, LRRangeError
from lrrange.result import dumps as result_text
from lrrange.storage.documents import SCHEMA
from tests.compare.training import compare
from tests.core.strategies import Landscape
from tests.core.training import Loop, SeededLoop
from tests.fuzz.damage import damaged, nested

EVERY = 61

WHOLE: dict[str, Callable[[], str]] = {
    "result": lambda: result_text(
        lrrange.find_lr(SeededLoop(Landscape(noise=0.02)), num_steps=30, confirm=True, repeats=2, seed=1)
    ),
    "refusals": lambda: result_text(
        lrrange.find_lr(Loop(Landscape(fall=math.inf, blow_up=math.inf, noise=0.02)), num_steps=30)
    ),
    "comparison": lambda: comparison_text(compare(policies=["found", 0.5], steps=12, evaluate_every=5)),
}


SCHEMA_TEXT = f'"schema": {SCHEMA}'.encode()


def files(text: str, every: int = 1) -> Iterator[tuple[str, bytes]]:
    """Yield a description of each damage, and the content of the damaged file."""
    document = json.loads(text)
    for where, changed in damaged(document, every):
        yield where, json.dumps(changed).encode()
    for depth in (60, 900, 3000):
        yield from nested(document, depth, every)
    yield from itertools.islice(nested(document, 100_000, every), 20)
    whole = text.encode()
    for end in range(0, len(whole), len(whole) // 50):
        yield f"cut short at {end}", whole[:end]
    yield "gzip", gzip.compress(whole)
    yield "byte order mark", b"\xef\xbb\xbf" + whole
    yield "UTF-16", text.encode("utf-16")
    yield "each key twice", whole.replace(b'{"', b'{"schema": 1, "schema": [], "', 1)
    yield "a huge number", whole.replace(SCHEMA_TEXT, b'"schema": ' + b"9" * 100_000)
    yield "an infinite number", whole.replace(SCHEMA_TEXT, b'"schema": 1e400')


def attempt(use: Callable[[], object]) -> None:
    """Check that this returns, or raises an error of lrrange with a message of a readable length."""
    with contextlib.suppress(LRRangeError):
        use()


def use_result(result: lrrange.RangeTestResult) -> None:
    """Do everything with a result that needs no framework, except drawing it."""
    assert json.loads(result_text(result))
    assert repr(result)
    assert result._repr_html_()
    Console(file=io.StringIO(), width=100).print(result)
    for name in ("lr", "low", "high", "verdict", "range"):
        attempt(lambda name=name: str(getattr(result, name)))  # type: ignore[misc]
    for rule in RANGE_RULES:
        attempt(lambda rule=rule: result.range_by(rule))  # type: ignore[misc]
    attempt(lambda: _read_again(result, None))


def use_comparison(comparison: lrrange.Comparison) -> None:
    """Do everything with a comparison, except drawing it."""
    assert json.loads(comparison_text(comparison))
    assert repr(comparison)
    assert comparison._repr_html_()
    Console(file=io.StringIO(), width=100).print(comparison)
    for name in ("winner", "verdict", "headline", "table"):
        attempt(lambda name=name: str(getattr(comparison, name)))  # type: ignore[misc]


def draw(value: Any) -> None:
    """Draw a result or a comparison, and write the picture."""
    figure = Figure()
    panels = tuple(figure.subplots(2, 1))
    attempt(lambda: value.plot(panels if isinstance(value, lrrange.Comparison) else panels[0]))
    figure.savefig(io.BytesIO(), format="png", dpi=20)


def is_read_or_refused(kind: str, path: Path, content: bytes) -> Any:
    """Check that only LoadError is raised, and that a value that is read can be used. Return the value, if any."""
    path.write_bytes(content)
    try:
        value = lrrange.Comparison.load(path) if kind == "comparison" else lrrange.load(path)
    except LoadError as refused:
        message = str(refused)
        if len(message) > 1000 + len(str(path)):
            raise AssertionError(f"a message of {len(message)} characters") from refused
        return None
    if kind == "comparison":
        use_comparison(value)
    else:
        use_result(value)
    return value


@pytest.mark.parametrize("kind", WHOLE)
def test_whatever_is_done_to_a_file_it_is_read_or_refused(kind: str, tmp_path: Path) -> None:
    outcomes: Counter[bool] = Counter()
    for where, content in files(WHOLE[kind](), EVERY):
        try:
            outcomes[is_read_or_refused(kind, tmp_path / "file.json", content) is None] += 1
        except Exception as error:
            error.add_note(f"The damage: {where}")
            raise
    assert all(outcomes[refused] > 10 for refused in (True, False))


@pytest.mark.filterwarnings("ignore:Glyph")
@pytest.mark.parametrize("kind", WHOLE)
@pytest.mark.parametrize("number", [5e-324, 1e308, "nan"])
def test_absurd_numbers_of_a_file_are_drawn_or_refused(kind: str, number: object, tmp_path: Path) -> None:
    mpl.use("Agg")
    document = json.loads(WHOLE[kind]())
    found = [
        changed
        for where, changed in damaged(document)
        if where.endswith(f" = {number!r}") and "provenance" not in where
    ]
    for changed in found[::17]:
        if (value := is_read_or_refused(kind, tmp_path / "file.json", json.dumps(changed).encode())) is not None:
            draw(value)


JOURNAL_PLACES = ("the comparison", "a run")


@pytest.mark.parametrize("place", JOURNAL_PLACES)
def test_whatever_is_done_to_a_journal_it_is_refused_or_its_runs_are_made_again(place: str, tmp_path: Path) -> None:
    path, ended = tmp_path / "runs.jsonl", 0
    whole = compare(policies=[0.1, 0.5], steps=6, repeats=1, path=path)
    lines = path.read_bytes().splitlines()
    index = JOURNAL_PLACES.index(place)
    for where, changed in damaged(json.loads(lines[index]), 7):
        path.write_bytes(b"\n".join([*lines[:index], json.dumps(changed).encode(), *lines[index + 1 :]]) + b"\n")
        try:
            Journal(path)
            again = compare(policies=[0.1, 0.5], steps=6, repeats=1, path=path)
        except LRRangeError:
            continue
        except Exception as error:
            error.add_note(f"The damage: {where}")
            raise
        ended += 1
        assert [run.policy for run in again.runs] == [run.policy for run in whole.runs]
        use_comparison(again)
    assert ended > 5


def test_a_text_or_an_object_is_no_list_and_a_list_no_object(tmp_path: Path) -> None:
    document = json.loads(WHOLE["result"]())
    for value in ("", "x", {}):
        document["result"]["answers"] = value
        with pytest.raises(LoadError, match="is not a list"):
            is_read_or_refused("result", _written(document, tmp_path), json.dumps(document).encode())
            lrrange.load(tmp_path / "file.json")
    document = json.loads(WHOLE["result"]())
    document["result"]["provenance"]["versions"] = []
    with pytest.raises(LoadError, match="is not an object"):
        lrrange.load(_written(document, tmp_path))


def _written(document: object, folder: Path) -> Path:
    path = folder / "file.json"
    path.write_text(json.dumps(document))
    return path


@pytest.mark.parametrize("field", ["policies", "seeds"])
def test_a_comparison_of_nothing_is_refused(field: str, tmp_path: Path) -> None:
    document = json.loads(WHOLE["comparison"]())
    document["comparison"][field] = []
    with pytest.raises(LoadError, match="damaged comparison"):
        lrrange.Comparison.load(_written(document, tmp_path))


def test_a_result_without_an_answer_is_refused(tmp_path: Path) -> None:
    document = json.loads(WHOLE["result"]())
    document["result"]["answers"] = []
    with pytest.raises(LoadError, match="damaged result"):
        lrrange.load(_written(document, tmp_path))


def test_a_count_that_is_no_float_is_refused(tmp_path: Path) -> None:
    document = json.loads(WHOLE["comparison"]())
    document["comparison"]["runs"][0]["held_out"][0]["step"] = 10**400
    with pytest.raises(LoadError, match="is not an int"):
        lrrange.Comparison.load(_written(document, tmp_path))


@pytest.mark.parametrize("schema", [True, 1.0, [[[[]]]]])
def test_a_schema_that_only_equals_the_number_is_not_it(schema: object, tmp_path: Path) -> None:
    document = json.loads(WHOLE["result"]()) | {"schema": schema}
    with pytest.raises(LoadError, match="has schema"):
        lrrange.load(_written(document, tmp_path))


def _take_all() -> None:
    """Try every damage on every kind of file, draw whatever is read, and print the counts."""
    mpl.use("Agg")
    path = Path(sys.argv[1])
    for kind, make in WHOLE.items():
        outcomes: Counter[str] = Counter()
        for where, content in files(make()):
            try:
                value = is_read_or_refused(kind, path, content)
                outcomes["refused" if value is None else "read"] += 1
                if value is not None:
                    draw(value)
            except Exception as error:
                outcomes["failed"] += 1
                sys.stdout.write(f"{kind}: {where}: {type(error).__name__}: {error}\n")
        sys.stdout.write(f"{kind}: {dict(outcomes)}\n")


if __name__ == "__main__":
    _take_all()
