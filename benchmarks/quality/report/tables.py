"""The tables of `docs/quality.md`."""

from collections.abc import Callable, Iterable

import numpy as np

from benchmarks.pages import table
from benchmarks.quality.ground_truth import PROTOCOLS, Protocol
from benchmarks.quality.regret import TaskRegret
from benchmarks.quality.report.measurements import DEFAULT, LENGTHS, Measurements
from benchmarks.quality.report.statistics import calibration, movement, steps, suggested
from benchmarks.quality.store import Row
from benchmarks.quality.tasks.registry import TASKS, group_of

# Distances to the interval, in decades, for which the share of suggestions is given.
WITHIN = (0.0, 0.25, 0.5, 1.0)


def sections(measured: Measurements) -> dict[str, str]:
    """Return the tables of the page, by the name of their markers."""
    parts: dict[str, Callable[[Measurements], str]] = {
        "tasks": _tasks,
        "regret": _regret,
        "by-task-constant": lambda measured: _by_task(measured, "constant"),
        "by-task-onecycle": lambda measured: _by_task(measured, "onecycle"),
        "suggestions": _suggestions,
        "calibration": _calibration,
        "length": _length,
        "steps": _steps,
        "held-out": _held_out,
    }
    return {name: part(measured) for name, part in parts.items()}


def _tasks(measured: Measurements) -> str:
    return table(
        ["task", "group", "what it is", "steps", "best constant", "best one-cycle"],
        [
            [
                task,
                group_of(task),
                TASKS[task].about,
                TASKS[task].steps,
                *(f"{regret.best_lr(protocol):.2g}" for protocol in PROTOCOLS),
            ]
            for task, regret in measured.task_regrets.items()
        ],
    )


def _regret(measured: Measurements) -> str:
    def line(name: str) -> list[str]:
        regret, *by_group = (by_finder.get(name) for by_finder in measured.finder_regrets.values())
        assert regret is not None  # the finder is complete
        cost = steps(measured.rows[name])
        return [
            f"**{name}**" if name.startswith(DEFAULT) else name,
            f"{regret.mean:.3f} ({regret.low:.2f} to {regret.high:.2f})",
            *(f"{in_group.mean:.3f}" if in_group else "" for in_group in by_group),
            " / ".join(f"{regret.by_protocol[protocol]:.3f}" for protocol in PROTOCOLS),
            " / ".join(_percent(regret.bad[protocol]) for protocol in PROTOCOLS),
            " / ".join(_percent(regret.catastrophic[protocol]) for protocol in PROTOCOLS),
            f"{regret.worst_task:.2f}",
            f"{regret.unanswered} of {regret.suggestions}",
            f"{cost.forwards:.0f}" if cost else "0",
        ]

    header = [
        "finder",
        "regret, all tasks",
        "original eight",
        "own",
        "constant / one-cycle",
        "bad",
        "catastrophic",
        "worst task",
        "no answer",
        "steps",
    ]
    return table(header, [line(name) for name in measured.complete()])


def _by_task(measured: Measurements, protocol: Protocol) -> str:
    names = measured.shown()

    def cell(name: str, regret: TaskRegret) -> str:
        rates = [suggested(row, protocol) for row in measured.rows[name] if row["task"] == regret.task]
        return f"{np.mean([regret.at(rate, protocol) for rate in rates]):.2f}"

    rows = [
        [task, group_of(task), *(cell(name, regret) for name in names)]
        for task, regret in measured.task_regrets.items()
    ]
    return table(["task", "group", *names], rows)


def _suggestions(measured: Measurements) -> str:
    names = measured.shown()

    def cell(name: str, task: str) -> str:
        medians = []
        for protocol in PROTOCOLS:
            rates = [suggested(row, protocol) for row in measured.rows[name] if row["task"] == task]
            answered = [rate for rate in rates if rate]
            medians.append(f"{np.median(answered):.2g}" if answered else "none")
        return medians[0] if medians[0] == medians[1] else " / ".join(medians)

    rows = [
        [
            task,
            " / ".join(f"{regret.best_lr(protocol):.2g}" for protocol in PROTOCOLS),
            *(cell(name, task) for name in names),
        ]
        for task, regret in measured.task_regrets.items()
    ]
    return table(["task", "best", *names], rows)


def _calibration(measured: Measurements) -> str:
    def lines() -> Iterable[list[str]]:
        for name in measured.complete():
            for group, tasks in measured.groups().items():
                intervals = calibration(measured.rows[name], tasks)
                if intervals:
                    shares = [_percent(intervals.share(within)) for within in WITHIN]
                    yield [name, group, *shares, f"{intervals.width:.2f}"]

    header = ["finder", "tasks", "in the interval", *(f"within {within:g} decades" for within in WITHIN[1:])]
    return table([*header, "median width (decades)"], lines())


def other_lengths(measured: Measurements) -> list[tuple[list[Row], int, list[Row]]]:
    """Return the rows of the default finder, another length of its sweep, and the rows at that length."""
    return [
        (measured.rows[DEFAULT], length, measured.rows[name])
        for length, name in LENGTHS.items()
        if name in measured.complete()
    ]


def _length(measured: Measurements) -> str:
    rows = []
    for default, length, others in other_lengths(measured):
        regret = measured.finder_regrets["all"][LENGTHS[length]]
        moved = [movement(default, others, protocol) for protocol in PROTOCOLS]
        rows.append([length, *(f"{value:.2f}" for value in moved if value is not None), f"{regret.mean:.3f}"])
    return table(["steps", "`lr` moves by (decades)", "`max_lr` moves by (decades)", "regret"], rows)


def _steps(measured: Measurements) -> str:
    def lines() -> Iterable[list[str]]:
        for name in measured.complete():
            cost = steps(measured.rows[name])
            if cost:
                updates, evaluations = (
                    "not counted" if count is None else f"{count:.0f}"
                    for count in (cost.optimizer_steps, cost.evaluations)
                )
                yield [
                    name,
                    next((row["version"] for row in measured.rows[name] if row.get("version")), ""),
                    f"{cost.forwards:.0f}",
                    str(cost.most_forwards),
                    updates,
                    evaluations,
                    _percent(cost.extended),
                ]

    header = ["finder", "version", "forward passes", "the most", "updates", "evaluations", "over 200 passes"]
    return table(header, lines())


def _held_out(measured: Measurements) -> str:
    return table(
        [
            "the constants were chosen",
            "and judged on",
            "part of the way",
            "down, constant",
            "down, one-cycle",
            "regret",
        ],
        [
            [
                line["chosen"],
                line["judged"],
                *(f"{line[name]:.2f}" for name in ("part", "down", "down_one_cycle")),
                f"{line['regret']:.3f}",
            ]
            for line in measured.choices
        ],
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
