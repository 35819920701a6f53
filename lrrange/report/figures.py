"""Matplotlib figures as files. Needs matplotlib, from first use."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

from lrrange.errors import MissingExtra, OptionError
from lrrange.storage.atomic import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def save_figure(figure: "Figure", path: str | Path) -> None:
    """Write a figure to `path`, whole or not at all, in the format its suffix names. Raises: SaveError."""
    picture = io.BytesIO()
    figure.savefig(picture, format=_format(path), dpi=150)
    write_atomically(picture.getvalue(), path, "the plot")


def check_plottable(path: str | Path) -> None:
    """Raise now what `save_plot` would raise after the sweep: MissingExtra, or OptionError for the file's suffix."""
    need_matplotlib()
    from matplotlib.backend_bases import FigureCanvasBase

    known = FigureCanvasBase.get_supported_filetypes()
    if _format(path) not in known:
        raise OptionError(f"{path}: a plot is a .png, .svg or .pdf file, not .{_format(path)}.", path=str(path))


def need_matplotlib() -> None:
    """Raise MissingExtra if matplotlib is not installed."""
    try:
        import matplotlib  # noqa: F401  only whether it is there
    except ModuleNotFoundError as error:
        raise MissingExtra("plots need matplotlib. Run: pip install 'lrrange[plot]'", extra="plot") from error


def _format(path: str | Path) -> str:
    return Path(path).suffix.lower().removeprefix(".") or "png"
