"""Statistics of a finder: regret, steps, calibration and movement, from its suggestions and the ground truth."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import attrs
import numpy as np

from benchmarks.quality.ground_truth import PROTOCOLS, Protocol
from benchmarks.quality.regret import TaskRegret
from benchmarks.quality.store import Row

# A suggestion with a regret above these is bad, or catastrophic.
BAD, CATASTROPHIC = 0.1, 0.5

_RESAMPLES = 4000

TaskRegrets = dict[str, TaskRegret]


def suggested(row: Row, protocol: Protocol) -> float | None:
    """Return the rate that a row suggests for a protocol; None if it has none."""
    rate: float | None = row["lr" if protocol == "constant" else "max_lr"]
    return rate


@attrs.frozen(kw_only=True)
class FinderRegret:
    """The regret of a finder's suggestions on some tasks.

    Args:
        mean: mean over tasks, seeds and both protocols.
        low, high: the interval that holds 90 % of the means over resampled tasks.
        by_protocol: mean for each protocol.
        bad, catastrophic: shares of the suggestions with a regret above 0.1 and above 0.5, by protocol.
        worst_task: the highest mean regret on any task.
        unanswered: number of suggestions without a rate for constant training.
        suggestions: number of suggestions.
    """

    mean: float
    low: float
    high: float
    by_protocol: dict[str, float]
    bad: dict[str, float]
    catastrophic: dict[str, float]
    worst_task: float
    unanswered: int
    suggestions: int


def finder_regret(rows: Sequence[Row], task_regrets: TaskRegrets, *, strict: bool = True) -> FinderRegret | None:
    """Return the regret of a finder on these tasks; None if it did not run on all of them."""
    rows = [row for row in rows if row["task"] in task_regrets]
    if {row["task"] for row in rows} != set(task_regrets) or not rows:
        return None
    by_protocol = {
        protocol: np.array([
            task_regrets[row["task"]].at(suggested(row, protocol), protocol, strict=strict) for row in rows
        ])
        for protocol in PROTOCOLS
    }  # fmt: skip
    both_protocols = np.mean(list(by_protocol.values()), 0)
    by_task = np.array([both_protocols[[row["task"] == task for row in rows]].mean() for task in task_regrets])
    resampled = by_task[np.random.RandomState(0).randint(len(by_task), size=(_RESAMPLES, len(by_task)))].mean(1)
    return FinderRegret(
        mean=float(by_task.mean()),
        low=float(np.percentile(resampled, 5)),
        high=float(np.percentile(resampled, 95)),
        by_protocol={protocol: float(values.mean()) for protocol, values in by_protocol.items()},
        bad={protocol: float((values > BAD).mean()) for protocol, values in by_protocol.items()},
        catastrophic={protocol: float((values > CATASTROPHIC).mean()) for protocol, values in by_protocol.items()},
        worst_task=float(by_task.max()),
        unanswered=sum(row["lr"] is None for row in rows),
        suggestions=len(rows),
    )


@attrs.frozen(kw_only=True)
class Steps:
    """The cost of a finder's suggestions, counted by hooks on model and optimizer.

    Args:
        forwards: mean number of forward passes in train mode.
        most_forwards: largest number of forward passes for one suggestion.
        optimizer_steps: mean number of updates; None where they were not counted.
        evaluations: mean number of forward passes in evaluation mode; None where they were not counted.
        extended: share of the suggestions that took more than 200 forward passes.
    """

    forwards: float
    most_forwards: int
    optimizer_steps: float | None
    evaluations: float | None
    extended: float


def steps(rows: Iterable[Row]) -> Steps | None:
    """Return the cost of a finder's suggestions; None if it trains nothing."""
    counted = [row for row in rows if row["forwards"]]
    if not counted:
        return None
    forwards = [row["forwards"] for row in counted]

    def mean(key: str) -> float | None:
        counts = [row[key] for row in counted if key in row]
        return float(np.mean(counts)) if counts else None

    return Steps(
        forwards=float(np.mean(forwards)),
        most_forwards=max(forwards),
        optimizer_steps=mean("optimizer_steps"),
        evaluations=mean("evaluations"),
        extended=float(np.mean([count > 200 for count in forwards])),
    )


@attrs.frozen(kw_only=True)
class Calibration:
    """How well a finder's intervals contain the best constant rate.

    Args:
        distances: distance of the best rate from each interval, in decades, sorted. It is 0 inside the interval, and
            infinite if the finder has no answer.
        width: median width of the intervals, in decades.
    """

    distances: tuple[float, ...]
    width: float

    def share(self, within: float) -> float:
        """Return the share of suggestions whose interval lies no further than `within` decades from the best rate."""
        return sum(distance <= within + 1e-9 for distance in self.distances) / len(self.distances)


def calibration(rows: Iterable[Row], task_regrets: TaskRegrets) -> Calibration | None:
    """Return the calibration of a finder's intervals on these tasks; None if it gives no intervals."""
    distances, widths = [], []
    for row in rows:
        if row["task"] not in task_regrets:
            continue
        if row["low"] is None:
            distances.append(math.inf)
            continue
        best_lr = task_regrets[row["task"]].best_lr("constant")
        best, low, high = (math.log10(rate) for rate in (best_lr, row["low"], row["high"]))
        distances.append(max(0.0, low - best, best - high))
        widths.append(high - low)
    if not widths:
        return None
    return Calibration(distances=tuple(sorted(distances)), width=float(np.median(widths)))


def movement(rows: Iterable[Row], others: Iterable[Row], protocol: Protocol) -> float | None:
    """Return the median distance, in decades, between two sets of suggestions for the same tasks and seeds.

    It is None if no task and seed has a rate in both.
    """
    other_rates = {(row["task"], row["seed"]): suggested(row, protocol) for row in others}
    distances = [
        abs(math.log10(rate / other))
        for row in rows
        if (rate := suggested(row, protocol)) and (other := other_rates.get((row["task"], row["seed"])))
    ]
    return float(np.median(distances)) if distances else None


def as_json(value: Any) -> Any:
    """Return statistics as plain values; None stays None."""
    return None if value is None else attrs.asdict(value)
