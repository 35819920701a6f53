"""An own step whose rate is set by the user's function, because its optimizer is none of PyTorch's."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from lrrange_torch import batches
from torch import nn
from torch.nn import functional as F

import lrrange
from lrrange import testing
from lrrange.errors import LossError, OptionError, RateNotInForce, TargetError
from lrrange.sweep import MetricValue, Quantity
from tests.backend_torch.observing import of_module, of_random_states, plain
from tests.backend_torch.rigs import data, loader_of, seed_all


class Momentum:
    """An optimizer of some other library."""

    def __init__(self, model: nn.Module) -> None:
        self.parameters = list(model.parameters())
        self.traces: dict[int, torch.Tensor] = {}
        self.hypers = {"lr": 0.01, "mom": 0.9}

    @torch.no_grad()
    def step(self) -> None:
        for index, parameter in enumerate(self.parameters):
            trace = self.traces.get(index, torch.zeros_like(parameter))
            self.traces[index] = self.hypers["mom"] * trace + parameter.grad
            parameter -= self.hypers["lr"] * self.traces[index]
            parameter.grad = None


class Training:
    def __init__(self) -> None:
        seed_all()
        self.model = nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.1), nn.Linear(8, 1))
        self.optimizer = Momentum(self.model)
        self.loader = loader_of(data())
        self.batches = batches(self.loader)

    def step(self) -> torch.Tensor:
        inputs, targets = next(self.batches)
        loss = F.mse_loss(self.model(inputs), targets)
        loss.backward()
        self.optimizer.step()
        return loss

    def set_lr(self, lr: float) -> None:
        self.optimizer.hypers["lr"] = lr

    def find(self, **options: Any) -> lrrange.RangeTestResult:
        given = {"set_lr": self.set_lr, "restore": (self.model, self.optimizer), "progress": False}
        return lrrange.find_lr(self.step, **{"start_lr": 1e-5, "end_lr": 1.0, "num_steps": 20, **given, **options})

    def observe(self) -> Any:
        return {
            "model": of_module(self.model),
            "optimizer": [plain(self.optimizer.traces), plain(self.optimizer.hypers)],
            "random": of_random_states(self.loader.generator),
        }


def rig() -> testing.Rig:
    training = Training()
    return testing.Rig(
        target=training.step,
        options={"set_lr": training.set_lr, "restore": (training.model, training.optimizer)},
        observe=training.observe,
        train=lambda steps: [training.step().item() for _ in range(steps)],
        sweep={"start_lr": 1e-5, "end_lr": 1.0},
    )


@pytest.mark.parametrize("check", testing.CHECKS, ids=lambda check: check.__name__)
def test_a_step_whose_rate_the_user_sets_keeps_the_contract(check: Callable[[testing.MakeRig], None]) -> None:
    check(rig)


def test_its_curve_is_that_of_the_same_optimizer_of_pytorch() -> None:
    found = Training().find(seed=3)
    training = Training()
    optimizer = torch.optim.SGD(training.model.parameters(), 0.01, momentum=0.9)

    def step() -> torch.Tensor:
        inputs, targets = next(training.batches)
        optimizer.zero_grad()
        loss = F.mse_loss(training.model(inputs), targets)
        loss.backward()
        optimizer.step()
        return loss

    same = {"start_lr": 1e-5, "end_lr": 1.0, "num_steps": 20, "seed": 3}
    torchs = lrrange.find_lr(step, optimizer=optimizer, restore=training.model, **same)
    assert found.curve.loss == pytest.approx(torchs.curve.loss, rel=1e-5)


def test_the_rate_is_probed_and_the_restore_verified() -> None:
    details = Training().find(verify_restore=True).provenance.details
    assert details["rate_in_force"] == "probed"
    assert details["restore_verified"] is True
    assert details["form"] == "own step with set_lr"


def test_a_function_that_sets_nothing_is_refused() -> None:
    training = Training()
    before = training.observe()
    with pytest.raises(RateNotInForce):
        training.find(set_lr=lambda lr: None)
    assert training.observe() == before


def test_a_metric_is_recorded_with_its_loss() -> None:
    training = Training()
    quantity = Quantity(name="error", higher_is_better=False)

    def step() -> MetricValue:
        loss = training.step()
        return MetricValue(quantity=quantity, value=loss.sqrt(), loss=loss)

    given = {"set_lr": training.set_lr, "restore": (training.model, training.optimizer), "num_steps": 20}
    result = lrrange.find_lr(step, **given)
    assert result.curve.loss[0] == pytest.approx(result.read_from("loss").curve.loss[0] ** 0.5, rel=1e-5)


def test_mistakes_are_named_before_the_first_step() -> None:
    training = Training()
    with pytest.raises(OptionError, match="set_lr=0.1 cannot be called"):
        training.find(set_lr=0.1)
    with pytest.raises(OptionError, match="optimizer.*set_lr= sets the rate in its place"):
        training.find(optimizer=torch.optim.SGD(training.model.parameters(), 0.1))
    with pytest.raises(OptionError, match="restore"):
        lrrange.find_lr(training.step, set_lr=training.set_lr)
    with pytest.raises(TargetError, match="cannot put back"):
        training.find(restore=(training.model, 3))
    with pytest.raises(LossError, match="step\\(\\) returned None"):
        lrrange.find_lr(lambda: None, set_lr=training.set_lr, restore=training.model)


def test_a_model_that_wants_its_targets_too_is_explained() -> None:
    class Detector(nn.Linear):
        def forward(self, images: Any, targets: Any = None) -> Any:
            if targets is None:
                raise AssertionError("targets should not be none when in training mode")
            return super().forward(torch.stack(images))

    model = Detector(6, 1)
    pairs = [(tuple(torch.randn(4, 6)), tuple(torch.randn(4)))] * 3
    options = {"optimizer": torch.optim.SGD(model.parameters(), 0.1), "loss_fn": nn.MSELoss(), "loader": pairs}
    with pytest.raises(AssertionError) as raised:
        lrrange.find_lr(model, **options)
    assert "set batch_form='whole' and give a loss_fn(model, batch)" in "".join(raised.value.__notes__)
