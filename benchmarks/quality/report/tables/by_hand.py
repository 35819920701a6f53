"""The tables of the tasks that were made by hand."""

from collections.abc import Callable

import numpy as np

from benchmarks.pages import table, table_or_nothing
from benchmarks.quality.ground_truth import PROTOCOLS
from benchmarks.quality.regret import TaskRegret
from benchmarks.quality.report.measurements import DEFAULT, LENGTHS, PEERS, TaskMeasurements, label
from benchmarks.quality.report.reliability import confident_and_bad, coverage
from benchmarks.quality.report.statistics import movement, steps, suggested
from benchmarks.quality.report.tables.cells import mean_percent, percent, regret_and_interval
from benchmarks.quality.store import Row
from benchmarks.quality.tasks.registry import TASKS

# The finders that are shown task by task.
_SHOWN = (DEFAULT, "lrrange_confirm", "fastai_valley", "fastai_minimum", "default")

# Their grid has four rates a decade.
_HALF_A_STEP = 0.125


def _tasks(measured: TaskMeasurements) -> str:
    return table(
        ["task", "what it is", "steps", "best constant", "best one-cycle"],
        [
            [task, TASKS[task].about, TASKS[task].steps, *(f"{regret.best_lr(protocol):.2g}" for protocol in PROTOCOLS)]
            for task, regret in measured.task_regrets.items()
        ],
    )


def _regret(measured: TaskMeasurements) -> str:
    def line(name: str) -> list[str]:
        regret, cost = measured.finder_regrets[name], steps(measured.rows[name])
        return [
            f"**{label(name)}**" if name.startswith(DEFAULT) else label(name),
            regret_and_interval(regret),
            " / ".join(f"{regret.by_protocol[protocol]:.3f}" for protocol in PROTOCOLS),
            f"{mean_percent(regret.bad)} / {mean_percent(regret.catastrophic)}",
            percent(regret.unanswered / regret.suggestions),
            f"{cost.forwards:.0f}" if cost else "0",
        ]

    header = ["finder", "regret (90 %)", "constant / one-cycle", "bad / catastrophic", "no answer", "steps"]
    return table(header, [line(name) for name in measured.complete()], numbers=True)


def _by_hand(measured: TaskMeasurements) -> str:
    """Return a sentence on the default finder, and on the best finder of another package."""
    peer = next((name for name in measured.complete() if name in PEERS), None)
    if peer is None or DEFAULT not in measured.complete():
        return ""
    ours, theirs = measured.finder_regrets[DEFAULT], measured.finder_regrets[peer]
    return (
        f"On these {len(measured.task_regrets)} trainings, lrrange gives away {percent(ours.mean)}, and the best other "
        f"finder, {label(peer)}, {percent(theirs.mean)}. Of their answers, {mean_percent(ours.bad)} "
        f"and {mean_percent(theirs.bad)} are bad."
    )


def _by_task(measured: TaskMeasurements) -> str:
    names = [name for name in _SHOWN if name in measured.complete()]

    def cell(name: str, regret: TaskRegret) -> str:
        rows = [row for row in measured.rows[name] if row["task"] == regret.task]
        means = [np.mean([regret.at(suggested(row, protocol), protocol) for row in rows]) for protocol in PROTOCOLS]
        return " / ".join(f"{mean:.2f}" for mean in means)

    rows = [[task, *(cell(name, regret) for name in names)] for task, regret in measured.task_regrets.items()]
    return table(["task", *map(label, names)], rows, numbers=True)


def _verdicts(measured: TaskMeasurements) -> str:
    lines = []
    for name in measured.complete(name for name in _SHOWN if name.startswith(DEFAULT)):
        rows = measured.rows[name]
        found, verdicts = (
            coverage(rows, measured.task_regrets, _HALF_A_STEP),
            confident_and_bad(rows, measured.task_regrets),
        )
        if found:
            trusted = (
                [f"{verdicts[0]} of {len(rows)}", percent(verdicts[1] / max(1, verdicts[0]))] if verdicts else ["", ""]
            )
            lines.append([label(name), percent(found.inside), percent(found.near), f"{found.width:.2f}", *trusted])
    header = ["finder", "best rate inside", "or half a step away", "median width (decades)", "confident", "of them bad"]
    return table_or_nothing(header, lines)


def other_lengths(measured: TaskMeasurements) -> list[tuple[list[Row], int, list[Row]]]:
    """Return the rows of the default finder, another length of its sweep, and the rows at that length."""
    return [
        (measured.rows[DEFAULT], length, measured.rows[name])
        for length, name in LENGTHS.items()
        if name in measured.complete()
    ]


def _length(measured: TaskMeasurements) -> str:
    rows = []
    for default, length, others in other_lengths(measured):
        moved = [movement(default, others, protocol) for protocol in PROTOCOLS]
        regret = measured.finder_regrets[LENGTHS[length]]
        rows.append([length, *("" if value is None else f"{value:.2f}" for value in moved), f"{regret.mean:.3f}"])
    header = ["steps", "`lr` moves by (decades)", "`max_lr` moves by (decades)", "regret"]
    return table_or_nothing(header, rows)


PARTS: dict[str, Callable[[TaskMeasurements], str]] = {
    "by-hand": _by_hand,
    "tasks": _tasks,
    "regret": _regret,
    "by-task": _by_task,
    "verdicts": _verdicts,
    "length": _length,
}
