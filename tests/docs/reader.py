"""A reader of the README and of pages without cells, who types all that they say."""

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib
import pytest
import torch
from click.testing import CliRunner

import lrrange
from lrrange.cli import main
from tests.docs.pages import blocks


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Someone who types a page's blocks one after the other, in an empty folder, and leaves nothing behind."""
    matplotlib.use("Agg")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    random_state = torch.get_rng_state()
    yield
    torch.set_rng_state(random_state)
    for plugin in lrrange.list_plugins():
        if plugin.source == "registered":
            lrrange.unregister(plugin.name)
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


def type_page(page: Path) -> None:
    """Run the code and the commands of a page in their order."""
    namespace: dict[str, Any] = {"__name__": "page"}
    for language, text, line in blocks(page.read_text(), "python", "console"):
        if language == "console":
            _type_commands(text, f"{page.name}:{line}")
        else:
            # Blank lines before it, so that a traceback names the page's own line.
            exec(compile("\n" * (line - 1) + text, page, "exec"), namespace)


def _type_commands(text: str, where: str) -> None:
    for line in text.splitlines():
        if line.startswith("$ lrrange"):
            run = CliRunner().invoke(main, shlex.split(line.removeprefix("$ lrrange"), comments=True))
            assert run.exit_code == 0, f"{where}: {line}\n{run.output}"
