"""Applying the answer to every field that holds a rate."""

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest
import torch
from lrrange_torch import verify
from lrrange_torch.optimizer import apply_rate
from torch import nn
from torch.optim import lr_scheduler as schedulers

import lrrange
from lrrange.errors import OptionError, RateNotInForce, TargetError
from tests.backend_torch.rigs import data, loader_of, seed_all


@pytest.fixture(scope="module")
def result() -> lrrange.RangeTestResult:
    seed_all()
    model = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 1))
    loader = loader_of(data(count=512), 32)
    return lrrange.find_lr(
        model, optimizer=torch.optim.Adam(model.parameters()), loss_fn=nn.MSELoss(), loader=loader, seed=1
    )


def two_groups(**options: float) -> torch.optim.SGD:
    first, second = nn.Linear(2, 2), nn.Linear(2, 2)
    return torch.optim.SGD(
        [{"params": first.parameters(), "lr": 0.5}, {"params": second.parameters(), "lr": 0.05}], **options
    )


def rates(optimizer: torch.optim.Optimizer, key: str = "lr") -> list[float]:
    return [float(group[key]) for group in optimizer.param_groups]


def test_every_group_gets_the_rate_in_proportion(result: lrrange.RangeTestResult) -> None:
    optimizer = two_groups()
    applied = result.apply(optimizer)
    assert rates(optimizer) == pytest.approx([result.lr, result.lr / 10])
    assert applied == {"param group 0": rates(optimizer)[0], "param group 1": rates(optimizer)[1]}


def test_another_rate_of_the_result_can_be_applied(result: lrrange.RangeTestResult) -> None:
    optimizer = two_groups()
    result.apply(optimizer, lr=result.range.max_lr)
    assert rates(optimizer)[0] == result.range.max_lr


def test_a_rate_held_in_a_tensor_is_set_in_place(result: lrrange.RangeTestResult) -> None:
    lr = torch.tensor(0.01)
    optimizer = torch.optim.Adam(nn.Linear(2, 2).parameters(), lr=lr)
    result.apply(optimizer)
    assert optimizer.param_groups[0]["lr"] is lr
    assert float(lr) == pytest.approx(result.lr)


SCHEDULERS: dict[str, Callable[[torch.optim.Optimizer], schedulers.LRScheduler]] = {
    "step": lambda optimizer: schedulers.StepLR(optimizer, 3, 0.5),
    "exponential": lambda optimizer: schedulers.ExponentialLR(optimizer, 0.9),
    "warm-up from zero": lambda optimizer: schedulers.LambdaLR(optimizer, lambda epoch: min(1.0, epoch / 4)),
    "cosine": lambda optimizer: schedulers.CosineAnnealingLR(optimizer, 10),
    "cyclic": lambda optimizer: schedulers.CyclicLR(optimizer, [0.5, 0.05], [1.0, 0.1], 4, cycle_momentum=False),
    "one cycle": lambda optimizer: schedulers.OneCycleLR(optimizer, [1.0, 0.1], total_steps=12, cycle_momentum=False),
    "sequential": lambda optimizer: schedulers.SequentialLR(
        optimizer, [schedulers.LinearLR(optimizer, 0.1, total_iters=4), schedulers.StepLR(optimizer, 3)], [4]
    ),
    "chained": lambda optimizer: schedulers.ChainedScheduler(
        [schedulers.ConstantLR(optimizer, 0.5, 3), schedulers.ExponentialLR(optimizer, 0.9)], optimizer
    ),
}


@pytest.mark.parametrize("given", [True, False], ids=["given", "found"])
@pytest.mark.parametrize("already", [0, 2], ids=["fresh", "underway"])
@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_scheduler_keeps_its_shape_around_the_new_rate(
    result: lrrange.RangeTestResult, name: str, already: int, given: bool
) -> None:
    def trajectory(apply: bool) -> list[list[float]]:
        optimizer = two_groups()
        scheduler = SCHEDULERS[name](optimizer)
        rows = []
        for step in range(10):
            if step == already and apply:
                result.apply(optimizer, scheduler=scheduler if given else None)
            rows.append([*rates(optimizer), *rates(optimizer, "initial_lr"), *map(float, scheduler.get_last_lr())])
            optimizer.step()
            scheduler.step()
        return rows[already:]

    plain, applied = trajectory(False), trajectory(True)
    factor = result.lr / plain[0][2]  # the reference group's initial_lr
    assert factor < 0.9
    for before, after in zip(plain, applied, strict=True):
        assert after == pytest.approx([factor * rate for rate in before], rel=1e-9)


