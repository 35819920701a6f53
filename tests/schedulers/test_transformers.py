"""Every scheduler that transformers' Trainer knows by name."""

import gc
from collections.abc import Iterator

import pytest

from tests.schedulers.oracle import FACTORS, UNDERWAY, check, check_verify_passes_after_apply
from tests.schedulers.transformers_rows import TRANSFORMERS


@pytest.fixture(autouse=True, scope="module")
def fewer_objects_to_search() -> Iterator[None]:
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("underway", UNDERWAY, ids=["fresh", "underway"])
@pytest.mark.parametrize("name", TRANSFORMERS)
def test_the_rates_change_by_the_factor(name: str, underway: int, factor: float) -> None:
    check(TRANSFORMERS[name], underway, factor)


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_verify_passes_what_apply_has_set(name: str) -> None:
    check_verify_passes_after_apply(TRANSFORMERS[name], 0.016)
