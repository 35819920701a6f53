"""Figures about a finder, from its stored suggestions and the ground truth."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import attrs
import numpy as np

from benchmarks.quality.ground_truth import PROTOCOLS, Protocol
from benchmarks.quality.regret import Truth
from benchmarks.quality.store import Row

BAD, CATASTROPHIC = 0.1, 0.5
_RESAMPLES = 4000

Truths = dict[str, Truth]


def suggested(row: Row, protocol: Protocol) -> float | None:
    """What the row suggests for this protocol."""
    rate: float | None = row["lr" if protocol == "constant" else "max_lr"]
    return rate


@attrs.frozen(kw_only=True)
class Regret:
    """How a finder does on some tasks.

    Args:
        mean: over tasks, seeds and both protocols.
        low, high: 90 % of the means of resampled tasks lie between them.
        by_protocol: the mean of each.
        bad, catastrophic: share of the suggestions with a regret above 0.1 and 0.5, by protocol.
        worst_task: the mean of the task it does worst on.
        unanswered: suggestions without a rate for constant training.
        suggestions: how many there are.
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


def regret(rows: Sequence[Row], truths: Truths, *, strict: bool = True) -> Regret | None:
    """A finder's regret on the tasks of `truths`; None if it was not asked about all of them."""
    rows = [row for row in rows if row["task"] in truths]
    if {row["task"] for row in rows} != set(truths) or not rows:
        return None
    by_protocol = {
        protocol: np.array([
            truths[row["task"]].regret(suggested(row, protocol), protocol, strict=strict) for row in rows
        ])
        for protocol in PROTOCOLS
    }  # fmt: skip
    both = np.mean(list(by_protocol.values()), 0)
    of_task = np.array([both[[row["task"] == task for row in rows]].mean() for task in truths])
    resampled = of_task[np.random.RandomState(0).randint(len(of_task), size=(_RESAMPLES, len(of_task)))].mean(1)
    return Regret(
        mean=float(of_task.mean()),
        low=float(np.percentile(resampled, 5)),
        high=float(np.percentile(resampled, 95)),
        by_protocol={protocol: float(values.mean()) for protocol, values in by_protocol.items()},
        bad={protocol: float((values > BAD).mean()) for protocol, values in by_protocol.items()},
        catastrophic={protocol: float((values > CATASTROPHIC).mean()) for protocol, values in by_protocol.items()},
        worst_task=float(of_task.max()),
        unanswered=sum(row["lr"] is None for row in rows),
        suggestions=len(rows),
    )


@attrs.frozen(kw_only=True)
class Steps:
    """What a suggestion costs, as counted by hooks on model and optimizer.

    Args:
        forwards: mean number of forward passes in train mode.
        most_forwards: the most that any suggestion took.
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
    """The cost of a finder's suggestions; None if it trains nothing."""
    counted = [row for row in rows if row["forwards"]]
    if not counted:
        return None
    forwards = [row["forwards"] for row in counted]

    def mean(key: str) -> float | None:
        known = [row[key] for row in counted if key in row]
        return float(np.mean(known)) if known else None

    return Steps(
        forwards=float(np.mean(forwards)),
        most_forwards=max(forwards),
        optimizer_steps=mean("optimizer_steps"),
        evaluations=mean("evaluations"),
        extended=float(np.mean([count > 200 for count in forwards])),
    )


@attrs.frozen(kw_only=True)
class Calibration:
    """What a finder's intervals are worth.

    Args:
        distances: how far outside of its interval the best constant rate lies, in decades, sorted; 0 within, infinite
            without an answer.
        width: the median width, in decades.
    """

    distances: tuple[float, ...]
    width: float

    def share(self, within: float) -> float:
        """The share of suggestions whose interval the best rate is within so many decades of."""
        return sum(distance <= within + 1e-9 for distance in self.distances) / len(self.distances)


def calibration(rows: Iterable[Row], truths: Truths) -> Calibration | None:
    """Of the finder's intervals for constant training; None if it gives none."""
    distances, widths = [], []
    for row in rows:
        if row["task"] not in truths:
            continue
        if row["low"] is None:
            distances.append(math.inf)
            continue
        best, low, high = (math.log10(rate) for rate in (truths[row["task"]].best("constant"), row["low"], row["high"]))
        distances.append(max(0.0, low - best, best - high))
        widths.append(high - low)
    if not widths:
        return None
    return Calibration(distances=tuple(sorted(distances)), width=float(np.median(widths)))


def movement(rows: Iterable[Row], others: Iterable[Row], protocol: Protocol) -> float | None:
    """Median distance, in decades, between what two sets of suggestions say about the same task and seed."""
    there = {(row["task"], row["seed"]): suggested(row, protocol) for row in others}
    moved = [
        abs(math.log10(rate / other))
        for row in rows
        if (rate := suggested(row, protocol)) and (other := there.get((row["task"], row["seed"])))
    ]
    return float(np.median(moved)) if moved else None


def as_json(value: Any) -> Any:
    """A summary as plain values."""
    return None if value is None else attrs.asdict(value)
