"""What apply promises of a scheduler: the rates to come change by the factor of the rate, or apply raises."""

import warnings
from collections.abc import Callable
from typing import Any

import attrs
import pytest
import torch
from lrrange_torch import verify
from lrrange_torch.optimizer import apply_rate
from torch import nn

from lrrange.errors import RateNotInForce
from tests.backend_torch.observing import of_optimizer, of_scheduler

FACTORS = (0.016, 0.5, 3.0)
UNDERWAY = (0, 7)
STEPS = 100
BASE = 0.5


@attrs.frozen
class Row:
    """A scheduler, and how it is stepped.

    Args:
        make: makes it for an optimizer.
        step: steps it; the number is that of the step.
        raises: why apply raises; None if the scheduler follows.
    """

    make: Callable[[torch.optim.Optimizer], Any]
    step: Callable[[Any, int], object] = lambda scheduler, _: scheduler.step()
    raises: str | None = None


def optimizer(**options: Any) -> torch.optim.SGD:
    """Return an optimizer of two groups, at 0.5 and 0.05."""
    first, second = nn.Linear(2, 2), nn.Linear(2, 2)
    groups = [{"params": first.parameters()}, {"params": second.parameters(), "lr": BASE / 10}]
    return torch.optim.SGD(groups, **{"lr": BASE, "momentum": 0.9, **options})


def rates(row: Row, underway: int, factor: float | None, **options: Any) -> list[list[float]]:
    """Return the rates of 100 steps; with a factor, after an apply at the step `underway`."""
    made = optimizer(**options)
    scheduler = row.make(made)
    rows = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for step in range(underway + STEPS):
            if step == underway and factor is not None:
                apply_rate(made, factor * BASE, scheduler)
            rows.append([float(group["lr"]) for group in made.param_groups])
            made.step()
            row.step(scheduler, step)
    return rows[underway:]


def check_follows(row: Row, underway: int, factor: float) -> None:
    """Raise AssertionError unless the rates after apply are `factor` times those without."""
    without = rates(row, underway, None)
    after = rates(row, underway, factor)
    highest = max(map(max, without))
    for step, (before, now) in enumerate(zip(without, after, strict=True)):
        assert now == pytest.approx([factor * rate for rate in before], rel=1e-6, abs=1e-9 * factor * highest), step


def check_raises(row: Row, underway: int, factor: float) -> None:
    """Raise AssertionError unless apply raises, and changes nothing."""
    made = optimizer()
    scheduler = row.make(made)
    for step in range(underway):
        made.step()
        row.step(scheduler, step)
    before = of_optimizer(made), numbers_of(scheduler)
    with pytest.raises(RateNotInForce, match=row.raises) as error:
        apply_rate(made, factor * BASE, scheduler)
    assert type(scheduler).__name__ in str(error.value)
    assert "Nothing was changed" in str(error.value)
    assert (of_optimizer(made), numbers_of(scheduler)) == before


def check(row: Row, underway: int, factor: float) -> None:
    """Raise AssertionError unless apply keeps its promise in the way that the row says."""
    (check_follows if row.raises is None else check_raises)(row, underway, factor)


def check_verify_passes_after_apply(row: Row, factor: float) -> None:
    """Raise what verify raises, or AssertionError if it proves nothing."""
    made = optimizer()
    scheduler = row.make(made)
    apply_rate(made, factor * BASE, scheduler)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with verify(made, factor * BASE, steps=50, scheduler=scheduler) as guard:
            for step in range(60):
                for group in made.param_groups:
                    for parameter in group["params"]:
                        parameter.grad = torch.zeros_like(parameter)
                made.step()
                row.step(scheduler, step)
    assert guard.proved


def numbers_of(scheduler: Any) -> Any:
    """Return everything plain that a scheduler, and those inside it, hold."""
    return [of_scheduler(scheduler), *map(of_scheduler, getattr(scheduler, "_schedulers", ()))]
