"""The plot of `docs/guides/fine-tuning.md`."""

from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.fine_tuning.tables import Measurements, answered
from benchmarks.fine_tuning.tasks import TASKS
from benchmarks.plots import WIDTH, Theme, legend_below, save

# The answers that are shown: form, column, name, and mark. Each is a row of its own below the curves.
_ANSWERS = (
    ("plain", "peak", "lrrange", "o"),
    ("confirm, short", "peak", "lrrange, confirm=True", "^"),
    ("steepest", "lr", "steepest slope", "X"),
)


def draw(measured: Measurements, path: Path) -> None:
    """Draw the loss by rate with the answers below, a panel for each task, and how much is forgotten.

    Args:
        measured: what is drawn.
        path: of the files, without the theme and the suffix.
    """
    save(partial(_figure, measured), path)


def _figure(measured: Measurements, theme: Theme) -> Figure:
    figure = Figure(figsize=(WIDTH, 6.4))
    rows = (len(TASKS) + 1) // 2
    grid = figure.add_gridspec(rows + 1, 2, height_ratios=[*([1] * rows), 0.9])
    panels: list[Axes] = []
    for number, name in enumerate(TASKS):
        axes = figure.add_subplot(grid[number // 2, number % 2], sharex=panels[0] if panels else None)
        axes.set_title(name)
        _losses(axes, measured, name, theme)
        _marks(axes, measured, name, theme)
        panels.append(axes)
    panels[0].set_ylabel("held-out loss")
    panels[2].set_ylabel("held-out loss")
    _forgetting(figure.add_subplot(grid[rows, :]), measured, theme)
    legend_below(figure, panels[0], 2)
    return figure


def _losses(axes: Axes, measured: Measurements, name: str, theme: Theme) -> None:
    looks = {
        "pretrained": {"color": theme.ink, "linewidth": 2},
        "random": {"color": theme.others, "linewidth": 1.5, "linestyle": "--"},
    }
    for start, look in looks.items():
        of_task = measured.fate(name, start)
        if of_task.rows:
            axes.plot(of_task.lr, of_task.loss, label=f"{start} weights", **look)
    axes.set_xscale("log")


def _marks(axes: Axes, measured: Measurements, name: str, theme: Theme) -> None:
    """Mark the answers below the curves, one for each seed."""
    low, high = axes.get_ylim()
    step = 0.09 * (high - low)
    for row, (form, column, title, mark) in enumerate(_ANSWERS):
        rates = [lr for lr in answered(measured, name, form, column) if lr is not None]
        heights = [low - (row + 0.5) * step] * len(rates)
        colour = (theme.ours, theme.palette[2], theme.worse)[row]
        axes.plot(rates, heights, mark, color=colour, markersize=6, alpha=0.8, markeredgewidth=0, label=title)
    axes.set_ylim(low - (len(_ANSWERS) + 0.3) * step, high)


def _forgetting(axes: Axes, measured: Measurements, theme: Theme) -> None:
    for name, colour, mark in zip(TASKS, theme.palette, "osD^", strict=False):
        of_task = measured.fate(name)
        mean = np.nanmean(of_task.by_seed("before"), 1)
        axes.plot(of_task.lr, mean, f"{mark}-", color=colour, markersize=5, label=name)
    axes.axhline(measured.about["held_out_loss"], color=theme.others, linewidth=1)
    axes.set(xscale="log", xlabel="peak learning rate")
    axes.set_title("loss on the pretraining's text: what is forgotten")
    axes.legend(loc="upper left", ncols=2, handlelength=1.5, fontsize=9)
