"""Draw the pictures of docs/guides/compare.md from the comparisons that are stored here.

python -m benchmarks.compare.plots
"""

from functools import partial
from pathlib import Path
from statistics import fmean

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

import lrrange
from benchmarks.plots import WIDTH, Theme, legend_below, named_rows, save

FOLDER = Path(__file__).resolve().parent
IMAGES = FOLDER.parents[1] / "docs" / "guides" / "images"

# The comparisons that have a picture.
SHOWN = ("lenet", "resnet")


def draw(folder: Path = IMAGES) -> None:
    """Draw every picture into a folder."""
    for name in SHOWN:
        save(partial(_ends, lrrange.Comparison.load(FOLDER / f"{name}.json")), folder / f"compare-{name}")


def _ends(comparison: lrrange.Comparison, theme: Theme) -> Figure:
    """Draw the loss at which each run ended: a row for each policy, best first, and a mark for each seed."""
    names = [standing.policy for standing in comparison.table]
    fixed = {policy.name for policy in comparison.policies if len(set(policy.lr)) == 1 and policy.name != "found"}
    colours = [theme.others if name in fixed else theme.ours for name in names]
    figure = Figure(figsize=(WIDTH, 0.3 * len(names) + 1.2))
    axes = figure.subplots()
    named_rows(axes, names, colours)
    for y, (name, colour) in enumerate(zip(names, colours, strict=True)):
        finals = [run.final for run in comparison.finished if run.policy == name]
        given = "a fixed learning rate" if name in fixed else "from the range test"
        axes.plot(finals, [y] * len(finals), "o", color=colour, markersize=7, alpha=0.6, markeredgewidth=0, label=given)
        axes.plot(fmean(finals), y, "|", color=theme.ink, markersize=15, markeredgewidth=2, label="mean")
    axes.set_xscale("log")
    axes.xaxis.set(major_locator=LogLocator(subs=(1, 2, 3, 5, 7)), major_formatter="{x:g}")
    axes.minorticks_off()
    axes.set_xlabel("held-out loss after the last step, a mark for each seed")
    legend_below(figure, axes, 3)
    return figure


if __name__ == "__main__":
    draw()
