"""The section of a comparison in a report: who wins, the losses and the rates of each policy, and the ranking."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import attrs

from lrrange.comparison.bands import (
    curves_of,
    describe_end,
    find_band,
    find_held_out,
    find_limits,
    has_log_scale,
)
from lrrange.comparison.standings import Standings
from lrrange.comparison.table import page_of
from lrrange.errors import NoWinner
from lrrange.policy import Run
from lrrange.report.formatting import format_rate
from lrrange.report.html_report.answer import answer_html
from lrrange.report.html_report.figure import Figure, Toggle
from lrrange.report.html_report.html import blocks, definitions
from lrrange.report.html_report.layers import POINT, Layer, chart, layer, upright
from lrrange.report.html_report.section import Section, folded
from lrrange.report.html_report.theme import colour, look_of
from lrrange.report.pages.page import Fact, Facts
from lrrange.report.plots.figures import clamped, drawable, drawable_rates, limits_around

Row = dict[str, Any]

_HEIGHT, _HEIGHT_OF_RATES = 360, 170

# Steps at which the runs can be read, and at which each line is drawn.
_MOST_STEPS = 400

_SWATCHES = {1: "line", 7: "dash", 2: "dots"}


def section_of_comparison(comparison: Standings) -> Section:
    """Return the section of a comparison."""
    try:
        answer, verdict = f"{comparison.winner} wins", comparison.verdict.word
        sure = comparison.verdict.confident
    except NoWinner:
        answer, verdict, sure = "no winner", "none", False
    return Section(
        kind=f"Comparison of {len(comparison.policies)} policies",
        answer=answer,
        verdict=verdict,
        sure=sure,
        parts=list(_parts(comparison)),
    )


def _parts(comparison: Standings) -> Iterator[str | Figure]:
    page = page_of(comparison)
    first, *after = page.answer
    assert isinstance(first, Facts)
    yield answer_html(map(_shortened, first.facts), "winner", ())
    if comparison.finished:
        yield figure_of(comparison)
    yield f"<h3>Ranking</h3>{blocks(after, 'Policies, best first')}"
    content = "".join(definitions(block.facts) for block in page.details if isinstance(block, Facts))
    yield folded("Provenance: where the rates and these numbers come from", content)


def _shortened(fact: Fact) -> Fact:
    """Return the fact that answers with the winner alone in large letters."""
    before, wins, amount = fact.text.rpartition(" wins: ")
    return Fact(fact.name, f"{before} wins", amount, fact.style) if fact.name == "winner" and wins else fact


@attrs.frozen(kw_only=True)
class _Line:
    """The finished runs under one policy.

    Args:
        number: of the policy.
        name: of the policy.
        runs: its runs.
        steps: the steps that are drawn.
        middle, low, high: median, lowest and highest smoothed loss at each step of the runs, in its own sign.
        lr: the rate of each step.
    """

    number: int
    name: str
    runs: Sequence[Run]
    middle: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    lr: Sequence[float]

    @property
    def signal(self) -> str:
        """Name of the parameter that shows it."""
        return f"show_{self.number}"


def figure_of(comparison: Standings) -> Figure:
    """Return the figure of a comparison with a finished run: losses against steps, and the rates below."""
    lines = list(_lines(comparison))
    steps = _steps(max(len(line.lr) for line in lines))
    name = comparison.quantity.name
    signals = {line.signal: True for line in lines} | {"show_spread": True, "show_held_out": True}
    toggles = {"Policies": [_toggle(comparison, line) for line in lines], "Also": list(_also(comparison))}
    ends = "; ".join(f"{line.name} {describe_end(comparison, line.name)}" for line in lines)
    return Figure(
        title=f"Training {name} and learning rate of each step",
        caption=f"Lines: training {name}, smoothed, median of {len(comparison.seeds)} seeds.",
        alt=f"Chart of the training {name} of {len(lines)} policies against steps, with their learning rates below. "
        f"{ends}.",
        charts=[_losses(comparison, lines, steps, signals), _rates(lines, steps, signals)],
        toggles=toggles,
        positions=[step + 1 for step in steps],
        readouts=[_describe(lines, step, name) for step in steps],
        noun="Step",
        log=False,
        centre=None,
    )


def _steps(count: int) -> list[int]:
    """Return the steps, from 0, that are drawn: all of them, or some that are equally far apart."""
    if count <= _MOST_STEPS:
        return list(range(count))
    return sorted({round(i * (count - 1) / (_MOST_STEPS - 1)) for i in range(_MOST_STEPS)})


def _lines(comparison: Standings) -> Iterator[_Line]:
    curves = curves_of(comparison)
    own_sign = comparison.quantity.oriented
    for number, policy in enumerate(comparison.policies):
        if runs := comparison.of(policy.name):
            _, *levels = find_band([curves[run.policy, run.seed] for run in runs])
            middle, low, high = map(own_sign, levels)
            lr = drawable_rates(policy.lr[: max(len(run.losses) for run in runs)])
            yield _Line(number=number, name=policy.name, runs=runs, middle=middle, low=low, high=high, lr=lr)


def _toggle(comparison: Standings, line: _Line) -> Toggle:
    color, dash = look_of(line.number)
    label = f"{line.name}: {describe_end(comparison, line.name)}"
    return Toggle(signal=line.signal, label=label, swatch=_SWATCHES[dash[0]], color=color)


def _also(comparison: Standings) -> Iterator[Toggle]:
    if len(comparison.seeds) > 1:
        yield Toggle(signal="show_spread", label="spread of the seeds", swatch="band", color="c5")
    if any(run.held_out for run in comparison.finished):
        label = f"held-out {comparison.quantity.name}"
        yield Toggle(signal="show_held_out", label=label, swatch="dot", color="c5")


def _losses(comparison: Standings, lines: Sequence[_Line], steps: Sequence[int], signals: dict[str, bool]) -> Any:
    curves = curves_of(comparison)
    log = has_log_scale(comparison, curves)
    low, high = find_limits(comparison, curves, log=log) or (0.0, 1.0)
    floor, ceiling = (low * low / high, high * high / low) if log else (2 * low - high, 2 * high - low)

    def row(line: _Line, i: int, step: int) -> Row:
        middle, bottom, top = clamped(drawable([line.middle[step], line.low[step], line.high[step]]), floor, ceiling)
        return {"i": i, "k": line.number, "x": step + 1, "y": middle, "low": bottom, "high": top}

    rows = [row(line, i, step) for line in lines for i, step in enumerate(steps) if step < len(line.middle)]
    held_out = [
        {"k": line.number, "x": step, "y": comparison.quantity.sign * loss}
        for line in lines
        for step, loss in find_held_out(line.runs)
        if math.isfinite(loss)
    ]
    layers: list[Layer] = []
    for line in lines:
        color, dash = look_of(line.number)
        when = f"datum.k == {line.number} && {line.signal}"
        band = {"type": "area", "color": colour(color), "opacity": 0.16}
        layers.append(layer("runs", band, when=f"{when} && show_spread", field="low", y2={"field": "high"}))
        mark = {"type": "line", "color": colour(color), "strokeWidth": 2.2, "strokeDash": dash}
        layers.append(layer("runs", mark, when=when))
        layers.append(layer("held_out", POINT | {"color": colour(color)}, when=f"{when} && show_held_out"))
    return chart(
        layers=[*layers, *_cursor(lines, "runs")],
        datasets={"runs": rows, "held_out": held_out, "positions": _position_rows(steps)},
        x=_x_limits(steps),
        y=(low, high),
        x_title="step",
        y_title=comparison.quantity.name,
        signals=signals,
        height=_HEIGHT,
        log_x=False,
        log_y=log,
    )


def _rates(lines: Sequence[_Line], steps: Sequence[int], signals: dict[str, bool]) -> Any:
    rows = [
        {"i": i, "k": line.number, "x": step + 1, "y": line.lr[step]}
        for line in lines
        for i, step in enumerate(steps)
        if step < len(line.lr)
    ]
    positive = [row["y"] for row in rows if row["y"] > 0]
    log = bool(positive)  # a logarithmic axis needs a rate above zero
    y = (min(positive) / 1.3, max(positive) * 1.3) if log else limits_around(0.0, 0.0, 0.06)
    layers = []
    for line in lines:
        color, dash = look_of(line.number)
        above = " && datum.y > 0" if log else ""
        mark = {"type": "line", "color": colour(color), "strokeWidth": 2, "strokeDash": dash}
        layers.append(layer("rates", mark, when=f"datum.k == {line.number} && {line.signal}{above}"))
    return chart(
        layers=[*layers, *_cursor(lines, "rates")],
        datasets={"rates": rows, "positions": _position_rows(steps)},
        x=_x_limits(steps),
        y=y,
        x_title="step",
        y_title="learning rate",
        signals=signals,
        height=_HEIGHT_OF_RATES,
        log_x=False,
        log_y=log,
    )


def _position_rows(steps: Sequence[int]) -> list[Row]:
    return [{"i": i, "x": step + 1} for i, step in enumerate(steps)]


def _x_limits(steps: Sequence[int]) -> tuple[float, float]:
    return limits_around(1, steps[-1] + 1, 0.01)


def _cursor(lines: Sequence[_Line], data: str) -> Iterator[Layer]:
    yield upright("positions", "muted", when="datum.i == cursor", width=1)
    for line in lines:
        color, _ = look_of(line.number)
        when = f"datum.i == cursor && datum.k == {line.number} && {line.signal}"
        yield layer(data, POINT | {"size": 50, "color": colour(color)}, when=when)


def _describe(lines: Sequence[_Line], step: int, name: str) -> str:
    parts = []
    for line in lines:
        if step < len(line.lr):
            loss = f"{name} {line.middle[step]:.4g}" if step < len(line.middle) else f"no finite {name}"
            parts.append(f"{line.name}: {loss}, learning rate {format_rate(line.lr[step])}")
    return f"Step {step + 1}: {'; '.join(parts)}"
