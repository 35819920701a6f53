"""Every number that an error is given is declared by its class, so that type checkers and readers know it."""

import ast
from collections.abc import Iterator
from pathlib import Path

from lrrange import errors
from tests.architecture.import_graph import modules_of, plugins_of

ROOT = Path(__file__).parents[2]


def declared_by(kind: type) -> set[str]:
    """Return the attributes that an error class and its bases annotate."""
    return {name for base in kind.__mro__ for name in vars(base).get("__annotations__", {})}


def undeclared_numbers(root: Path) -> Iterator[str]:
    """Yield the keyword arguments of lrrange's errors that their classes do not declare."""
    for package in (root / "lrrange", *plugins_of(root)):
        for path in modules_of(package).values():
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
                    continue
                kind = vars(errors).get(node.func.id)
                if not (isinstance(kind, type) and issubclass(kind, errors.LRRangeError)):
                    continue
                given = {keyword.arg for keyword in node.keywords if keyword.arg is not None}
                for name in sorted(given - declared_by(kind)):
                    where = f"{path.relative_to(root).as_posix()}:{node.lineno}"
                    yield f"{where} gives {kind.__name__} a {name}. Declare it in lrrange/errors.py, with its type."


def test_every_number_of_an_error_is_declared_by_its_class() -> None:
    assert not list(undeclared_numbers(ROOT))


def test_a_number_that_is_not_declared_is_found(write_tree) -> None:
    root = write_tree({"lrrange/sweep.py": "raise PlanError('too high', start_lr=2.0, colour='red')"})
    assert list(undeclared_numbers(root)) == [
        "lrrange/sweep.py:1 gives PlanError a colour. Declare it in lrrange/errors.py, with its type."
    ]


def test_numbers_declared_by_a_base_class_count(write_tree) -> None:
    assert not list(undeclared_numbers(write_tree({"lrrange/sweep.py": "raise FlatCurve('flat', noise=0.1)"})))
