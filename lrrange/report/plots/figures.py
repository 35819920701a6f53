"""The parts that all plots share: colours, style, title, and writing the file. They need matplotlib."""

import io
import math
import textwrap
from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrrange.errors import MissingExtra, OptionError
from lrrange.printable import printable
from lrrange.random_state import kept_random_state
from lrrange.storage.atomic import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Marks the texts on axes that another plot on the same axes replaces.
OUR_TEXT = "lrrange text"

# Lines that a title, or the text under it, may have.
_MOST_LINES = 3

# Okabe & Ito's palette, under their names. It reads the same to people with any colour vision. Their yellow is left
# out, because it is too light for lines.
BLUE, VERMILION, GREEN, PURPLE, ORANGE = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00"
PALETTE = (BLUE, VERMILION, GREEN, PURPLE, "#56B4E9", ORANGE)

# matplotlib computes with the squares and the ratios of what it draws, which must be numbers too.
_SMALLEST, _LARGEST = 1e-100, 1e100


def drawable(values: Iterable[float]) -> list[float]:
    """Return losses that matplotlib can draw: those too far from zero are moved nearer. NaN and infinity stay."""
    return [min(max(value, -_LARGEST), _LARGEST) if math.isfinite(value) else value for value in values]


def drawable_rates(rates: Iterable[float]) -> list[float]:
    """Return rates, or other positive numbers, that matplotlib can draw on a logarithmic axis. Zero stays."""
    return [min(max(rate, _SMALLEST), _LARGEST) if rate else rate for rate in rates]


def within(heights: Sequence[float], bottom: float, top: float) -> list[float]:
    """Return heights with NaN, which is not drawn, for those outside of the limits: a legend may be there."""
    return [y if bottom <= y <= top else math.nan for y in heights]


def clamped(heights: Sequence[float], bottom: float, top: float) -> list[float]:
    """Return heights within the limits. NaN stays."""
    return [y if math.isnan(y) else min(max(y, bottom), top) for y in heights]


def cut(heights: Sequence[float], bottom: float, top: float) -> list[float]:
    """Return the heights of a line that ends at the limits where it leaves them."""
    inside = [bottom <= y <= top for y in heights]
    shown = [any(inside[max(i - 1, 0) : i + 2]) for i in range(len(inside))]
    return [y if near else math.nan for y, near in zip(clamped(heights, bottom, top), shown, strict=True)]


def limits_around(low: float, high: float, margin: float) -> tuple[float, float]:
    """Return limits for an axis: these two with a margin, which is a part of their distance, or of their size if equal.

    They differ by more than rounding.
    """
    size = max(abs(low), abs(high))
    room = margin * (high - low)
    if room <= max(1e-9 * size, _SMALLEST):
        room = max(0.5, 1e-3 * size) if high == low else max(1e-9 * size, _SMALLEST)
    return low - room, high + room


def ink(ax: "Axes") -> str:
    """Return the colour of text and of marks without a colour of their own: one that stands out from the background."""
    from matplotlib.colors import to_rgb

    red, green, blue = to_rgb(ax.get_facecolor()[:3])
    return "white" if 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.4 else "#262b31"


def style_axes(ax: "Axes") -> None:
    """Give axes a light grid and no frame above or on the right, and remove the texts of an earlier plot."""
    for text in [text for text in ax.texts if text.get_gid() == OUR_TEXT]:
        text.remove()
    ax.grid(visible=True, which="major", color=ink(ax), alpha=0.1, linewidth=0.8)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)


def plain_label(text: str) -> str:
    """Return text for a plot, as it is: without it, matplotlib would typeset what stands between two dollar signs."""
    return printable(text).replace("$", r"\$")


