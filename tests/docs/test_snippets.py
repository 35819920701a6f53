"""Every line that the documentation tells a reader to type works."""

import os
import re
import shlex
import sys
import tomllib
from pathlib import Path
from typing import Any

import matplotlib
import pytest
import torch
from click.testing import CliRunner

import lrrange
from lrrange.cli import main
from tests.docs.pages import PAGES, ROOT, blocks

pytestmark = [
    # Lightning looks at torch's trees in a way that torch has deprecated, and MLflow uses SQLAlchemy in such a way.
    pytest.mark.filterwarnings(r"ignore:.isinstance\(treespec, LeafSpec\). is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated"),
]

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
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_code_and_the_commands_of_a_page_run_in_their_order(page: Path, reader: None) -> None:
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
