"""The page of a grid of range tests: a row for each setting, and below it the reasons, each once, by their numbers."""

from collections.abc import Mapping, Sequence
from typing import Any

from lrrange.advice.advice import Advice
from lrrange.errors import LRRangeError
from lrrange.printable import brief
from lrrange.quantity import LOSS
from lrrange.report.formatting import format_rate
from lrrange.report.pages.page import Column, Fact, Facts, Page, Row, Rows

# Longer values of a setting, such as the text of an object, are cut.
_LONGEST_VALUE = 24


def page_of_grid(cells: Sequence[tuple[Mapping[str, Any], Advice]]) -> Page:
    """Return the page of a grid: the rate and the range under each setting, and the doubts or the reasons for none.

    Args:
        cells: each setting, as values by name, and its range test.
    """
    names = list(cells[0][0]) if cells else []
    columns = [
        *(Column(brief(name, _LONGEST_VALUE), right=True) for name in names),
        Column("lr", right=True),
        Column("base_lr", right=True, spare=True),
        Column("max_lr", right=True),
        Column(_best(cells), right=True, spare=True),
        Column("verdict", wraps=True),
    ]
    notes: dict[str, int] = {}
    rows = []
    for setting, advice in cells:
        values = [brief(setting[name], _LONGEST_VALUE) for name in names]
        refused = advice.refusal is not None
        rows.append(Row([*values, *_format_cell(advice, notes)], "dim" if refused else ""))
    listed = [Fact(f"[{number}]", reason) for reason, number in notes.items()]
    return Page(answer=[Rows(columns, rows), *([Facts(listed)] if listed else [])])


def _best(cells: Sequence[tuple[Mapping[str, Any], Advice]]) -> str:
    """Return the head of the column with the best value of each sweep."""
    quantity = cells[0][1].curve.quantity if cells else LOSS
    return f"{'highest' if quantity.higher_is_better else 'lowest'} {brief(quantity.name, _LONGEST_VALUE)}"


def _format_cell(result: Advice, notes: dict[str, int]) -> list[str]:
    """Return rate, range, lowest loss and verdict of one setting.

    Args:
        result: the range test.
        notes: the numbers of the reasons so far. It is updated.
    """
    finite = result.curve.finite
    lowest = ""
    if len(finite):
        lowest = f"{finite.quantity.sign * finite.smoothed[finite.lowest]:.4g}"
    if (refusal := result.refusal) is not None:
        return ["none", "", "", lowest, _refer("refused", [str(refusal)], notes)]
    verdict, reasons = result.verdict, list(result.verdict.reasons)
    try:
        rates = [format_rate(result.range.base_lr), format_rate(result.range.max_lr)]
    except LRRangeError as error:
        rates = ["none", "none"]
        reasons.append(f"no range: {error}")
    return [format_rate(result.lr), *rates, lowest, _refer(verdict.word, reasons, notes)]


def _refer(word: str, reasons: Sequence[str], notes: dict[str, int]) -> str:
    """Return the word with the numbers of the notes that hold the reasons."""
    numbers = [notes.setdefault(reason, len(notes) + 1) for reason in reasons]
    return f"{word} [{','.join(map(str, numbers))}]" if numbers else word
