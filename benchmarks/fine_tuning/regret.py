"""The loss that a rate leads to on each task, from the grid of complete fine-tunings."""

import math
from collections.abc import Sequence

import attrs
import numpy as np

from benchmarks.fine_tuning.grid import Row


@attrs.frozen(eq=False)
class Fate:
    """What became of one task, from one start, at the rates of the grid.

    Args:
        rows: those of the grid with this task and this start, with the rows for no training (rate 0).
    """

    rows: Sequence[Row]

    @property
    def lr(self) -> np.ndarray:
        """The rates of the grid."""
        return np.array(sorted({row["lr"] for row in self.rows if row["lr"]}))

    @property
    def initial(self) -> float:
        """The loss without training."""
        return self._untrained("loss")

    def by_seed(self, column: str) -> np.ndarray:
        """Return a column of the grid, of shape (rates, seeds). What is not finite is NaN."""
        seeds = sorted({row["seed"] for row in self.rows})
        found = {(row["lr"], row["seed"]): row.get(column) for row in self.rows}
        values = [[found.get((lr, seed)) for seed in seeds] for lr in self.lr]
        return np.array([[math.nan if value is None else value for value in row] for row in values])

    @property
    def loss(self) -> np.ndarray:
        """Mean held-out losses by rate. A run that ends worse than it began counts as its start."""
        return self._cost("loss")

    @property
    def best_lr(self) -> float:
        """The rate of the grid with the lowest loss."""
        return float(self.lr[self.loss.argmin()])

    @property
    def good(self) -> tuple[float, float]:
        """The lowest and the highest rate of the grid that give away less than a tenth of what the best one gains."""
        good = self.lr[[self.regret(lr) < 0.1 for lr in self.lr]]
        return float(good[0]), float(good[-1])

    def regret(self, lr: float | None, column: str = "loss") -> float:
        """Return 0 at the best rate of the grid, and 1 where nothing is gained or there is no answer.

        Args:
            lr: the rate. Between two rates of the grid, what it leads to is linear in the logarithm of the rate.
            column: `"loss"`, or `"accuracy"`.
        """
        if lr is None or lr > self.lr[-1] * 1.0001:
            return 1.0
        cost = self._cost(column)
        start = self._untrained(column) * (1 if column == "loss" else -1)
        value = float(np.interp(math.log(lr), np.log(self.lr), cost))
        return float(np.clip((value - cost.min()) / (start - cost.min()), 0, 1))

    def _cost(self, column: str) -> np.ndarray:
        """Return means over the seeds, lower is better. A run that ends worse than it began counts as its start."""
        sign, values, start = (1 if column == "loss" else -1), self.by_seed(column), self._untrained(column)
        worst = sign * start
        return np.minimum(np.where(np.isfinite(values), sign * values, worst), worst).mean(1)

    def _untrained(self, column: str) -> float:
        return float(np.mean([row[column] for row in self.rows if not row["lr"]]))


def fate(rows: Sequence[Row], task: str, start: str) -> Fate:
    """Return what became of one task from one start."""
    return Fate([row for row in rows if row["task"] == task and row["start"] == start])
