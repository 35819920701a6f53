"""Keras reads its backend when it is imported: torch here, and JAX in the process that `test_on_jax.py` starts."""

import os
import sys

import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")

if "keras" in sys.modules:
    found = sys.modules["keras"].config.backend()
    assert found == os.environ["KERAS_BACKEND"], f"Keras was imported before, with the backend {found}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let pass what NumPy 2 says of the way in which Keras makes arrays of torch's tensors."""
    for item in items:
        if "frameworks/keras" in item.path.as_posix():
            item.add_marker(pytest.mark.filterwarnings("ignore:__array__ implementation doesn't:DeprecationWarning"))
