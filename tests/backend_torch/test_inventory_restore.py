"""`restore=` takes any object, in both forms, and refuses what cannot be put back. Schedulers are found."""

import itertools
import socket
from collections.abc import Callable
from typing import Any

import numpy
import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, GradientState, PartialState
from torch import nn
from torch.nn import functional as F

import lrrange
from lrrange.errors import TargetError
from tests.backend_torch.picture import Picture
from tests.backend_torch.rigs import data, loader_of, rounds
from tests.backend_torch.sweeping import STEPS, Trained, check, sweep, sweep_own
from tests.backend_torch.test_inventory_objects import (
    Attrs,
    Everything,
    Lying,
    Open,
    Raising,
    Slots,
    SlottedData,
    slots,
)

INPUTS, TARGETS = data().tensors


class Registry:
    """A class that keeps its state in itself."""

    calls = 0
    history: list[float] = []  # noqa: RUF012  what a user's class does
    average = torch.zeros(1)
    nothing = None

    def method(self) -> None:
        """Do nothing."""


class Board:
    """Somewhere far away, where a step notes what it does."""

    notes: dict[str, Any] = {}  # noqa: RUF012


RESTORED: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "an object": (lambda: Open(a=1), lambda h: setattr(h, "a", 2)),
    "an object with slots": (lambda: slots(Slots, a=1), lambda h: setattr(h, "a", 2)),
    "a class of attrs": (Attrs, lambda h: setattr(h, "count", h.count + 1)),
    "a dataclass": (SlottedData, lambda h: h.held.append(1)),
    "an object that lies": (Lying, lambda h: h.held.append(1)),
    "an object with every attribute": (Everything, lambda h: h.held.append(1)),
    "a list": (lambda: [[1]], lambda h: h[0].append(1)),
    "a dict": (lambda: {"a": 1}, lambda h: h.update(a=2, b=3)),
    "a deep dict": (lambda: {"a": {"b": [torch.zeros(1)]}}, lambda h: h["a"]["b"][0].add_(1)),
    "a tensor": (lambda: torch.zeros(2), lambda h: h.add_(1)),
    "an array": (lambda: numpy.zeros(2), lambda h: h.__iadd__(1)),
    "a generator of NumPy": (lambda: numpy.random.default_rng(1), lambda h: h.random()),
    "a generator of torch": (torch.Generator, lambda h: torch.rand(1, generator=h)),
    "a bytearray": (lambda: bytearray(b"a"), lambda h: h.append(1)),
    "a loader": (lambda: loader_of(data()), lambda h: next(iter(h))),
    "a module": (lambda: nn.BatchNorm1d(6), lambda h: h(INPUTS)),
    "an iterator over a list": (lambda: iter(list(range(99))), lambda h: next(h)),
    "a method": (lambda: Open(a=1, b=[]).b.append, lambda h: None),
    "a function": (lambda: (lambda held: lambda: held.add_(1))(torch.zeros(1)), lambda h: h()),
}


@pytest.mark.parametrize("what", [name for name in RESTORED if name != "a method"])
def test_restore_takes(what: str) -> None:
    make, change = RESTORED[what]
    for wrap in (lambda one: one, lambda one: [one], lambda one: (one, torch.zeros(1))):
        held = make()
        Board.notes["held"] = held

        def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            change(Board.notes["held"])
            return F.mse_loss(outputs, targets)

        sweep(loss_fn=loss, restore=wrap(held))


@pytest.mark.parametrize("what", [name for name in RESTORED if name != "a method"])
def test_restore_of_an_own_step_takes(what: str) -> None:
    make, change = RESTORED[what]
    model = Trained()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    held = make()
    Board.notes["held"] = held

    def step() -> torch.Tensor:
        change(Board.notes["held"])
        optimizer.zero_grad()
        loss = F.mse_loss(model(INPUTS), TARGETS)
        loss.backward()
        optimizer.step()
        return loss

    sweep_own(step, optimizer, (model, held))