def test_the_scheduler_of_another_optimizer_is_refused(result: lrrange.RangeTestResult) -> None:
    optimizer, other = two_groups(), two_groups()
    scheduler = schedulers.StepLR(other, 3)
    with pytest.raises(OptionError, match="StepLR, drives another optimizer"):
        result.apply(optimizer, scheduler=scheduler)
    assert rates(optimizer) == [0.5, 0.05]


@pytest.mark.parametrize("lr", [0.0, -1.0, float("nan"), float("inf")])
def test_a_number_that_is_no_rate_is_refused(result: lrrange.RangeTestResult, lr: float) -> None:
    optimizer = two_groups()
    with pytest.raises(OptionError, match="positive, finite"):
        result.apply(optimizer, lr=lr)
    assert rates(optimizer) == [0.5, 0.05]


def test_something_that_is_no_optimizer_is_refused(result: lrrange.RangeTestResult) -> None:
    with pytest.raises(TargetError, match="rate of a dict"):
        result.apply({})


@pytest.mark.parametrize("lr", [0.1, 0.3, 1e-4])
def test_no_other_number_of_a_plateau_scheduler_is_taken_for_the_rate_it_started_from(
    result: lrrange.RangeTestResult, lr: float
) -> None:
    """Its `factor` is 0.1 and its `threshold` is 1e-4, as many rates are."""
    optimizer = torch.optim.SGD(nn.Linear(2, 2).parameters(), lr)
    scheduler = schedulers.ReduceLROnPlateau(optimizer, patience=0)
    for _ in range(3):
        optimizer.step()
        scheduler.step(1.0)
    assert rates(optimizer) == pytest.approx([lr / 100])
    result.apply(optimizer, lr=0.02)
    assert rates(optimizer) == [0.02]


def test_a_schedule_that_steps_the_optimizer_trains_nothing_while_its_rates_are_found_out() -> None:
    class Noam:
        """As in the Annotated Transformer."""

        def __init__(self, optimizer: torch.optim.Optimizer) -> None:
            self.optimizer, self.count, self.log = optimizer, 0, []

        def step(self) -> None:
            self.count += 1
            for group in self.optimizer.param_groups:
                group["lr"] = 512**-0.5 * min(self.count**-0.5, self.count * 20**-1.5)
            self.optimizer.step()
            self.optimizer.zero_grad()

    model = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    scheduler = Noam(optimizer)
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    kept = [model.weight, model.weight.grad, optimizer.state[model.weight]["momentum_buffer"]]
    before = [tensor.clone() for tensor in kept]
    with pytest.raises(RateNotInForce):
        apply_rate(optimizer, 0.01, scheduler)
    with pytest.raises(RateNotInForce), verify(optimizer, 0.1, scheduler=scheduler):
        for _ in range(3):
            scheduler.step()
            before = [tensor.clone() for tensor in kept]
    assert model.weight.grad is kept[1]
    assert all(torch.equal(tensor, value) for tensor, value in zip(kept, before, strict=True))


def test_what_a_scheduler_logs_is_not_seen_while_its_rates_are_found_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    class Logging(schedulers.LRScheduler):
        def __init__(self, optimizer: torch.optim.Optimizer, file: IO[str]) -> None:
            self.file = file
            super().__init__(optimizer)

        def get_lr(self) -> list[float]:
            logging.getLogger("training").warning("rates")
            sys.stderr.write("rates\n")
            self.file.write("rates\n")
            return [base * 0.9**self.last_epoch for base in self.base_lrs]

    path = tmp_path / "log.txt"
    with path.open("w") as file:
        scheduler = Logging(two_groups(), file)
        caplog.clear()
        apply_rate(scheduler.optimizer, 0.01, scheduler)
    assert path.read_text() == "rates\n"
    assert not caplog.records
    assert capsys.readouterr().err == "rates\n"
    assert logging.root.manager.disable == 0
