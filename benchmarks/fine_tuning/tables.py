"""The tables of `docs/guides/fine-tuning.md`."""

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from benchmarks.fine_tuning.answers import FORMS, RULES, UNTOLD
from benchmarks.fine_tuning.grid import STARTS, Row, read_rows
from benchmarks.fine_tuning.regret import Fate, fate
from benchmarks.fine_tuning.tasks import TASKS
from benchmarks.pages import table
from benchmarks.quality.schedules.peaks import Measured, read, summary

# Rates that people give without a range test; the second is the Trainer's default.
_FIXED = (1e-5, 5e-5, 1e-3)

_NAMES = {"onecycle": "one cycle", "linear": "linear decay", "cosine": "cosine decay", "steps": "x 0.1 at 60 and 85 %"}


@attrs.frozen(eq=False, kw_only=True)
class Measurements:
    """Everything that the page is made from.

    Args:
        about: of the pretrained model.
        grid: rows of complete fine-tunings.
        answers: rows of what range tests answered.
        schedules: tasks of the bank under several schedules.
    """

    about: dict[str, Any]
    grid: Sequence[Row]
    answers: Sequence[Row]
    schedules: Sequence[Measured]

    @classmethod
    def read(cls, folder: Path, schedules: Path) -> "Measurements":
        """Return what is stored in these folders."""
        return cls(
            about=json.loads((folder / "about.json").read_text()),
            grid=read_rows(folder / "grid.json"),
            answers=read_rows(folder / "answers.json"),
            schedules=read(schedules),
        )

    def fate(self, task: str, start: str = "pretrained") -> Fate:
        """Return what became of a task at the rates of the grid."""
        return fate(self.grid, task, start)


def sections(measured: Measurements) -> dict[str, str]:
    """Return the generated parts of the page, by name."""
    return {
        "model": _model(measured.about),
        "grid": _grid(measured),
        "best": _best(measured),
        "forgetting": _forgetting(measured),
        "answers": _answers(measured),
        "rates": _rates_answered(measured),
        "schedules": _schedules(measured.schedules),
    }


def _model(about: dict[str, Any]) -> str:
    recipe = about["recipe"]
    return table(
        ("model", "GPT-2"),
        [
            ("layers, width, parameters", f"{recipe['layers']}, {recipe['width']}, {about['parameters']:,}"),
            ("characters and tokens of text", f"{about['characters']:,} and {about['tokens']:,}"),
            ("steps and tokens of pretraining", f"{recipe['steps']:,} and {about['tokens_seen']:,}"),
            ("perplexity of a token, held-out files", f"{about['held_out_perplexity']:g}"),
            ("the same, by how often a token comes", f"{about['unigram_perplexity']:g}"),
        ],
        numbers=True,
    )


def _grid(measured: Measurements) -> str:
    fates = {name: measured.fate(name) for name in TASKS}
    rates = next(iter(fates.values())).lr
    rows = []
    for name, of_task in fates.items():
        means = of_task.by_seed("loss").mean(1)
        cells = [_bold(f"{loss:.3f}", loss == np.nanmin(means)) for loss in means]
        rows.append((name, f"{of_task.initial:.3f}", *cells))
        if TASKS[name].labels is not None:
            right = of_task.by_seed("accuracy").mean(1)
            untrained = np.mean([row["accuracy"] for row in of_task.rows if not row["lr"]])
            rows.append(("... accuracy", f"{untrained:.2f}", *(f"{part:.2f}" for part in right)))
    return table(("peak", "none", *map(_rate, rates)), rows, numbers=True)


def _forgetting(measured: Measurements) -> str:
    rows = []
    for name in TASKS:
        of_task = measured.fate(name)
        rows.append((name, *(f"{loss:.2f}" for loss in np.nanmean(of_task.by_seed("before"), 1))))
    return table(("peak", *map(_rate, measured.fate(next(iter(TASKS))).lr)), rows, numbers=True)


def _best(measured: Measurements) -> str:
    rows = []
    for name in TASKS:
        for start in STARTS:
            of_task = measured.fate(name, start)
            low, high = map(_rate, of_task.good)
            rows.append((name, start, _rate(of_task.best_lr), f"{low} to {high}", f"{of_task.loss.min():.3f}"))
    return table(("task", "weights", "best rate", "as good", "loss"), rows, numbers=True)


def _answers(measured: Measurements) -> str:
    rows = [_line(f"`find_lr`, {form}", measured, form, "peak") for form in (*FORMS, UNTOLD)]
    rows.append(_line("`find_lr`, plain, `result.lr`", measured, "plain", "lr"))
    rows += [_line(f'"{rule}"', measured, rule, "lr") for rule in RULES]
    rows += [_line(f"always {_rate(lr)}", measured, lr, "lr") for lr in _FIXED]
    return table(("answer", *TASKS, "mean", "accuracy"), rows, numbers=True)


def _rates_answered(measured: Measurements) -> str:
    forms = [(f"`find_lr`, {form}", form, "peak") for form in (*FORMS, UNTOLD)]
    forms.append(("`find_lr`, plain, `result.lr`", "plain", "lr"))
    forms += [(f'"{rule}"', rule, "lr") for rule in RULES]
    rows = [
        (title, *(_span(answered(measured, name, form, column)) for name in TASKS)) for title, form, column in forms
    ]
    return table(("answer", *TASKS), rows, numbers=True)


def answered(measured: Measurements, task: str, form: str | float, column: str) -> list[float | None]:
    """Return the rates that a form answered on a task, one for each seed; None for a refusal. A number is itself."""
    if isinstance(form, float):
        return [form]
    return [row.get(column) for row in measured.answers if row["task"] == task and row["form"] == form]


def mean_regret(measured: Measurements, task: str, form: str | float, column: str, judge: str = "loss") -> float:
    """Return the mean regret of a form's answers on a task, over the seeds."""
    return float(
        np.mean([measured.fate(task).regret(lr, judge) for lr in answered(measured, task, form, column)] or [math.nan])
    )


def _line(title: str, measured: Measurements, form: str | float, column: str) -> list[str]:
    regrets = [mean_regret(measured, name, form, column) for name in TASKS]
    classes = [name for name in TASKS if TASKS[name].labels is not None]
    by_accuracy = np.mean([mean_regret(measured, name, form, column, "accuracy") for name in classes])
    return [title, *(f"{regret:.3f}" for regret in (*regrets, np.mean(regrets), by_accuracy))]


def _span(rates: Iterable[float | None]) -> str:
    known = sorted(lr for lr in rates if lr is not None)
    if not known:
        return "none"
    return _rate(known[0]) if len(known) == 1 else f"{_rate(known[0])} to {_rate(known[-1])}"


def _schedules(tasks: Sequence[Measured]) -> str:
    found = summary(tasks)
    rows = []
    for schedule, numbers in found["schedules"].items():
        low, middle, high = numbers["position"]
        regrets = [
            _bold(f"{regret:.3f}", regret == min(numbers["regret"].values())) for regret in numbers["regret"].values()
        ]
        rows.append(
            (
                _NAMES.get(schedule, schedule),
                f"{middle:.2f} ({low:.2f} to {high:.2f})",
                f"{numbers['over_constant'][1]:.1f}",
                *regrets,
            )
        )
    header = ("schedule", "best peak", "factor", "constant", "mean", "cycle")
    return table(header, rows, numbers=True)


def _bold(text: str, best: bool) -> str:
    return f"**{text}**" if best else text


def _rate(lr: float) -> str:
    mantissa, exponent = f"{lr:.1e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}"
