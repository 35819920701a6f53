"""Small trainings, from one whose steps are all interpreter to one whose copy is dearer than its steps.

Every model notes when each of its forward passes begins, in every variant alike. That splits a sweep into what comes
before the steps, the steps, and what comes after, without touching the finder.
"""

import functools
import time
from collections.abc import Callable, Iterable
from typing import Any

import attrs
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.quality.tasks import models

Batches = list[tuple[torch.Tensor, torch.Tensor]]


class Clock:
    """When something began, each time. No container, or a sweep would put it back."""

    def __init__(self) -> None:
        self.starts: list[float] = []


class Timed(nn.Module):
    """A model, and a clock that its forward passes are noted on."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.clock = Clock()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The body's output."""
        self.clock.starts.append(time.perf_counter())
        return self.body(x)


@attrs.frozen(kw_only=True)
class Job:
    """One fresh training.

    Args:
        model, criterion, loader: what they are.
        make_optimizer: of some parameters.
        steps: that a variant takes.
    """

    model: Timed
    criterion: Callable[..., torch.Tensor]
    make_optimizer: Callable[[Iterable[Any]], torch.optim.Optimizer]
    loader: DataLoader[Any]
    steps: int

    @property
    def trained(self) -> list[nn.Parameter]:
        """What the optimizer is given."""
        return [parameter for parameter in self.model.parameters() if parameter.requires_grad]

    def optimizer(self) -> torch.optim.Optimizer:
        """Of what is trained."""
        return self.make_optimizer(self.trained)


def sgd(momentum: float = 0.9) -> Callable[[Iterable[Any]], torch.optim.Optimizer]:
    """Of any parameters."""
    return lambda parameters: torch.optim.SGD(parameters, lr=1e-7, momentum=momentum)


def from_memory(batches: Batches, steps: int) -> DataLoader[Any]:
    """A loader that hands out ready batches, more of them than a sweep takes."""
    return DataLoader(batches * (steps // len(batches) + 1), batch_size=None)  # type: ignore[arg-type]


def mlp(inputs: int, hidden: int, outputs: int = 10) -> nn.Sequential:
    """Three linear layers, the second a third as wide."""
    narrow = max(hidden // 3, 1)
    return nn.Sequential(
        nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, narrow), nn.ReLU(), nn.Linear(narrow, outputs)
    )


@functools.cache
def classified(inputs: int, batch: int) -> Batches:
    """Normal inputs with random classes."""
    generator = torch.Generator().manual_seed(1)
    return [
        (torch.randn(batch, inputs, generator=generator), torch.randint(10, (batch,), generator=generator))
        for _ in range(32)
    ]


def tiny(steps: int) -> Job:
    """An MLP of 10,000 parameters: a step is mostly Python."""
    return Job(
        model=Timed(mlp(64, 96)),
        criterion=nn.CrossEntropyLoss(),
        make_optimizer=sgd(),
        loader=from_memory(classified(64, 32), steps),
        steps=steps,
    )


@functools.cache
def _digits() -> TensorDataset:
    from benchmarks.quality.tasks.data import mnist

    return TensorDataset(*mnist()[0])


def lenet(steps: int) -> Job:
    """LeNet on images of digits, 64 at a time, from an ordinary shuffling DataLoader."""
    loader = DataLoader(_digits(), batch_size=64, shuffle=True, drop_last=True)
    return Job(
        model=Timed(models.lenet()), criterion=nn.CrossEntropyLoss(), make_optimizer=sgd(), loader=loader, steps=steps
    )


class _Transformer(nn.Module):
    def __init__(self, vocabulary: int = 256, width: int = 128, layers: int = 2, length: int = 64) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.place = nn.Parameter(torch.randn(length, width) * 0.02)
        layer = nn.TransformerEncoderLayer(width, 4, 4 * width, dropout=0.0, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.head = nn.Linear(width, vocabulary)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.encoder(self.embed(x) + self.place)).flatten(0, 1)


@functools.cache
def _text() -> Batches:
    generator = torch.Generator().manual_seed(1)
    return [
        (torch.randint(256, (4, 64), generator=generator), torch.randint(256, (256,), generator=generator))
        for _ in range(32)
    ]


def transformer(steps: int) -> Job:
    """Two layers of width 128, AdamW."""
    return Job(
        model=Timed(_Transformer()),
        criterion=nn.CrossEntropyLoss(),
        make_optimizer=lambda parameters: torch.optim.AdamW(parameters, lr=1e-7),
        loader=from_memory(_text(), steps),
        steps=steps,
    )


def _wide(width: int = 3072) -> nn.Sequential:
    layers = [nn.Linear(256, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(width, 10))


def wide(steps: int) -> Job:
    """An MLP of 20 million parameters with batches of 4: a step is mostly memory."""
    return Job(
        model=Timed(_wide()),
        criterion=nn.CrossEntropyLoss(),
        make_optimizer=sgd(),
        loader=from_memory(classified(256, 4), steps),
        steps=steps,
    )


def frozen(steps: int) -> Job:
    """As `wide`, all frozen but the last layer."""
    job = wide(steps)
    job.model.requires_grad_(False)
    job.model.body[-1].requires_grad_(True)  # type: ignore[index]
    return job


class _Recommender(nn.Module):
    def __init__(self, rows: int, width: int = 64) -> None:
        super().__init__()
        self.table = nn.EmbeddingBag(rows, width, mode="mean", sparse=True)
        self.head = nn.Sequential(nn.Linear(width, 32), nn.ReLU(), nn.Linear(32, 1), nn.Flatten(0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.table(x))


_ROWS = 1_560_000


@functools.cache
def _clicks() -> Batches:
    generator = torch.Generator().manual_seed(1)
    return [
        (torch.randint(_ROWS, (64, 20), generator=generator), torch.rand(64, generator=generator).round())
        for _ in range(32)
    ]


def embedding(steps: int) -> Job:
    """A table of 100 million parameters with sparse gradients: a step is cheap, a copy of the table is not."""
    return Job(
        model=Timed(_Recommender(_ROWS)),
        criterion=nn.BCEWithLogitsLoss(),
        make_optimizer=sgd(momentum=0.0),
        loader=from_memory(_clicks(), steps),
        steps=steps,
    )


WORKLOADS: dict[str, Callable[[int], Job]] = {
    make.__name__: make for make in (tiny, lenet, transformer, wide, frozen, embedding)
}


def build(workload: str, steps: int) -> Job:
    """A fresh job, the same one each time."""
    torch.manual_seed(0)
    return WORKLOADS[workload](steps)
