"""The plots of `docs/evidence/overhead.md`."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.overhead.growth import AXES
from benchmarks.overhead.records import Record, read
from benchmarks.overhead.workloads import WORKLOADS
from benchmarks.plots import WIDTH, Theme, legend_below, named_rows, save

# In a training loop, and in a framework's own: lrrange, the other finders, and what both are to be compared with.
_IN_A_LOOP = ("lrrange_torch", ("torch_lr_finder", "monai", "ignite"), "floor")
_IN_A_TRAINER = ("lrrange_lightning", ("lightning", "fastai"), "lightning_fit")


def draw(results: Path, folder: Path) -> None:
    """Draw the plots whose records there are into a folder."""
    times = {name: record for name in WORKLOADS if (record := read(results, f"time-{name}")) is not None}
    if times:
        save(partial(_times, times), folder / "overhead-time")
    growth = {axis: record for axis in AXES if (record := read(results, f"growth-{axis}")) is not None}
    if growth:
        save(partial(_growth, growth), folder / "overhead-growth")


def _times(records: dict[str, Record], theme: Theme) -> Figure:
    """Draw the time of each sweep, in bare loops, for each workload."""
    figure = Figure(figsize=(WIDTH, 0.6 * len(records) + 1.8))
    above, below = figure.subplots(2, sharex=True)
    _finders(above, records, _IN_A_LOOP, theme)
    above.set_title("in a training loop (reference: simplest sweep)")
    _finders(below, records, _IN_A_TRAINER, theme)
    below.set_title("in Lightning or fastai (reference: fit, no sweep)")
    below.set_xscale("log")
    ticks = (1, 2, 4, 8, 16)
    below.set_xticks(ticks, [f"{tick}" for tick in ticks])
    below.minorticks_off()
    below.set_xlabel("time of the sweep, in bare loops of as many steps")
    for axes in (above, below):
        axes.axvline(1, color=theme.others, linewidth=1)
    legend_below(figure, above, 3)
    return figure


def _finders(axes: Axes, records: dict[str, Record], variants: tuple[str, Sequence[str], str], theme: Theme) -> None:
    ours, others, reference = variants
    marks = {"o": [ours], "D": others, "|": [reference]}
    looks = {
        "o": {"color": theme.ours, "markersize": 8, "label": "lrrange"},
        "D": {"color": theme.others, "markersize": 5, "label": "other finders"},
        "|": {"color": theme.worse, "markersize": 12, "markeredgewidth": 2.5, "label": "reference"},
    }
    named_rows(axes, [*records])
    for mark in ("D", "|", "o"):
        points = [
            (record["variants"][variant]["total"]["median"], y)
            for y, record in enumerate(records.values())
            for variant in marks[mark]
            if variant in record["variants"]
        ]
        axes.plot([x for x, _ in points], [y for _, y in points], mark, **looks[mark])


def _growth(records: dict[str, Record], theme: Theme) -> Figure:
    """Draw the ratio of sweep to bare loop against steps, parameters and param groups."""
    figure = Figure(figsize=(WIDTH, 2.4))
    panels = figure.subplots(1, len(records), squeeze=False, sharey=True)[0]
    for axes, (axis, record) in zip(panels, records.items(), strict=True):
        sizes = [point["size"] for point in record["points"]]
        ratios = [point["ratio"] for point in record["points"]]
        for size, ratio in zip(sizes, ratios, strict=True):
            axes.plot([size] * 2, [ratio["min"], ratio["max"]], color=theme.ours, linewidth=3, alpha=0.4)
        axes.plot(sizes, [ratio["median"] for ratio in ratios], "o-", color=theme.ours, markersize=5, linewidth=1.5)
        axes.axhline(1, color=theme.others, linewidth=1)
        axes.set_xscale("log")
        axes.grid(visible=True, axis="y")
        axes.set_xlabel(axis if axis != "groups" else "param groups")
    panels[0].set_ylim(0.8, 1.8)
    panels[0].set_ylabel("sweep / bare loop")
    return figure
