"""Every line that the documentation tells a reader to type works."""

import os
import re
import tomllib
from pathlib import Path

import pytest

from tests.docs.pages import OF_FRAMEWORKS, PAGES, ROOT
from tests.docs.reader import reader, type_page

__all__ = ["reader"]

# The others are typed by tests/frameworks.
TYPED = [page for page in PAGES if page.name not in OF_FRAMEWORKS]

pytestmark = [
    # Lightning looks at torch's trees in a way that torch has deprecated, and MLflow uses SQLAlchemy in such a way.
    pytest.mark.filterwarnings(r"ignore:.isinstance\(treespec, LeafSpec\). is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated"),
]


@pytest.mark.parametrize("page", TYPED, ids=lambda page: page.name)
def test_the_code_and_the_commands_of_a_page_run_in_their_order(page: Path, reader: None) -> None:
    type_page(page)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_tells_to_install_or_to_make_exists(page: Path) -> None:
    text = page.read_text()
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.M)
    assert set(re.findall(r"\blrrange\[(\w+)\]", text)) <= set(extras)
    assert set(re.findall(r"\bmake ([a-z]+)\b(?=`| +#|$)", text, re.M)) <= set(targets)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_links_to_is_there(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if "://" not in target:
            assert os.path.exists(page.parent / target), f"{page.name} links to {target}"
