"""The look of the pictures that benchmarks and examples draw: one palette, for light and for dark pages.

Pictures are about as wide as a column of text, and their letters can still be read on a telephone. The colours are
those of Okabe and Ito, which people with any colour vision can tell apart.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import attrs
import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# In inches. A page shows an inch as 96 pixels.
WIDTH = 5.4


@attrs.frozen(kw_only=True)
class Theme:
    """The colours of a picture on a light or on a dark page.

    Args:
        name: ends the name of the file.
        ink: of text and axes.
        paper: of the page, for the outlines of marks.
        grid: of lines that only guide the eye.
        ours: of lrrange.
        others: of what lrrange is compared with.
        worse: of what speaks for the others.
        palette: of series without a role, in this order.
    """

    name: str
    ink: str
    paper: str
    grid: str
    ours: str
    others: str
    worse: str
    palette: tuple[str, ...]

    def settings(self) -> dict[str, Any]:
        """Return matplotlib's settings for this theme."""
        return {
            # Letters as outlines, which look the same on every machine; and a fixed salt, so that the same results give
            # the same file.
            "svg.fonttype": "path",
            "svg.hashsalt": "lrrange",
            "font.size": 10,
            "axes.titlesize": 10,
            "axes.titlelocation": "left",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.edgecolor": self.ink,
            "axes.labelcolor": self.ink,
            "axes.facecolor": "none",
            "axes.axisbelow": True,
            "axes.prop_cycle": mpl.cycler(color=self.palette),
            "figure.constrained_layout.use": True,
            "figure.facecolor": "none",
            "grid.color": self.grid,
            "grid.linewidth": 0.8,
            "legend.frameon": False,
            "legend.fontsize": 10,
            "text.color": self.ink,
            "xtick.color": self.ink,
            "ytick.color": self.ink,
        }


LIGHT = Theme(
    name="light",
    ink="#262b31",
    paper="#ffffff",
    grid="#dfe2e6",
    ours="#0072B2",
    others="#6b7178",
    worse="#D55E00",
    palette=("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00"),
)
DARK = Theme(
    name="dark",
    ink="#d0d3d6",
    paper="#131416",
    grid="#33383e",
    ours="#56B4E9",
    others="#9aa0a7",
    worse="#E8762C",
    palette=("#56B4E9", "#E8762C", "#1FB58B", "#CC79A7", "#E69F00"),
)


def save(draw: Callable[[Theme], Figure], path: Path) -> None:
    """Write `PATH-light.svg` and `PATH-dark.svg`.

    Args:
        draw: makes the figure in a theme, whose settings are in force then.
        path: without a suffix.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for theme in (LIGHT, DARK):
        with mpl.rc_context(theme.settings()):
            draw(theme).savefig(
                path.with_name(f"{path.name}-{theme.name}.svg"), transparent=True, metadata={"Date": None}
            )


def named_rows(axes: Axes, names: Sequence[str], colours: Iterable[str] = ()) -> None:
    """Name the rows at heights 0, 1, 2 and so on, from the top, with a line along each.

    Args:
        axes: of the picture.
        names: one for each row.
        colours: one for each name. Default: that of all text.
    """
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(visible=True, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    for text, colour in zip(axes.get_yticklabels(), colours, strict=False):
        text.set_color(colour)


def legend_below(figure: Figure, axes: Axes, columns: int) -> None:
    """Put the legend of these axes below the figure. A name is shown once."""
    entries = {name: handle for handle, name in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend([*entries.values()], [*entries], loc="outside lower center", ncols=columns)
