"""The plot of a range test: loss or metric against the learning rate, with the suggestions."""

from typing import TYPE_CHECKING, Any

from lrrange.advice.advice import Advice
from lrrange.advice.suggestion import Refusal
from lrrange.report.formatting import format_rate, format_stop, name_refusing
from lrrange.report.plots.figures import write_title
from lrrange.report.plots.legend import legend_below, legend_inside
from lrrange.report.plots.panel import Panel
from lrrange.report.plots.picture import Picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure


class ResultPicture(Picture):
    """The plot of a range test: its curve, and below a metric the loss of the same sweep.

    The rate's axis is logarithmic for a linear sweep too, because heuristics read slopes per decade. A caret at the
    edge marks each loss that is too high for the plot.
    """

    name = "a range test"

    def __init__(self, result: Advice) -> None:
        self._panels = [Panel(result)]
        if result.curve.also is not None:
            self._panels.append(Panel(result, result.curve.also))
        self._expendable: list[Any] = []
        self.size = (8, 3.9 + 1.5 * (len(self._panels) - 1))
        self.counts = (2, 1) if len(self._panels) == 2 else (1,)

    def make_axes(self, figure: "Figure | SubFigure") -> "list[Axes]":
        """Make one axes, or two over each other."""
        count = len(self._panels)
        grid = figure.subplots(count, 1, sharex=True, squeeze=False, height_ratios=(2.4, 1)[:count])
        return list(grid[:, 0])

    def draw(self, axes: "list[Axes]") -> None:
        """Draw the curve and its marks, and the title."""
        result = self._panels[0].result
        for panel, ax in zip(self._panels, axes, strict=False):
            panel.set_up(ax)
            panel.draw_curve(ax)
        self._expendable = self._panels[0].draw_marks(axes[0])
        for panel, ax in zip(self._panels[1:], axes[1:], strict=False):
            panel.draw_answer(ax)
            axes[0].set_xlabel("")
        write_title(axes[0], _headline(result), format_stop(result))

    def finish(self, figure: "Figure", axes: "list[Axes]") -> None:
        """Put the legend below."""
        legend_below(figure, axes[0])

    def finish_inside(self, axes: "list[Axes]") -> None:
        """Put the legend at the top of the first axes."""
        legend_inside(axes[0], self._expendable, self._panels[0].upright)


def _headline(result: Advice) -> str:
    chosen = result.chosen
    if isinstance(chosen, Refusal):
        return f"no learning rate: {name_refusing(result)} refused ({chosen.kind})"
    source = chosen.heuristic if result.confirmation is None else f"{chosen.heuristic}, confirmed"
    return f"lr = {format_rate(result.lr)}  ({source})"
