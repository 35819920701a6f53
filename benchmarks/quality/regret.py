"""Regret: how much worse a rate is than the best of the measured ones."""

import math

import numpy as np

from benchmarks.quality.ground_truth import PROTOCOLS, Protocol, clipped_mean
from benchmarks.quality.store import Store


class Truth:
    """A task's measured losses, and the regret of any rate on them.

    Args:
        name: of the task.
        store: where its ground truth is.
    """

    def __init__(self, name: str, store: Store) -> None:
        measured = store.ground_truth(name)
        self.name = name
        self.constant_answer = store.constant_answer(name)
        self.initial = float(np.mean(measured["initial"]))
        self.lr = np.array(measured["lr"])
        self.loss = {
            protocol: np.array([
                clipped_mean([math.inf if loss is None else loss for loss in row], measured["initial"])
                for row in measured[protocol]
            ])
            for protocol in PROTOCOLS
        }  # fmt: skip

    def best(self, protocol: Protocol) -> float:
        """The best rate of the grid."""
        return float(self.lr[self.loss[protocol].argmin()])

    def regret(self, lr: float | None, protocol: Protocol, *, strict: bool = True) -> float:
        """0 at the best rate of the grid, 1 for having learnt nothing, and for no answer at all.

        Args:
            lr: the rate; the loss between two rates of the grid is linear in its logarithm.
            protocol: how it is used.
            strict: 1 already for no more than the best output that ignores the input, where that beats the start.
        """
        if lr is None or not math.isfinite(lr) or lr <= 0 or lr > self.lr[-1] * 1.0001:
            return 1.0
        loss = self.loss[protocol]
        lowest = loss.min()
        if lr < self.lr[0]:  # to first order, what is learnt shrinks with the rate
            value = self.initial - (self.initial - loss[0]) * lr / self.lr[0]
        else:
            value = np.interp(math.log(lr), np.log(self.lr), loss)
        ceiling = min(self.initial, self.constant_answer) if strict else self.initial
        return float(np.clip((value - lowest) / (ceiling - lowest), 0, 1))
