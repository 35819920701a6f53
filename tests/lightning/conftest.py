"""Both Lightning packages, and their own warnings, which these tests ignore."""

import importlib
from typing import Any

import pytest

PACKAGES = ("pytorch_lightning", "lightning.pytorch")

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


@pytest.fixture(params=PACKAGES)
def package(request: pytest.FixtureRequest) -> Any:
    return importlib.import_module(request.param)


@pytest.fixture
def pl() -> Any:
    """One Lightning package, for a test that does not depend on which of the two it is."""
    return importlib.import_module(PACKAGES[0])


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each test in an empty folder, where a file that a training writes by mistake is noticed and does not stay."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
