"""What Accelerate has prepared goes the same ways as what it was made from."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, GradientState, PartialState
from lrrange_torch import verify
from lrrange_torch.optimizer import apply_rate
from torch import nn
from torch.nn import functional as F

from lrrange import testing
from lrrange.errors import RateNotInForce
from tests.backend_torch.observing import of_module, of_optimizer, of_random_states, of_scheduler
from tests.backend_torch.rigs import data, loader_of, rounds, seed_all
from tests.distributed.test_processes import torchrun


@pytest.fixture
def accelerator() -> Iterator[Accelerator]:
    yield Accelerator(cpu=True)
    for state in (AcceleratorState, GradientState, PartialState):
        state._reset_state()


def rig_of(accelerator: Accelerator) -> testing.Rig:
    seed_all()
    plain = nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.1), nn.Linear(8, 1))
    made = torch.optim.AdamW(plain.parameters(), 0.01)
    halving = torch.optim.lr_scheduler.StepLR(made, 10, 0.5)
    model, optimizer, loader, scheduler = accelerator.prepare(plain, made, loader_of(data()), halving)

    def train(steps: int) -> list[float]:
        losses, batches = [], rounds(loader)
        for _ in range(steps):
            inputs, targets = next(batches)
            optimizer.zero_grad()
            loss = F.mse_loss(model(inputs), targets)
            accelerator.backward(loss)
            optimizer.step()
            scheduler.step()
            losses.append(loss.item())
        return losses

    def observe() -> Any:
        return {
            "model": of_module(model),
            "optimizer": of_optimizer(made),
            "scheduler": of_scheduler(halving),
            "random": of_random_states(loader.generator) if loader.generator else of_random_states(),
            "read": str(accelerator.gradient_state),
        }

    return testing.Rig(
        target=model,
        options={"optimizer": optimizer, "loss_fn": nn.MSELoss(), "loader": loader, "scheduler": scheduler},
        observe=observe,
        train=train,
        sweep={"start_lr": 1e-5, "end_lr": 1.0},
    )


@pytest.mark.parametrize("check", testing.CHECKS, ids=lambda check: check.__name__)
def test_prepared_objects_keep_the_contract(check: Callable[[testing.MakeRig], None], accelerator: Accelerator) -> None:
    check(lambda: rig_of(accelerator))


def test_prepared_objects_are_swept_in_two_processes_as_one(tmp_path: Path) -> None:
    done = torchrun(str(tmp_path), folder=tmp_path, script="accelerate_script.py")
    assert done.returncode == 0, done.stderr
    zero, one = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    assert zero == one
    assert zero["processes"] == 2


ORDERS: dict[str, Callable[[Accelerator, torch.optim.Optimizer], tuple[Any, Any]]] = {
    "prepared together": lambda accelerator, made: accelerator.prepare(made, warm_up(made)),
    # as the Trainer of transformers 5 does
    "made with the wrapper": lambda accelerator, made: _with_scheduler(accelerator.prepare(made)),
    "made with the wrapper, and prepared": lambda accelerator, made: accelerator.prepare(
        *_with_scheduler(accelerator.prepare(made))
    ),
}


def warm_up(optimizer: torch.optim.Optimizer) -> torch.optim.lr_scheduler.LambdaLR:
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / 4))


def _with_scheduler(optimizer: Any) -> tuple[Any, Any]:
    return optimizer, warm_up(optimizer)


@pytest.mark.parametrize("given", ["given", "found"])
@pytest.mark.parametrize("applied", ["wrapper", "inner"])
@pytest.mark.parametrize("verified", ["wrapper", "inner"])
@pytest.mark.parametrize("order", ORDERS)
def test_a_rate_is_in_force_whether_the_wrapper_or_the_optimizer_inside_is_given(
    order: str, applied: str, verified: str, given: str, accelerator: Accelerator
) -> None:
    plain = nn.Linear(2, 1)
    made = torch.optim.AdamW(plain.parameters(), 0.5)
    wrapper, scheduler = ORDERS[order](accelerator, made)
    optimizers = {"wrapper": wrapper, "inner": made}
    apply_rate(optimizers[applied], 0.008, scheduler if given == "given" else None)
    rates = []
    with verify(optimizers[verified], 0.008, steps=6) as guard:
        for _ in range(6):
            wrapper.zero_grad()
            accelerator.backward(plain(torch.ones(3, 2)).sum())
            wrapper.step()
            rates.append(made.param_groups[0]["lr"])
            scheduler.step()
    assert rates == pytest.approx([0.002, 0.004, 0.006, 0.008, 0.008, 0.008])
    assert guard.proved


def test_a_stale_scheduler_of_the_wrapper_is_named(accelerator: Accelerator) -> None:
    made = torch.optim.SGD(nn.Linear(2, 1).parameters(), 0.5)
    wrapper = accelerator.prepare(made)
    scheduler = torch.optim.lr_scheduler.LambdaLR(wrapper, lambda _: 1.0)
    for group in made.param_groups:
        group["lr"] = group["initial_lr"] = 0.008
    with pytest.raises(RateNotInForce, match="its LambdaLR starts from 0.5"), verify(made, 0.008):
        for _ in range(2):
            wrapper.step()
            scheduler.step()
