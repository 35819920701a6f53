"""Whether a verdict means what it says: its chance of bad advice against what was measured, and its intervals."""

import itertools
import math
from collections.abc import Sequence

import attrs
import numpy as np

from benchmarks.quality.report.statistics import BAD, TaskRegrets, resamples
from benchmarks.quality.store import Row
from lrrange.advice.calibration import CONFIDENT_BELOW

# The edges of the classes of expected chances.
_EDGES = (0.0, CONFIDENT_BELOW, 0.1, 0.2, 0.3, 0.5, 1.0)


@attrs.frozen(kw_only=True)
class Reliability:
    """The answers whose expected chance to be bad is in one class.

    Args:
        least, most: the class.
        answers, tasks: the number of answers, and of the tasks that they are for.
        expected: mean of their expected chances.
        measured: the share of them that is bad: a constant training at the rate gives away more than 0.1.
        low, high: the interval that holds 90 % of the shares over resampled tasks.
    """

    least: float
    most: float
    answers: int
    tasks: int
    expected: float
    measured: float
    low: float
    high: float


def reliabilities(rows: Sequence[Row], task_regrets: TaskRegrets) -> list[Reliability]:
    """Return the reliability of each class of expected chances that has answers."""
    judged = [
        row
        for row in rows
        if row["task"] in task_regrets and row["lr"] is not None and row["chance_of_bad"] is not None
    ]
    return [
        _of_class(inside, task_regrets, least, most)
        for least, most in itertools.pairwise(_EDGES)
        if (
            inside := [
                row for row in judged if least <= row["chance_of_bad"] < most or row["chance_of_bad"] == most == 1
            ]
        )
    ]


def _of_class(rows: Sequence[Row], task_regrets: TaskRegrets, least: float, most: float) -> Reliability:
    by_task: dict[str, list[bool]] = {}
    for row in rows:
        by_task.setdefault(row["task"], []).append(is_bad(row, task_regrets))
    bad, counts = (np.array([count(values) for values in by_task.values()]) for count in (sum, len))
    # Answers for one task are not independent of each other, so tasks are resampled.
    resampled = resamples(len(counts))
    low, high = np.percentile(bad[resampled].sum(1) / counts[resampled].sum(1), [5, 95])
    return Reliability(
        least=least,
        most=most,
        answers=len(rows),
        tasks=len(by_task),
        expected=float(np.mean([row["chance_of_bad"] for row in rows])),
        measured=float(bad.sum() / counts.sum()),
        low=float(low),
        high=float(high),
    )


def is_bad(row: Row, task_regrets: TaskRegrets) -> bool:
    """Return whether a constant training at the suggested rate gives away more than 0.1."""
    return task_regrets[row["task"]].at(row["lr"], "constant") > BAD


def confident_and_bad(rows: Sequence[Row], task_regrets: TaskRegrets) -> tuple[int, int] | None:
    """Return the number of confident answers, and how many of them are bad; None if there are no verdicts."""
    verdicts = [(row, _is_confident(row)) for row in rows if row["task"] in task_regrets and row["lr"] is not None]
    confident = [row for row, trusted in verdicts if trusted]
    if all(trusted is None for _, trusted in verdicts):
        return None
    return len(confident), sum(is_bad(row, task_regrets) for row in confident)


def _is_confident(row: Row) -> bool | None:
    if row.get("chance_of_bad") is not None:
        return bool(row["chance_of_bad"] < CONFIDENT_BELOW)
    return row.get("confident")


@attrs.frozen(kw_only=True)
class Coverage:
    """How often intervals hold the best constant rate.

    Args:
        answers: the number of answers with an interval.
        inside, near: the share of them whose interval holds the best rate, and that miss it by no more than `within`.
        width: median width of the intervals, in decades.
    """

    answers: int
    inside: float
    near: float
    width: float


def coverage(rows: Sequence[Row], task_regrets: TaskRegrets, within: float) -> Coverage | None:
    """Return the coverage of these rows' intervals; None if there are none.

    Args:
        rows, task_regrets: the answers and the tasks.
        within: decades by which an interval may miss the best rate to count as near.
    """
    distances, widths = [], []
    for row in rows:
        if row["task"] in task_regrets and row["low"] is not None:
            best = math.log10(task_regrets[row["task"]].best_lr("constant"))
            low, high = math.log10(row["low"]), math.log10(row["high"])
            distances.append(max(0.0, low - best, best - high))
            widths.append(high - low)
    if not widths:
        return None

    def share(most: float) -> float:
        return float(np.mean([distance <= most + 1e-9 for distance in distances]))

    return Coverage(answers=len(widths), inside=share(0), near=share(within), width=float(np.median(widths)))
