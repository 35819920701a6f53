"""Tasks, and the problems that they build: a model, a criterion, an optimizer and batches, all from a seed."""

import math
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import torch
from torch import nn
from torch.optim import Optimizer
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler

Criterion = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
Batch = tuple[torch.Tensor, torch.Tensor]

# A fifth of the training set is held out for a finder that needs data it does not train on, but no more than this.
_MOST_HELD_OUT = 500


class Tensors(Dataset[Batch]):
    """A data set that returns a whole batch for a batch of indices, which is fast.

    Args:
        x, y: inputs and targets, along the first axis.
    """

    def __init__(self, x: torch.Tensor, y: torch.Tensor) -> None:
        self.x, self.y = x, y

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: Any) -> Batch:
        return self.x[index], self.y[index]


@attrs.define(eq=False)
class Problem:
    """One fresh, seeded instance of a task.

    Args:
        model: in train mode.
        criterion: called as `criterion(model(x), y)`.
        optimizer: returns an optimizer of the model's parameters at a given rate.
        train: the training set.
        batch_size: of the training batches.
        val_x, val_y: the validation set, used for the ground truth and for nothing else.
        seed: sets the order of the batches.
    """

    model: nn.Module
    criterion: Criterion
    optimizer: Callable[[float], Optimizer]
    train: Tensors
    batch_size: int
    val_x: torch.Tensor
    val_y: torch.Tensor
    seed: int = 0

    def loader(self, repeat: int = 0) -> DataLoader[Batch]:
        """Return a loader of one epoch of shuffled batches. `repeat` changes their order and nothing else."""
        generator = torch.Generator().manual_seed(1_000_003 * (repeat + 1) + self.seed)
        sampler = BatchSampler(RandomSampler(self.train, generator=generator), self.batch_size, drop_last=True)
        return DataLoader(self.train, sampler=sampler, batch_size=None)

    def batches(self, repeat: int = 0) -> Iterator[Batch]:
        """Yield the batches of `loader` epoch after epoch, without end."""
        loader = self.loader(repeat)
        while True:
            yield from loader

    def update(self, optimizer: Optimizer, batch: Batch) -> float:
        """Take one training step, and return the loss before it. If the loss is not finite, nothing is updated."""
        x, y = batch
        optimizer.zero_grad()
        loss = self.criterion(self.model(x), y)
        value = loss.item()
        if math.isfinite(value):
            loss.backward()
            optimizer.step()
        return value

    def hold_out(self) -> tuple["Problem", Batch]:
        """Return the problem without a part of its training set, and that part as one batch.

        The split is the same for every seed. The validation set is not involved.
        """
        order = torch.randperm(len(self.train), generator=torch.Generator().manual_seed(0))
        held = min(_MOST_HELD_OUT, len(self.train) // 5)
        return attrs.evolve(self, train=Tensors(*self.train[order[held:]])), self.train[order[:held]]

    def val_loss(self) -> float:
        """Return the loss on the whole validation set, in evaluation mode."""
        return self.evaluate(self.val_x, self.val_y)

    @torch.no_grad()
    def evaluate(self, x: torch.Tensor, y: torch.Tensor) -> float:
        """Return the loss on these data, in evaluation mode."""
        self.model.eval()
        loss = float(self.criterion(self.model(x), y))
        self.model.train()
        return loss


@attrs.define(eq=False)
class Task:
    """A training that a user might have.

    Args:
        name: name of the task. The initial weights depend on it.
        steps: its training budget.
        default_lr: the rate that users commonly give to its optimizer.
        about: a description of one line.
        make: builds a problem from the state of the random number generator.
    """

    name: str
    steps: int
    default_lr: float
    about: str
    make: Callable[[], Problem] = attrs.field(repr=False)

    def build(self, seed: int) -> Problem:
        """Build a fresh problem. `seed` sets its weights and the order of its batches; data and split never change."""
        torch.manual_seed(1000 * seed + zlib.crc32(self.name.encode()) % 997)
        problem = self.make()
        problem.seed = seed
        problem.model.train()
        return problem


class Registry(dict[str, Task]):
    """Tasks by name."""

    def task(self, *, steps: int, default_lr: float) -> Callable[[Callable[[], Problem]], Task]:
        """Register the decorated function as a task, with its name and its docstring."""

        def register(make: Callable[[], Problem]) -> Task:
            self[make.__name__] = Task(make.__name__, steps, default_lr, make.__doc__ or "", make)
            return self[make.__name__]

        return register


def problem(
    model: nn.Module,
    criterion: Criterion,
    optimizer: Callable[..., Optimizer],
    train: Batch,
    batch_size: int,
    validation: Batch,
    **options: Any,
) -> Problem:
    """Return a problem whose optimizer is `optimizer(model.parameters(), lr=lr, **options)`."""
    return Problem(
        model,
        criterion,
        lambda lr: optimizer(model.parameters(), lr=lr, **options),
        Tensors(*train),
        batch_size,
        *validation,
    )
