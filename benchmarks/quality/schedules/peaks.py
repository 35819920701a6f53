"""The best peak rate of each schedule, and what the constant rate and the peak of one cycle cost in its place."""

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from benchmarks.quality.ground_truth import clipped_mean
from benchmarks.quality.schedules.shapes import SCHEDULES

# Where the best peak lies between the two known rates says little if these are closer than this factor.
APART = 2.0


@attrs.frozen(eq=False)
class Measured:
    """The final losses of one task, by schedule and rate.

    Args:
        stored: the return value of `grid.measure`.
    """

    stored: dict[str, Any]

    @property
    def log_lr(self) -> np.ndarray:
        """Common logarithms of the rates of the grid."""
        return np.log10(self.stored["lr"])

    def loss(self, schedule: str) -> np.ndarray:
        """Return the mean losses over the seeds, by rate. A run that ends worse than it began counts as its start."""
        finals = self.stored["final"][schedule]
        initial = self.stored["initial"]
        return np.array([clipped_mean([math.inf if v is None else v for v in row], initial) for row in finals])

    def best(self, schedule: str) -> float:
        """Return the common logarithm of the best rate: the vertex of a parabola through the three lowest points."""
        loss, x = self.loss(schedule), self.log_lr
        at = int(loss.argmin())
        if at in (0, len(loss) - 1):
            return float(x[at])
        below, here, above = loss[at - 1 : at + 2]
        bend = below - 2 * here + above
        return float(x[at] + (0.5 * (below - above) / bend if bend > 0 else 0.0) * (x[at + 1] - x[at]))

    def regret(self, schedule: str, log_lr: float) -> float:
        """Return 0 at the best rate of the grid, and 1 if nothing is learnt; linear between two rates of the grid."""
        loss = self.loss(schedule)
        answer = self.stored["constant_answer"]
        start = float(np.mean(self.stored["initial"]))
        ceiling = start if answer is None else min(start, answer)
        value = float(np.interp(log_lr, self.log_lr, loss))
        return float(np.clip((value - loss.min()) / (ceiling - loss.min()), 0, 1))


def read(folder: Path) -> list[Measured]:
    """Return what was measured, one value for each task."""
    return [Measured(json.loads(path.read_text())) for path in sorted(folder.glob("*.json"))]


def quartiles(values: Iterable[float]) -> list[float]:
    """Return the lower quartile, the median and the upper quartile."""
    return [round(float(value), 3) for value in np.quantile(list(values), (0.25, 0.5, 0.75))]


def summary(tasks: list[Measured]) -> dict[str, Any]:
    """Return, for each schedule, where its best peak lies and what other rates cost.

    `position` has the quartiles of the place of log(best peak) between log(best constant rate), 0, and log(best peak of
    one cycle), 1, over the tasks on which these two are at least a factor of `APART` apart. `over_constant` and
    `over_onecycle` have those of the best peak in units of the two rates, over all tasks. `regret` has the mean regret
    of the constant rate, of their geometric mean, and of one cycle's peak, when the schedule is used with them.
    """
    known = [(task, task.best("constant"), task.best("onecycle")) for task in tasks]
    apart = [(task, low, high) for task, low, high in known if high - low >= math.log10(APART)]
    found: dict[str, Any] = {"tasks": len(known), "apart": len(apart), "schedules": {}}
    for schedule in SCHEDULES:
        found["schedules"][schedule] = {
            "position": quartiles((task.best(schedule) - low) / (high - low) for task, low, high in apart),
            "over_constant": quartiles(10 ** (task.best(schedule) - low) for task, low, _ in known),
            "over_onecycle": quartiles(10 ** (task.best(schedule) - high) for task, _, high in known),
            "regret": {
                name: round(
                    float(np.mean([task.regret(schedule, low + part * (high - low)) for task, low, high in known])), 4
                )
                for name, part in (("constant", 0.0), ("geometric mean", 0.5), ("onecycle", 1.0))
            },
        }
    return found
