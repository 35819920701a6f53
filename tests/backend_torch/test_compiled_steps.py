"""Own steps that Python does not run line by line: compiled, or captured as a CUDA graph."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from lrrange_torch.optimizer import RateControl
from torch import nn
from torch.nn import functional as F

import lrrange
from tests.backend_torch.observing import of_module, of_optimizer
from tests.backend_torch.rigs import data, seed_all

_STEPS = 12

# A tensor as rate is an input of compiled code; a number would be a constant in it, and compile a new one each step.
_OPTIMIZERS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, torch.tensor(0.1), momentum=0.9, foreach=True),
    "adam": lambda parameters: torch.optim.Adam(parameters, torch.tensor(0.1), foreach=False),
    "fused": lambda parameters: torch.optim.AdamW(parameters, torch.tensor(0.1), fused=True),
}


def rig(make: Callable[[Any], torch.optim.Optimizer]) -> tuple[nn.Module, torch.optim.Optimizer, Callable[[], Any]]:
    seed_all()
    model = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 1))
    optimizer = make(model.parameters())
    inputs, targets = next(iter(torch.utils.data.DataLoader(data(count=64), 64)))

    return model, optimizer, lambda: F.mse_loss(model(inputs), targets)


def swept(step: Callable[[], Any], optimizer: torch.optim.Optimizer, model: nn.Module) -> lrrange.RangeTestResult:
    return lrrange.find_lr(
        step, optimizer=optimizer, restore=model, start_lr=1e-4, end_lr=0.3, num_steps=_STEPS, verify_restore=True
    )


@pytest.mark.parametrize("compiled", ["loss", "loss and optimizer"])
@pytest.mark.parametrize("make", _OPTIMIZERS.values(), ids=_OPTIMIZERS)
def test_a_compiled_step_gives_the_curve_of_the_same_step_uncompiled(
    make: Callable[[Any], torch.optim.Optimizer], compiled: str
) -> None:
    model, optimizer, loss_of = rig(make)

    def step_by(loss_of: Callable[[], torch.Tensor], update: Callable[[], Any]) -> Callable[[], torch.Tensor]:
        def step() -> torch.Tensor:
            optimizer.zero_grad()
            loss = loss_of()
            loss.backward()
            update()
            return loss

        return step

    before = of_module(model), of_optimizer(optimizer)
    plain = swept(step_by(loss_of, optimizer.step), optimizer, model)
    update = torch.compile(optimizer.step, backend="eager") if "optimizer" in compiled else optimizer.step
    result = swept(step_by(torch.compile(loss_of, backend="aot_eager"), update), optimizer, model)
    assert result.curve.loss == pytest.approx(plain.curve.loss, rel=1e-5)
    assert min(result.curve.loss) < 0.9 * result.curve.loss[0]  # the rates were in force
    assert result.provenance.details["optimizer_steps"] == _STEPS
    assert (of_module(model), of_optimizer(optimizer)) == before


def test_a_step_that_calls_no_hooks_as_a_captured_graph_does_is_called_once_for_each_rate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(RateControl, "on_device", True)  # as with a rate in a CUDA tensor
    model, optimizer, loss_of = rig(_OPTIMIZERS["sgd"])
    calls = [0]

    def replay() -> torch.Tensor:
        calls[0] += 1
        loss = loss_of()
        gradients = torch.autograd.grad(loss, list(model.parameters()))
        with torch.no_grad():
            for parameter, gradient in zip(model.parameters(), gradients, strict=True):
                parameter.sub_(optimizer.param_groups[0]["lr"] * gradient)
        return loss

    result = lrrange.find_lr(replay, optimizer=optimizer, restore=model, start_lr=1e-4, end_lr=0.3, num_steps=40)
    assert calls[0] == len(result.curve.lr) == 40
    assert min(result.curve.loss) < 0.9 * result.curve.loss[0]


@pytest.mark.gpu
def test_a_captured_graph_of_the_whole_step_is_swept_by_its_tensor_rate() -> None:
    seed_all()
    model = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 1)).cuda()
    rate = torch.tensor(1e-4, device="cuda")
    optimizer = torch.optim.Adam(model.parameters(), rate, capturable=True)
    inputs, targets = (part.cuda() for part in next(iter(torch.utils.data.DataLoader(data(count=64), 64))))

    def whole_step() -> torch.Tensor:
        optimizer.zero_grad(set_to_none=False)
        loss = F.mse_loss(model(inputs), targets)
        loss.backward()
        optimizer.step()
        return loss

    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(3):
            whole_step()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        loss = whole_step()

    def replay() -> torch.Tensor:
        graph.replay()
        return loss

    before = [value.clone() for value in model.state_dict().values()]
    result = swept(replay, optimizer, model)
    assert all(map(math.isfinite, result.curve.loss))
    assert min(result.curve.loss) < 0.9 * result.curve.loss[0]
    assert all(torch.equal(value, was) for value, was in zip(model.state_dict().values(), before, strict=True))
