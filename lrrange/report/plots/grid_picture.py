"""The plot of a grid: one small plot for each setting."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lrrange.advice.advice import Advice
from lrrange.advice.suggestion import Suggestion
from lrrange.report.formatting import format_rate
from lrrange.report.plots.figures import broken, ink, plain_label
from lrrange.report.plots.panel import Panel
from lrrange.report.plots.picture import Picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure


class GridPicture(Picture):
    """One small plot for each setting of a grid, all with the same limits.

    Args:
        cells: a label for each setting, and its range test.
    """

    def __init__(self, cells: Sequence[tuple[str, Advice]]) -> None:
        count = len(cells)
        self._cells = cells
        # Wide rather than high, and the more there are the smaller. Four fill a square.
        self._columns = count if count <= 3 else 2 if count == 4 else math.ceil(math.sqrt(1.2 * count))
        self._rows = -(-count // self._columns)
        width = {1: 6.0, 2: 4.5, 3: 4.0, 4: 3.2}.get(self._columns, 2.8)
        self.size = (width * self._columns, (0.55 * width + 0.75) * self._rows + 0.4)
        self.name = f"a grid of {count} {'setting' if count == 1 else 'settings'}"
        self.counts = (count,)

    def make_axes(self, figure: "Figure | SubFigure") -> "list[Axes]":
        """Make rows of axes. Those that are left over in the last row are empty."""
        shape = (self._rows, self._columns)
        rows = figure.subplots(*shape, sharex=True, sharey=True, squeeze=False)
        axes = list(rows.flat)
        for number, ax in enumerate(axes):
            if number >= len(self._cells):
                ax.set_axis_off()
            elif number + self._columns >= len(self._cells):
                ax.tick_params(labelbottom=True)  # the lowest of its column
        return axes[: len(self._cells)]

    def draw(self, axes: "list[Axes]") -> None:
        """Draw the curves, all with limits that show all of them, and a title for each."""
        panels = [Panel(advice) for _, advice in self._cells]
        x_limits = [panel.find_x_limits() for panel in panels]
        y_limits = [limits for panel in panels if (limits := panel.find_y_limits()) is not None]
        for panel, ax, (label, advice) in zip(panels, axes, self._cells, strict=True):
            ax.set_xscale("log")
            ax.set_xlim(min(low for low, _ in x_limits), max(high for _, high in x_limits))
            if y_limits:
                ax.set_ylim(min(low for low, _ in y_limits), max(high for _, high in y_limits))
            panel.draw_curve(ax, small=True)
            panel.draw_answer(ax)
            colour = ink(ax)
            ax.grid(visible=True, which="major", color=colour, alpha=0.1, linewidth=0.6)
            ax.set_axisbelow(True)
            ax.tick_params(labelsize="small")
            chosen = advice.chosen
            answer = f"lr = {format_rate(advice.lr)}" if isinstance(chosen, Suggestion) else f"no lr: {chosen.kind}"
            lines = [broken(ax, plain_label(text), 3, fontsize="small") for text in (label, answer)]
            ax.set_title("\n".join(lines), fontsize="small", loc="left", color=colour)

    def finish(self, figure: "Figure", _: "list[Axes]") -> None:
        """Name the axes once for all."""
        figure.supxlabel("learning rate  (dashed: lr, shaded: range)", fontsize="medium")
        figure.supylabel(self._name_of_values, fontsize="medium")

    def finish_inside(self, axes: "list[Axes]") -> None:
        """Name the outer axes of those that the user gave."""
        for ax in axes:
            place = ax.get_subplotspec()
            if place is None or place.is_last_row():
                ax.set_xlabel("learning rate")
            if place is None or place.is_first_col():
                ax.set_ylabel(self._name_of_values)

    @property
    def _name_of_values(self) -> str:
        return plain_label(self._cells[0][1].curve.quantity.name)
