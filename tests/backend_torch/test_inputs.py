"""Bad input: a clear error before the first step, and nothing touched."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import lrrange
from lrrange.errors import LossError, LRRangeError, NoData, OptionError, PlanError, RateNotInForce, TargetError
from tests.backend_torch.observing import of_module, of_optimizer, of_random_states
from tests.backend_torch.rigs import data, loader_of, seed_all


class Counting(nn.Sequential):
    """Counts its forward passes where no snapshot can put the count back."""

    forwards: list[int]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        type(self).forwards.append(1)
        return super().forward(x)


@pytest.fixture
def training() -> dict[str, Any]:
    seed_all()
    Counting.forwards = []
    model = Counting(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 1))
    return {
        "model": model,
        "optimizer": torch.optim.Adam(model.parameters()),
        "loss_fn": nn.MSELoss(),
        "loader": loader_of(data()),
    }


BAD: dict[str, tuple[dict[str, Any], type[LRRangeError], str]] = {
    "one step": ({"num_steps": 1}, PlanError, "num_steps=1 .*at least 2"),
    "rates out of order": ({"start_lr": 1.0, "end_lr": 0.1}, PlanError, "end_lr=0.1 is not above start_lr=1"),
    "equal rates": ({"start_lr": 0.1, "end_lr": 0.1}, PlanError, "Swap them, or raise end_lr"),
    "a rate of zero": ({"start_lr": 0.0}, PlanError, "start_lr=0 is not a positive"),
    "a negative rate": ({"start_lr": -1e-3}, PlanError, "start_lr=-0.001"),
    "an infinite rate": ({"end_lr": float("inf")}, PlanError, "end_lr=inf"),
    "an unknown shape": ({"shape": "cubic"}, PlanError, "cubic"),
    "an unknown heuristic": ({"heuristic": "vale"}, LRRangeError, "vale.*valley"),
    "an unknown backend": ({"backend": "tensorflow"}, LRRangeError, "tensorflow.*torch"),
    "an unknown option": ({"lodaer": []}, OptionError, "lodaer.*loader="),
    "an empty loader": ({"loader": []}, NoData, "no batch"),
    "a loader without batches": ({"loader": iter(())}, NoData, "no batch"),
    "no loader": ({"loader": 3}, TargetError, "int"),
    "no loss function": ({"loss_fn": "mse"}, OptionError, "loss_fn is a str"),
    "an optimizer class": ({"optimizer": torch.optim.Adam}, OptionError, "optimizer is a type"),
    "no accumulation": ({"accumulate": 0}, OptionError, "accumulate=0"),
    "a negative norm": ({"clip_norm": -1.0}, OptionError, "clip_norm=-1"),
    "an unknown batch form": ({"batch_form": "pairs"}, OptionError, "pairs"),
    "dict batches": ({"loader": [{"x": torch.ones(2, 6)}]}, TargetError, "dict of length 1.*batch_form='whole'"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_before_the_first_step(training: dict[str, Any], case: str) -> None:
    changes, error, message = BAD[case]
    model, optimizer = training.pop("model"), training["optimizer"]
    generator = training["loader"].generator
    before = of_module(model), of_optimizer(optimizer), of_random_states(generator)
    with pytest.raises(error, match=message):
        lrrange.find_lr(model, **{**training, **changes})
    assert (of_module(model), of_optimizer(optimizer), of_random_states(generator)) == before
    assert Counting.forwards == []


def test_a_loader_shorter_than_one_batch_is_named(training: dict[str, Any]) -> None:
    model = training.pop("model")
    training["loader"] = torch.utils.data.DataLoader(data(count=5), batch_size=16, drop_last=True)
    with pytest.raises(NoData, match="drop_last"):
        lrrange.find_lr(model, **training)


def test_an_optimizer_of_another_model_is_named(training: dict[str, Any]) -> None:
    model = training.pop("model")
    training["optimizer"] = torch.optim.SGD(nn.Linear(3, 1).parameters(), 0.1)
    with pytest.raises(TargetError, match="holds none of the 4 trainable parameters") as error:
        lrrange.find_lr(model, **training)
    assert error.value.trainable == 4


def test_lazy_parameters_are_named(training: dict[str, Any]) -> None:
    model = nn.Sequential(nn.LazyLinear(3), nn.Linear(3, 1))
    training["optimizer"] = torch.optim.SGD(model.parameters(), 0.1)
    training.pop("model")
    with pytest.raises(TargetError, match="lazy parameters"):
        lrrange.find_lr(model, **training)


def test_a_rate_of_none_is_named(training: dict[str, Any]) -> None:
    model = training.pop("model")
    training["optimizer"].param_groups[0]["lr"] = None
    with pytest.raises(TargetError, match="param group 0 has lr=None"):
        lrrange.find_lr(model, **training)


@pytest.mark.parametrize(
    ("loss_fn", "error", "message"),
    [
        (lambda output, target: F.mse_loss(output, target, reduction="none"), LossError, r"shape \(16, 1\)"),
        (lambda output, target: 1.0, LossError, "float"),
        (lambda output, target: F.mse_loss(output.detach(), target), TargetError, "does not depend on any parameter"),
    ],
)
def test_a_loss_that_cannot_train_is_named_and_nothing_is_changed(
    training: dict[str, Any], loss_fn: Callable[..., Any], error: type[LRRangeError], message: str
) -> None:
    model = training.pop("model")
    before = of_module(model), of_optimizer(training["optimizer"])
    with pytest.raises(error, match=message):
        lrrange.find_lr(model, **{**training, "loss_fn": loss_fn})
    assert (of_module(model), of_optimizer(training["optimizer"])) == before


def test_a_step_that_returns_nothing_is_named(training: dict[str, Any]) -> None:
    with pytest.raises(LossError, match="returned None"):
        lrrange.find_lr(lambda: training["optimizer"].step(), optimizer=training["optimizer"], restore=())


def test_a_step_that_never_moves_the_optimizer_is_named(training: dict[str, Any]) -> None:
    with pytest.raises(TargetError, match="took no step"):
        lrrange.find_lr(lambda: 1.0, optimizer=training["optimizer"], restore=())


def test_a_step_that_sets_its_own_rate_is_named(training: dict[str, Any]) -> None:
    optimizer = training["optimizer"]

    def step() -> float:
        optimizer.param_groups[0]["lr"] = 1e-3  # a warm-up that forgot about the sweep
        optimizer.step()
        return 1.0

    with pytest.raises(RateNotInForce, match=r"set param group 0 to lr=1e-07.*it is 0.001") as error:
        lrrange.find_lr(step, optimizer=optimizer, restore=())
    assert (error.value.wanted, error.value.actual) == (1e-7, 1e-3)
    assert optimizer.param_groups[0]["lr"] == 1e-3


def test_something_that_cannot_be_put_back_is_named_before_the_first_step(training: dict[str, Any]) -> None:
    calls: list[int] = []
    with pytest.raises(TargetError, match="restore= holds a object"):
        lrrange.find_lr(lambda: calls.append(1), optimizer=training["optimizer"], restore=object())
    assert calls == []


def test_the_error_for_a_module_without_an_optimizer_lists_the_options(training: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="missing a required argument: 'optimizer'.*loader="):
        lrrange.find_lr(training["model"])


def test_the_error_for_a_target_that_nothing_can_train_lists_the_plugins() -> None:
    with pytest.raises(TargetError, match=r"a str.*torch \(not of its kind\)"):
        lrrange.find_lr("a string")
