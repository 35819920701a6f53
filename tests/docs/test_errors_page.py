"""docs/reference/errors.md: each example raises the error of its section, and the base classes are the real ones."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lrrange import errors
from tests.docs.pages import DOCS
from tests.docs.reader import reader

__all__ = ["reader"]

PAGE = DOCS / "reference" / "errors.md"
_CELL = re.compile(r"^```\{code-cell\} python\n(?::tags: \[([^\n]*)\]\n)?(.*?)^```$", re.M | re.S)

# Base classes, errors of several processes, and warnings, whose examples print.
WITHOUT_A_CELL = {"NoDescent", "ProcessFailed", "NotKeptWarning", "NotPairedWarning"}


def cells() -> Iterator[tuple[str, str, str]]:
    """Section, tags and code of each cell."""
    sections = re.split(r"^###? `?(\w[^`\n]*)`?$", PAGE.read_text(), flags=re.M)
    for heading, text in zip(["", *sections[1::2]], sections[::2], strict=True):
        for tags, code in _CELL.findall(text):
            yield heading, tags, "\n".join(line for line in code.splitlines() if not line.startswith("%"))


@pytest.mark.filterwarnings("always::lrrange.errors.NotKeptWarning")
@pytest.mark.filterwarnings("always::lrrange.errors.NotPairedWarning")
def test_each_example_raises_the_error_of_its_section(reader: None, tmp_path: Path) -> None:
    namespace: dict[str, Any] = {"__name__": "page"}
    raised = {}
    pandas = sys.modules.get("pandas")
    try:
        for heading, tags, code in cells():
            if "raises-exception" not in tags:
                exec(code, namespace)
                continue
            try:
                exec(code, namespace)
            except Exception as error:
                raised[heading] = type(error).__name__
    finally:
        if pandas is not None:
            sys.modules["pandas"] = pandas
    assert {heading: name for heading, name in raised.items() if name != heading} == {}
    assert set(raised) == set(errors.__all__) - {"LRRangeError"} - WITHOUT_A_CELL


def test_the_page_names_the_classes_that_an_error_also_is() -> None:
    text = PAGE.read_text()
    for heading, names in re.findall(
        r"\.\. py:exception:: lrrange\.(?:errors\.)?(\w+)\n.*\n\n   Also (.*)\.$", text, re.M
    ):
        bases = [base.__name__ for base in getattr(errors, heading).__bases__ if base is not errors.LRRangeError]
        assert re.findall(r"`(\w+)`", names) == bases
