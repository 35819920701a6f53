"""Regret: how much worse a learning rate is than the best rate of the ground truth."""

import math
from typing import Any
from typing import Protocol as Interface

import numpy as np

from benchmarks.quality.ground_truth import PROTOCOLS, Protocol, clipped_mean


class GroundTruths(Interface):
    """A store of complete training runs: `Store`, or `BankStore`."""

    def ground_truth(self, task: str) -> dict[str, Any]:
        """Return a task's grid of complete training runs."""
        ...

    def constant_answer(self, task: str) -> float:
        """Return the validation loss of the best output that ignores the input; infinity if that means nothing."""
        ...


class TaskRegret:
    """The regret of any learning rate on one task, from its ground truth.

    Args:
        task: name of the task.
        store: the store with its ground truth.
    """

    def __init__(self, task: str, store: GroundTruths) -> None:
        measured = store.ground_truth(task)
        self.task = task
        self.constant_answer = store.constant_answer(task)
        self.initial = float(np.mean(measured["initial"]))
        self.lr = np.array(measured["lr"])
        self.loss = {
            protocol: np.array([
                clipped_mean([math.inf if loss is None else loss for loss in row], measured["initial"])
                for row in measured[protocol]
            ])
            for protocol in PROTOCOLS
        }  # fmt: skip

    def best_lr(self, protocol: Protocol) -> float:
        """Return the rate of the grid with the lowest loss."""
        return float(self.lr[self.loss[protocol].argmin()])

    def at(self, lr: float | None, protocol: Protocol, *, strict: bool = True) -> float:
        """Return the regret of a rate: 0 at the best rate of the grid, 1 if nothing is learnt or there is no answer.

        Args:
            lr: the rate. Between two rates of the grid, the loss is taken as linear in the logarithm of the rate.
            protocol: how the rate is used.
            strict: count a loss no lower than the best output that ignores the input as nothing learnt, if that output
                is better than the untrained model.
        """
        if lr is None or not math.isfinite(lr) or lr <= 0 or lr > self.lr[-1] * 1.0001:
            return 1.0
        loss = self.loss[protocol]
        lowest = loss.min()
        if lr < self.lr[0]:  # to first order, the improvement is proportional to the rate
            value = self.initial - (self.initial - loss[0]) * lr / self.lr[0]
        else:
            value = np.interp(math.log(lr), np.log(self.lr), loss)
        ceiling = min(self.initial, self.constant_answer) if strict else self.initial
        return float(np.clip((value - lowest) / (ceiling - lowest), 0, 1))