def test_a_class_that_is_named_is_put_back_with_its_data() -> None:
    def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        Registry.calls += 1
        Registry.history.append(1.0)
        Registry.average += 1
        Registry.late = [1]  # type: ignore[attr-defined]
        Registry.nothing = outputs.detach()
        return F.mse_loss(outputs, targets)

    try:
        sweep(loss_fn=loss, restore=Registry, before=0)
        assert (Registry.calls, Registry.history, float(Registry.average), Registry.nothing) == (0, [], 0.0, None)
        assert not hasattr(Registry, "late")
        assert callable(Registry.method)
        sweep(loss_fn=loss, restore=(Registry,), before=2)
        assert (Registry.calls, len(Registry.history), float(Registry.average)) == (2, 2, 2.0)
    finally:
        Registry.calls, Registry.history, Registry.average, Registry.nothing = 0, [], torch.zeros(1), None


class OnlyStateDict:
    """An object whose state can only be had by `state_dict`: it keeps it elsewhere."""

    def __init__(self) -> None:
        Board.notes["elsewhere"] = 0

    def state_dict(self) -> dict[str, Any]:
        return {"n": Board.notes["elsewhere"]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        Board.notes["elsewhere"] = state["n"]


def test_an_object_with_state_dict_is_put_back_by_it() -> None:
    def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        Board.notes["elsewhere"] += 1
        return F.mse_loss(outputs, targets)

    sweep(loss_fn=loss, restore=OnlyStateDict(), before=2)
    assert Board.notes["elsewhere"] == 2


class CountedIterator(itertools.count):  # type: ignore[type-arg]
    """A counter that can be put back, because its class says how."""

    def state_dict(self) -> dict[str, Any]:
        return {"next": int(repr(self).split("(")[1].rstrip(")"))}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        while self.state_dict()["next"] != state["next"]:
            raise RuntimeError("a counter does not go back")


REFUSED: dict[str, Callable[[], Any]] = {
    "a number": lambda: 3,
    "a text": lambda: "model",
    "None in a list": lambda: [None],
    "True": lambda: True,
    "a counter": lambda: itertools.count(),
    "a generator": lambda: (n for n in range(3)),
    "a map": lambda: map(str, []),
    "a module of Python": lambda: numpy,
    "an object without anything": object,
    "a socket": lambda: socket.socket(),
    "a lambda without variables": lambda: print,
}


@pytest.mark.parametrize("what", [name for name in REFUSED if name != "a lambda without variables"])
def test_restore_refuses_what_cannot_be_put_back(what: str) -> None:
    model = Trained()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    refused = REFUSED[what]()
    picture = Picture(model=model, optimizer=optimizer)
    with pytest.raises(TargetError, match=r"restore= holds an? \w+, which lrrange cannot put back") as caught:
        lrrange.find_lr(model, optimizer=optimizer, loss_fn=F.mse_loss, loader=loader_of(data()), restore=refused)
    assert caught.value.kind == type(refused[0] if isinstance(refused, list) else refused).__name__
    with pytest.raises(TargetError, match=r"restore= holds an? \w+, which lrrange cannot put back"):
        lrrange.find_lr(lambda: None, optimizer=optimizer, restore=refused)
    assert picture.differences(model=model, optimizer=optimizer) == []
    if isinstance(refused, socket.socket):
        refused.close()


def test_restore_takes_an_object_that_raises_whatever_is_asked_of_it() -> None:
    held = [Raising()]
    sweep(restore=held, before=0)


def test_a_scheduler_that_an_own_step_steps_is_found_in_its_variables() -> None:
    model = Trained()
    optimizer = torch.optim.Adam(model.parameters(), 0.1)
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=STEPS + 5)

    def step() -> torch.Tensor:
        optimizer.zero_grad()
        loss = F.mse_loss(model(INPUTS), TARGETS)
        loss.backward()
        optimizer.step()
        scheduler.step()
        return loss

    sweep_own(step, optimizer, model, also=scheduler)
    assert scheduler.last_epoch == 2
    assert optimizer.param_groups[0]["lr"] > 0


