"""The plot of `docs/fine-tuning.md`."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.fine_tuning.tables import Measurements, answered
from benchmarks.fine_tuning.tasks import TASKS

_COLOURS = {"pretrained": "#1565c0", "random": "#9e9e9e"}
_ANSWERS = (
    ("plain", "peak", "lrrange", "#2e7d32"),
    ("confirm, short", "peak", "lrrange, confirm=True with short runs", "#7cb342"),
    ("steepest", "lr", "steepest slope", "#c62828"),
)
_STYLE = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "savefig.dpi": 140}


def draw(measured: Measurements, path: Path) -> None:
    """Draw the loss and the forgetting by rate, one column for each task, with the answers as ticks."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9, 4.6), layout="constrained")
        axes = figure.subplots(2, len(TASKS), sharex=True, squeeze=False)
        for name, (above, below) in zip(TASKS, axes.T, strict=True):
            above.set_title(name)
            _losses(above, measured, name)
            _ticks(above, measured, name)
            of_task = measured.fate(name)
            below.plot(
                of_task.lr,
                np.nanmean(of_task.by_seed("before"), 1),
                color=_COLOURS["pretrained"],
                marker="o",
                markersize=3,
            )
            below.axhline(measured.about["held_out_loss"], color="#9e9e9e", linewidth=0.8, linestyle=":")
            below.set(xscale="log", xlabel="peak learning rate")
        axes[0, 0].set_ylabel("held-out loss")
        axes[1, 0].set_ylabel("loss on the pretraining's text")
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=8, frameon=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Software": None})


def _losses(axes: Axes, measured: Measurements, name: str) -> None:
    for start, colour in _COLOURS.items():
        of_task = measured.fate(name, start)
        if not of_task.rows:
            continue
        axes.plot(of_task.lr, of_task.loss, color=colour, marker="o", markersize=3, label=f"{start} weights")
        axes.plot(
            of_task.lr, np.minimum(of_task.by_seed("loss"), of_task.initial), ".", color=colour, markersize=2, alpha=0.6
        )


def _ticks(axes: Axes, measured: Measurements, name: str) -> None:
    for form, column, title, colour in _ANSWERS:
        for number, lr in enumerate(answered(measured, name, form, column)):
            if lr is not None:
                axes.axvline(lr, color=colour, linewidth=1, alpha=0.8, label=None if number else title)
