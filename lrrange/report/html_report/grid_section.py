"""The section of a grid: the curve of each setting in one chart, and the table of the settings."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lrrange.advice.advice import Advice
from lrrange.report.formatting import format_rate
from lrrange.report.html_report.answer import answer_html
from lrrange.report.html_report.figure import Figure
from lrrange.report.html_report.html import blocks, definitions, table
from lrrange.report.html_report.lines_chart import lines_of
from lrrange.report.html_report.section import Section, folded
from lrrange.report.pages.grid_page import page_of_grid
from lrrange.report.pages.page import Fact, Facts, Rows
from lrrange.report.pages.result_page import page_of

# One setting of a grid: its name, its values and its range test.
Cell = tuple[str, Mapping[str, Any], Advice]


def section_of_grid(cells: Sequence[Cell]) -> Section:
    """Return the section of a grid."""
    answered = [cell for cell in cells if cell[2].refusal is None]
    return Section(
        kind=f"Range tests under {len(cells)} settings",
        answer=f"{len(answered)} of {len(cells)} with a learning rate",
        verdict="",
        sure=len(answered) == len(cells),
        parts=list(_parts(cells, answered)),
    )


def _parts(cells: Sequence[Cell], answered: Sequence[Cell]) -> Iterator[str | Figure]:
    yield answer_html(_list_answer(cells, answered), "rates", ())
    if cells:
        yield lines_of([(name, advice) for name, _, advice in cells], "Smoothed curve of each setting")
    page = page_of_grid([(setting, advice) for _, setting, advice in cells])
    yield f"<h3>Settings</h3>{blocks(page.answer, 'Answer under each setting; numbers stand for the reasons below')}"
    for name, _, advice in cells:
        yield folded(name, "".join(_details(advice)))


def _list_answer(cells: Sequence[Cell], answered: Sequence[Cell]) -> Iterator[Fact]:
    if not answered:
        yield Fact("rates", "none", f"none of {len(cells)} settings has a learning rate", "bold red")
        return
    lowest, highest = (pick(answered, key=lambda cell: cell[2].lr) for pick in (min, max))
    text = format_rate(lowest[2].lr)
    if lowest[2].lr != highest[2].lr:
        text += f" to {format_rate(highest[2].lr)}"
    yield Fact("rates", text, f"{len(answered)} of {len(cells)} settings have a learning rate")
    yield Fact("highest rate", highest[0], format_rate(highest[2].lr))
    if lowest is not highest:
        yield Fact("lowest rate", lowest[0], format_rate(lowest[2].lr))
    best = min(answered, key=lambda cell: cell[2].curve.finite.smoothed[cell[2].curve.finite.lowest])
    curve = best[2].curve.finite
    quantity = curve.quantity
    shown = f"{quantity.best} {quantity.name}: {quantity.shown(curve.smoothed[curve.lowest])}"
    yield Fact("best value", best[0], shown)


def _details(advice: Advice) -> Iterator[str]:
    page = page_of(advice)
    for block in (*page.answer, *page.details):
        if isinstance(block, Facts):
            yield definitions(block.facts)
        elif isinstance(block, Rows):
            yield table(block, "Trials" if block in page.answer else "Answer of each heuristic")
