"""The contract of `lrrange.testing`, on models of several kinds."""

import functools
from collections.abc import Callable

import pytest

from lrrange import testing
from tests.frameworks.keras.trainings import (
    Training,
    not_built,
    of_a_dataset,
    rig_of,
    with_a_schedule,
)


@pytest.mark.shows("Keras (torch)", "exact")
@pytest.mark.shows("Keras (JAX)", "exact")
@pytest.mark.parametrize("make", [not_built, of_a_dataset, with_a_schedule], ids=lambda make: make.__name__)
@pytest.mark.parametrize("check", testing.CHECKS, ids=lambda check: check.__name__)
def test_a_model_keeps_the_contract(check: Callable[[testing.MakeRig], None], make: Callable[[], Training]) -> None:
    check(functools.partial(rig_of, make))
