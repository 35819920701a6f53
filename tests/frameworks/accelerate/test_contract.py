"""A sweep of what Accelerate has prepared leaves no trace: not in the model, nor in the Accelerator's own counts."""

from collections.abc import Callable
from typing import Any

import pytest

from lrrange import testing
from tests.frameworks.accelerate.trainings import FORMS, ORDERS, Loop, MakeAccelerator

WAYS = [(1, "no"), (4, "no"), (1, "bf16"), (4, "bf16")]


@pytest.mark.shows("Accelerate", "exact")
@pytest.mark.parametrize(("accumulation", "precision"), WAYS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("check", testing.CHECKS, ids=lambda check: check.__name__)
def test_a_training_with_accelerate_keeps_the_contract(
    check: Callable[[testing.MakeRig], None],
    form: str,
    accumulation: int,
    precision: str,
    accelerators: MakeAccelerator,
) -> None:
    check(lambda: FORMS[form](Loop(accelerators(accumulation, precision))))


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: order.__name__)
@pytest.mark.parametrize("form", FORMS)
def test_losses_and_rates_after_a_sweep_are_the_same_whatever_the_scheduler_is_made_with(
    form: str, order: Callable[..., Any], accelerators: MakeAccelerator
) -> None:
    testing.check_training_after_a_sweep_equals_training_without_one(lambda: FORMS[form](Loop(accelerators(4), order)))


@pytest.mark.parametrize("calls", [1, 2, 3, 7, 9])
def test_a_sweep_in_the_middle_of_an_accumulation_leaves_the_micro_batches_before_it(
    calls: int, accelerators: MakeAccelerator
) -> None:
    def losses(sweeps: bool) -> list[float]:
        rig = Loop(accelerators(4)).as_own_step()
        before = rig.train(calls)
        if sweeps:
            result = rig.find(verify_restore=True)
            assert result.provenance.details["restore_verified"] is True
        return before + rig.train(20)

    assert losses(sweeps=True) == losses(sweeps=False)
