"""Tests of the plug-in for transformers: each in an empty folder, without the warnings that others give."""

import gc
from collections.abc import Iterator
from typing import Any

import pytest

# Warnings of other packages, each as narrow as it can be told.
HARMLESS = (
    "ignore:mtime may not be reliable:UserWarning",  # checkpoints of transformers 4 that are written within a second
    "ignore:`(is_)?gradient_checkpointing(_[a-z]+)?` is deprecated:FutureWarning",  # PEFT and TRL use the old name
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/frameworks/transformers/" in item.path.as_posix():
            for warning in HARMLESS:
                item.add_marker(pytest.mark.filterwarnings(warning))


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each test in an empty folder, where a file that a training writes by mistake is noticed and does not stay."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)


@pytest.fixture(autouse=True, scope="session")
def collecting_little_garbage() -> Iterator[None]:
    """Leave the imported packages out of `gc.collect()`, which Accelerate calls at the start of each `train()`."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
