"""Both class trees of Lightning, and its own warnings, which are no business of these tests."""

import importlib
from typing import Any

import pytest

TREES = ("pytorch_lightning", "lightning.pytorch")

# Warnings of Lightning's and of its dependencies about small trainings, each as narrow as it can be told.
HARMLESS = (
    "ignore:The '.*dataloader' does not have many workers",  # the data are a few tensors
    r"ignore:.isinstance\(treespec, LeafSpec\). is deprecated:FutureWarning",  # its loaders, under recent torch
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/lightning/" in item.path.as_posix():
            for warning in HARMLESS:
                item.add_marker(pytest.mark.filterwarnings(warning))


@pytest.fixture(params=TREES)
def tree(request: pytest.FixtureRequest) -> Any:
    return importlib.import_module(request.param)


@pytest.fixture
def pl() -> Any:
    """One tree, for what does not depend on which."""
    return importlib.import_module(TREES[0])


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a training writes where it should not is seen, and does not stay."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
