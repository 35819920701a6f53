"""A chart of several range tests: the smoothed curve and the rate of each, on the same axes."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import attrs

from lrrange.advice.advice import Advice
from lrrange.advice.suggestion import Suggestion
from lrrange.report.formatting import format_rate
from lrrange.report.html_report.figure import Figure, Toggle
from lrrange.report.html_report.layers import POINT, Layer, chart, layer, upright
from lrrange.report.html_report.theme import colour, look_of
from lrrange.report.html_report.thinning import MOST_POINTS, thin
from lrrange.report.plots.figures import clamped, drawable, drawable_rates
from lrrange.report.plots.panel import Panel

_HEIGHT = 380

# Rates at which all curves can be read.
_POSITIONS = 160

# Values in one readout. More would not be read.
_MOST_READ = 8


@attrs.frozen
class _Line:
    """One of the curves."""

    number: int
    name: str
    panel: Panel

    @property
    def signal(self) -> str:
        """Name of the parameter that shows it."""
        return f"show_{self.number}"

    @property
    def rates(self) -> list[float]:
        """Its rates, as they are drawn."""
        return drawable_rates(self.panel.curve.finite.lr)

    def value_at(self, lr: float) -> float | None:
        """Return the smoothed value at a rate; None outside of the sweep."""
        rates = self.rates
        if not rates or not rates[0] <= lr <= rates[-1] * (1 + 1e-9):
            return None
        return self.panel.height_at(lr)


def lines_of(named: Sequence[tuple[str, Advice]], title: str) -> Figure:
    """Return a figure of the smoothed curves of range tests that recorded the same quantity.

    Args:
        named: range tests, by the name of each.
        title: of the figure.
    """
    lines = [_Line(number, name, Panel(advice)) for number, (name, advice) in enumerate(named)]
    quantity = lines[0].panel.curve.quantity
    x_limits = [line.panel.find_x_limits() for line in lines]
    x = min(low for low, _ in x_limits), max(high for _, high in x_limits)
    y_limits = [limits for line in lines if (limits := line.panel.find_y_limits()) is not None] or [(0.0, 1.0)]
    y = min(low for low, _ in y_limits), max(high for _, high in y_limits)
    positions = _positions(lines)
    toggles = [
        Toggle(
            signal=line.signal,
            label=_label(line),
            swatch=_SWATCHES[look_of(line.number)[1][0]],
            color=look_of(line.number)[0],
        )
        for line in lines
    ]
    drawn = [layer for line in lines for layer in _layers(line)]
    return Figure(
        title=title,
        caption=f"The smoothed {quantity.name} of each. A dot and a dashed line mark the learning rate of each.",
        alt=f"Chart of the smoothed {quantity.name} of {len(lines)} range tests against learning rate. "
        + "; ".join(_label(line) for line in lines[:_MOST_READ])
        + ".",
        charts=[
            chart(
                layers=[*drawn, *_cursor(lines)],
                datasets=_datasets(lines, positions, y),
                x=x,
                y=y,
                x_title="learning rate",
                y_title=f"smoothed {quantity.name}",
                signals={line.signal: True for line in lines},
                height=_HEIGHT,
            )
        ],
        toggles={"Show": toggles},
        positions=positions,
        readouts=[_describe(lines, lr) for lr in positions],
        noun="Learning rate",
        log=True,
        centre=None,
    )


_SWATCHES = {1: "line", 7: "dash", 2: "dots"}


def _label(line: _Line) -> str:
    result = line.panel.result
    answer = f"lr {format_rate(result.lr)}" if isinstance(result.chosen, Suggestion) else "no lr"
    return f"{line.name}: {answer}"


def _positions(lines: Sequence[_Line]) -> list[float]:
    """Return rates over all sweeps, equally far apart as logarithms."""
    rates = [rate for line in lines for rate in line.rates[:1] + line.rates[-1:]]
    if not rates or min(rates) == max(rates):
        return sorted(set(rates))
    low, high = math.log10(min(rates)), math.log10(max(rates))
    return [10 ** (low + (high - low) * i / (_POSITIONS - 1)) for i in range(_POSITIONS)]


def _layers(line: _Line) -> Iterator[Layer]:
    color, dash = look_of(line.number)
    when = f"datum.k == {line.number} && {line.signal}"
    mark = {"type": "line", "color": colour(color), "strokeWidth": 2.2, "strokeDash": dash, "strokeJoin": "round"}
    yield layer("lines", mark, when=when)
    yield upright("answers", color, when=when, dash=[5, 4], width=1)
    yield layer("answers", POINT | {"size": 90, "color": colour(color)}, when=when)


def _cursor(lines: Sequence[_Line]) -> Iterator[Layer]:
    yield upright("positions", "muted", when="datum.i == cursor", width=1)
    for line in lines:
        color, _ = look_of(line.number)
        when = f"datum.i == cursor && datum.k == {line.number} && {line.signal}"
        yield layer("at", POINT | {"size": 50, "color": colour(color)}, when=when)


def _datasets(
    lines: Sequence[_Line], positions: Sequence[float], y: tuple[float, float]
) -> dict[str, list[dict[str, Any]]]:
    low, high = y
    rows, answers = [], []
    for line in lines:
        finite, panel = line.panel.curve.finite, line.panel
        heights = clamped(drawable(finite.quantity.oriented(finite.smoothed)), 2 * low - high, 2 * high - low)
        points = [{"k": line.number, "x": x, "y": height} for x, height in zip(line.rates, heights, strict=True)]
        rows += thin(points, "y", max(MOST_POINTS // len(lines), 100))
        if isinstance(panel.result.chosen, Suggestion) and math.isfinite(height := panel.height_at(panel.result.lr)):
            answers.append({"k": line.number, "x": drawable_rates([panel.result.lr])[0], "y": height})
    at = [
        {"i": i, "k": line.number, "x": lr, "y": value}
        for line in lines
        for i, lr in enumerate(positions)
        if (value := line.value_at(lr)) is not None
    ]
    return {
        "lines": [dict(row) for row in rows],
        "answers": answers,
        "positions": [{"i": i, "x": lr} for i, lr in enumerate(positions)],
        "at": at,
    }


def _describe(lines: Sequence[_Line], lr: float) -> str:
    values = [(line.name, value) for line in lines if (value := line.value_at(lr)) is not None]
    texts = [f"{name} {value:.4g}" for name, value in values[:_MOST_READ]]
    if len(values) > _MOST_READ:
        texts.append(f"and {len(values) - _MOST_READ} more")
    return f"Learning rate {format_rate(lr)}: {'; '.join(texts)}"
