"""A plot, and where it is drawn: on a new figure, on axes that the user gives, or into a file."""

import abc
from collections.abc import Iterable, Iterator
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Union

from lrrange.errors import OptionError
from lrrange.printable import describe
from lrrange.random_state import kept_random_state
from lrrange.report.plots.figures import check_plottable, need_matplotlib, root_of, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

# What `ax=` may be.
Canvas = Union["Axes", "Figure", "SubFigure", "Iterable[Axes]"]


class Picture(abc.ABC):
    """A plot that is ready to be drawn.

    Attributes:
        name: what it shows, for error messages.
        size: width and height of a new figure, in inches, without the legend.
        counts: the numbers of axes that it can be drawn on, the one of a new figure first.
    """

    name: str
    size: tuple[float, float]
    counts: tuple[int, ...]

    @abc.abstractmethod
    def make_axes(self, figure: "Figure | SubFigure") -> "list[Axes]":
        """Make the axes on an empty figure, as many as the first of `counts`."""

    @abc.abstractmethod
    def draw(self, axes: "list[Axes]") -> None:
        """Draw everything except the legend."""

    @abc.abstractmethod
    def finish(self, figure: "Figure", axes: "list[Axes]") -> None:
        """Add to a figure of our own what stands outside of its axes, such as the legend."""

    @abc.abstractmethod
    def finish_inside(self, axes: "list[Axes]") -> None:
        """Add the legend to axes of the user's, inside of them."""

    @kept_random_state()
    def plot(self, ax: Canvas | None = None, path: str | Path | None = None) -> "Axes":
        """Draw, and return the first of the axes. This is the `plot` of results, grids and comparisons.

        Args:
            ax: where to draw: axes, several of them, or a figure; a new figure of pyplot's if None, which `plt.show()`
                and notebooks show.
            path: file to write the whole figure to, all of it or nothing. A new figure is then not known to pyplot,
                so that nothing is shown, and no display is needed.
        Raises: MissingExtra if matplotlib is not installed; OptionError for another number of axes, or for a suffix
            that is no picture format; SaveError.
        """
        need_matplotlib()
        if path is not None:
            check_plottable(path)
        if ax is not None:
            axes = self._draw_on(ax)
        elif path is not None:
            axes = self._draw_new(self._new_figure())
        else:
            axes = self._draw_in_pyplot()
        if path is not None:
            save_figure(root_of(axes[0]), path)
        return axes[0]

    @kept_random_state()
    def figure(self) -> "Figure":
        """Return a figure that pyplot does not know. It needs no display. Raises: MissingExtra."""
        need_matplotlib()
        figure = self._new_figure()
        self._draw_new(figure)
        return figure

    def _new_figure(self) -> "Figure":
        from matplotlib.figure import Figure

        return Figure(figsize=self.size, layout="constrained")

    def _draw_in_pyplot(self) -> "list[Axes]":
        from matplotlib import pyplot

        figure = pyplot.figure(figsize=self.size, layout="constrained")
        try:
            return self._draw_new(figure)
        except BaseException:
            pyplot.close(figure)  # a notebook would show it, empty
            raise

    def _draw_new(self, figure: "Figure") -> "list[Axes]":
        axes = self.make_axes(figure)
        self.draw(axes)
        self.finish(figure, axes)
        return axes

    def _draw_on(self, canvas: Canvas) -> "list[Axes]":
        from matplotlib.figure import Figure, SubFigure

        axes = self.make_axes(canvas) if isinstance(canvas, Figure | SubFigure) else list(self._given(canvas))
        if len(axes) not in self.counts:
            counts = " or ".join(map(str, sorted(self.counts)))
            raise OptionError(
                f"ax= has {len(axes)} axes, and {self.name} needs {counts}. Give that number, or a whole figure: "
                f"plot(ax=plt.figure(layout='constrained')).",
            )
        self.draw(axes)
        self.finish_inside(axes)
        return axes

    def _given(self, canvas: object) -> "Iterator[Axes]":
        from matplotlib.axes import Axes

        if isinstance(canvas, Axes):
            yield canvas
            return
        if isinstance(canvas, str | PathLike):
            raise OptionError(
                f"plot({str(canvas)!r}) gives a file in the place of axes to draw on. To write the picture to it: "
                f"plot(path={str(canvas)!r}).",
                path=str(canvas),
            )
        if not isinstance(canvas, Iterable):
            raise OptionError(
                f"ax= is {describe(canvas)}. Give matplotlib axes, as in fig, ax = plt.subplots(), or a figure.",
            )
        for part in canvas:  # an array of axes has rows
            yield from self._given(part)
