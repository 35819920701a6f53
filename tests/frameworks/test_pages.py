"""Every line that the pages about frameworks tell a reader to type works. The recipes have tests of their own."""

from pathlib import Path

import pytest

from tests.docs.pages import DOCS, OF_FRAMEWORKS
from tests.docs.reader import reader, type_page

__all__ = ["reader"]


@pytest.mark.parametrize("name", [name for name in OF_FRAMEWORKS if name != "recipes.md"])
def test_the_code_of_a_page_runs_in_its_order(name: str, reader: None) -> None:
    type_page(Path(DOCS / name))
