"""Lightning's own warnings, which are no business of these tests; and no GPU where there is none."""

import pytest
import torch

from tests.lightning.conftest import HARMLESS

# PyTorch hears of a worker's end by a signal, and raises wherever it is; where it clears up after one that died, it has
# said so before.
_OF_A_DEAD_WORKER = (
    "ignore:Exception ignored in.*_MultiProcessingDataLoaderIter.__del__:pytest.PytestUnraisableExceptionWarning"
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    own = [item for item in items if "tests/faults/" in item.path.as_posix()]
    for item in own:
        for warning in (*HARMLESS, _OF_A_DEAD_WORKER):
            item.add_marker(pytest.mark.filterwarnings(warning))
    needing = [item for item in own if item.get_closest_marker("gpu") and not torch.cuda.is_available()]
    config.hook.pytest_deselected(items=needing)
    items[:] = [item for item in items if item not in needing]
