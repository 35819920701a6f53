"""The chart of a range test: its curve, the chosen rate, the other answers, and the trials."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import attrs

from lrrange.advice.advice import Advice
from lrrange.advice.ranges import LRRange
from lrrange.advice.suggestion import Suggestion
from lrrange.report.formatting import format_rate, range_or_reason
from lrrange.report.html_report.description import alt_of, caption_of, describe_step, format_value
from lrrange.report.html_report.figure import Figure, Toggle
from lrrange.report.html_report.layers import Layer, chart, cursor_layers, label, layer, upright
from lrrange.report.html_report.theme import colour
from lrrange.report.html_report.thinning import MOST_POINTS, thin
from lrrange.report.html_report.vega import Spec
from lrrange.report.plots.figures import clamped, drawable, drawable_rates
from lrrange.report.plots.panel import Panel
from lrrange.sweep.curve import Curve

Row = dict[str, Any]

# Where there is no loss to draw.
_NO_LIMITS = (0.0, 1.0)

# What the layers ask for, though not every figure has a checkbox for it.
_SIGNALS = (
    *("show_measured", "show_points", "show_smoothed", "show_sweeps", "show_trials"),
    *("show_answer", "show_interval", "show_range", "show_read"),
)

_HEIGHT, _SECOND_HEIGHT = 380, 190


def figure_of(result: Advice) -> Figure:
    """Return the figure of a range test: its curve and, below a metric, the loss of the same sweep."""
    curves = [result.curve, *([] if result.curve.also is None else [result.curve.also])]
    parts = [_Part(Panel(result, curve)) for curve in curves]
    main = parts[0]
    toggles = {"Curve": list(_toggles_of_curve(result)), "Answers": list(_toggles_of_answers(result))}
    signals = dict.fromkeys(_SIGNALS, False)
    signals |= {toggle.signal: toggle.shown for group in toggles.values() for toggle in group}
    kept = [row["i"] for row in main.rows]
    return Figure(
        title=f"{main.name[:1].upper()}{main.name[1:]} against learning rate",
        caption=caption_of(result),
        alt=alt_of(result),
        charts=[part.spec(signals, _SECOND_HEIGHT if number else _HEIGHT) for number, part in enumerate(parts)],
        toggles=toggles,
        positions=drawable_rates(result.curve.lr[i] for i in kept),
        readouts=[describe_step(result, curves, i) for i in kept],
        noun="Step",
        log=True,
        centre=drawable_rates([result.lr])[0] if isinstance(result.chosen, Suggestion) else None,
    )


def _toggles_of_curve(result: Advice) -> Iterator[Toggle]:
    name = result.curve.quantity.name
    if result.curve.measured is not None:
        yield Toggle(signal="show_measured", label=f"{name} as measured", swatch="dot faint", color="c5")
        yield Toggle(signal="show_points", label=f"{name} paired with its baseline", swatch="dot", color="c5")
    else:
        yield Toggle(signal="show_points", label=f"{name} as measured", swatch="dot", color="c5")
    yield Toggle(signal="show_smoothed", label=f"smoothed {name}", color="c0")
    if result.sweeps:
        yield Toggle(signal="show_sweeps", label=f"each of {len(result.sweeps)} sweeps", swatch="thin", color="c0")
    if result.confirmation is not None:
        judged = f"{'held-out' if result.confirmation.held_out else 'training'} {result.confirmation.quantity.name}"
        yield Toggle(signal="show_trials", label=f"trials: {judged}", swatch="diamond", color="c4")


def _toggles_of_answers(result: Advice) -> Iterator[Toggle]:
    chosen = result.chosen
    if isinstance(chosen, Suggestion):
        yield Toggle(signal="show_answer", label=f"lr {format_rate(result.lr)}", swatch="dash", color="c1")
        if result.interval is not None:
            yield Toggle(signal="show_interval", label="best rate lies in", swatch="bar", color="c1")
    if isinstance(range_or_reason(result), LRRange):
        yield Toggle(signal="show_range", label="range for a cycle", swatch="band", color="c2")
    if isinstance(chosen, Suggestion) and _read(chosen):
        yield Toggle(signal="show_read", label="fall and blow-up", swatch="dots", color="c5")
    for number, other in enumerate(_others(result)):
        text = f"{other.heuristic}: {format_rate(other.lr)}"
        yield Toggle(signal=f"show_other_{number}", label=text, swatch="ring", color="c3", shown=False)


def _others(result: Advice) -> list[Suggestion]:
    return [answer for answer in result.answers if isinstance(answer, Suggestion) and answer is not result.chosen]


def _read(chosen: Suggestion) -> dict[str, float]:
    """Return the rates of the fall and of the blow-up, as far as the heuristic read them."""
    return {name: chosen.read[name] for name in ("fall", "blow_up") if chosen.read.get(name, 0.0) > 0.0}


@attrs.frozen
class _Part:
    """One chart of the figure."""

    panel: Panel

    @property
    def curve(self) -> Curve:
        return self.panel.curve

    @property
    def name(self) -> str:
        return self.curve.quantity.name

    @property
    def limits(self) -> tuple[float, float]:
        return self.panel.find_y_limits() or _NO_LIMITS

    @property
    def rows(self) -> list[Row]:
        """The points of the curve, thinned: rate, measured, paired and smoothed loss, and whether it is a gap."""
        curve = self.curve
        lr = drawable_rates(curve.lr)
        smoothed, points = self._heights(curve.smoothed), self._heights(curve.loss)
        measured = [None] * len(lr) if curve.measured is None else self._heights(curve.measured)
        rows = [
            {"i": i, "x": _short(lr[i]), "y": points[i], "s": smoothed[i], "m": measured[i]} for i in range(len(lr))
        ]
        return [
            {key: value for key, value in row.items() if value is not None or key == "y"} for row in thin(rows, "y")
        ]

    def spec(self, signals: dict[str, bool], height: int) -> Spec:
        """Return the chart."""
        low, high = self.limits
        quantity = self.curve.quantity
        worst = f"datum.y < {low!r}" if quantity.higher_is_better else f"datum.y > {high!r}"
        datasets = self._datasets()
        rows = list(self.rows)
        for row in rows:
            row.setdefault("s", None)
        datasets["curve"] = rows
        return chart(
            layers=[
                *self._layers(worst),
                *cursor_layers(field="s"),
                *label("curve", "ink", when=_HERE, text="v", y={"field": "s", "type": "quantitative"}),
            ],
            datasets={**datasets, "curve": [{**row, "v": self._value(row["i"])} for row in rows]},
            x=self.panel.find_x_limits(),
            y=(low, high),
            x_title="learning rate",
            y_title=self.name,
            signals=signals,
            height=height,
        )

    def _value(self, index: int) -> str:
        return f"{format_rate(self.curve.lr[index])}: {format_value(self.curve.values[index])}"

    def _heights(self, losses: Iterable[float]) -> list[float | None]:
        """Return heights that are no further outside of the chart than its own height; None for what is not finite."""
        low, high = self.limits
        heights = clamped(drawable(self.curve.quantity.oriented(losses)), 2 * low - high, 2 * high - low)
        return [_short(height) if math.isfinite(height) else None for height in self._gaps_kept(heights, losses)]

    @staticmethod
    def _gaps_kept(heights: Sequence[float], losses: Iterable[float]) -> list[float]:
        return [height if math.isfinite(loss) else math.nan for height, loss in zip(heights, losses, strict=True)]

    def _layers(self, worst: str) -> Iterator[Layer]:
        higher = self.curve.quantity.higher_is_better
        band = {"type": "rect", "color": colour("c2"), "opacity": 0.14}
        yield layer("range", band, when="show_range", field=None, x2={"field": "x2"})
        thin_line = {"type": "line", "color": colour("c0"), "strokeWidth": 1, "opacity": 0.35}
        yield layer("sweeps", thin_line, when="show_sweeps", detail={"field": "k", "type": "nominal"})
        dot: Layer = {"type": "point", "filled": True, "size": 26, "color": colour("c5")}
        yield layer("curve", {**dot, "opacity": 0.3}, when="show_measured && isValid(datum.m)", field="m")
        yield layer("curve", {**dot, "opacity": 0.6}, when="show_points && isValid(datum.y)")
        edge: Any = {"value": {"expr": "height"} if higher else 0}
        beyond = {**dot, "clip": False, "size": 45, "shape": "triangle-down" if higher else "triangle-up"}
        yield layer("curve", {**beyond, "opacity": 0.6}, when=f"show_points && isValid(datum.y) && {worst}", y=edge)
        gap = {**dot, "filled": False, "shape": _CROSS, "strokeWidth": 1.5, "size": 30}
        yield layer("curve", gap, when="show_points && !isValid(datum.y)", field=None, **_at(-7))
        line = {"type": "line", "color": colour("c0"), "strokeWidth": 2.5, "strokeJoin": "round"}
        yield layer("curve", line, when="show_smoothed", field="s")
        yield upright("read", "c5", when="show_read", dash=[1, 3])
        yield from label("read", "muted", when="show_read", left_from=0.85, **_at(-10))
        others = " || ".join(f"(datum.k == {k} && show_other_{k})" for k in range(len(_others(self.panel.result))))
        yield upright("others", "c3", when=others or "false", dash=[5, 3], width=1.2)
        ring = {"type": "point", "filled": True, "fill": colour("paper"), "stroke": colour("c3"), "size": 70}
        yield layer("others", {**ring, "strokeWidth": 2, "opacity": 1}, when=others or "false")
        yield from label(
            "others", "c3", when=others or "false", y={"field": "place", "type": "quantitative", "scale": None}
        )
        bar = {"type": "rule", "color": colour("c1"), "strokeWidth": 3}
        yield layer("interval", bar, when="show_interval", x2={"field": "x2"})
        yield layer("ends", {"type": "tick", "color": colour("c1"), "thickness": 3, "size": 14}, when="show_interval")
        yield from self._trials(higher)
        yield upright("answer", "c1", when="show_answer", dash=[6, 4], width=1.8)
        filled = {"type": "point", "filled": True, "size": 110, "color": colour("c1"), "stroke": colour("paper")}
        yield layer("answer", {**filled, "strokeWidth": 1.5, "opacity": 1}, when="show_answer")
        yield from label("answer", "c1", when="show_answer", y={"value": 10})

    def _trials(self, higher: bool) -> Iterator[Layer]:
        shown: Layer = {"stroke": colour("paper"), "strokeWidth": 1.5, "opacity": 1, "color": colour("c4")}
        yield layer(
            "trials",
            {"type": "rule", "color": colour("c4"), "strokeWidth": 2},
            when="show_trials",
            field="low",
            y2={"field": "high"},
        )
        yield layer(
            "trials", {"type": "point", "filled": True, "shape": "diamond", "size": 130, **shown}, when="show_trials"
        )
        edge: Any = {"value": {"expr": "height"} if higher else 0}
        cross = {"type": "point", "shape": _CROSS, "size": 90, "strokeWidth": 2.5, "clip": False}
        yield layer("diverged", {**cross, "color": colour("c4")}, when="show_trials", y=edge)

    def _datasets(self) -> dict[str, list[Row]]:
        result, panel = self.panel.result, self.panel
        found: dict[str, list[Row]] = {}
        low, high = self.limits
        if isinstance(bounds := range_or_reason(result), LRRange):
            ends = drawable_rates(bounds)
            found["range"] = [{"x": ends[0], "x2": ends[1]}]
        found["sweeps"] = [
            {"k": number, "x": _short(x), "y": y}
            for number, sweep in enumerate(panel.sweeps)
            for x, y in _thin_pairs(drawable_rates(sweep.lr), self._heights(sweep.smoothed), len(panel.sweeps))
        ]
        if not panel.is_read and isinstance(result.chosen, Suggestion):
            found["answer"] = [self._mark(result.lr, t="")]
            return found
        found["others"] = [
            self._mark(other.lr, k=k, t=other.heuristic, place=26 + 15 * k) for k, other in enumerate(_others(result))
        ]
        if isinstance(chosen := result.chosen, Suggestion):
            found["answer"] = [self._mark(result.lr, t=f"lr {format_rate(result.lr)}")]
            names = {"fall": result.curve.quantity.fall, "blow_up": "blow-up"}
            found["read"] = [{"x": rate, "t": names[name]} for name, rate in _drawable_read(chosen)]
            if result.interval is not None:
                ends = drawable_rates(result.interval)
                height = self._mark(result.lr)["y"]
                found["interval"] = [{"x": ends[0], "x2": ends[1], "y": height}]
                found["ends"] = [{"x": end, "y": height} for end in ends]
        found |= self._rows_of_trials(low, high)
        return found

    def _rows_of_trials(self, low: float, high: float) -> dict[str, list[Row]]:
        confirmation = self.panel.result.confirmation
        if confirmation is None:
            return {}
        if not self.panel.trials:  # they are in another unit than the curve
            return {
                "trials": [
                    {**mark, "low": mark["y"], "high": mark["y"]}
                    for mark in map(self._mark, sorted(trial.lr for trial in confirmation.trials))
                ]
            }
        sign, rows, diverged = self.curve.quantity.sign, [], []
        for trial in self.panel.trials:
            (x,) = drawable_rates([trial.lr])
            if not math.isfinite(trial.loss):
                diverged.append({"x": x, "y": low})
                continue
            (loss,), (error,) = drawable([sign * trial.loss]), drawable([trial.error or 0.0])
            bottom, top = clamped([loss - error, loss + error], 2 * low - high, 2 * high - low)
            rows.append({"x": x, "y": loss, "low": bottom, "high": top})
        return {"trials": rows, "diverged": diverged}

    def _mark(self, lr: float, **more: Any) -> Row:
        (x,), height = drawable_rates([lr]), self.panel.height_at(lr)
        return {"x": x, "y": height if math.isfinite(height) else sum(self.limits) / 2, **more}


# A symbol of Vega's own, "cross", is an outline.
_CROSS = "M-1,-1L1,1M-1,1L1,-1"

_HERE = "datum.i == cursor"


def _drawable_read(chosen: Suggestion) -> list[tuple[str, float]]:
    read = _read(chosen)
    return list(zip(read, drawable_rates(read.values()), strict=True))


def _at(distance: int) -> dict[str, Any]:
    """Return the encoding of a height this far from the bottom of the chart, in pixels."""
    return {"y": {"value": {"expr": f"height + {distance}"}}}


def _thin_pairs(x: Sequence[float], y: Sequence[float | None], count: int) -> Iterator[tuple[float, float | None]]:
    rows = [{"x": one, "y": other} for one, other in zip(x, y, strict=True)]
    for row in thin(rows, "y", max(MOST_POINTS // count, 100)):
        yield row["x"], row["y"]


def _short(value: float) -> float:
    """Return a number in ten digits, which are more than a screen can show."""
    return float(f"{value:.10g}")
