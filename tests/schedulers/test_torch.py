"""Every scheduler of torch, and users' own: apply holds over 100 steps, or raises and changes nothing."""

import gc
import inspect
from collections.abc import Iterator

import pytest
from torch.optim import lr_scheduler
from torch.optim.lr_scheduler import LRScheduler

from tests.schedulers.oracle import FACTORS, UNDERWAY, check, check_verify_passes_after_apply
from tests.schedulers.rows import OWN, TORCH

ROWS = TORCH | OWN


@pytest.fixture(autouse=True, scope="module")
def fewer_objects_to_search() -> Iterator[None]:
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def test_every_scheduler_of_torch_has_a_row() -> None:
    defined = {
        name
        for name, kind in vars(lr_scheduler).items()
        if inspect.isclass(kind) and issubclass(kind, LRScheduler) and not name.endswith("LRScheduler")
    }
    assert defined | {"SWALR"} == {name.split(",")[0] for name in TORCH}


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("underway", UNDERWAY, ids=["fresh", "underway"])
@pytest.mark.parametrize("name", ROWS)
def test_the_rates_change_by_the_factor_or_apply_raises(name: str, underway: int, factor: float) -> None:
    check(ROWS[name], underway, factor)


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.raises is None])
def test_verify_passes_what_apply_has_set(name: str) -> None:
    check_verify_passes_after_apply(ROWS[name], 0.016)