def write_title(ax: "Axes", headline: str, subtitle: str) -> None:
    """Write a bold headline above axes, and small lines under it. Both are broken into lines as wide as the axes.

    Where there is no room for both above axes of the user's, the headline is smaller and the lines are left out.
    """
    room = _room_above(ax)
    for size, lines in (("large", _MOST_LINES), ("medium", 1), ("medium", 0), ("small", 0)):
        below = broken(ax, plain_label(subtitle), lines, fontsize="small") if lines else ""
        look: dict[str, Any] = {"fontsize": size, "fontweight": "bold"}
        above = broken(ax, plain_label(headline), _MOST_LINES if lines == _MOST_LINES else 2, **look)
        height = _height(ax, below, fontsize="small") + 12 if below else 6.0
        if height + _height(ax, above, **look) <= room:
            break
    if below:
        ax.annotate(
            below,
            xy=(0, 1),
            xycoords="axes fraction",
            xytext=(0, 8),
            textcoords="offset points",
            fontsize="small",
            color=ink(ax),
            alpha=0.75,
            gid=OUR_TEXT,
        )
    ax.set_title(above, loc="left", pad=height, color=ink(ax), **look)


def _room_above(ax: "Axes") -> float:
    """Return the room above axes in points: to the edge of the figure, or to other axes. A layout engine makes room."""
    figure = root_of(ax)
    if figure.get_layout_engine() is not None:
        return math.inf
    edge = figure.bbox.y1
    for other in figure.axes:
        beside = other.bbox.x1 <= ax.bbox.x0 or other.bbox.x0 >= ax.bbox.x1
        if other is not ax and not beside and other.bbox.y0 >= ax.bbox.y1:
            box = other.get_tightbbox()  # with its ticks
            edge = min(edge, other.bbox.y0 if box is None else box.y0)
    return float((edge - ax.bbox.y1) * 72 / figure.dpi)


def _height(ax: "Axes", text: str, **look: Any) -> float:
    """Return the height of a text in points."""
    trial = ax.figure.text(0, 0, text, **look)
    height = trial.get_window_extent().height * 72 / root_of(ax).dpi
    trial.remove()
    return float(height)


def broken(ax: "Axes", text: str, most: int, **look: Any) -> str:
    """Return the text in lines that are no wider than axes, and in no more than `most`; the rest becomes dots.

    Args:
        ax: the axes.
        text: without lines of its own.
        most: number of lines.
        look: properties of the text, such as its size.
    """
    trial = ax.figure.text(0, 0, text, **look)
    room = max(ax.bbox.width, 1.0)
    length, lines = max(len(text), 1), [text]
    while trial.get_window_extent().width > room and length > 8:
        present = trial.get_window_extent().width
        length = max(8, min(length - 1, int(max(map(len, lines)) * room / present)))
        lines = textwrap.wrap(text, length, max_lines=most, placeholder=" ...")
        trial.set_text("\n".join(lines))
    trial.remove()
    return "\n".join(lines)


def root_of(ax: "Axes") -> "Figure":
    """Return the whole figure that axes are on, which may be on a part of it."""
    figure: Any = ax.figure
    while figure.figure is not figure:
        figure = figure.figure
    return figure  # type: ignore[no-any-return]  # typed as a part of a figure, too


def save_figure(figure: "Figure", path: str | Path) -> None:
    """Write a figure to `path`, all of it or nothing, in the format that its suffix names. Raises: SaveError."""
    picture = io.BytesIO()
    figure.savefig(picture, format=_format_of(path), dpi=150)
    write_atomically(picture.getvalue(), path, "the plot")


@kept_random_state()
def check_plottable(path: str | Path) -> None:
    """Raise now what a plot would raise after the sweep: MissingExtra, or OptionError for the suffix of its file."""
    need_matplotlib()
    if not isinstance(path, (str, PathLike)):
        raise OptionError(f"path is a {type(path).__name__}, not the path of a file. Give one such as path='lr.png'.")
    from matplotlib.backend_bases import FigureCanvasBase

    if _format_of(path) not in FigureCanvasBase.get_supported_filetypes():
        raise OptionError(f"{path}: a plot is a .png, .svg or .pdf file, not .{_format_of(path)}.", path=str(path))


def need_matplotlib() -> None:
    """Raise MissingExtra if matplotlib is not installed."""
    try:
        import matplotlib  # noqa: F401  only to see whether it is installed
    except ModuleNotFoundError as error:
        raise MissingExtra("plots need matplotlib. Run: pip install 'lrrange[plot]'", extra="plot") from error


def _format_of(path: str | Path) -> str:
    return Path(path).suffix.lower().removeprefix(".") or "png"
