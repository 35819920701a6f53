"""A tree of files that does not exist, for showing what a rule refuses and what it allows."""

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

WriteTree = Callable[[dict[str, str]], Path]


@pytest.fixture
def write_tree(tmp_path: Path) -> WriteTree:
    """Write these sources, by path, under an empty folder, and return that folder."""

    def write(sources: dict[str, str]) -> Path:
        for name, source in sources.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(source), encoding="utf-8")
        return tmp_path

    return write
