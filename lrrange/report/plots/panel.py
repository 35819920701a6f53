"""One panel of a plot: the curve of a range test against the learning rate, and its marks. It needs matplotlib."""

import bisect
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from lrrange.advice.advice import Advice
from lrrange.advice.confirmation import Trial
from lrrange.advice.ranges import LRRange
from lrrange.advice.suggestion import Refusal, Suggestion
from lrrange.report.formatting import format_rate, range_or_reason
from lrrange.report.plots.figures import (
    BLUE,
    GREEN,
    ORANGE,
    OUR_TEXT,
    PURPLE,
    VERMILION,
    clamped,
    cut,
    drawable,
    drawable_rates,
    ink,
    plain_label,
    style_axes,
    within,
)
from lrrange.report.plots.legend import take_legend_away
from lrrange.report.plots.limits import above_zero, limits_of_losses
from lrrange.sweep.curve import Curve
from lrrange.sweep.repeats import band

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_OTHER_MARKERS = "sD^vPX<>"

# The names of what the default rule reads, as in `Suggestion.read`, and on the plot.
_READ = {"fall": "fall", "blow_up": "blow-up"}

# Nearer than this part of the axes' width, two names would overlap, or one would leave the axes.
_CLOSE = 0.2


class Panel:
    """The curve of a range test, drawn on axes.

    Args:
        result: the range test.
        curve: the curve to draw: the one that was read, or the other that its sweep recorded.

    Attributes:
        upright: what was drawn over the whole height of the axes.
    """

    def __init__(self, result: Advice, curve: Curve | None = None) -> None:
        self.result = result
        self.curve = result.curve if curve is None else curve
        self.is_read = self.curve is result.curve
        self.sweeps = tuple(sweep.of(self.curve.quantity.name) for sweep in result.sweeps)
        self.name = plain_label(self.curve.quantity.name)
        self.upright: list[Any] = []

    @property
    def trials(self) -> tuple[Trial, ...]:
        """The trials that are in the unit of the curve, by their rates."""
        confirmation = self.result.confirmation
        if confirmation is None or not self.is_read or confirmation.quantity != self.curve.quantity:
            return ()
        return tuple(sorted(confirmation.trials, key=lambda trial: trial.lr))

    def draw_curve(self, ax: "Axes", small: bool = False) -> None:
        """Draw the losses, the smoothed losses, the range, and the band of several sweeps.

        Args:
            ax: axes whose limits have been set.
            small: whether the panel is one of many.
        """
        curve, size = self.curve, 0.5 if small else 1.0
        bottom, top = ax.get_ylim()
        if isinstance(bounds := range_or_reason(self.result), LRRange):
            text = f"range  {format_rate(bounds.base_lr)} to {format_rate(bounds.max_lr)}  ({bounds.rule})"
            rates = drawable_rates((bounds.base_lr, bounds.max_lr))
            look: dict[str, Any] = {"color": GREEN, "alpha": 0.12, "linewidth": 0, "label": plain_label(text)}
            self.upright.append(ax.axvspan(*rates, **look))
        if self.sweeps:
            low, high = (clamped(self._heights(edge), bottom, top) for edge in band(self.sweeps))
            rates = drawable_rates(max(self.sweeps, key=len).lr)
            label = f"smoothed {self.name} of {len(self.sweeps)} sweeps"
            ax.fill_between(rates, low, high, color=BLUE, alpha=0.15, linewidth=0, label=label)
        lr = drawable_rates(curve.lr)
        points: dict[str, Any] = {"color": ink(ax), "markeredgewidth": 0, "markersize": 6 * size}
        label = self.name
        if curve.measured is not None:
            label = f"paired {self.name}"
            measured = within(self._heights(curve.measured), bottom, top)
            ax.plot(lr, measured, ".", label=f"{self.name} measured", alpha=0.2, **points)
        ax.plot(lr, within(self._heights(curve.loss), bottom, top), ".", label=label, alpha=0.4, **points)
        line = cut(self._heights(curve.smoothed), bottom, top)
        ax.plot(lr, line, "-", color=BLUE, linewidth=1 + size, label=f"smoothed {self.name}")
        self._mark_off_scale(ax, size)
        self._mark_gaps(ax, size)

    def draw_answer(self, ax: "Axes") -> None:
        """Draw a line at the chosen rate."""
        if isinstance(self.result.chosen, Suggestion):
            rate = drawable_rates([self.result.lr])
            line = ax.axvline(*rate, color=VERMILION, linewidth=1.2, linestyle=(0, (4, 3)), zorder=3)
            self.upright.append(line)

    def draw_marks(self, ax: "Axes") -> list[Any]:
        """Draw every suggestion, what the chosen one read, and the trials. Return the marks that were not chosen."""
        result = self.result
        suggestions = [answer for answer in result.answers if isinstance(answer, Suggestion)]
        others = [answer for answer in suggestions if answer is not result.chosen]
        background = ax.get_facecolor()
        marks = []
        for i, other in enumerate(others):
            marker = _OTHER_MARKERS[i % len(_OTHER_MARKERS)]
            look: dict[str, Any] = {"marker": marker, "markersize": 9, "markerfacecolor": background, "color": PURPLE}
            marks.append(self._mark_suggestion(ax, other, zorder=5 + i, markeredgewidth=1.5, **look))
        self._draw_trials(ax)
        self.draw_answer(ax)
        if isinstance(result.chosen, Suggestion):
            self._draw_what_was_read(ax, result.chosen)
            if (interval := result.interval) is not None:
                heights = [self.height_at(result.lr)] * 2
                text = f"interval  {' to '.join(map(format_rate, interval))}"
                look = {"color": VERMILION, "linewidth": 2, "markersize": 11, "label": text}
                ax.plot(drawable_rates(interval), heights, "|-", zorder=19, **look)
            # On top of the others, but small enough to show them, because heuristics often agree.
            look = {"color": VERMILION, "markeredgecolor": background}
            self._mark_suggestion(ax, result.chosen, zorder=20, marker="o", markersize=7, **look)
            if result.confirmation is not None:
                label = f"confirmed  {format_rate(result.lr)}"
                self._mark_rate(ax, result.lr, label, zorder=21, marker="*", markersize=14, **look)
        return marks

    def set_up(self, ax: "Axes") -> None:
        """Set scales, limits, labels and style, before anything is drawn."""
        self.set_limits(ax)
        ax.set_xscale("log")
        # Ticks are written in full, because matplotlib would write their common factor or offset over the stop reason.
        ax.yaxis.set_major_formatter(lambda value, _: f"{value:.10g}")
        ax.set_xlabel("learning rate")
        ax.set_ylabel(self.name)
        style_axes(ax)

    def set_limits(self, ax: "Axes") -> None:
        """Set limits that show this curve and what the axes show already: a user may draw two results on them.

        Before anything is drawn, because matplotlib cannot compute limits of its own for losses that exploded.
        """
        (left, right), y_limits = self.find_x_limits(), self.find_y_limits()
        if y_limits is not None and ax.get_yscale() == "log":  # of the user's own axes
            losses = [*self.curve.finite.loss, *(trial.loss for trial in self.trials)]
            y_limits = above_zero(y_limits, self._heights(losses))
        if ax.has_data():
            take_legend_away(ax)
            (first, last), (bottom, top) = ax.get_xlim(), ax.get_ylim()
            # The axis becomes logarithmic.
            left, right = min(left, first if first > 0 else ax.dataLim.minposx), max(right, last)
            y_limits = (bottom, top) if y_limits is None else (min(bottom, y_limits[0]), max(top, y_limits[1]))
        ax.set_xlim(left, right)
        if y_limits is not None:
            ax.set_ylim(*y_limits)
        ax.set_autoscale_on(False)

    def find_x_limits(self) -> tuple[float, float]:
        """Return limits around the swept rates and every marked one; the planned rates if none was swept."""
        result = self.result
        marked = [answer.lr for answer in result.answers if isinstance(answer, Suggestion)]
        if isinstance(result.chosen, Suggestion):
            marked += [result.lr, *(result.interval or ())]
        if isinstance(bounds := range_or_reason(result), LRRange):
            marked += [bounds.base_lr, bounds.max_lr]
        marked += [trial.lr for trial in self.trials]
        rates = drawable_rates([*(self.curve.lr or (result.plan.start_lr, result.plan.end_lr)), *marked])
        room = max((max(rates) / min(rates)) ** 0.03, 1.05)
        return min(rates) / room, max(rates) * room

    def find_y_limits(self) -> tuple[float, float] | None:
        """Return limits that show the whole descent, but only the beginning of a divergence; None without losses.

        Of a metric that is better when higher, they show its whole ascent.
        """
        limits = limits_of_losses(self.curve, self.sweeps, self.trials)
        if limits is None:
            return None
        low, high = sorted(self.curve.quantity.oriented(limits))
        return low, high

    def _heights(self, losses: Iterable[float]) -> list[float]:
        """Return losses as they are drawn: in the sign of what was recorded."""
        return drawable(self.curve.quantity.oriented(losses))

    def _worst(self, ax: "Axes") -> float:
        """Return the edge of the data at which a divergence leaves the picture: the lower one of a metric to raise."""
        return ax.get_ylim()[0] if self.curve.quantity.higher_is_better else ax.get_ylim()[1]

    def _mark_off_scale(self, ax: "Axes", size: float) -> None:
        finite, edge = self.curve.finite, self._worst(ax)
        higher = self.curve.quantity.higher_is_better
        above = [
            lr for lr, value in zip(finite.lr, finite.values, strict=True) if (value < edge if higher else value > edge)
        ]
        if not above:
            return
        worst = min(finite.values) if higher else max(finite.values)
        text = f"{self.name} off the scale  ({'down' if higher else 'up'} to {worst:.3g})"
        ax.plot(
            drawable_rates(above),
            [edge] * len(above),
            linestyle="none",
            marker="v" if higher else "^",
            clip_on=False,
            color=ink(ax),
            alpha=0.6,
            markersize=5 * size,
            markeredgewidth=0,
            label=text,
        )

    def _mark_gaps(self, ax: "Axes", size: float) -> None:
        gaps = [lr for lr, loss in zip(self.curve.lr, self.curve.loss, strict=True) if not math.isfinite(loss)]
        if not gaps:
            return
        # The transform takes x in rates and y in parts of the axes' height, because a loss that is NaN has no height.
        ax.plot(
            drawable_rates(gaps),
            [0.02] * len(gaps),
            "x",
            transform=ax.get_xaxis_transform(),
            color=ink(ax),
            markersize=6 * size,
            label=f"not finite  ({len(gaps)} of {len(self.curve)})",
        )

    def _draw_what_was_read(self, ax: "Axes", chosen: Suggestion) -> None:
        """Mark the rates at which the loss falls and blows up, as the chosen heuristic read them, and name them."""
        read = {name: chosen.read[name] for name in _READ if chosen.read.get(name, 0.0) > 0.0}
        if not read or not self.is_read:
            return
        higher = self.curve.quantity.higher_is_better
        names = {**_READ, "fall": "rise"} if higher else _READ
        rates = dict(zip(read, drawable_rates(read.values()), strict=True))
        texts = [f"{names[name]} {format_rate(lr)}" for name, lr in read.items()]
        heights = [self.height_at(lr) for lr in read.values()]
        label = f"{plain_label(chosen.heuristic)} reads  {', '.join(texts)}"
        colour, background = ink(ax), ax.get_facecolor()
        look: dict[str, Any] = {"markersize": 12, "markeredgewidth": 1.8, "label": label}
        ax.plot(list(rates.values()), heights, "|", color=colour, zorder=18, **look)
        # At the end of the axes where the curve is not: above a descent, below an ascent.
        left, right = map(math.log, ax.get_xlim())
        places = {name: (math.log(lr) - left) / (right - left) for name, lr in rates.items()}
        close = len(places) == 2 and 0 < places["blow_up"] - places["fall"] < _CLOSE
        for name, lr in rates.items():
            before = places[name] > _CLOSE  # there is room to the left
            down = 16 if close and name == "blow_up" else 4
            ax.annotate(
                names[name],
                xy=(lr, ax.get_ylim()[0] if higher else ax.get_ylim()[1]),
                xytext=(-4 if before else 4, down if higher else -down),
                textcoords="offset points",
                ha="right" if before else "left",
                va="bottom" if higher else "top",
                fontsize="small",
                color=colour,
                alpha=0.8,
                gid=OUR_TEXT,
                bbox={"facecolor": background, "alpha": 0.7, "pad": 1, "edgecolor": "none"},
            )
            self.upright.append(ax.axvline(lr, color=colour, linewidth=0.9, linestyle=":", alpha=0.6, zorder=2))

    def _draw_trials(self, ax: "Axes") -> None:
        """Draw each trial at its rate: its loss, with the error of its difference from the best one."""
        confirmation = self.result.confirmation
        if confirmation is None or not self.is_read:
            return
        trials = self.trials
        rates = [trial.lr for trial in sorted(confirmation.trials, key=lambda trial: trial.lr)]
        judged = f"{'held-out' if confirmation.held_out else 'training'} {confirmation.quantity.name}"
        label = plain_label(f"trials, {judged}  at {', '.join(map(format_rate, rates))}")
        look: dict[str, Any] = {"color": ORANGE, "markeredgecolor": ink(ax), "markeredgewidth": 0.8, "zorder": 16}
        if not trials:  # they are in another unit than the curve
            heights = [self.height_at(lr) for lr in rates]
            ax.plot(drawable_rates(rates), heights, "D", markersize=9, label=label, **look)
            return
        finite = [trial for trial in trials if math.isfinite(trial.loss)]
        heights = self._heights(trial.loss for trial in finite)
        errors = drawable(trial.error or 0.0 for trial in finite)
        lr = drawable_rates(trial.lr for trial in finite)
        ax.errorbar(lr, heights, yerr=errors, fmt="D", markersize=9, elinewidth=1.5, capsize=5, label=label, **look)
        diverged = [trial.lr for trial in trials if not math.isfinite(trial.loss)]
        if diverged:
            edge = [self._worst(ax)] * len(diverged)
            look = {"color": ORANGE, "markersize": 9, "markeredgewidth": 2.5, "zorder": 22, "clip_on": False}
            ax.plot(drawable_rates(diverged), edge, "x", label="trial that did not stay finite", **look)

    def _mark_suggestion(self, ax: "Axes", suggestion: Suggestion, **look: Any) -> Any:
        label = f"{suggestion.heuristic}  {format_rate(suggestion.lr)}"
        if suggestion is self.result.chosen:
            label += "  (chosen)"
        elif isinstance(self.result.chosen, Refusal):
            label += "  (not chosen)"
        return self._mark_rate(ax, suggestion.lr, label, **look)

    def _mark_rate(self, ax: "Axes", lr: float, label: str, **look: Any) -> Any:
        height = self.height_at(lr)
        (mark,) = ax.plot(
            drawable_rates([lr]), [height], linestyle="none", clip_on=False, label=plain_label(label), **look
        )
        return mark

    def height_at(self, lr: float) -> float:
        """Return the height of the smoothed curve at a rate: between points, and held beyond the first and last one.

        NaN, for which nothing is drawn, if no loss is finite.
        """
        finite = self.curve.finite
        if not len(finite):
            return math.nan
        smoothed = self._heights(finite.smoothed)
        after = bisect.bisect_left(finite.lr, lr)
        if after in (0, len(finite)):
            return smoothed[min(after, len(finite) - 1)]
        low, here, high = (math.log(rate) for rate in (finite.lr[after - 1], lr, finite.lr[after]))
        part = (here - low) / (high - low) if high > low else 1.0
        return smoothed[after - 1] * (1 - part) + smoothed[after] * part
