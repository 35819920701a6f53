"""The tables of verdicts and intervals, on the bank."""

from collections.abc import Callable

from benchmarks.pages import table, table_or_nothing
from benchmarks.quality.bank.generator import AXES
from benchmarks.quality.bank.measuring import PER_DECADE
from benchmarks.quality.report.measurements import OURS, BankMeasurements
from benchmarks.quality.report.reliability import confident_and_bad, coverage, reliabilities
from benchmarks.quality.report.tables.cells import percent


def _reliability(bank: BankMeasurements) -> str:
    classes = reliabilities(bank.of_form(OURS), bank.task_regrets)
    if not classes:
        return ""
    return table(
        ["stated chance", "answers", "trainings", "were bad", "90 %"],
        [
            [
                f"{100 * part.least:.0f} to {percent(part.most)}",
                part.answers,
                part.tasks,
                percent(part.measured),
                f"{100 * part.low:.0f} to {percent(part.high)}",
            ]
            for part in classes
        ],
        numbers=True,
    )


def _confident(bank: BankMeasurements) -> str:
    lines = []
    for axis in AXES:
        rows = bank.of_form(OURS, axis)
        found = confident_and_bad(rows, bank.task_regrets)
        if found and found[0]:
            answered = sum(row["lr"] is not None for row in rows)
            lines.append([axis, answered, f"{found[0]} ({percent(found[0] / answered)})", percent(found[1] / found[0])])
    return table_or_nothing(["held out by", "answers", "confident", "of them bad"], lines, numbers=True)


def _coverage(bank: BankMeasurements) -> str:
    lines = []
    for axis in AXES:
        found = coverage(bank.of_form(OURS, axis), bank.task_regrets, 0.5 / PER_DECADE)
        if found:
            lines.append([axis, found.answers, percent(found.inside), percent(found.near), f"{found.width:.2f}"])
    header = ["held out by", "answers", "inside", "or half a step away", "decades wide"]
    return table_or_nothing(header, lines, numbers=True)


PARTS: dict[str, Callable[[BankMeasurements], str]] = {
    "reliability": _reliability,
    "confident": _confident,
    "coverage": _coverage,
}
