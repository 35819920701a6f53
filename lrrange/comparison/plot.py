"""The plot of a comparison: loss against steps, with the rates below. It needs matplotlib."""

import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lrrange.averages import mean
from lrrange.comparison.standings import Standings
from lrrange.errors import NoWinner
from lrrange.policy import Run
from lrrange.random_state import kept_random_state
from lrrange.report.figures import (
    PALETTE,
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

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# The line style of the first policies of all colours, of the next ones, and so on.
_DASHES = ("-", "--", ":")

# The training loss of each step is averaged over a window around it. The window is this part of a run.
_WINDOW = 0.03

# The plot ends at the first loss plus this part of the drop. Above that the loss only diverges.
_HEADROOM = 0.15


@kept_random_state()
def plot(comparison: Standings, axes: "tuple[Axes, Axes] | None" = None) -> "tuple[Axes, Axes]":
    """Draw loss and rate against steps: for each policy the median over the seeds, and the band they span.

    Args:
        comparison: to draw.
        axes: axes to draw loss and rate on; those of a new pyplot figure if None.
    Returns: the axes of the loss and those of the rate.
    Raises: MissingExtra if matplotlib is not installed; NoWinner if no run finished.
    """
    need_matplotlib()
    if axes is not None:
        return _draw(comparison, axes)
    from matplotlib import pyplot

    return _draw_figure(comparison, pyplot.figure(figsize=(8, 7), layout="constrained"))


@kept_random_state()
def save_plot(comparison: Standings, path: str | Path) -> None:
    """Write the plot to `path`, all of it or nothing, in the format that its suffix names. It needs no display.

    Raises: MissingExtra; OptionError for a suffix that is no picture format; NoWinner if no run finished; SaveError.
    """
    check_plottable(path)
    from matplotlib.figure import Figure  # not pyplot, which would look for a display

    figure = Figure(figsize=(8, 7), layout="constrained")
    _draw_figure(comparison, figure)
    save_figure(figure, path)


def _draw_figure(comparison: Standings, figure: "Figure") -> "tuple[Axes, Axes]":
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    axes = _draw(comparison, (upper, lower))
    move_legend_below(figure, upper)
    return axes


def _draw(comparison: Standings, axes: "tuple[Axes, Axes]") -> "tuple[Axes, Axes]":
    losses, rates = axes
    if not comparison.finished:
        raise NoWinner("no run finished, so there is nothing to draw.")
    positive = all(loss > 0 for run in comparison.finished for loss in (*_smooth(run), *_held_out_losses(run)))
    losses.set_yscale("log" if positive else "linear")
    drawn: list[float] = []
    for index, policy in enumerate(comparison.policies):
        if runs := comparison.of(policy.name):
            color, dash = PALETTE[index % len(PALETTE)], _DASHES[index // len(PALETTE) % len(_DASHES)]
            _draw_losses(losses, runs, color, dash, plain_label(_make_label(comparison, policy.name)))
            longest = max(len(run.losses) for run in runs)
            lr = drawable_rates(policy.lr[:longest])
            rates.plot(range(1, len(lr) + 1), lr, dash, color=color, linewidth=1.5)
            drawn += lr
    rates.set_yscale("log" if any(lr > 0 for lr in drawn) else "linear")  # a logarithmic axis needs one above zero
    _set_limits(comparison, losses)
    for ax in axes:
        style_axes(ax)
    losses.set_ylabel("loss")
    rates.set_ylabel("learning rate")
    rates.set_xlabel("step")
    _draw_title(comparison, losses)
    losses.legend(loc="best", fontsize="small", framealpha=0.9)
    return axes


def _draw_losses(ax: "Axes", runs: Sequence[Run], color: str, dash: str, label: str) -> None:
    steps, medians, low, high = _find_band([_smooth(run) for run in runs])
    ax.fill_between(steps, low, high, color=color, alpha=0.15, linewidth=0)
    ax.plot(steps, medians, dash, color=color, linewidth=1.5, label=label)
    held_out_steps = [checkpoint.step for checkpoint in max((run.held_out for run in runs), key=len)]
    held_out = [
        statistics.median_high([run.held_out[i].loss for run in runs if i < len(run.held_out)])
        for i in range(len(held_out_steps))
    ]
    ax.plot(held_out_steps, drawable(held_out), "o", markersize=6, color=color, markeredgecolor="white", zorder=4)


def _held_out_losses(run: Run) -> list[float]:
    return [checkpoint.loss for checkpoint in run.held_out]


def _smooth(run: Run) -> list[float]:
    """Return the training loss of each step, averaged over the finite losses around it, up to a step without any."""
    reach = max(1, round(_WINDOW * len(run.losses) / 2))
    curve = []
    for step in range(len(run.losses)):
        near = [loss for loss in run.losses[max(0, step - reach) : step + reach + 1] if math.isfinite(loss)]
        if not near:
            break
        curve.append(mean(near))
    return drawable(curve)


def _find_band(curves: Sequence[Sequence[float]]) -> tuple[range, list[float], list[float], list[float]]:
    """Return the steps of the longest curve, counted from 1, with the median, lowest and highest loss at each."""
    longest = max(map(len, curves))
    losses = [[curve[step] for curve in curves if step < len(curve)] for step in range(longest)]
    steps = range(1, longest + 1)
    return steps, list(map(statistics.median, losses)), list(map(min, losses)), list(map(max, losses))


def _make_label(comparison: Standings, policy: str) -> str:
    standing = next(standing for standing in comparison.table if standing.policy == policy)
    if standing.diverged:
        return f"{policy}  ({standing.diverged} of {len(standing.finals)} diverged)"
    return f"{policy}  (ends at {standing.mean:.4g})"


def _set_limits(comparison: Standings, ax: "Axes") -> None:
    """Set limits that show every whole descent, but only the beginning of a divergence."""
    curves = [curve for run in comparison.finished if (curve := _smooth(run))]
    held_out = [loss for run in comparison.finished for loss in _held_out_losses(run)]
    finite = [value for value in (*map(min, curves), *held_out) if math.isfinite(value)]
    if not finite:
        return
    finite = drawable(finite)
    bottom, top = min(finite), max((curve[0] for curve in curves), default=max(finite))
    if ax.get_yscale() == "log" and bottom > 0:
        bottom, top = drawable_rates((bottom, max(bottom, top)))
        ax.set_ylim(bottom / 1.3, top * (top / bottom) ** _HEADROOM if top > bottom else top * 1.3)
    else:
        low, high = limits_around(bottom, max(bottom, top), 0.06)
        ax.set_ylim(low, high + (_HEADROOM - 0.06) * (high - low))


def _draw_title(comparison: Standings, ax: "Axes") -> None:
    try:
        headline = f"{comparison.winner} wins"
        headline += "" if comparison.verdict.confident else ", but not for certain"
    except NoWinner:
        headline = "no winner"
    circles = "; circles: held-out loss" if any(run.held_out for run in comparison.finished) else ""
    lines = f"lines: training loss, median of {len(comparison.seeds)} seeds"
    write_title(ax, headline, f"{lines}; bands: lowest to highest{circles}")
