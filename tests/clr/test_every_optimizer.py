"""Both functions on every optimizer that torch exports."""

import pytest
import torch
from lrrange_clr import cyclical, one_cycle
from torch import nn

from tests.clr.rigs import BOUNDS, every_optimizer, momentum_of, now, parameters, train_step

# Every optimizer with its default arguments, and two more cases with momentum.
CASES = {kind.__name__: (kind, {}) for kind in every_optimizer()} | {
    "SGD with momentum": (torch.optim.SGD, {"momentum": 0.9}),
    "RMSprop with momentum": (torch.optim.RMSprop, {"momentum": 0.9}),
}
MAKERS = {
    "cyclical": lambda optimizer: cyclical(optimizer, BOUNDS, steps_per_half_cycle=3),
    "one_cycle": lambda optimizer: one_cycle(optimizer, BOUNDS, total_steps=12),
}


def made(kind: type[torch.optim.Optimizer], options: dict[str, object]) -> torch.optim.Optimizer:
    groups = [{"params": parameters(), "lr": 0.1}]
    if kind is not torch.optim.LBFGS:  # which takes one group
        groups.append({"params": parameters(), "lr": 0.01})
    return kind(groups[0]["params"], lr=0.1) if kind is torch.optim.LBFGS else kind(groups, **options)


def test_the_well_known_optimizers_are_among_them() -> None:
    assert {"SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "LBFGS", "SparseAdam", "Adafactor"} <= CASES.keys()


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("name", CASES)
def test_every_optimizer_trains_at_the_rates_and_momenta_of_the_schedule(name: str, maker: str) -> None:
    optimizer = made(*CASES[name])
    had_momentum = [bool(momentum_of(group)) for group in optimizer.param_groups]
    scheduler = MAKERS[maker](optimizer)
    for step in range(12):
        lr, momentum = scheduler.schedule.lr_at(step), scheduler.schedule.momentum_at(step)
        for share, has_momentum, (rate, found) in zip((1.0, 0.1), had_momentum, now(optimizer), strict=False):
            assert rate == pytest.approx(lr * share)
            assert (found == pytest.approx(momentum)) if has_momentum else not found
        train_step(optimizer)
        scheduler.step()
    assert all(p.isfinite().all() for group in optimizer.param_groups for p in group["params"])


@pytest.mark.parametrize("maker", MAKERS)
def test_an_optimizer_that_torch_does_not_know_is_an_optimizer(maker: str) -> None:
    class Plain(torch.optim.Optimizer):
        def __init__(self, params: list[nn.Parameter]) -> None:
            super().__init__(params, {"lr": 0.1})

        @torch.no_grad()
        def step(self, closure: object = None) -> None:
            for group in self.param_groups:
                for parameter in group["params"]:
                    parameter -= group["lr"]

    optimizer = Plain(parameters())
    scheduler = MAKERS[maker](optimizer)
    optimizer.step()
    scheduler.step()
    assert optimizer.param_groups[0].keys() == {"params", "lr", "initial_lr"}
    assert scheduler.get_last_lr() == [scheduler.schedule.lr_at(1)]
