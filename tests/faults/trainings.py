"""One small training for each kind of backend, in which faults can be provoked."""

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import default_collate, get_worker_info

import lrrange
from lrrange.testing import Rig
from tests.backend_torch.observing import of_module, of_optimizer, of_random_states
from tests.backend_torch.rigs import Busy, data, loader_of, rig_of, seed_all
from tests.docs.pages import ROOT


class Triggers:
    """The locations in a training at which a fault can be provoked: its loader, its step, and its loss.

    The training calls `reach` at each of them.
    """

    def __init__(self) -> None:
        # Shared between processes, because worker processes of the loader call `reach` too.
        self._reached = multiprocessing.Value("i", 0)
        self._location, self._call = "", 0
        self._act: Callable[[], float] = lambda: 1.0
        self.counting = False
        self.worker_dies = False

    def arm(self, location: str, call: int, act: Callable[[], float]) -> None:
        """Prepare a fault.

        Args:
            location: `"loader"`, `"step"` or `"loss"`.
            call: number of calls there, from when `counting` is set, before the one that provokes the fault.
            act: provokes it. It is called once, and returns the factor of the loss.
        """
        self._location, self._call, self._act = location, call, act

    def reach(self, location: str) -> float:
        """Provoke the fault if it is due at this location. Return the factor of the loss."""
        if location != self._location or not self.counting:
            return 1.0
        with self._reached.get_lock():
            self._reached.value += 1
            due = self._reached.value == self._call + 1
        return self._act() if due else 1.0


def _loader_options(triggers: Triggers, workers: int) -> dict[str, Any]:
    """Return options of a DataLoader that calls `reach` for each batch, in whichever process it makes the batch."""

    def collate(items: list[Any]) -> Any:
        triggers.reach("loader")
        worker = get_worker_info()
        # Of the two workers, the one whose batch the loader waits for.
        if worker is not None and worker.id == 0 and triggers.worker_dies and triggers.counting:
            time.sleep(0.3)  # until both have started: PyTorch loses the error of a worker that dies earlier
            os._exit(1)
        return default_collate(items)

    forked = {"num_workers": workers, "multiprocessing_context": "fork"} if workers else {}
    return {"collate_fn": collate, **forked}


class _FaultyModel(Busy):
    def __init__(self, triggers: Triggers) -> None:
        super().__init__()
        self.reach = triggers.reach

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.reach("step")
        return super().forward(x)


def loader_step(triggers: Triggers, workers: int = 0) -> Rig:
    seed_all()
    model = _FaultyModel(triggers)
    optimizer = torch.optim.AdamW(model.parameters(), 0.01)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 30)

    def loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return F.mse_loss(output, target) * triggers.reach("loss")

    return rig_of(model, optimizer, loader_of(data(), **_loader_options(triggers, workers)), loss, scheduler=scheduler)


def own_step(triggers: Triggers, workers: int = 0) -> Rig:
    seed_all()
    model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Dropout(0.1), nn.Linear(8, 1))
    optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9)
    loader = loader_of(data(), **_loader_options(triggers, workers))

    def step() -> torch.Tensor:
        inputs, targets = next(iter(loader))
        optimizer.zero_grad(set_to_none=False)
        triggers.reach("step")
        loss = F.mse_loss(model(inputs), targets) * triggers.reach("loss")
        loss.backward()
        optimizer.step()
        return loss

    return Rig(
        target=step,
        options={"optimizer": optimizer, "restore": [model, loader]},
        observe=lambda: [of_module(model), of_optimizer(optimizer), of_random_states(loader.generator)],
        train=lambda steps: [step().item() for _ in range(steps)],
        sweep={"start_lr": 1e-5, "end_lr": 0.1},
    )


def lightning(triggers: Triggers, workers: int = 0) -> Rig:
    import pytorch_lightning

    from tests.lightning import rigs, trainings

    seed_all()
    model = trainings.plain(pytorch_lightning)
    plain_step = model.training_step

    def training_step(batch: Any, batch_idx: int) -> Any:
        triggers.reach("step")
        return plain_step(batch, batch_idx) * triggers.reach("loss")

    model.training_step = training_step
    loader = trainings.loader(generator=torch.Generator().manual_seed(5), **_loader_options(triggers, workers))
    return rigs.rig_of(pytorch_lightning, model, {"train_dataloaders": loader})


class _Inputs(numpy.ndarray):
    """Examples that call `reach` when a batch of them is drawn."""

    reach: Any = None

    def __getitem__(self, index: Any) -> Any:
        if self.reach is not None:
            self.reach("loader")
        return super().__getitem__(index).view(numpy.ndarray)


def third_party(triggers: Triggers, workers: int = 0) -> Rig:
    from lrrange_logistic.regression import LogisticRegression

    class FaultyRegression(LogisticRegression):
        def fit_batch(self, inputs: numpy.ndarray, labels: numpy.ndarray) -> float:
            triggers.reach("step")
            return super().fit_batch(inputs, labels) * triggers.reach("loss")

    random = numpy.random.default_rng(0)
    plain = random.normal(size=(256, 4))
    labels = (plain.sum(axis=1) > 0).astype(float)
    inputs = plain.view(_Inputs)
    inputs.reach = triggers.reach
    model = FaultyRegression(features=4, lr=0.5)
    return Rig(
        target=model,
        options={"inputs": inputs, "labels": labels},
        observe=lambda: [model.weights.tobytes(), model.bias, model.lr, model.last_update.tobytes()],
        train=lambda steps: [model.fit_batch(plain[:32], labels[:32]) for _ in range(steps)],
        sweep={"end_lr": 1e3},
    )


BACKENDS: dict[str, Callable[..., Rig]] = {
    "loader step": loader_step,
    "own step": own_step,
    "Lightning": lightning,
    "third party": third_party,
}


@contextmanager
def third_party_registered() -> Iterator[None]:
    """Register the plug-in of `examples/third_party_plugin`."""
    folder = str(ROOT / "examples" / "third_party_plugin")
    sys.path.insert(0, folder)
    try:
        import lrrange_logistic

        lrrange.register(lrrange_logistic, "logistic")
        yield
    finally:
        lrrange.unregister("logistic")
        sys.path.remove(folder)
