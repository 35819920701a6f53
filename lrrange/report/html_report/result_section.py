"""The section of a range test: its answer, its chart, and where the answer comes from."""

import math
from collections.abc import Iterator

from lrrange.advice.advice import Advice
from lrrange.advice.ranges import LRRange
from lrrange.report.formatting import format_rate, range_or_reason
from lrrange.report.html_report.answer import answer_html, as_code
from lrrange.report.html_report.figure import Figure
from lrrange.report.html_report.html import blocks, definitions, table
from lrrange.report.html_report.result_chart import figure_of
from lrrange.report.html_report.section import Section, folded
from lrrange.report.pages.groups import ratios_of
from lrrange.report.pages.page import Column, Facts, Page, Row, Rows
from lrrange.report.pages.result_page import page_of

# Param groups in the table. More of them are only counted.
_MOST_GROUPS = 20


def section_of_result(result: Advice) -> Section:
    """Return the section of a range test."""
    refused = result.refusal is not None
    return Section(
        kind="Learning-rate range test",
        answer="no learning rate" if refused else f"lr {format_rate(result.lr)}",
        verdict="refused" if refused else result.verdict.word,
        sure=not refused and result.verdict.confident,
        parts=list(_parts(result, page_of(result))),
        curve=result,
    )


def _parts(result: Advice, page: Page) -> Iterator[str | Figure]:
    first, *between, sources = page.answer
    assert isinstance(first, Facts)
    assert isinstance(sources, Facts)
    yield answer_html(first.facts, "lr", next_steps(result))
    yield figure_of(result)
    if between:
        yield "<h3>Trials</h3>" + blocks(between, "Short trainings at rates around the answer; * marks the best one")
    yield "".join(_groups(result))
    heuristics, details = page.details
    assert isinstance(heuristics, Rows)
    assert isinstance(details, Facts)
    yield "<h3>What each heuristic says</h3>" + table(heuristics, "Answer of each heuristic; * marks the chosen one")
    yield "<h3>How it was read</h3>" + definitions(sources.facts)
    yield folded("Provenance: where these numbers come from", definitions(details.facts))


def next_steps(result: Advice) -> list[str]:
    """Return what to do with the answer, as HTML."""
    if result.refusal is not None:
        return []
    verdict = result.verdict
    lines = ["result.apply(optimizer)"]
    if isinstance(range_or_reason(result), LRRange):
        lines += ["# or let it move through the range:", "lrrange.make_schedule(optimizer, result)"]
    steps = [] if verdict.confident or not verdict.ways else ["<p>To be surer, run the test again with:</p>"]
    if steps:
        steps.append(as_code(f"lrrange.find_lr(..., {', '.join(verdict.ways)})"))
        steps.append("<p>To train with this answer all the same:</p>")
    else:
        steps.append("<p>Train with this rate:</p>")
    return [*steps, as_code("\n".join(lines))]


def _groups(result: Advice) -> Iterator[str]:
    """Yield a table of the rates of the param groups, if they differ."""
    ratios = ratios_of(result.provenance.details)
    if len(ratios) < 2 or all(math.isclose(ratio, 1.0) for ratio in ratios) or result.refusal is not None:
        return
    bounds = range_or_reason(result)
    rates = {"lr": result.lr}
    if isinstance(bounds, LRRange):
        rates |= {"base_lr": bounds.base_lr, "max_lr": bounds.max_lr}
    columns = [Column("group", right=True), Column("times", right=True), *(Column(name, right=True) for name in rates)]
    rows = [
        Row([str(number), f"{ratio:.3g}", *(format_rate(rate * ratio) for rate in rates.values())])
        for number, ratio in enumerate(ratios[:_MOST_GROUPS])
    ]
    more = len(ratios) - len(rows)
    yield "<h3>Rates of the param groups</h3><p>The sweep sets one rate, and the groups keep their ratios to it."
    yield f" Not shown are {more} more groups.</p>" if more > 0 else "</p>"
    yield table(Rows(columns, rows), "Rates of the param groups")
