"""What functions, hooks and their objects hold: tensors and other objects are put back, notes of numbers stay."""

import functools
from collections import deque
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lrrange_torch.snapshot import Snapshot, digest_of
from torch import nn
from torch.nn import functional as F

import lrrange
from lrrange.errors import RateNotInForce
from tests.backend_torch.sweeping import STEPS, Trained, sweep

NEW: torch.Tensor | None = None


def test_an_empty_container_in_a_variable_that_is_given_tensors_is_empty_again() -> None:
    outputs: list[torch.Tensor] = []
    latest: dict[str, Any] = {"output": None, "losses": []}
    replay: deque[Any] = deque(maxlen=5)

    def loss(given: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        value = F.mse_loss(given, targets)
        outputs.append(given.detach())
        latest["output"] = given.detach()
        latest["losses"].append(value.item())
        replay.append((given.detach(), 1))
        return value

    sweep(loss_fn=loss, before=0, differs=["loss_fn"])
    assert not outputs
    assert not replay
    assert latest["output"] is None
    assert len(latest["losses"]) == STEPS


def test_a_variable_that_a_tensor_takes_the_place_of_a_number_in_is_put_back() -> None:
    global NEW
    NEW, last = None, None

    def loss(given: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        nonlocal last
        global NEW
        last = NEW = given.detach()
        return F.mse_loss(given, targets)

    sweep(loss_fn=loss, before=0)
    assert NEW is None
    assert last is None


class Smooths:
    """A hook that smooths a layer's output, and takes notes."""

    def __init__(self) -> None:
        self.mean = torch.zeros(1)
        self.calls = 0
        self.norms: list[float] = []

    def __call__(self, _: nn.Module, __: Any, output: torch.Tensor) -> torch.Tensor:
        self.mean = self.mean * 0.9 + output.detach().mean(0) * 0.1
        self.last = output.detach()
        self.calls += 1
        self.norms.append(output.norm().item())
        return output - self.mean


class SmoothsInSlots:
    __slots__ = ("__weakref__", "calls", "last", "mean", "norms")
    __init__ = Smooths.__init__
    __call__ = Smooths.__call__


def test_a_tensor_at_the_end_of_many_numbers_makes_a_list_more_than_notes() -> None:
    losses: list[Any] = [0.5] * 200

    def loss(given: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        value = F.mse_loss(given, targets)
        losses.append(value.detach())
        return value

    sweep(loss_fn=loss, before=0)
    assert losses == [0.5] * 200


@pytest.mark.parametrize("kind", [Smooths, SmoothsInSlots])
@pytest.mark.parametrize("before", [0, 2])
def test_the_tensors_of_a_hook_are_put_back_and_its_notes_stay(kind: Any, before: int) -> None:
    model, hook = Trained(), kind()
    model.layer.register_forward_hook(hook)
    sweep(model, before=before, differs=["model"])
    assert hook.calls == len(hook.norms) == before + STEPS
    assert hasattr(hook, "last") == (before > 0)
    assert before or hook.mean.item() == 0


def test_the_attributes_of_a_function_are_put_back() -> None:
    def loss(given: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        loss.calls = getattr(loss, "calls", 0) + 1  # type: ignore[attr-defined]
        loss.bias = loss.bias + 0.1  # type: ignore[attr-defined]
        return F.mse_loss(given + loss.bias, targets) * (1 + loss.calls / 100)  # type: ignore[attr-defined]

    loss.bias = torch.zeros(1)  # type: ignore[attr-defined]
    sweep(loss_fn=loss, before=0)
    assert loss.bias.item() == 0  # type: ignore[attr-defined]
    assert not hasattr(loss, "calls")


def test_a_cache_that_was_empty_is_empty_again() -> None:
    @functools.lru_cache
    def noise(_: int) -> torch.Tensor:
        return torch.randn(1)

    def loss(given: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return F.mse_loss(given + noise(3), targets)

    sweep(loss_fn=loss, before=0)
    assert noise.cache_info().currsize == 0


@pytest.mark.parametrize(
    "held",
    [
        {f"word {number}": number for number in range(5000)},
        {("a", str(number)): 0.5 for number in range(5000)},
        [(number, "a") for number in range(5000)],
        set(range(5000)),
        deque(range(5000)),
    ],
)
def test_many_numbers_and_texts_are_put_back_and_compared_without_a_name_for_each(held: Any) -> None:
    holder = SimpleNamespace(held=held)
    before = list(digest_of({"holder": holder}))
    assert len(before) < 20
    snapshot = Snapshot()
    snapshot.keep(holder)
    if isinstance(held, dict):
        held[next(iter(held))] = 7
    else:
        held.pop()
    assert list(digest_of({"holder": holder})) != before
    snapshot.restore()
    assert list(digest_of({"holder": holder})) == before


def test_a_name_in_a_long_chain_has_an_end() -> None:
    chain = None
    for _ in range(3000):
        chain = SimpleNamespace(next=chain)
    names = [name for name, _ in digest_of({"chain": chain})]
    assert len(names) > 3000
    assert max(map(len, names)) < 1000


def test_a_step_that_adds_a_param_group_is_told_that_its_rate_is_not_swept() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    optimizer = torch.optim.SGD(model[0].parameters(), 0.1)
    calls = SimpleNamespace(count=0)

    def step() -> torch.Tensor:
        calls.count += 1
        if calls.count == 4:
            optimizer.add_param_group({"params": list(model[1].parameters())})
        optimizer.zero_grad()
        loss = model(torch.ones(4, 2)).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    with pytest.raises(RateNotInForce, match=r"began with 1 param groups, .* made them 2.*add_param_group before"):
        lrrange.find_lr(step, optimizer=optimizer, restore=model, num_steps=10, verify_restore=True)
    assert len(optimizer.param_groups) == 1
    assert calls.count == 0
