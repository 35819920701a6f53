"""Plots of range tests: loss against learning rate, with the suggestions. They need matplotlib."""

import bisect
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrrange.advice.advice import Advice
from lrrange.advice.ranges import LRRange
from lrrange.advice.suggestion import Refusal, Suggestion
from lrrange.random_state import kept_random_state
from lrrange.report.figures import (
    BLUE,
    GREEN,
    GREY,
    PURPLE,
    VERMILION,
    check_plottable,
    drawable,
    drawable_rates,
    limits_around,
    move_legend_below,
    need_matplotlib,
    plain_label,
    save_figure,
    style_axes,
    write_title,
)
from lrrange.report.formatting import count_gaps, format_rate, format_stop, name_refusing
from lrrange.sweep.repeats import band

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_OTHER_MARKERS = "sD^vPX<>"

# The plot ends at the curve's first loss plus this part of its drop. Above that the loss only diverges, and on a scale
# that shows all of the divergence the descent would look like a flat line.
_HEADROOM = 0.6


@kept_random_state()
def plot(result: Advice, ax: "Axes | None" = None) -> "Axes":
    """Draw raw and smoothed loss against the learning rate, with the suggestions and the range.

    The rate's axis is logarithmic for a linear sweep too, because heuristics read slopes per decade. A caret at the
    upper edge marks each loss that is too high for the plot.

    Args:
        result: a finished range test.
        ax: axes to draw on; those of a new pyplot figure if None.
    Returns: the axes.
    Raises: MissingExtra if matplotlib is not installed.
    """
    need_matplotlib()
    if ax is not None:
        return _draw(result, ax)
    from matplotlib import pyplot

    figure, new = pyplot.subplots(figsize=(8, 5), layout="constrained")
    move_legend_below(figure, _draw(result, new))
    return new


@kept_random_state()
def save_plot(result: Advice, path: str | Path) -> None:
    """Write the plot to `path`, all of it or nothing, in the format that its suffix names. It needs no display.

    Raises: MissingExtra; OptionError for a suffix that is no picture format; SaveError.
    """
    check_plottable(path)
    from matplotlib.figure import Figure  # not pyplot, which would look for a display

    figure = Figure(figsize=(8, 5), layout="constrained")
    move_legend_below(figure, _draw(result, figure.subplots()))
    save_figure(figure, path)


