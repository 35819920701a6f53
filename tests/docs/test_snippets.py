"""Every line that the documentation tells a reader to type works."""

import os
import re
import tomllib
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, blocks, has_cells
from tests.docs.reader import reader, type_page

__all__ = ["reader"]

# `make docs` runs the cells of notebooks. A page without code has nothing to type.
TYPED = [page for page in PAGES if not has_cells(page) and any(blocks(page.read_text(), "python", "console"))]
NOTEBOOKS = [page for page in PAGES if has_cells(page)]


@pytest.mark.parametrize("page", TYPED, ids=lambda page: page.name)
def test_the_code_and_the_commands_of_a_page_run_in_their_order(page: Path, reader: None) -> None:
    type_page(page)


@pytest.mark.parametrize("page", NOTEBOOKS, ids=lambda page: page.name)
def test_every_block_of_python_on_a_page_with_cells_is_a_cell(page: Path) -> None:
    assert not re.findall(r"^```python\n.*", page.read_text(), re.M)


@pytest.mark.parametrize("page", NOTEBOOKS, ids=lambda page: page.name)
def test_every_cell_is_read_as_one_block(page: Path) -> None:
    text = page.read_text()
    assert len(list(blocks(text, "python"))) == text.count("\n```{code-cell} python\n")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_tells_to_install_or_to_make_exists(page: Path) -> None:
    text = page.read_text()
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.M)
    assert set(re.findall(r"\blrrange\[(\w+)\]", text)) <= set(extras)
    assert set(re.findall(r"\bmake ([a-z]+)\b(?=`| +#|$)", text, re.M)) <= set(targets)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_links_to_is_there(page: Path) -> None:
    prose = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", prose):
        if "://" not in target:
            assert os.path.exists(page.parent / target), f"{page.name} links to {target}"
