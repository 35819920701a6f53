"""The parts that all plots share: colours, style, title, legend, and writing the file. They need matplotlib."""

import io
import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from lrrange.errors import MissingExtra, OptionError
from lrrange.printable import printable
from lrrange.random_state import kept_random_state
from lrrange.storage.atomic import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe & Ito's palette, under their names. It reads the same to people with any colour vision. Their yellow is left
# out, because it is too light for lines.
BLUE, VERMILION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
PALETTE = (BLUE, VERMILION, GREEN, PURPLE, "#56B4E9", "#E69F00", "#000000")
GREY = "#5b6570"


# matplotlib computes with the squares and the ratios of what it draws, which must be numbers too.
_SMALLEST, _LARGEST = 1e-100, 1e100


def drawable(values: Iterable[float]) -> list[float]:
    """Return losses that matplotlib can draw: those too far from zero are moved nearer. NaN and infinity stay."""
    return [min(max(value, -_LARGEST), _LARGEST) if math.isfinite(value) else value for value in values]


def drawable_rates(rates: Iterable[float]) -> list[float]:
    """Return rates, or other positive numbers, that matplotlib can draw on a logarithmic axis. Zero stays."""
    return [min(max(rate, _SMALLEST), _LARGEST) if rate else rate for rate in rates]


def limits_around(low: float, high: float, margin: float) -> tuple[float, float]:
    """Return limits for an axis: these two with a margin, which is a part of their distance, or of their size if equal.

    They differ by more than rounding.
    """
    size = max(abs(low), abs(high))
    room = margin * (high - low)
    if room <= max(1e-9 * size, _SMALLEST):
        room = max(0.5, 1e-3 * size) if high == low else max(1e-9 * size, _SMALLEST)
    return low - room, high + room


def style_axes(ax: "Axes") -> None:
    """Give axes a light grid behind the data, and no frame above or on the right."""
    ax.grid(visible=True, which="major", color="0.92", linewidth=0.8)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)


def plain_label(text: str) -> str:
    """Return text for a plot, as it is: without it, matplotlib would typeset what stands between two dollar signs."""
    return printable(text).replace("$", r"\$")


def write_title(ax: "Axes", headline: str, subtitle: str) -> None:
    """Write a bold headline above axes, and a small grey line under it."""
    ax.set_title(plain_label(headline), loc="left", fontsize="large", fontweight="bold", pad=22)
    ax.annotate(
        plain_label(subtitle),
        xy=(0, 1),
        xycoords="axes fraction",
        xytext=(0, 8),
        textcoords="offset points",
        fontsize="small",
        color=GREY,
    )


def move_legend_below(figure: "Figure", ax: "Axes") -> None:
    """Move the legend of axes to the bottom of a figure of our own, where it covers nothing."""
    handles, labels = ax.get_legend_handles_labels()
    legend = ax.get_legend()
    if legend is not None:
        legend.remove()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize="small", frameon=False)


def save_figure(figure: "Figure", path: str | Path) -> None:
    """Write a figure to `path`, all of it or nothing, in the format that its suffix names. Raises: SaveError."""
    picture = io.BytesIO()
    figure.savefig(picture, format=_format_of(path), dpi=150)
    write_atomically(picture.getvalue(), path, "the plot")


@kept_random_state()
def check_plottable(path: str | Path) -> None:
    """Raise what `save_plot` would raise only after the sweep: MissingExtra, or OptionError for the file's suffix."""
    need_matplotlib()
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
