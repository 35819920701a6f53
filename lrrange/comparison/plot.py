"""The plot of a comparison: loss against steps, with the rates below. It needs matplotlib."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lrrange.averages import mean
from lrrange.comparison.standings import Standings
from lrrange.errors import NoWinner
from lrrange.policy import Run
from lrrange.quantity import LOSS, Quantity
from lrrange.report.plots.figures import (
    PALETTE,
    clamped,
    cut,
    drawable,
    drawable_rates,
    ink,
    limits_around,
    plain_label,
    style_axes,
    within,
    write_title,
)
from lrrange.report.plots.legend import legend_below, legend_inside
from lrrange.report.plots.picture import Picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

# The line style of the first policies of all colours, of the next ones, and so on.
_DASHES = ("-", "--", ":")

# The training loss of each step is averaged over a window around it. The window is this part of a run.
_WINDOW = 0.03

# The plot ends at the first loss plus this part of the drop. Above that the loss only diverges.
_HEADROOM = 0.15

# The smoothed training loss of each run, by its policy and seed.
_Curves = Mapping[tuple[str, int], Sequence[float]]


class ComparisonPicture(Picture):
    """The plot of a comparison: the losses of its runs, and below them the rates."""

    name = "a comparison"
    size = (8, 5.6)
    counts = (2, 1)

    def __init__(self, comparison: Standings) -> None:
        self._comparison = comparison

    def make_axes(self, figure: "Figure | SubFigure") -> "list[Axes]":
        """Make axes for the losses, and below them axes for the rates."""
        return list(figure.subplots(2, 1, sharex=True, height_ratios=(2, 1)))

    def draw(self, axes: "list[Axes]") -> None:
        """Draw the losses, the rates and the title."""
        comparison = self._comparison
        if not comparison.finished:
            raise NoWinner("no run finished, so there is nothing to draw.")
        losses = axes[0]
        curves = {(run.policy, run.seed): _smooth(run) for run in comparison.finished}
        _set_scale(comparison, curves, losses)
        _set_limits(comparison, curves, losses)
        for ax in axes:
            style_axes(ax)
        drawn: list[float] = []
        for index, policy in enumerate(comparison.policies):
            if runs := comparison.of(policy.name):
                colours = (*PALETTE, ink(losses))
                color, dash = colours[index % len(colours)], _DASHES[index // len(colours) % len(_DASHES)]
                label = plain_label(_make_label(comparison, policy.name))
                _draw_losses(losses, runs, curves, comparison.quantity, color, dash, label)
                longest = max(len(run.losses) for run in runs)
                lr = drawable_rates(policy.lr[:longest])
                for rates in axes[1:]:
                    rates.plot(range(1, len(lr) + 1), lr, dash, color=color, linewidth=1.5)
                drawn += lr
        losses.set_ylabel(plain_label(comparison.quantity.name))
        for rates in axes[1:]:
            # A logarithmic axis needs a rate above zero.
            rates.set_yscale("log" if any(lr > 0 for lr in drawn) else "linear")
            rates.set_ylabel("learning rate")
        axes[-1].set_xlabel("step")
        _draw_title(comparison, losses)

    def finish(self, figure: "Figure", axes: "list[Axes]") -> None:
        """Put the legend below."""
        legend_below(figure, axes[0])

    def finish_inside(self, axes: "list[Axes]") -> None:
        """Put the legend at the top of the losses."""
        legend_inside(axes[0])


def _set_scale(comparison: Standings, curves: _Curves, ax: "Axes") -> None:
    """Make the axis of the losses logarithmic if none is zero or below; the one of a metric is linear."""
    is_loss = comparison.quantity == LOSS
    held_out = map(_held_out_losses, comparison.finished)
    positive = all(loss > 0 for losses in (*curves.values(), *held_out) for loss in losses)
    ax.set_yscale("log" if is_loss and positive else "linear")


def _draw_losses(
    ax: "Axes", runs: Sequence[Run], curves: _Curves, quantity: Quantity, color: str, dash: str, label: str
) -> None:
    steps, *levels = _find_band([curves[run.policy, run.seed] for run in runs])
    medians, low, high = map(quantity.oriented, levels)
    limits = ax.get_ylim()
    edges = clamped(low, *limits), clamped(high, *limits)
    ax.fill_between(steps, edges[0], edges[1], color=color, alpha=0.15, linewidth=0)
    ax.plot(steps, cut(medians, *limits), dash, color=color, linewidth=1.5, label=label)
    held_out_steps = [checkpoint.step for checkpoint in max((run.held_out for run in runs), key=len)]
    held_out = [
        statistics.median_high([run.held_out[i].loss for run in runs if i < len(run.held_out)])
        for i in range(len(held_out_steps))
    ]
    look: dict[str, Any] = {"markersize": 6, "color": color, "markeredgecolor": ax.get_facecolor(), "zorder": 4}
    ax.plot(held_out_steps, within(quantity.oriented(held_out), *limits), "o", **look)


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
    return f"{policy}  (ends at {comparison.quantity.sign * standing.mean:.4g})"


def _set_limits(comparison: Standings, curves: _Curves, ax: "Axes") -> None:
    """Set limits that show every whole descent, but only the beginning of a divergence."""
    smoothed = [curve for curve in curves.values() if curve]
    held_out = [loss for run in comparison.finished for loss in _held_out_losses(run)]
    finite = [value for value in (*map(min, smoothed), *held_out) if math.isfinite(value)]
    if not finite:
        return
    finite = drawable(finite)
    bottom, top = min(finite), max((curve[0] for curve in smoothed), default=max(finite))
    if ax.get_yscale() == "log" and bottom > 0:
        bottom, top = drawable_rates((bottom, max(bottom, top)))
        ax.set_ylim(bottom / 1.3, top * (top / bottom) ** _HEADROOM if top > bottom else top * 1.3)
    else:
        low, high = limits_around(bottom, max(bottom, top), 0.06)
        ax.set_ylim(*sorted(comparison.quantity.oriented((low, high + (_HEADROOM - 0.06) * (high - low)))))


def _draw_title(comparison: Standings, ax: "Axes") -> None:
    try:
        headline = f"{comparison.winner} wins"
        headline += "" if comparison.verdict.confident else ", but not for certain"
    except NoWinner:
        headline = "no winner"
    name = comparison.quantity.name
    circles = f"; circles: held-out {name}" if any(run.held_out for run in comparison.finished) else ""
    lines = f"lines: training {name}, median of {len(comparison.seeds)} seeds"
    write_title(ax, headline, f"{lines}; bands: lowest to highest{circles}")
