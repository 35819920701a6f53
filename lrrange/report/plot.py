"""A result as a picture: loss against learning rate, with what was read from it. Needs matplotlib, from first use."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrrange.advice.advice import Advice
from lrrange.advice.ranges import LRRange
from lrrange.advice.suggestion import Refusal, Suggestion
from lrrange.report.figures import check_plottable, need_matplotlib, save_figure
from lrrange.report.formatting import gap_count, rate, stopped
from lrrange.sweep.repeats import band

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe & Ito's palette, which reads the same to people with any colour vision.
_BLUE, _ORANGE, _GREEN, _PURPLE, _GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#5b6570"
_OTHER_MARKERS = "sD^vPX<>"

# A curve is cut off above its start plus this part of its drop: what it does there is diverge, and at full scale the
# descent that matters would be a flat line.
_HEADROOM = 0.6


def plot(result: Advice, ax: "Axes | None" = None) -> "Axes":
    """Draw raw and smoothed loss against the rate, with the suggestions and the range.

    The rate's axis is logarithmic also for a linear sweep, because heuristics read slopes per decade. Where the loss
    climbs off the picture, carets at the upper edge stand for the readings.

    Args:
        result: a finished range test.
        ax: where to draw; a new pyplot figure if None.
    Returns: the axes.
    Raises: MissingExtra if matplotlib is not installed.
    """
    need_matplotlib()
    if ax is not None:
        return _draw(result, ax)
    from matplotlib import pyplot

    figure, own = pyplot.subplots(figsize=(8, 5), layout="constrained")
    return _legend_outside(figure, _draw(result, own))


def save_plot(result: Advice, path: str | Path) -> None:
    """Write the picture to `path`, whole or not at all, in the format its suffix names. No display is needed.

    Raises: MissingExtra, OptionError for a suffix that is no picture format, SaveError.
    """
    check_plottable(path)
    from matplotlib.figure import Figure  # not pyplot, which would look for a display

    figure = Figure(figsize=(8, 5), layout="constrained")
    _legend_outside(figure, _draw(result, figure.subplots()))
    save_figure(figure, path)


def plot_grid(cells: Sequence[tuple[str, Advice]]) -> "Figure":
    """Draw one small plot for each setting of a grid, all with the same limits, with the range shaded.

    Args:
        cells: a label for each setting, and what the range test under it says.
    Returns: a figure, which `savefig` writes and a notebook shows.
    Raises: MissingExtra if matplotlib is not installed.
    """
    need_matplotlib()
    from matplotlib.figure import Figure

    columns = min(len(cells), 3)
    rows = -(-len(cells) // columns)
    figure = Figure(figsize=(4 * columns, 2.6 * rows + 0.6), layout="constrained")
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat
    for panel in panels[len(cells) :]:
        panel.set_axis_off()
    for panel, (label, advice) in zip(panels, cells, strict=False):
        _set_limits(advice, panel)
        panel.set_xscale("log")
        curve = advice.curve
        panel.plot(curve.lr, curve.loss, ".", color=_GREY, markersize=3, alpha=0.5, markeredgewidth=0)
        panel.plot(curve.lr, curve.smoothed, "-", color=_BLUE, linewidth=1.5)
        if (bounds := _range(advice)) is not None:
            panel.axvspan(bounds.base_lr, bounds.max_lr, color=_GREEN, alpha=0.15, linewidth=0)
        if isinstance(advice.chosen, Suggestion):
            panel.axvline(advice.lr, color=_ORANGE, linewidth=1.2, linestyle=(0, (4, 3)))
        panel.set_title(label, fontsize="medium", loc="left")
    figure.supxlabel("learning rate  (dashed: lr, shaded: range)", fontsize="medium")
    figure.supylabel("loss", fontsize="medium")
    return figure


def _draw(result: Advice, ax: "Axes") -> "Axes":
    curve = result.curve
    _set_limits(result, ax)  # first: matplotlib's own limits cannot hold the losses of a sweep that exploded
    ax.set_xscale("log")
    # Every tick in full: matplotlib's common factor or offset would stand where the stop reason does.
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:.10g}")
    ax.set_xlabel("learning rate")
    ax.set_ylabel("loss")
    ax.grid(visible=True, which="major", color="0.92", linewidth=0.8)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    if (bounds := _range(result)) is not None:
        ax.axvspan(
            bounds.base_lr,
            bounds.max_lr,
            color=_GREEN,
            alpha=0.12,
            linewidth=0,
            label=f"range  {rate(bounds.base_lr)} to {rate(bounds.max_lr)}  ({bounds.rule})",
        )
    if result.sweeps:
        _draw_band(result, ax)
    ax.plot(curve.lr, curve.loss, ".", color=_GREY, markersize=6, alpha=0.55, markeredgewidth=0, label="loss")
    ax.plot(curve.lr, curve.smoothed, "-", color=_BLUE, linewidth=2, label="smoothed loss")
    _mark_off_scale(result, ax)
    _mark_gaps(result, ax)
    _mark_suggestions(result, ax)
    _title(result, ax)
    ax.legend(loc="best", fontsize="small", framealpha=0.9)
    return ax


def _legend_outside(figure: "Figure", ax: "Axes") -> "Axes":
    """In a figure of our own, the legend goes under the axes, where it covers nothing."""
    handles, labels = ax.get_legend_handles_labels()
    ax.get_legend().remove()  # type: ignore[union-attr]  # _draw has just made it
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize="small", frameon=False)
    return ax


def _range(result: Advice) -> LRRange | None:
    """The range to draw: the confirmed one, or the first that was read; None if the curve has none."""
    if result.confirmation is not None:
        return result.range
    return result.ranges[0] if result.ranges else None


def _draw_band(result: Advice, ax: "Axes") -> None:
    """Between the lowest and the highest smoothed loss of the single sweeps."""
    low, high = band(result.sweeps)
    rates = max((curve.lr for curve in result.sweeps), key=len)
    label = f"smoothed loss of {len(result.sweeps)} sweeps"
    ax.fill_between(rates, low, high, color=_BLUE, alpha=0.15, linewidth=0, label=label)


def _mark_suggestions(result: Advice, ax: "Axes") -> None:
    suggestions = [answer for answer in result.answers if isinstance(answer, Suggestion)]
    others = [answer for answer in suggestions if answer is not result.chosen]
    for i, other in enumerate(others):
        marker = _OTHER_MARKERS[i % len(_OTHER_MARKERS)]
        look: dict[str, Any] = {"marker": marker, "markersize": 10, "markerfacecolor": "white", "color": _PURPLE}
        _mark(result, ax, other, zorder=5 + i, markeredgewidth=1.6, **look)
    if isinstance(result.chosen, Suggestion):
        ax.axvline(result.lr, color=_ORANGE, linewidth=1.2, linestyle=(0, (4, 3)), zorder=3)
        if result.low < result.high:
            heights = [_smoothed_at(result, result.lr)] * 2
            text = f"interval  {rate(result.low)} to {rate(result.high)}"
            look = {"color": _ORANGE, "linewidth": 2, "markersize": 11, "label": text}
            ax.plot([result.low, result.high], heights, "|-", zorder=19, **look)
        # Last and on top, but small enough to show what is under it, because heuristics like to agree.
        look = {"color": _ORANGE, "markeredgecolor": "white"}
        _mark(result, ax, result.chosen, zorder=20, marker="o", markersize=8, **look)
        if result.confirmation is not None:
            _mark_rate(result, ax, result.lr, f"confirmed  {rate(result.lr)}", zorder=21, marker="*", ms=16, **look)


def _mark(result: Advice, ax: "Axes", suggestion: Suggestion, **look: Any) -> None:
    label = f"{suggestion.heuristic}  {rate(suggestion.lr)}"
    if suggestion is result.chosen:
        label += "  (chosen)"
    _mark_rate(result, ax, suggestion.lr, label, **look)


def _mark_rate(result: Advice, ax: "Axes", lr: float, label: str, **look: Any) -> None:
    ax.plot([lr], [_smoothed_at(result, lr)], linestyle="none", clip_on=False, label=label, **look)


def _smoothed_at(result: Advice, lr: float) -> float:
    """The smoothed loss at a rate that may lie between two points, or beyond the first or last one."""
    finite = result.curve.finite
    if lr <= finite.lr[0]:
        return finite.smoothed[0]
    for i in range(1, len(finite)):
        low, high = finite.lr[i - 1], finite.lr[i]
        if lr <= high:
            part = math.log(lr / low) / math.log(high / low)
            return finite.smoothed[i - 1] * (1 - part) + finite.smoothed[i] * part
    return finite.smoothed[-1]


def _mark_gaps(result: Advice, ax: "Axes") -> None:
    if not (count := gap_count(result)):
        return
    curve = result.curve
    gaps = [lr for lr, loss in zip(curve.lr, curve.loss, strict=True) if not math.isfinite(loss)]
    # x in rates, y in parts of the axes' height: a reading that is no number has no height.
    ax.plot(
        gaps,
        [0.02] * count,
        "x",
        transform=ax.get_xaxis_transform(),
        color="black",
        markersize=6,
        label=f"not finite  ({count} of {len(result.curve)})",
    )


def _mark_off_scale(result: Advice, ax: "Axes") -> None:
    finite, top = result.curve.finite, ax.get_ylim()[1]
    above = [lr for lr, loss in zip(finite.lr, finite.loss, strict=True) if loss > top]
    if above:
        ax.plot(
            above,
            [1.0] * len(above),
            linestyle="none",
            marker="^",
            transform=ax.get_xaxis_transform(),
            clip_on=False,
            color=_GREY,
            alpha=0.7,
            markersize=5,
            markeredgewidth=0,
            label=f"loss off the scale  (up to {max(finite.loss):.3g})",
        )


def _set_limits(result: Advice, ax: "Axes") -> None:
    """Limits for this result, and for what the user's axes show already: two results may be drawn on one."""
    shared = ax.has_data()
    for limits, set_limits, present in (
        (_x_limits(result), ax.set_xlim, ax.get_xlim()),
        (_y_limits(result), ax.set_ylim, ax.get_ylim()),
    ):
        if limits is not None:
            low, high = limits
            set_limits(min(low, present[0]) if shared else low, max(high, present[1]) if shared else high)
    ax.set_autoscale_on(False)


