"""Ignore harmless warnings of Lightning and of dead workers, and deselect GPU tests on a machine without a GPU."""

import pytest
import torch

from tests.lightning.conftest import HARMLESS

# PyTorch learns by a signal that a worker died, and raises wherever the program is. If that is in its clean-up after
# the dead worker, the same error has already been raised before.
_OF_A_DEAD_WORKER = (
    "ignore:Exception ignored in.*_MultiProcessingDataLoaderIter.__del__:pytest.PytestUnraisableExceptionWarning"
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    fault_tests = [item for item in items if "tests/faults/" in item.path.as_posix()]
    for item in fault_tests:
        for warning in (*HARMLESS, _OF_A_DEAD_WORKER):
            item.add_marker(pytest.mark.filterwarnings(warning))
    deselected = [item for item in fault_tests if item.get_closest_marker("gpu") and not torch.cuda.is_available()]
    config.hook.pytest_deselected(items=deselected)
    items[:] = [item for item in items if item not in deselected]
