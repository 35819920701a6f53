"""A comparison as a picture: loss against steps, with the rates below. Needs matplotlib, from first use."""

import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lrrange.comparison.standings import Standings
from lrrange.errors import NoWinner
from lrrange.policy import Run
from lrrange.report.figures import check_plottable, need_matplotlib, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe & Ito's palette, which reads the same to people with any colour vision; its yellow is too light for lines.
_PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
_DASHES = ("-", "--", ":")

# Training losses are averaged over this part of a run, on both sides of each step together.
_WINDOW = 0.03

# Losses above the start by more than this part of the way down are cut off: what is there diverges.
_HEADROOM = 0.15


def plot(comparison: Standings, axes: "tuple[Axes, Axes] | None" = None) -> "tuple[Axes, Axes]":
    """Draw loss and rate against steps: for each policy the median over the seeds, and the band they span.

    Args:
        comparison: with some finished runs.
        axes: where to draw the two; a new pyplot figure if None.
    Returns: the axes, of the loss and of the rate.
    Raises: MissingExtra if matplotlib is not installed; NoWinner if there is nothing to draw.
    """
    need_matplotlib()
    if axes is not None:
        return _draw(comparison, axes)
    from matplotlib import pyplot

    return _in(pyplot.figure(figsize=(8, 7), layout="constrained"), comparison)


def save_plot(comparison: Standings, path: str | Path) -> None:
    """Write the picture to `path`, whole or not at all, in the format its suffix names. No display is needed.

    Raises: MissingExtra, OptionError for a suffix that is no picture format, SaveError; as `plot`.
    """
    check_plottable(path)
    from matplotlib.figure import Figure  # not pyplot, which would look for a display

    figure = Figure(figsize=(8, 7), layout="constrained")
    _in(figure, comparison)
    save_figure(figure, path)


def _in(figure: "Figure", comparison: Standings) -> "tuple[Axes, Axes]":
    """The picture in a figure of its own, where the legend goes under the axes and covers nothing."""
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    axes = _draw(comparison, (upper, lower))
    handles, labels = upper.get_legend_handles_labels()
    upper.get_legend().remove()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize="small", frameon=False)
    return axes


def _draw(comparison: Standings, axes: "tuple[Axes, Axes]") -> "tuple[Axes, Axes]":
    losses, rates = axes
    if not comparison.finished:
        raise NoWinner("no run finished, so there is nothing to draw.")
    positive = all(loss > 0 for run in comparison.finished for loss in (*_curve(run), *_held_out(run)))
    losses.set_yscale("log" if positive else "linear")
    rates.set_yscale("log")
    for place, policy in enumerate(comparison.policies):
        if runs := comparison.of(policy.name):
            color, dash = _PALETTE[place % len(_PALETTE)], _DASHES[place // len(_PALETTE) % len(_DASHES)]
            _draw_losses(losses, runs, color, dash, _label(comparison, policy.name))
            longest = max(len(run.losses) for run in runs)
            rates.plot(range(1, longest + 1), policy.lr[:longest], dash, color=color, linewidth=1.5)
    _set_limits(comparison, losses)
    for ax in axes:
        ax.grid(visible=True, which="major", color="0.92", linewidth=0.8)
        ax.set_axisbelow(True)
        ax.spines[["top", "right"]].set_visible(False)
    losses.set_ylabel("loss")
    rates.set_ylabel("learning rate")
    rates.set_xlabel("step")
    _title(comparison, losses)
    losses.legend(loc="best", fontsize="small", framealpha=0.9)
    return axes


def _draw_losses(ax: "Axes", runs: Sequence[Run], color: str, dash: str, label: str) -> None:
    steps, middle, low, high = _band([_curve(run) for run in runs])
    ax.fill_between(steps, low, high, color=color, alpha=0.15, linewidth=0)
    ax.plot(steps, middle, dash, color=color, linewidth=1.5, label=label)
    at = [checkpoint.step for checkpoint in max((run.held_out for run in runs), key=len)]
    readings = [[run.held_out[i].loss for run in runs if i < len(run.held_out)] for i in range(len(at))]
    marks = [statistics.median_high(values) for values in readings]
    ax.plot(at, marks, linestyle="none", marker="o", markersize=6, color=color, markeredgecolor="white", zorder=4)


def _held_out(run: Run) -> list[float]:
    return [checkpoint.loss for checkpoint in run.held_out]


def _curve(run: Run) -> list[float]:
    """The training loss around each step, averaged over the readings that are finite, up to where there are none."""
    reach = max(1, round(_WINDOW * len(run.losses) / 2))
    curve = []
    for step in range(len(run.losses)):
        near = [loss for loss in run.losses[max(0, step - reach) : step + reach + 1] if math.isfinite(loss)]
        if not near:
            break
        curve.append(statistics.fmean(near))
    return curve


def _band(curves: Sequence[Sequence[float]]) -> tuple[range, list[float], list[float], list[float]]:
    """The steps that any curve reached, counted from 1; and there the median, the lowest and the highest."""
    longest = max(map(len, curves))
    at_each = [[curve[step] for curve in curves if step < len(curve)] for step in range(longest)]
    steps = range(1, longest + 1)
    return steps, list(map(statistics.median, at_each)), list(map(min, at_each)), list(map(max, at_each))


def _label(comparison: Standings, policy: str) -> str:
    standing = next(standing for standing in comparison.table if standing.policy == policy)
    if standing.diverged:
        return f"{policy}  ({standing.diverged} of {len(standing.finals)} diverged)"
    return f"{policy}  (ends at {standing.mean:.4g})"


def _set_limits(comparison: Standings, ax: "Axes") -> None:
    """Limits that show every descent whole, and of a divergence only the beginning."""
    curves = [curve for run in comparison.finished if (curve := _curve(run))]
    held_out = [loss for run in comparison.finished for loss in _held_out(run)]
    finite = [value for value in (*map(min, curves), *held_out) if math.isfinite(value)]
    if not finite:
        return
    bottom, top = min(finite), max(curve[0] for curve in curves)
    if ax.get_yscale() == "log" and bottom > 0:
        ax.set_ylim(bottom / 1.3, top * (top / bottom) ** _HEADROOM if top > bottom else top * 1.3)
    else:
        span = (top - bottom) or 1.0
        ax.set_ylim(bottom - 0.06 * span, top + _HEADROOM * span)


def _title(comparison: Standings, ax: "Axes") -> None:
    try:
        headline = f"{comparison.winner} wins"
        headline += "" if comparison.verdict.confident else ", but not for certain"
    except NoWinner:
        headline = "no winner"
    ax.set_title(headline, loc="left", fontsize="large", fontweight="bold", pad=22)
    circles = "; circles: held-out loss" if any(run.held_out for run in comparison.finished) else ""
    ax.annotate(
        f"lines: training loss, median of {len(comparison.seeds)} seeds; bands: lowest to highest{circles}",
        xy=(0, 1),
        xycoords="axes fraction",
        xytext=(0, 8),
        textcoords="offset points",
        fontsize="small",
        color="#5b6570",
    )
