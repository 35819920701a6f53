"""The plot of a comparison: loss against steps, with the rates below. It needs matplotlib."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lrrange.comparison.bands import (
    Curves,
    curves_of,
    describe_end,
    find_band,
    find_held_out,
    find_limits,
    has_log_scale,
)
from lrrange.comparison.standings import Standings
from lrrange.errors import NoWinner
from lrrange.policy import Run
from lrrange.quantity import Quantity
from lrrange.report.plots.figures import (
    PALETTE,
    clamped,
    cut,
    drawable_rates,
    ink,
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
        curves = curves_of(comparison)
        log = has_log_scale(comparison, curves)
        losses.set_yscale("log" if log else "linear")
        if (limits := find_limits(comparison, curves, log=log)) is not None:
            losses.set_ylim(*limits)
        for ax in axes:
            style_axes(ax)
        drawn: list[float] = []
        for index, policy in enumerate(comparison.policies):
            if runs := comparison.of(policy.name):
                colours = (*PALETTE, ink(losses))
                color, dash = colours[index % len(colours)], _DASHES[index // len(colours) % len(_DASHES)]
                label = plain_label(f"{policy.name}  ({describe_end(comparison, policy.name)})")
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


def _draw_losses(
    ax: "Axes", runs: Sequence[Run], curves: Curves, quantity: Quantity, color: str, dash: str, label: str
) -> None:
    steps, *levels = find_band([curves[run.policy, run.seed] for run in runs])
    medians, low, high = map(quantity.oriented, levels)
    limits = ax.get_ylim()
    edges = clamped(low, *limits), clamped(high, *limits)
    ax.fill_between(steps, edges[0], edges[1], color=color, alpha=0.15, linewidth=0)
    ax.plot(steps, cut(medians, *limits), dash, color=color, linewidth=1.5, label=label)
    held_out = find_held_out(runs)
    look: dict[str, Any] = {"markersize": 6, "color": color, "markeredgecolor": ax.get_facecolor(), "zorder": 4}
    heights = within(quantity.oriented(loss for _, loss in held_out), *limits)
    ax.plot([step for step, _ in held_out], heights, "o", **look)


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
