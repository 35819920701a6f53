"""One small training on each kind of backend, with places in it where something can go wrong."""

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


class Places:
    """Where the trainings call `reach`: in the loader, in the step, and where the loss is computed."""

    def __init__(self) -> None:
        # Shared, because a loader's worker processes reach the loader.
        self._reached = multiprocessing.Value("i", 0)
        self._place, self._call = "", 0
        self._act: Callable[[], float] = lambda: 1.0
        self.counting = False
        self.worker_dies = False

    def arm(self, place: str, call: int, act: Callable[[], float]) -> None:
        """Once `counting` is set, do this once: at this place, when it was reached `call` times before."""
        self._place, self._call, self._act = place, call, act

    def reach(self, place: str) -> float:
        """What the loss is multiplied with."""
        if place != self._place or not self.counting:
            return 1.0
        with self._reached.get_lock():
            self._reached.value += 1
            due = self._reached.value == self._call + 1
        return self._act() if due else 1.0


def _collating(places: Places, workers: int) -> dict[str, Any]:
    """Options of a DataLoader whose batches reach the loader, wherever they are made."""

    def collate(items: list[Any]) -> Any:
        places.reach("loader")
        worker = get_worker_info()
        # Of the two, the one that makes the batch which is waited for.
        if worker is not None and worker.id == 0 and places.worker_dies and places.counting:
            time.sleep(0.3)  # until both are there: PyTorch loses the error of one that dies before
            os._exit(1)
        return default_collate(items)

    forked = {"num_workers": workers, "multiprocessing_context": "fork"} if workers else {}
    return {"collate_fn": collate, **forked}


class _Faulty(Busy):
    def __init__(self, places: Places) -> None:
        super().__init__()
        self.reach = places.reach

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.reach("step")
        return super().forward(x)


def form_a(places: Places, workers: int = 0) -> Rig:
    seed_all()
    model = _Faulty(places)
    optimizer = torch.optim.AdamW(model.parameters(), 0.01)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 30)

    def loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return F.mse_loss(output, target) * places.reach("loss")

    return rig_of(model, optimizer, loader_of(data(), **_collating(places, workers)), loss, scheduler=scheduler)


def form_b(places: Places, workers: int = 0) -> Rig:
    seed_all()
    model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Dropout(0.1), nn.Linear(8, 1))
    optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9)
    loader = loader_of(data(), **_collating(places, workers))

    def step() -> torch.Tensor:
        inputs, targets = next(iter(loader))
        optimizer.zero_grad(set_to_none=False)
        places.reach("step")
        loss = F.mse_loss(model(inputs), targets) * places.reach("loss")
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


def lightning(places: Places, workers: int = 0) -> Rig:
    import pytorch_lightning

    from tests.lightning import rigs, trainings

    seed_all()
    model = trainings.plain(pytorch_lightning)
    plain_step = model.training_step

    def training_step(batch: Any, batch_idx: int) -> Any:
        places.reach("step")
        return plain_step(batch, batch_idx) * places.reach("loss")

    model.training_step = training_step
    loader = trainings.loader(generator=torch.Generator().manual_seed(5), **_collating(places, workers))
    return rigs.rig_of(pytorch_lightning, model, {"train_dataloaders": loader})


class _Inputs(numpy.ndarray):
    """Examples that reach the loader when a batch of them is drawn."""

    reach: Any = None

    def __getitem__(self, index: Any) -> Any:
        if self.reach is not None:
            self.reach("loader")
        return super().__getitem__(index).view(numpy.ndarray)


def third_party(places: Places, workers: int = 0) -> Rig:
    from lrrange_logistic.regression import LogisticRegression

    class Faulty(LogisticRegression):
        def fit_batch(self, inputs: numpy.ndarray, labels: numpy.ndarray) -> float:
            places.reach("step")
            return super().fit_batch(inputs, labels) * places.reach("loss")

    random = numpy.random.default_rng(0)
    plain = random.normal(size=(256, 4))
    labels = (plain.sum(axis=1) > 0).astype(float)
    inputs = plain.view(_Inputs)
    inputs.reach = places.reach
    model = Faulty(features=4, lr=0.5)
    return Rig(
        target=model,
        options={"inputs": inputs, "labels": labels},
        observe=lambda: [model.weights.tobytes(), model.bias, model.lr, model.last_update.tobytes()],
        train=lambda steps: [model.fit_batch(plain[:32], labels[:32]) for _ in range(steps)],
        sweep={"end_lr": 1e3},
    )


BACKENDS: dict[str, Callable[..., Rig]] = {
    "form A": form_a,
    "form B": form_b,
    "Lightning": lightning,
    "third party": third_party,
}


@contextmanager
def third_party_known() -> Iterator[None]:
    """With the plug-in that `examples/third_party_plugin` packages."""
    place = str(ROOT / "examples" / "third_party_plugin")
    sys.path.insert(0, place)
    try:
        import lrrange_logistic

        lrrange.register(lrrange_logistic, "logistic")
        yield
    finally:
        lrrange.unregister("logistic")
        sys.path.remove(place)