def test_a_scheduler_that_a_method_steps_is_found_in_its_object() -> None:
    class Trainer:
        def __init__(self) -> None:
            self.model = Trained()
            self.optimizer = torch.optim.SGD(self.model.parameters(), 0.1)
            self.scheduler = torch.optim.lr_scheduler.StepLR(self.optimizer, 3)
            self.steps, self.ema = 0, {"w": torch.zeros(1, 6)}

        def step(self) -> torch.Tensor:
            self.steps += 1
            self.optimizer.zero_grad()
            loss = F.mse_loss(self.model(INPUTS), TARGETS)
            loss.backward()
            self.optimizer.step()
            self.scheduler.step()
            self.ema["w"].lerp_(self.model.layer.weight.detach(), 0.1)
            return loss

    trainer = Trainer()
    sweep_own(trainer.step, trainer.optimizer)
    assert trainer.steps == trainer.scheduler.last_epoch == 2


def test_a_scheduler_that_the_loss_steps_is_put_back() -> None:
    model = Trained()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    other = torch.optim.SGD([nn.Parameter(torch.zeros(1))], 0.1)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(other, 0.5)

    def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        other.step()
        scheduler.step()
        return F.mse_loss(outputs, targets)

    sweep(model, loss, optimizer=optimizer, also=scheduler)


@pytest.fixture
def accelerator() -> Any:
    made = Accelerator(cpu=True, gradient_accumulation_steps=4)
    yield made
    for state in (AcceleratorState, GradientState, PartialState):
        state._reset_state()


def test_an_own_step_with_accelerate_under_accumulation_is_put_back(accelerator: Any) -> None:
    model = Trained()
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 3)
    model, optimizer, loader, scheduler = accelerator.prepare(model, optimizer, loader_of(data()), scheduler)
    batches = iter(rounds(loader))
    fixed = [next(batches) for _ in range(3)]

    def step() -> torch.Tensor:
        for x, y in fixed:
            with accelerator.accumulate(model):
                loss = F.mse_loss(model(x), y)
                accelerator.backward(loss)
                optimizer.step()
                scheduler.step()
                optimizer.zero_grad()
        return loss

    for _ in range(3):
        step()
    held = {"model": model, "optimizer": optimizer, "scheduler": scheduler, "accelerator": accelerator}
    state = GradientState()
    before = accelerator.step, state.sync_gradients, scheduler.scheduler.last_epoch
    picture = Picture(**held)
    result = lrrange.find_lr(
        step,
        optimizer=optimizer,
        restore=(model, accelerator),
        num_steps=STEPS,
        start_lr=1e-5,
        end_lr=0.1,
        verify_restore=True,
    )
    check(picture, held, result, (), ())
    assert (accelerator.step, state.sync_gradients, scheduler.scheduler.last_epoch) == before


def test_an_accelerator_that_only_the_step_reaches_is_put_back(accelerator: Any) -> None:
    model = Trained()
    model, optimizer = accelerator.prepare(model, torch.optim.SGD(model.parameters(), 0.1))

    def step() -> torch.Tensor:
        with accelerator.accumulate(model):
            loss = F.mse_loss(model(INPUTS), TARGETS)
            accelerator.backward(loss)
            optimizer.step()
            optimizer.zero_grad()
        return loss

    step(), step(), step()
    before = accelerator.step, GradientState().sync_gradients
    result = lrrange.find_lr(
        step, optimizer=optimizer, restore=model, num_steps=STEPS, start_lr=1e-5, end_lr=0.1, verify_restore=True
    )
    assert (accelerator.step, GradientState().sync_gradients) == before
    assert result.provenance.details["restore_verified"] is True