@kept_random_state()
def plot_grid(cells: Sequence[tuple[str, Advice]]) -> "Figure":
    """Draw one small plot for each setting of a grid, all with the same limits, and shade the ranges.

    Args:
        cells: a label for each setting, and its range test.
    Returns: a figure. `savefig` writes it, and a notebook shows it.
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
        lr = drawable_rates(curve.lr)
        panel.plot(lr, drawable(curve.loss), ".", color=GREY, markersize=3, alpha=0.5, markeredgewidth=0)
        panel.plot(lr, drawable(curve.smoothed), "-", color=BLUE, linewidth=1.5)
        if (bounds := _find_range(advice)) is not None:
            panel.axvspan(*drawable_rates((bounds.base_lr, bounds.max_lr)), color=GREEN, alpha=0.15, linewidth=0)
        if isinstance(advice.chosen, Suggestion):
            panel.axvline(*drawable_rates([advice.lr]), color=VERMILION, linewidth=1.2, linestyle=(0, (4, 3)))
        panel.set_title(plain_label(label), fontsize="medium", loc="left")
    figure.supxlabel("learning rate  (dashed: lr, shaded: range)", fontsize="medium")
    figure.supylabel("loss", fontsize="medium")
    return figure


def _draw(result: Advice, ax: "Axes") -> "Axes":
    curve = result.curve
    # Before anything is drawn, because matplotlib cannot compute limits of its own for losses that exploded.
    _set_limits(result, ax)
    ax.set_xscale("log")
    # Ticks are written in full, because matplotlib would write their common factor or offset over the stop reason.
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:.10g}")
    ax.set_xlabel("learning rate")
    ax.set_ylabel("loss")
    style_axes(ax)
    if (bounds := _find_range(result)) is not None:
        ax.axvspan(
            *drawable_rates((bounds.base_lr, bounds.max_lr)),
            color=GREEN,
            alpha=0.12,
            linewidth=0,
            label=plain_label(f"range  {format_rate(bounds.base_lr)} to {format_rate(bounds.max_lr)}  ({bounds.rule})"),
        )
    if result.sweeps:
        _draw_band(result, ax)
    lr = drawable_rates(curve.lr)
    label = "loss"
    if curve.measured is not None:
        label = "paired loss"
        ax.plot(lr, curve.measured, ".", color=GREY, markersize=5, alpha=0.3, markeredgewidth=0, label="loss measured")
    ax.plot(lr, curve.loss, ".", color=GREY, markersize=6, alpha=0.55, markeredgewidth=0, label=label)
    ax.plot(lr, drawable(curve.smoothed), "-", color=BLUE, linewidth=2, label="smoothed loss")
    _mark_off_scale(result, ax)
    _mark_gaps(result, ax)
    _mark_suggestions(result, ax)
    _draw_title(result, ax)
    ax.legend(loc="best", fontsize="small", framealpha=0.9)
    return ax


def _find_range(result: Advice) -> LRRange | None:
    """Return the range to draw: the confirmed one, or the first of `result.ranges`; None if there is none."""
    if result.confirmation is not None:
        return result.range
    return result.ranges[0] if result.ranges else None


def _draw_band(result: Advice, ax: "Axes") -> None:
    """Shade the area between the lowest and the highest smoothed loss of the single sweeps."""
    low, high = map(drawable, band(result.sweeps))
    rates = drawable_rates(max(result.sweeps, key=len).lr)
    label = f"smoothed loss of {len(result.sweeps)} sweeps"
    ax.fill_between(rates, low, high, color=BLUE, alpha=0.15, linewidth=0, label=label)


def _mark_suggestions(result: Advice, ax: "Axes") -> None:
    suggestions = [answer for answer in result.answers if isinstance(answer, Suggestion)]
    others = [answer for answer in suggestions if answer is not result.chosen]
    for i, other in enumerate(others):
        marker = _OTHER_MARKERS[i % len(_OTHER_MARKERS)]
        look: dict[str, Any] = {"marker": marker, "markersize": 10, "markerfacecolor": "white", "color": PURPLE}
        _mark_suggestion(result, ax, other, zorder=5 + i, markeredgewidth=1.6, **look)
    if isinstance(result.chosen, Suggestion):
        ax.axvline(*drawable_rates([result.lr]), color=VERMILION, linewidth=1.2, linestyle=(0, (4, 3)), zorder=3)
        if (interval := result.interval) is not None:
            heights = [_interpolate_loss(result, result.lr)] * 2
            text = f"interval  {' to '.join(map(format_rate, interval))}"
            look = {"color": VERMILION, "linewidth": 2, "markersize": 11, "label": text}
            ax.plot(drawable_rates(interval), heights, "|-", zorder=19, **look)
        # On top of the others, but small enough to show them, because heuristics often agree.
        look = {"color": VERMILION, "markeredgecolor": "white"}
        _mark_suggestion(result, ax, result.chosen, zorder=20, marker="o", markersize=8, **look)
        if result.confirmation is not None:
            label = f"confirmed  {format_rate(result.lr)}"
            _mark_rate(result, ax, result.lr, label, zorder=21, marker="*", markersize=16, **look)


def _mark_suggestion(result: Advice, ax: "Axes", suggestion: Suggestion, **look: Any) -> None:
    label = f"{suggestion.heuristic}  {format_rate(suggestion.lr)}"
    if suggestion is result.chosen:
        label += "  (chosen)"
    elif isinstance(result.chosen, Refusal):
        label += "  (not chosen)"
    _mark_rate(result, ax, suggestion.lr, label, **look)


def _mark_rate(result: Advice, ax: "Axes", lr: float, label: str, **look: Any) -> None:
    height = _interpolate_loss(result, lr)
    ax.plot(drawable_rates([lr]), [height], linestyle="none", clip_on=False, label=plain_label(label), **look)


def _interpolate_loss(result: Advice, lr: float) -> float:
    """Return the smoothed loss at a rate, interpolated between points and held beyond the first and the last one.

    NaN, for which nothing is drawn, if no loss is finite.
    """
    finite = result.curve.finite
    if not len(finite):
        return math.nan
    smoothed = drawable(finite.smoothed)
    after = bisect.bisect_left(finite.lr, lr)
    if after in (0, len(finite)):
        return smoothed[min(after, len(finite) - 1)]
    low, here, high = (math.log(rate) for rate in (finite.lr[after - 1], lr, finite.lr[after]))
    part = (here - low) / (high - low) if high > low else 1.0
    return smoothed[after - 1] * (1 - part) + smoothed[after] * part


def _mark_gaps(result: Advice, ax: "Axes") -> None:
    if not (count := count_gaps(result)):
        return
    curve = result.curve
    gaps = [lr for lr, loss in zip(curve.lr, curve.loss, strict=True) if not math.isfinite(loss)]
    # The transform takes x in rates and y in parts of the axes' height, because a loss that is NaN has no height.
    ax.plot(
        drawable_rates(gaps),
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
            drawable_rates(above),
            [1.0] * len(above),
            linestyle="none",
            marker="^",
            transform=ax.get_xaxis_transform(),
            clip_on=False,
            color=GREY,
            alpha=0.7,
            markersize=5,
            markeredgewidth=0,
            label=f"loss off the scale  (up to {max(finite.loss):.3g})",
        )


def _set_limits(result: Advice, ax: "Axes") -> None:
    """Set limits that show this result and what the axes show already: a user may draw two results on the same axes."""
    shared = ax.has_data()
    for limits, set_limits, present in (
        (_find_x_limits(result), ax.set_xlim, ax.get_xlim()),
        (_find_y_limits(result), ax.set_ylim, ax.get_ylim()),
    ):
        if limits is not None:
            low, high = limits
            set_limits(min(low, present[0]) if shared else low, max(high, present[1]) if shared else high)
    ax.set_autoscale_on(False)


def _find_x_limits(result: Advice) -> tuple[float, float]:
    """Return limits around the swept rates and every marked one, with a margin; the planned rates if none was swept."""
    suggestions = [answer for answer in result.answers if isinstance(answer, Suggestion)]
    marked = [answer.lr for answer in suggestions]
    if isinstance(result.chosen, Suggestion):
        marked += [result.lr, *(result.interval or ())]
    if (bounds := _find_range(result)) is not None:
        marked += [bounds.base_lr, bounds.max_lr]
    rates = drawable_rates([*(result.curve.lr or (result.plan.start_lr, result.plan.end_lr)), *marked])
    room = max((max(rates) / min(rates)) ** 0.03, 1.05)
    return min(rates) / room, max(rates) * room


def _find_y_limits(result: Advice) -> tuple[float, float] | None:
    """Return limits that show the whole descent, but only the beginning of a divergence; None without losses."""
    finite = result.curve.finite
    if not len(finite):
        return None
    loss, smoothed = drawable(finite.loss), drawable(finite.smoothed)
    bottom = smoothed[finite.lowest]
    (top,) = drawable([max(finite.start, *smoothed[: finite.lowest + 1])])
    if not finite.falls:  # there is no descent, so the lower three quarters of the losses set the scale
        top = max(top, sorted(loss)[-(-3 * (len(finite) - 1) // 4)])
    (noise,) = drawable([finite.noise])
    span = max(top - bottom, 4 * noise if math.isfinite(noise) else 0.0, 1e-6 * abs(top))
    low = max(min(loss), bottom - _HEADROOM * span)
    high = min(max(loss), top + _HEADROOM * span)
    if finite.measured is not None:  # whose noise is larger
        measured = drawable(finite.unpaired.finite.loss)
        (noise,) = drawable([finite.unpaired.noise])
        low = min(low, max(min(measured), bottom - 2 * noise))
        high = max(high, min(max(measured), top + 2 * noise))
    return limits_around(min(low, high), max(low, high), 0.06)


def _draw_title(result: Advice, ax: "Axes") -> None:
    chosen = result.chosen
    if isinstance(chosen, Refusal):
        headline = f"no learning rate: {name_refusing(result)} refused ({chosen.kind})"
    else:
        source = chosen.heuristic if result.confirmation is None else f"{chosen.heuristic}, confirmed"
        headline = f"lr = {format_rate(result.lr)}  ({source})"
    write_title(ax, headline, format_stop(result))
