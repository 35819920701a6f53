"""The report: every figure of `docs/quality.md`, made from what is stored, and put between the markers of the page."""

import functools
import json
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from benchmarks.quality.ground_truth import PROTOCOLS
from benchmarks.quality.regret import Truth
from benchmarks.quality.report.cross_validation import recorded_readings, study
from benchmarks.quality.report.statistics import (
    Regret,
    Truths,
    as_json,
    calibration,
    movement,
    regret,
    steps,
    suggested,
)
from benchmarks.quality.store import Row, Store
from benchmarks.quality.tasks.registry import GROUPS, TASKS, group_of
from lrrange.advice.midway import FallAndBlowUp

PAGE = Path(__file__).resolve().parents[3] / "docs" / "quality.md"

DEFAULT = "lrrange"

# The finders that are shown task by task.
SHOWN = (DEFAULT, "lrrange_confirm", "lrrange_confirm_held_out", "fastai_valley", "fastai_minimum", "ignite", "default")

# Other lengths of the default's sweep, by the name of the finder that takes so many steps.
LENGTHS = {100: "lrrange_100_steps", 400: "lrrange_400_steps"}

_WITHIN = (0.0, 0.25, 0.5, 1.0)


@attrs.frozen(slots=False)
class Measurements:
    """All that is stored of the tasks whose ground truth is known.

    Args:
        truths: by task.
        rows: suggestions by finder.
        readings: what the default reads from each task's recorded sweeps.
    """

    truths: Truths
    rows: dict[str, list[Row]]
    readings: dict[str, list[FallAndBlowUp | None]]

    @classmethod
    def read(cls, store: Store) -> "Measurements":
        """From a store."""
        truths = {task: Truth(task, store) for task in store.measured()}
        rows = {name: store.suggestions(name) for name in store.finders()}
        return cls(truths, rows, recorded_readings(store, truths))

    def group(self, name: str) -> Truths:
        """The truths of one group of tasks."""
        return {task: truth for task, truth in self.truths.items() if group_of(task) == name}

    def groups(self) -> dict[str, Truths]:
        """All tasks, and each group of them."""
        return {"all": self.truths, **{name: self.group(name) for name in GROUPS}}

    @functools.cached_property
    def regrets(self) -> dict[str, dict[str, Regret]]:
        """By group of tasks, and by finder that was asked about all of them, the best first."""
        by_group = {}
        for group, truths in self.groups().items():
            found = {name: of_finder for name, rows in self.rows.items() if (of_finder := regret(rows, truths))}
            by_group[group] = dict(sorted(found.items(), key=lambda item: (item[1].mean, item[0])))
        return by_group

    def complete(self) -> list[str]:
        """The finders that were asked about every task, the best first."""
        return list(self.regrets["all"])

    def shown(self) -> list[str]:
        """The finders to show task by task, as far as they are complete."""
        return [name for name in SHOWN if name in self.complete()]

    @functools.cached_property
    def study(self) -> list[dict[str, Any]]:
        """How the default does with its constants chosen on some tasks and judged on others."""
        groups = {f"{name} {len(tasks)}": tasks for name in GROUPS for tasks in [list(self.group(name))] if tasks}
        return study(self.readings, self.truths, groups if len(groups) > 1 else {})


def summary(measured: Measurements) -> dict[str, Any]:
    """Every figure, as plain values."""
    return {
        "tasks": {name: list(truths) for name, truths in measured.groups().items()},
        "finders": {
            name: {
                "strict": {group: as_json(found.get(name)) for group, found in measured.regrets.items()},
                "plain": {
                    group: as_json(regret(rows, truths, strict=False)) for group, truths in measured.groups().items()
                },
                "steps": as_json(steps(rows)),
                "calibration": [
                    {"within": within, "share": found.share(within), "width": found.width}
                    for found in [calibration(rows, measured.truths)]
                    if found
                    for within in _WITHIN
                ],
            }
            for name, rows in sorted(measured.rows.items())
        },
        "length": [
            {"steps": length, **{protocol: movement(default, rows, protocol) for protocol in PROTOCOLS}}
            for default, length, rows in _lengths(measured)
        ],
        "study": measured.study,
    }


def sections(measured: Measurements) -> dict[str, str]:
    """The generated parts of the page, by the name of their markers."""
    parts: dict[str, Callable[[Measurements], str]] = {
        "tasks": _tasks,
        "regret": _regret,
        "by-task-constant": lambda measured: _by_task(measured, 0),
        "by-task-onecycle": lambda measured: _by_task(measured, 1),
        "suggestions": _suggestions,
        "calibration": _calibration,
        "length": _length,
        "steps": _steps,
        "held-out": _held_out,
    }
    return {name: part(measured) for name, part in parts.items()}


