"""Statistics of a finder: regret, steps and movement, from its suggestions and the ground truth."""

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
    by_task = np.array([*regret_by_task(rows, task_regrets, strict=strict).values()])
    low, high = interval_of_mean(by_task)
    return FinderRegret(
        mean=float(by_task.mean()),
        low=low,
        high=high,
        by_protocol={protocol: float(values.mean()) for protocol, values in by_protocol.items()},
        bad={protocol: float((values > BAD).mean()) for protocol, values in by_protocol.items()},
        catastrophic={protocol: float((values > CATASTROPHIC).mean()) for protocol, values in by_protocol.items()},
        worst_task=float(by_task.max()),
        unanswered=sum(row["lr"] is None for row in rows),
        suggestions=len(rows),
    )


def regret_by_task(rows: Iterable[Row], task_regrets: TaskRegrets, *, strict: bool = True) -> dict[str, float]:
    """Return the mean over the rows and both protocols for each task that has rows."""
    values: dict[str, list[float]] = {}
    for row in rows:
        if row["task"] in task_regrets:
            values.setdefault(row["task"], []).extend(
                task_regrets[row["task"]].at(suggested(row, protocol), protocol, strict=strict)
                for protocol in PROTOCOLS
            )
    return {task: float(np.mean(values[task])) for task in task_regrets if task in values}


def interval_of_mean(values: Sequence[float] | np.ndarray) -> tuple[float, float]:
    """Return the interval that holds 90 % of the means over resampled values."""
    resampled = np.asarray(values)[resamples(len(values))].mean(1)
    return float(np.percentile(resampled, 5)), float(np.percentile(resampled, 95))


def resamples(count: int) -> np.ndarray:
    """Return the indices of many samples of this many values, drawn with replacement; the same ones every time."""
    return np.random.RandomState(0).randint(count, size=(_RESAMPLES, count))


@attrs.frozen(kw_only=True)
class Difference:
    """How much more one finder gives away than another on the same tasks: the mean, and 90 % of resampled means."""

    mean: float
    low: float
    high: float


def difference(rows: Iterable[Row], others: Iterable[Row], task_regrets: TaskRegrets) -> Difference | None:
    """Return the regret of `rows` less that of `others`, task by task; None if they share no task."""
    ours, theirs = regret_by_task(rows, task_regrets), regret_by_task(others, task_regrets)
    differences = [ours[task] - theirs[task] for task in ours if task in theirs]
    if not differences:
        return None
    low, high = interval_of_mean(differences)
    return Difference(mean=float(np.mean(differences)), low=low, high=high)


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
