"""What Accelerate has prepared goes the same ways as what it was made from."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, GradientState, PartialState
from torch import nn
from torch.nn import functional as F

from lrrange import testing
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