def fill(page: str, generated: dict[str, str]) -> str:
    """The page with these parts between their markers."""
    for name, text in generated.items():
        between = re.compile(rf"(<!-- {name}: generated -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        page, found = between.subn(lambda match, text=text: f"{match[1]}\n{text}\n\n{match[2]}", page)
        if found != 1:
            raise ValueError(f"the page has {found} pairs of markers called {name}, not one.")
    return page


def write(store: Store, page: Path = PAGE) -> None:
    """Make the figures, the tables and the plots anew."""
    from benchmarks.quality.report.plots import draw

    measured = Measurements.read(store)
    (store.root / "report.json").write_text(json.dumps(summary(measured), indent=1) + "\n")
    page.write_text(fill(page.read_text(), sections(measured)))
    draw(measured, page.parent / "images")


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table in Markdown."""
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows])


def _tasks(measured: Measurements) -> str:
    return table(
        ["task", "group", "what it is", "steps", "best constant", "best one-cycle"],
        [
            [task, group_of(task), TASKS[task].about, TASKS[task].steps, *(f"{truth.best(p):.2g}" for p in PROTOCOLS)]
            for task, truth in measured.truths.items()
        ],
    )


def _regret(measured: Measurements) -> str:
    def line(name: str) -> list[str]:
        found, *by_group = (of_group.get(name) for of_group in measured.regrets.values())
        assert found is not None  # the finder is complete
        cost = steps(measured.rows[name])
        return [
            f"**{name}**" if name.startswith(DEFAULT) else name,
            f"{found.mean:.3f} ({found.low:.2f} to {found.high:.2f})",
            *(f"{of_group.mean:.3f}" if of_group else "" for of_group in by_group),
            " / ".join(f"{found.by_protocol[protocol]:.3f}" for protocol in PROTOCOLS),
            " / ".join(_percent(found.bad[protocol]) for protocol in PROTOCOLS),
            " / ".join(_percent(found.catastrophic[protocol]) for protocol in PROTOCOLS),
            f"{found.worst_task:.2f}",
            f"{found.unanswered} of {found.suggestions}",
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


def _by_task(measured: Measurements, number: int) -> str:
    protocol, names = PROTOCOLS[number], measured.shown()

    def cell(name: str, truth: Truth) -> str:
        rates = [suggested(row, protocol) for row in measured.rows[name] if row["task"] == truth.name]
        return f"{np.mean([truth.regret(rate, protocol) for rate in rates]):.2f}"

    rows = [[task, group_of(task), *(cell(name, truth) for name in names)] for task, truth in measured.truths.items()]
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
            " / ".join(f"{truth.best(protocol):.2g}" for protocol in PROTOCOLS),
            *(cell(name, task) for name in names),
        ]
        for task, truth in measured.truths.items()
    ]
    return table(["task", "best", *names], rows)


def _calibration(measured: Measurements) -> str:
    def lines() -> Iterable[list[str]]:
        for name in measured.complete():
            for group, truths in measured.groups().items():
                found = calibration(measured.rows[name], truths)
                if found:
                    shares = [_percent(found.share(within)) for within in _WITHIN]
                    yield [name, group, *shares, f"{found.width:.2f}"]

    header = ["finder", "tasks", "in the interval", *(f"within {within:g} decades" for within in _WITHIN[1:])]
    return table([*header, "median width (decades)"], lines())


def _lengths(measured: Measurements) -> list[tuple[list[Row], int, list[Row]]]:
    return [
        (measured.rows[DEFAULT], length, measured.rows[name])
        for length, name in LENGTHS.items()
        if name in measured.complete()
    ]


def _length(measured: Measurements) -> str:
    rows = []
    for default, length, others in _lengths(measured):
        found = measured.regrets["all"][LENGTHS[length]]
        moved = [movement(default, others, protocol) for protocol in PROTOCOLS]
        rows.append([length, *(f"{value:.2f}" for value in moved if value is not None), f"{found.mean:.3f}"])
    return table(["steps", "`lr` moves by (decades)", "`max_lr` moves by (decades)", "regret"], rows)


def _steps(measured: Measurements) -> str:
    def lines() -> Iterable[list[str]]:
        for name in measured.complete():
            found = steps(measured.rows[name])
            if found:
                updates, evaluations = (
                    "not counted" if count is None else f"{count:.0f}"
                    for count in (found.optimizer_steps, found.evaluations)
                )
                yield [
                    name,
                    next((row["version"] for row in measured.rows[name] if row.get("version")), ""),
                    f"{found.forwards:.0f}",
                    str(found.most_forwards),
                    updates,
                    evaluations,
                    _percent(found.extended),
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
            for line in measured.study
        ],
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
