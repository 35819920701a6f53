"""Sweep a small training, and check that everything reachable from it is as it was."""

import contextlib
import warnings
from collections.abc import Callable, Collection, Iterator
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

import lrrange
from lrrange import RangeTestResult
from lrrange.errors import NotKeptWarning
from tests.backend_torch.picture import Picture
from tests.backend_torch.rigs import data, loader_of, rounds, seed_all

STEPS = 9


class Trained(nn.Module):
    """A module with one layer, whose forward pass first calls `changes` with the module.

    Args:
        changes: what a forward pass changes.
        attributes: of the module.
    """

    def __init__(self, changes: Callable[[Any], object] = lambda module: None, **attributes: Any) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 1)
        self.changes = changes
        for name, value in attributes.items():
            setattr(self, name, value)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.changes(self)
        return self.layer(x)


def train(model: nn.Module, optimizer: Any, loss_fn: Any, loader: Any, steps: int = 2) -> None:
    """Take some ordinary steps, so that everything has a state."""
    for _, (x, y) in zip(range(steps), rounds(loader), strict=False):
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        optimizer.step()


def sweep(
    model: nn.Module | None = None,
    loss_fn: Callable[..., Any] = F.mse_loss,
    loader: Any = None,
    *,
    optimizer: torch.optim.Optimizer | None = None,
    before: int = 2,
    also: Any = None,
    not_kept: Collection[str] = (),
    differs: Collection[str] = (),
    **options: Any,
) -> RangeTestResult:
    """Train, sweep, and check that everything is back, and that the result says so.

    Args:
        before: number of ordinary steps before the sweep.
        also: more to compare than what is given to the sweep.
        not_kept: what the result must name as not put back, and nothing else.
        differs: beginnings of the names of what may differ, and must.
        options: of `find_lr`.
    """
    seed_all()
    model = Trained() if model is None else model
    loader = loader_of(data()) if loader is None else loader
    optimizer = torch.optim.Adam(model.parameters(), 0.01) if optimizer is None else optimizer
    train(model, optimizer, loss_fn, loader, before)
    held = {"model": model, "optimizer": optimizer, "loss_fn": loss_fn, "loader": loader, "options": options}
    held["also"] = also
    options = {"num_steps": STEPS, "start_lr": 1e-5, "end_lr": 0.1, **options}
    picture = Picture(**held)
    with watched(not_kept):
        result = lrrange.find_lr(
            model, optimizer=optimizer, loss_fn=loss_fn, loader=loader, verify_restore=True, **options
        )
    check(picture, held, result, not_kept, differs)
    return result


def sweep_own(
    step: Callable[[], Any],
    optimizer: Any,
    restore: Any = (),
    *,
    also: Any = None,
    not_kept: Collection[str] = (),
    differs: Collection[str] = (),
    **options: Any,
) -> RangeTestResult:
    """Sweep a training step of one's own, after two calls of it, with the same checks as `sweep`."""
    step(), step()
    held = {"step": step, "optimizer": optimizer, "restore": restore, "also": also}
    picture = Picture(**held)
    options = {"num_steps": STEPS, "start_lr": 1e-5, "end_lr": 0.1, **options}
    with watched(not_kept):
        result = lrrange.find_lr(step, optimizer=optimizer, restore=restore, verify_restore=True, **options)
    check(picture, held, result, not_kept, differs)
    return result


@contextlib.contextmanager
def watched(not_kept: Collection[str]) -> Iterator[None]:
    """Check that the user is warned if something is not kept, and only then."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    texts = [str(one.message) for one in caught if issubclass(one.category, NotKeptWarning)]
    assert len(texts) == bool(not_kept), texts
    assert all(name in texts[0] for name in not_kept)


def check(
    picture: Picture, held: dict[str, Any], result: RangeTestResult, not_kept: Collection[str], differs: Collection[str]
) -> None:
    """Check what differs, and what the result says about it."""
    assert result.provenance.steps_run >= STEPS
    differences = picture.differences(**held)
    assert [text for text in differences if not text.startswith(tuple(differs))] == []
    assert all(any(text.startswith(name) for text in differences) for name in differs), differences
    assert sorted(result.provenance.details["not_kept"]) == sorted(not_kept)
    assert result.provenance.details["restore_verified"] is (not not_kept)
