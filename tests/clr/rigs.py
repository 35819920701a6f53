"""Optimizers of every kind to schedule, and a step that trains them."""

import inspect
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from lrrange import LRRange, Provenance, RangeTestResult, StopReason
from lrrange.advice.heuristics import HEURISTICS
from lrrange.advice.readings import read_answers, read_ranges
from tests.core.strategies import PLAN, Landscape

BOUNDS = LRRange(base_lr=0.001, max_lr=0.01, rule="mine", source="made up")


def result() -> RangeTestResult:
    """Return the result of a range test whose "smith" and default ranges differ."""
    return result_of(Landscape(noise=0.01))


def result_of(landscape: Landscape) -> RangeTestResult:
    curve = landscape.curve()
    return RangeTestResult(
        plan=PLAN,
        curve=curve,
        stop_reason=StopReason.COMPLETED,
        provenance=Provenance(backend="test"),
        answers=read_answers(curve, HEURISTICS),
        ranges=read_ranges(curve),
    )


def parameters(count: int = 1) -> list[nn.Parameter]:
    return [nn.Parameter(torch.ones(2, 2)) for _ in range(count)]


def sgd(*groups: dict[str, Any], **options: Any) -> torch.optim.SGD:
    """Return an SGD with one param group for each mapping, or with one group."""
    made = [{"params": parameters(), **group} for group in groups or ({},)]
    return torch.optim.SGD(made, **{"lr": 0.1, **options})


def train_step(optimizer: torch.optim.Optimizer) -> None:
    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = sum(
            (parameter.to_dense() ** 2).sum() for group in optimizer.param_groups for parameter in group["params"]
        )
        loss.backward()
        if isinstance(optimizer, torch.optim.SparseAdam):
            for group in optimizer.param_groups:
                for parameter in group["params"]:
                    parameter.grad = parameter.grad.to_sparse()
        return loss

    optimizer.step(closure)


def every_optimizer() -> Iterator[type[torch.optim.Optimizer]]:
    """Yield every optimizer class that `torch.optim` exports."""
    for name in sorted(vars(torch.optim)):
        found = getattr(torch.optim, name)
        if inspect.isclass(found) and issubclass(found, torch.optim.Optimizer) and found is not torch.optim.Optimizer:
            yield found


def momentum_of(group: dict[str, Any]) -> float | None:
    """Return the momentum as the optimizer reads it; None if it has none."""
    if "betas" in group:
        return float(group["betas"][0])
    return float(group["momentum"]) if "momentum" in group else None


def now(optimizer: torch.optim.Optimizer) -> list[tuple[float, float | None]]:
    """Return each group's rate and momentum."""
    return [(float(group["lr"]), momentum_of(group)) for group in optimizer.param_groups]
