"""A reader of the documentation, who types all that a page says."""

import re
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

# What `train:make` is where a page does not show it.
TRAIN = """
import torch
from torch import nn

def make():
    torch.manual_seed(0)
    x = torch.randn(64, 4)
    model = nn.Linear(4, 2)
    return model, {
        "optimizer": torch.optim.SGD(model.parameters()),
        "loss_fn": nn.CrossEntropyLoss(),
        "loader": [(x, (x.sum(1) > 0).long())],
    }
"""


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Someone who types a page's blocks one after the other, in an empty folder, and leaves nothing behind."""
    matplotlib.use("Agg")
    (tmp_path / "train.py").write_text(TRAIN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    imported, random_state = set(sys.modules), torch.get_rng_state()
    yield
    torch.set_rng_state(random_state)
    for plugin in lrrange.list_plugins():
        if plugin.source == "registered":
            lrrange.unregister(plugin.name)
    for name in set(sys.modules) - imported:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]
    if "wandb" in sys.modules:
        sys.modules["wandb"].teardown()
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


def type_page(page: Path) -> None:
    """Run the code and the commands of a page in their order."""
    namespace: dict[str, Any] = {"__name__": "page"}
    for language, text, line in blocks(page.read_text(), "python", "console"):
        if language == "console":
            _type_commands(text, f"{page.name}:{line}")
        elif named := re.match(r"# (\w+\.py)\n", text):
            Path(named[1]).write_text(text)
        else:
            # Blank lines before it, so that a traceback names the page's own line.
            exec(compile("\n" * (line - 1) + text, page, "exec"), namespace)


def _type_commands(text: str, where: str) -> None:
    for line in text.splitlines():
        if line.startswith("$ lrrange"):
            typed, _, _ = line.removeprefix("$ lrrange").partition(" | ")  # what reads the answer may not be installed
            words = shlex.split(typed, comments=True)
            if "--data" in words:  # this one downloads, so it is only parsed
                main.commands[words[0]].make_context(words[0], words[1:])
                continue
            run = CliRunner().invoke(main, words)
            assert run.exit_code == 0, f"{where}: {line}\n{run.output}"
