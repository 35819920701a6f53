"""Legends that cover nothing: below a figure of our own, or in room that is made for them inside the user's axes."""

import math
import textwrap
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from lrrange.report.plots.figures import ink, root_of

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend

# A legend inside axes takes at most this part of their height, if leaving out what matters least can make it so.
_MOST_HEIGHT = 0.4
_MOST_COLUMNS = 4

# Characters in a line of a label, and in one that must be short.
_LONGEST, _SHORT = 46, 28

# Marks the legends of lrrange, so that the room made for one is found again.
_OURS = "lrrange legend"


def legend_below(figure: "Figure", ax: "Axes") -> None:
    """Put the legend of axes at the bottom of a figure of our own, which grows by its height."""
    handles, labels = ax.get_legend_handles_labels()

    def make(labels: Sequence[str], columns: int) -> "Legend":
        for legend in list(figure.legends):
            legend.remove()
        look: dict[str, Any] = {"loc": "outside lower center", "ncols": columns, "fontsize": "small", "frameon": False}
        return figure.legend(handles, labels, **look)

    legend = _fit(make, labels, figure.bbox.width)
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, height + legend.get_window_extent().height / figure.dpi)


def legend_inside(ax: "Axes", expendable: Sequence[Any] = (), behind: Sequence["Artist"] = ()) -> None:
    """Put a legend at the top of axes that the user gave, and lower the data by its height.

    The entries that matter least are left out, and then what follows two spaces in a label, if it would be too high.

    Args:
        ax: whose limits show the data.
        expendable: artists to leave out if the legend would take too much of the height.
        behind: artists as high as the axes, to end below the legend.
    """
    from matplotlib.transforms import Bbox, TransformedBbox

    x, y = ax.get_xlim(), ax.get_ylim()
    root_of(ax).draw_without_rendering()  # so that a layout engine has given the axes their size
    # A bar or an error bar is a tuple of artists, so they are compared by identity.
    left_out = set(map(id, expendable))
    by_label = {label: handle for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    entries = [(handle, label) for label, handle in by_label.items()]  # two results share many
    fewer = [(handle, label) for handle, label in entries if id(handle) not in left_out]
    shorter = [(handle, _shortened(label)) for handle, label in fewer]
    for shown, size in ((entries, "small"), (fewer, "small"), (fewer, "x-small"), (shorter, "x-small")):
        part = _draw_inside(ax, shown, size)
        if part <= _MOST_HEIGHT:
            break
    _lower_the_data(ax, min(part, 0.8))
    for artist in behind:
        artist.set_clip_box(TransformedBbox(Bbox([[x[0], y[0]], [x[1], y[1]]]), ax.transData))


def take_legend_away(ax: "Axes") -> None:
    """Remove an earlier legend of ours from axes, and the room that was made for it."""
    legend = ax.get_legend()
    if legend is None or legend.get_gid() != _OURS:
        return
    below = legend.get_window_extent().y0 - _gap(ax)
    bottom, top = ax.get_ylim()
    ax.set_ylim(bottom, min(top, float(ax.transData.inverted().transform((0, below))[1])))
    legend.remove()


def _draw_inside(ax: "Axes", entries: Sequence[tuple[Any, str]], size: str) -> float:
    """Draw the legend. Return the part of the axes' height that it takes."""

    def make(labels: Sequence[str], columns: int) -> "Legend":
        return ax.legend(
            [handle for handle, _ in entries],
            labels,
            loc="upper center",
            ncols=columns,
            fontsize=size,
            frameon=False,
            labelcolor=ink(ax),
            columnspacing=1.2,
            handlelength=1.6,
        )

    legend = _fit(make, [label for _, label in entries], ax.bbox.width)
    legend.set_gid(_OURS)
    legend.set_zorder(30)
    return float((ax.bbox.y1 - legend.get_window_extent().y0 + _gap(ax)) / ax.bbox.height)


def _shortened(label: str) -> str:
    name = label.split("  ")[0]
    return name if len(name) <= _SHORT else name[: _SHORT - 3] + "..."


def _gap(ax: "Axes") -> float:
    """Return the distance between data and legend, in pixels: room for half of a large marker."""
    return float(9 * root_of(ax).dpi / 72)


def _lower_the_data(ax: "Axes", part: float) -> None:
    """Raise the upper limit, so that what was within the limits is in the lower part of the axes."""
    low, high = ax.get_ylim()
    if ax.get_yscale() == "log":
        ax.set_ylim(low, low * (high / low) ** (1 / (1 - part)))
    else:
        ax.set_ylim(low, low + (high - low) / (1 - part))


def _fit(make: Callable[[Sequence[str], int], "Legend"], labels: Sequence[str], width: float) -> "Legend":
    """Make the legend in as many columns as fit a width, in pixels; or in one, whose labels are broken into lines."""
    labels = [textwrap.fill(label, _LONGEST) for label in labels]
    legend = make(labels, 1)
    for columns in range(min(_MOST_COLUMNS, len(labels)), 1, -1):
        legend = make(labels, columns)
        if legend.get_window_extent().width <= width:
            return legend
    legend = make(labels, 1)
    longest = _LONGEST
    while (present := legend.get_window_extent().width) > width and longest > 8:
        longest = max(8, min(longest - 1, math.floor(longest * width / present)))
        legend = make([textwrap.fill(label, longest) for label in labels], 1)
    return legend
