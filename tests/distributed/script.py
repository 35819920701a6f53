"""Run by torchrun, in two processes on the CPU. What each finds goes to a file of its own, one for each case."""

import contextlib
import datetime
import io
import json
import os
import random
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lrrange_torch.snapshot.snapshot import local_part
from torch import distributed, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

import lrrange
from lrrange.errors import ProcessFailed
from lrrange.sweep import MetricValue, Quantity
from tests.backend_torch.observing import bits_of_values, of_random_states

RANK = int(os.environ.get("RANK", "0"))
SWEEP = {"start_lr": 1e-5, "end_lr": 1e4, "num_steps": 40, "paired": False}


class Training:
    """A network in two processes, wrapped or sharded, on halves of the same data."""

    def __init__(self, wrap: Callable[[nn.Module], nn.Module]) -> None:
        torch.manual_seed(3)
        network = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.Dropout(0.1), nn.Tanh(), nn.Linear(16, 1))
        torch.manual_seed(RANK)
        random.seed(RANK)
        self.model = wrap(network)
        self.optimizer = torch.optim.Adam(self.model.parameters(), 0.01)
        x = torch.randn(128, 6, generator=torch.Generator().manual_seed(4))
        self.data = TensorDataset(x, 2 * x[:, :1] - x[:, 1:2])
        self.loader = DataLoader(self.data, 8, sampler=DistributedSampler(self.data, shuffle=True, seed=5))
        losses: list[float] = []  # in a function's variable, because a sweep puts attributes back
        self.losses = lambda: losses
        self.fails_at: dict[str, int] = {}

    def reach(self, place: str) -> None:
        left = self.fails_at.get(place)
        if left is not None:
            self.fails_at[place] = left - 1
            if left == 0:
                raise ValueError(f"raised on purpose in the {place} of one process")

    def loss(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        self.reach("loss")
        value = F.mse_loss(output, target)
        self.losses().append(value.item())
        return value

    def batches(self) -> Any:
        for batch in self.loader:
            self.reach("loader")
            yield batch

    def step(self) -> torch.Tensor:
        inputs, targets = next(iter(self.loader))
        self.optimizer.zero_grad()
        output = self.model(inputs)
        loss = self.loss(output, targets)
        loss.backward()
        self.optimizer.step()
        return loss

    def loader_step(self, **changes: Any) -> lrrange.RangeTestResult:
        options = {
            "optimizer": self.optimizer,
            "loss_fn": self.loss,
            "loader": Epochs(self.batches),
            **SWEEP,
            **changes,
        }
        return lrrange.find_lr(self.model, **options)

    def own_step(self, **changes: Any) -> lrrange.RangeTestResult:
        return lrrange.find_lr(self.step, optimizer=self.optimizer, restore=self.model, **{**SWEEP, **changes})

    def own_step_with_numbers(self, **changes: Any) -> lrrange.RangeTestResult:
        return lrrange.find_lr(
            lambda: self.step().item(), optimizer=self.optimizer, restore=self.model, **{**SWEEP, **changes}
        )

    def own_metric(self) -> lrrange.RangeTestResult:
        def step() -> MetricValue:
            loss = self.step()
            return MetricValue(quantity=Quantity(name="root"), value=loss.sqrt(), loss=loss)

        return lrrange.find_lr(step, optimizer=self.optimizer, restore=self.model, **SWEEP)

    def train(self, steps: int = 6) -> list[float]:
        return [self.step().item() for _ in range(steps)]

    def tensors(self) -> list[torch.Tensor]:
        moments = [value for state in self.optimizer.state.values() for value in state.values()]
        return [*self.model.parameters(), *self.model.buffers(), *moments]

    def state(self) -> Any:
        bits = [bits_of_values(local_part(one)) for one in self.tensors()]
        return repr([bits, [one.grad is None for one in self.model.parameters()], of_random_states()])


class Epochs:
    """A loader that starts again each time it is asked to."""

    def __init__(self, start: Callable[[], Any]) -> None:
        self.start = start

    def __iter__(self) -> Any:
        return iter(self.start())


def ddp(network: nn.Module) -> nn.Module:
    return nn.parallel.DistributedDataParallel(network)


def fsdp(network: nn.Module) -> nn.Module:
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh("cpu", (2,))
    for layer in (network[0], network[4], network):
        fully_shard(layer, mesh=mesh)
    return network


def swept(wrap: Callable[[nn.Module], nn.Module], form: str) -> dict[str, Any]:
    """A sweep, after some training, and more training, which goes as it does without one."""
    training, without = Training(wrap), Training(wrap)
    for one in (without, training):  # the processes' random states go on, so each begins at the same
        torch.manual_seed(RANK)
        one.train()
    torch.manual_seed(RANK)
    expected = without.train()
    torch.manual_seed(RANK)
    before = training.state()
    training.losses().clear()
    grads = [one.grad for one in training.model.parameters()] if form != "loader_step" else []
    held = sum(local_part(one).nbytes for one in [*training.tensors(), *grads])
    result = getattr(training, form)(verify_restore=True)
    seen = list(training.losses())
    same = before == training.state()
    again = getattr(training, form)()
    return {
        "lr": result.lr,
        "loss": result.curve.loss,
        "ended": result.stop_reason.name,
        "details": result.provenance.details,
        "own": seen,
        "same": same,
        "went on": training.train() == expected,
        "again": again.curve.loss == result.curve.loss,
        "held": held,
    }


def failing(wrap: Callable[[nn.Module], nn.Module], form: str, place: str, call: int) -> dict[str, Any]:
    """One process raises; then all sweep again."""
    training = Training(wrap)
    training.train(2)
    if RANK == 1:
        training.fails_at[place] = call
    before = training.state()
    try:
        getattr(training, form)()
    except (ValueError, ProcessFailed) as error:
        raised = f"{type(error).__name__}: {error}"
    same = before == training.state()
    training.fails_at.clear()
    return {"raised": raised, "same": same, "again": getattr(training, form)().curve.loss}


def uneven() -> dict[str, Any]:
    """The data of one process run out before the other's."""
    training = Training(ddp)
    batches = [training.data[8 * number : 8 * number + 8] for number in range(7 if RANK else 12)]
    result = training.loader_step(loader=iter(batches))
    return {"ended": result.stop_reason.name, "points": len(result.curve)}


def held_out() -> dict[str, Any]:
    """Trials around the answer, judged by held-out losses that differ from process to process."""
    training = Training(ddp)
    start = 8 * RANK
    held_out = [training.data[start : start + 8]]
    result = training.loader_step(val_loader=held_out, confirm=True, confirm_steps=120)
    return {"lr": result.lr, "verdict": str(result.verdict)}


def paired() -> dict[str, Any]:
    """A sweep, and its steps once more at rate zero."""
    training = Training(ddp)
    before = training.state()
    result = training.loader_step(paired=True, seed=1)
    curve = result.curve
    return {
        "loss": curve.loss,
        "noise": [curve.noise, curve.unpaired.noise],
        "first": [curve.baseline[0], curve.unpaired.loss[0]],
        "same": before == training.state(),
    }


def metric() -> dict[str, Any]:
    """A sweep that reads a metric, with trials, and one that reads the loss."""
    training = Training(ddp)
    held_out = [training.data[8 * RANK : 8 * RANK + 8]]
    options = {"metric": F.l1_loss, "metric_mode": "min", "confirm": True, "confirm_steps": 120, "val_loader": held_out}
    before = training.state()
    result = training.loader_step(seed=1, divergence=None, **options)
    return {
        "names": result.curve.names,
        "values": result.curve.values,
        "loss": result.read_from("loss").curve.loss,
        "plain": training.loader_step(seed=1, divergence=None).curve.loss,
        "trials": [trial.loss for trial in result.confirmation.trials],
        "own step": training.own_metric().curve.values,
        "same": before == training.state(),
    }


def progress() -> dict[str, Any]:
    """The number of lines about the progress that this process writes."""
    with contextlib.redirect_stderr(io.StringIO()) as written:
        Training(ddp).loader_step(progress=True)
    return {"lines": written.getvalue().count("lrrange: range test")}


def alone() -> dict[str, Any]:
    """A model that is not shared is swept by one process while the other waits."""
    lengths = [0]
    if RANK == 0:
        lengths = [len(Training(lambda network: network).loader_step().curve)]
    distributed.barrier()
    return {"points": lengths[0]}


CASES: dict[str, Callable[[], dict[str, Any]]] = {
    "ddp-loader-step": lambda: swept(ddp, "loader_step"),
    "ddp-own-step": lambda: swept(ddp, "own_step"),
    "ddp-own-step-numbers": lambda: swept(ddp, "own_step_with_numbers"),
    "fsdp-loader-step": lambda: swept(fsdp, "loader_step"),
    "fsdp-own-step": lambda: swept(fsdp, "own_step"),
    "loader-first": lambda: failing(ddp, "loader_step", "loader", 0),
    "loader": lambda: failing(ddp, "loader_step", "loader", 9),
    "loss": lambda: failing(ddp, "loader_step", "loss", 9),
    "fsdp-loss": lambda: failing(fsdp, "loader_step", "loss", 9),
    "uneven": uneven,
    "held-out": held_out,
    "paired": paired,
    "metric": metric,
    "alone": alone,
    "progress": progress,
}


def main(folder: Path) -> None:
    distributed.init_process_group("gloo", timeout=datetime.timedelta(seconds=30))
    for name, case in CASES.items():
        found = case()
        (folder / f"{name}-{RANK}.json").write_text(json.dumps(found))
    distributed.destroy_process_group()


def fail(form: str) -> None:
    """Raise in one process, and catch it nowhere."""
    distributed.init_process_group("gloo", timeout=datetime.timedelta(seconds=30))
    training = Training(ddp)
    if RANK == 1:
        training.fails_at["loss"] = 5
    getattr(training, form)()


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    if sys.argv[1] == "fail":
        fail(sys.argv[2])
    else:
        main(Path(sys.argv[1]))
