"""timm's schedulers, and its layer decay."""

import gc
import inspect
from collections.abc import Iterator

import pytest
import timm.scheduler
import torch
from lrrange_torch import verify
from lrrange_torch.optimizer import GroupRates, apply_rate
from timm.scheduler.scheduler import Scheduler
from torch import nn

from lrrange.errors import RateNotInForce
from tests.schedulers.oracle import BASE, FACTORS, UNDERWAY, check, check_verify_passes_after_apply, optimizer
from tests.schedulers.timm_rows import TIMM


@pytest.fixture(autouse=True, scope="module")
def fewer_objects_to_search() -> Iterator[None]:
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def test_every_scheduler_of_timm_has_a_row() -> None:
    kinds = {kind for kind in vars(timm.scheduler).values() if inspect.isclass(kind) and issubclass(kind, Scheduler)}
    assert kinds == {type(row.make(optimizer())) for row in TIMM.values()}


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("underway", UNDERWAY, ids=["fresh", "underway"])
@pytest.mark.parametrize("name", TIMM)
def test_the_rates_change_by_the_factor(name: str, underway: int, factor: float) -> None:
    check(TIMM[name], underway, factor)


@pytest.mark.parametrize("name", TIMM)
def test_verify_passes_what_apply_has_set(name: str) -> None:
    check_verify_passes_after_apply(TIMM[name], 0.016)


def layer_decayed(*scales: float) -> torch.optim.SGD:
    groups = [{"params": nn.Linear(2, 2).parameters(), "lr_scale": scale} for scale in scales]
    return torch.optim.SGD(groups, BASE)


def test_a_sweep_has_the_ratios_that_layer_decay_will_train_with() -> None:
    made = layer_decayed(1 / 16, 1 / 4, 1.0)
    assert GroupRates([made]).ratios == (1 / 16, 1 / 4, 1.0)  # before there is a scheduler
    scheduler = timm.scheduler.CosineLRScheduler(made, 80, warmup_t=5, warmup_lr_init=1e-4)
    assert GroupRates([made]).ratios == (1 / 16, 1 / 4, 1.0)
    apply_rate(made, 0.008)
    assert scheduler.base_values == pytest.approx([0.008] * 3)
    scheduler.step(5)
    top = 0.008 * (1 + torch.cos(torch.tensor(torch.pi * 5 / 80)).item()) / 2
    assert [group["lr"] for group in made.param_groups] == pytest.approx([top / 16, top / 4, top], rel=1e-6)


def test_the_rate_may_be_applied_before_the_scheduler_is_made() -> None:
    made = layer_decayed(0.25, 1.0)
    apply_rate(made, 0.008)
    timm.scheduler.StepLRScheduler(made, 100)
    assert [group["lr"] for group in made.param_groups] == pytest.approx([0.002, 0.008])
    with verify(made, 0.008):
        made.step(lambda: sum(p.sum() for group in made.param_groups for p in group["params"]).backward())  # type: ignore[union-attr]


def test_layer_decay_that_nothing_applies_is_found_out_by_verify() -> None:
    made = layer_decayed(0.25, 1.0)
    with pytest.raises(RateNotInForce, match="param group 0 trains at lr=0.5, not at the 0.125"), verify(made, BASE):
        made.step()


def test_a_scheduler_of_torch_does_not_apply_lr_scale() -> None:
    made = layer_decayed(0.25, 1.0)
    scheduler = torch.optim.lr_scheduler.StepLR(made, 30)
    assert GroupRates([made]).ratios == (1.0, 1.0)
    del scheduler


def test_rates_that_are_scaled_already_are_not_scaled_again() -> None:
    groups = [{"params": nn.Linear(2, 2).parameters(), "lr": BASE * s, "lr_scale": s} for s in (0.25, 0.5, 1.0)]
    assert GroupRates([torch.optim.SGD(groups, BASE)]).ratios == (1.0, 2.0, 4.0)