def _x_limits(result: Advice) -> tuple[float, float]:
    """The rates that were swept and everything marked, with a little room; the planned rates if none were."""
    suggestions = [answer for answer in result.answers if isinstance(answer, Suggestion)]
    marked = [answer.lr for answer in suggestions]
    if isinstance(result.chosen, Suggestion):
        marked += [result.low, result.lr, result.high]
    if (bounds := _range(result)) is not None:
        marked += [bounds.base_lr, bounds.max_lr]
    rates = [*(result.curve.lr or result.plan.rates), *marked]
    room = max((max(rates) / min(rates)) ** 0.03, 1.05)
    return min(rates) / room, max(rates) * room


def _y_limits(result: Advice) -> tuple[float, float] | None:
    """Limits that show the descent whole, and of the divergence after it only the beginning; None without losses."""
    finite = result.curve.finite
    if not len(finite):
        return None
    bottom = finite.smoothed[finite.lowest]
    top = max(finite.start, *finite.smoothed[: finite.lowest + 1])
    if not finite.falls:  # the lower three quarters of the readings set the scale instead
        top = max(top, sorted(finite.loss)[-(-3 * (len(finite) - 1) // 4)])
    span = max(top - bottom, 4 * finite.noise, 1e-6 * abs(top))
    low = max(min(finite.loss), bottom - _HEADROOM * span)
    high = min(max(finite.loss), top + _HEADROOM * span)
    room = 0.06 * (high - low) or 0.5
    return (low - room, high + room) if math.isfinite(room) else None


def _title(result: Advice, ax: "Axes") -> None:
    chosen = result.chosen
    if isinstance(chosen, Refusal):
        who = chosen.heuristic if result.heuristic is not None else "every heuristic"
        headline = f"no learning rate: {who} refused ({chosen.kind})"
    else:
        how = chosen.heuristic if result.confirmation is None else f"{chosen.heuristic}, confirmed"
        headline = f"lr = {rate(result.lr)}  ({how})"
    ax.set_title(headline, loc="left", fontsize="large", fontweight="bold", pad=22)
    ax.annotate(
        stopped(result),
        xy=(0, 1),
        xycoords="axes fraction",
        xytext=(0, 8),
        textcoords="offset points",
        fontsize="small",
        color=_GREY,
    )
