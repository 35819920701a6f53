"""Optimizers that evaluate at other weights than they train at, such as schedule-free ones."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from torch.optim import Optimizer


class OptimizerModes:
    """The training and evaluation modes of those optimizers that have them: they have methods `train` and `eval`.

    In evaluation mode their parameters are the averaged weights, and their steps raise an error.

    Args:
        optimizers: of any class.
    """

    def __init__(self, optimizers: Sequence[Optimizer]) -> None:
        self._optimizers: list[Any] = [
            optimizer
            for optimizer in optimizers
            if all(callable(getattr(optimizer, name, None)) for name in ("train", "eval"))
        ]

    def train(self) -> None:
        """Put them into training mode."""
        for optimizer in self._optimizers:
            optimizer.train()

    @contextlib.contextmanager
    def evaluating(self) -> Iterator[None]:
        """Put them into evaluation mode for the block, and into training mode afterwards."""
        for optimizer in self._optimizers:
            optimizer.eval()
        try:
            yield
        finally:
            self.train()
