"""A rate that is applied is in force, whichever of Accelerate's wrappers it is given to, and the proof sees it."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

import lrrange
from lrrange.errors import RateNotInForce
from tests.frameworks.accelerate.trainings import ORDERS, Loop, MakeAccelerator, on_the_prepared_one

GIVEN: dict[str, Callable[[Loop], Any]] = {"prepared": lambda loop: loop.optimizer, "inner": lambda loop: loop.inner}


def found(loop: Loop) -> lrrange.RangeTestResult:
    return loop.as_own_step().find(num_steps=60, end_lr=100.0)


@pytest.mark.shows("Accelerate", "applied and proved")
@pytest.mark.parametrize("verified", GIVEN)
@pytest.mark.parametrize("applied", GIVEN)
@pytest.mark.parametrize("order", ORDERS, ids=lambda order: order.__name__)
@pytest.mark.parametrize(("accumulation", "precision"), [(1, "no"), (4, "no"), (4, "bf16")])
def test_the_training_climbs_to_the_rate_that_was_applied(
    accumulation: int,
    precision: str,
    order: Callable[..., Any],
    applied: str,
    verified: str,
    accelerators: MakeAccelerator,
) -> None:
    loop = Loop(accelerators(accumulation, precision), order, count=128)
    result = found(loop)
    result.apply(GIVEN[applied](loop))
    proof = result.verify(GIVEN[verified](loop), steps=6)
    assert not proof.proved
    loop.rates.clear()
    loop.train(6 * accumulation)
    assert loop.rates == pytest.approx([result.lr * part for part in (0.25, 0.5, 0.75, 1.0, 1.0, 1.0)])
    assert proof.proved


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: order.__name__)
def test_the_peak_goes_to_a_scheduler_that_is_given(order: Callable[..., Any], accelerators: MakeAccelerator) -> None:
    loop = Loop(accelerators(), order)
    result = found(loop)
    result.apply(loop.optimizer, scheduler=loop.scheduler)
    with result.verify(loop.optimizer, scheduler=loop.scheduler):
        loop.train(6)
    assert loop.rates[-1] == pytest.approx(result.lr)


@pytest.mark.shows("Accelerate", "applied and proved")
@pytest.mark.parametrize("order", ORDERS, ids=lambda order: order.__name__)
def test_a_rate_that_the_loop_sets_itself_is_an_error_at_the_first_step(
    order: Callable[..., Any], accelerators: MakeAccelerator
) -> None:
    loop = Loop(accelerators(4), order)
    result = found(loop)
    result.apply(loop.optimizer)
    for group in loop.optimizer.param_groups:
        group["lr"] = 0.5
    result.verify(loop.optimizer)
    with pytest.raises(RateNotInForce, match=r"trains at lr=0\.5"):
        loop.train(4)


def test_a_block_without_a_step_of_the_optimizer_proves_nothing(accelerators: MakeAccelerator) -> None:
    loop = Loop(accelerators(4))
    result = found(loop)
    result.apply(loop.optimizer)
    with pytest.raises(RateNotInForce, match="took no step"), result.verify(loop.optimizer):
        loop.train(3)  # of 4 micro-batches


@pytest.mark.parametrize("kind", [torch.optim.lr_scheduler.CosineAnnealingLR, torch.optim.lr_scheduler.OneCycleLR])
def test_the_rate_for_a_prepared_scheduler_is_that_for_the_one_inside(kind: Any, accelerators: MakeAccelerator) -> None:
    result = found(Loop(accelerators()))
    options = {"max_lr": 0.1} if kind is torch.optim.lr_scheduler.OneCycleLR else {}

    def order(accelerator: Any, optimizer: Any) -> Any:
        return accelerator.prepare(optimizer, kind(optimizer, **options, **{_STEPS[kind]: 100}))

    prepared = Loop(accelerators(), order).scheduler
    assert result.lr_for(prepared) == result.lr_for(prepared.scheduler)


_STEPS = {torch.optim.lr_scheduler.CosineAnnealingLR: "T_max", torch.optim.lr_scheduler.OneCycleLR: "total_steps"}


def test_the_guard_of_lrrange_torch_takes_prepared_optimizers_too(accelerators: MakeAccelerator) -> None:
    from lrrange_torch import verify

    loop = Loop(accelerators(), on_the_prepared_one)
    result = found(loop)
    result.apply(loop.optimizer)
    with verify(loop.optimizer, result) as guard:
        loop.train(5)
    assert guard.steps_seen == 5
