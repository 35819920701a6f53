"""Small trainings, from one whose steps are mostly Python to one whose copy costs more than its steps.

Every model records when each of its forward passes begins, in all variants alike. This splits a sweep into the time
before the steps, the steps, and the time after them, without touching the finder.
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
from benchmarks.quality.tasks.data import mnist

Batches = list[tuple[torch.Tensor, torch.Tensor]]


class TimedModel(nn.Module):
    """A model that records when its forward passes begin.

    The times are in a variable of functions, because a sweep puts a module's own attributes back.

    Args:
        body: the model itself.

    Attributes:
        record: notes the present time.
        starts: returns the times noted so far.
    """

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body
        starts: list[float] = []
        self.record = lambda: starts.append(time.perf_counter())
        self.starts = lambda: starts

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the output of the body."""
        self.record()
        return self.body(x)


@attrs.frozen(kw_only=True)
class Job:
    """One fresh training.

    Args:
        model, criterion, loader: as in any PyTorch training.
        make_optimizer: builds an optimizer of the parameters that it is given.
        steps: number of steps that a variant takes.
    """

    model: TimedModel
    criterion: Callable[..., torch.Tensor]
    make_optimizer: Callable[[Iterable[Any]], torch.optim.Optimizer]
    loader: DataLoader[Any]
    steps: int

    @property
    def trained(self) -> list[nn.Parameter]:
        """The parameters that are not frozen."""
        return [parameter for parameter in self.model.parameters() if parameter.requires_grad]

    def optimizer(self) -> torch.optim.Optimizer:
        """Return a new optimizer of the trained parameters."""
        return self.make_optimizer(self.trained)


def sgd(momentum: float = 0.9) -> Callable[[Iterable[Any]], torch.optim.Optimizer]:
    """Return a function that makes an SGD optimizer of any parameters."""
    return lambda parameters: torch.optim.SGD(parameters, lr=1e-7, momentum=momentum)


def repeated(batches: Batches, steps: int) -> DataLoader[Any]:
    """Return a loader of these batches, repeated so often that `steps` steps do not reach its end."""
    return DataLoader(batches * (steps // len(batches) + 1), batch_size=None)  # type: ignore[arg-type]


def mlp(inputs: int, hidden: int, outputs: int = 10) -> nn.Sequential:
    """Return three linear layers. The second hidden layer is a third as wide as the first."""
    narrow = max(hidden // 3, 1)
    return nn.Sequential(
        nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, narrow), nn.ReLU(), nn.Linear(narrow, outputs)
    )


@functools.cache
def random_batches(inputs: int, batch: int) -> Batches:
    """Return 32 batches of normally distributed inputs with random classes."""
    generator = torch.Generator().manual_seed(1)
    return [
        (torch.randn(batch, inputs, generator=generator), torch.randint(10, (batch,), generator=generator))
        for _ in range(32)
    ]


def tiny(steps: int) -> Job:
    """Return a training of an MLP of 10,000 parameters. A step is mostly Python."""
    return Job(
        model=TimedModel(mlp(64, 96)),
        criterion=nn.CrossEntropyLoss(),
        make_optimizer=sgd(),
        loader=repeated(random_batches(64, 32), steps),
        steps=steps,
    )


@functools.cache
def _digits() -> TensorDataset:
    return TensorDataset(*mnist()[0])


def lenet(steps: int) -> Job:
    """Return a training of LeNet on images of digits in batches of 64, from an ordinary shuffling DataLoader."""
    loader = DataLoader(_digits(), batch_size=64, shuffle=True, drop_last=True)
    return Job(
        model=TimedModel(models.lenet()),
        criterion=nn.CrossEntropyLoss(),
        make_optimizer=sgd(),
        loader=loader,
        steps=steps,
    )


class _Transformer(nn.Module):
    def __init__(self, vocabulary: int = 256, width: int = 128, layers: int = 2, length: int = 64) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.position = nn.Parameter(torch.randn(length, width) * 0.02)
        layer = nn.TransformerEncoderLayer(width, 4, 4 * width, dropout=0.0, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.head = nn.Linear(width, vocabulary)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.encoder(self.embed(x) + self.position)).flatten(0, 1)


@functools.cache
def _text() -> Batches:
    generator = torch.Generator().manual_seed(1)
    return [
        (torch.randint(256, (4, 64), generator=generator), torch.randint(256, (256,), generator=generator))
        for _ in range(32)
    ]


def transformer(steps: int) -> Job:
    """Return a training of a transformer of two layers of width 128 with AdamW."""
    return Job(
        model=TimedModel(_Transformer()),
        criterion=nn.CrossEntropyLoss(),
        make_optimizer=lambda parameters: torch.optim.AdamW(parameters, lr=1e-7),
        loader=repeated(_text(), steps),
        steps=steps,
    )


def _wide(width: int = 3072) -> nn.Sequential:
    layers = [nn.Linear(256, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(width, 10))


def wide(steps: int) -> Job:
    """Return a training of an MLP of 20 million parameters in batches of 4. A step mostly moves memory."""
    return Job(
        model=TimedModel(_wide()),
        criterion=nn.CrossEntropyLoss(),
        make_optimizer=sgd(),
        loader=repeated(random_batches(256, 4), steps),
        steps=steps,
    )


def frozen(steps: int) -> Job:
    """Return a training of the last layer of `wide`, with all others frozen."""
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
    """Return a training of an embedding of 100 million parameters with sparse gradients, whose copy costs more."""
    return Job(
        model=TimedModel(_Recommender(_ROWS)),
        criterion=nn.BCEWithLogitsLoss(),
        make_optimizer=sgd(momentum=0.0),
        loader=repeated(_clicks(), steps),
        steps=steps,
    )


WORKLOADS: dict[str, Callable[[int], Job]] = {
    make.__name__: make for make in (tiny, lenet, transformer, wide, frozen, embedding)
}


def build(workload: str, steps: int) -> Job:
    """Return a fresh job of this workload. Its weights are the same at every call."""
    torch.manual_seed(0)
    return WORKLOADS[workload](steps)
