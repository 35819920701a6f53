"""The plots of `docs/quality.md`."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.quality.ground_truth import PROTOCOLS, Protocol
from benchmarks.quality.report.measurements import LENGTHS, Measurements
from benchmarks.quality.report.statistics import BAD, calibration, steps, suggested
from benchmarks.quality.tasks.registry import group_of

_OURS, _OTHERS = "tab:blue", "tab:gray"

# The finders whose suggestions are drawn task by task, with their markers and colours.
_DRAWN = {
    "lrrange": ("o", "tab:blue"),
    "lrrange_confirm": ("D", "tab:cyan"),
    "fastai_valley": ("v", "tab:orange"),
    "fastai_minimum": ("^", "tab:red"),
    "ignite": ("s", "tab:olive"),
}

_TITLES: dict[Protocol, str] = {"constant": "constant rate", "onecycle": "one-cycle, peak rate"}


def draw(measured: Measurements, folder: Path) -> None:
    """Draw every plot into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    plots = {"regret": _regret, "suggestions": _suggestions, "calibration": _calibration, "cost": _cost}
    with mpl.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "savefig.dpi": 130}):
        for name, plot in plots.items():
            # No date and no version in the file, so that the same measurements give the same bytes.
            plot(measured).savefig(folder / f"quality-{name}.png", metadata={"Software": None})


def _regret(measured: Measurements) -> Figure:
    names = measured.complete()[::-1]
    figure = Figure(figsize=(7, 0.26 * len(names) + 1), layout="constrained")
    axes = figure.subplots()
    labels = {"all": "all tasks", "original": "original eight", "own": "own"}
    for (group, label), marker in zip(labels.items(), "o|x", strict=True):
        for y, name in enumerate(names):
            regret = measured.finder_regrets[group].get(name)
            if regret is None:
                continue
            colour = _OURS if name.startswith("lrrange") else _OTHERS
            axes.plot(regret.mean, y, marker, color=colour, label=label if y == len(names) - 1 else None)
            if group == "all":
                axes.plot([regret.low, regret.high], [y, y], color=colour)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("regret: 0 is the best rate, 1 is nothing learnt (lines: 90 % over resampled tasks)")
    axes.set_xlim(left=0)
    axes.set_ylim(-0.7, len(names) - 0.3)
    axes.grid(axis="x", alpha=0.3)
    axes.legend(loc="center right")
    return figure


def _suggestions(measured: Measurements) -> Figure:
    tasks = list(measured.task_regrets)[::-1]
    figure = Figure(figsize=(10, 0.36 * len(tasks) + 1.2), layout="constrained")
    for axes, protocol in zip(figure.subplots(1, 2, sharey=True), PROTOCOLS, strict=True):
        for y, task in enumerate(tasks):
            _suggestions_for(axes, measured, task, y, protocol)
        axes.set_xscale("log")
        axes.set_xlim(1e-6, 1e2)
        axes.set_yticks(range(len(tasks)), [task + ("" if group_of(task) == "own" else " *") for task in tasks])
        axes.set_title(_TITLES[protocol])
        axes.set_xlabel("learning rate")
    handles, labels = axes.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    figure.legend(unique.values(), unique.keys(), loc="outside lower center", ncols=len(unique))
    return figure


def _suggestions_for(axes: Axes, measured: Measurements, task: str, y: int, protocol: Protocol) -> None:
    regret = measured.task_regrets[task]
    rates = np.geomspace(regret.lr[0], regret.lr[-1], 400)
    heights = [y if regret.at(float(rate), protocol) <= BAD else np.nan for rate in rates]
    band = {"color": "tab:green", "alpha": 0.25, "linewidth": 8, "solid_capstyle": "butt"}
    axes.plot(rates, heights, label=f"regret up to {BAD}", **band)
    axes.plot(regret.best_lr(protocol), y, "|", color="black", markersize=14, label="best rate")
    for step, (name, (marker, colour)) in enumerate(_DRAWN.items()):
        suggestions = [suggested(row, protocol) for row in measured.rows.get(name, []) if row["task"] == task]
        answered = [rate for rate in suggestions if rate]
        height = y + 0.3 - 0.15 * step
        axes.plot(answered, [height] * len(answered), marker, color=colour, markersize=3, alpha=0.7, label=name)


def _calibration(measured: Measurements) -> Figure:
    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axes = figure.subplots()
    for name in measured.complete():
        intervals = calibration(measured.rows[name], measured.task_regrets)
        if intervals is None or not name.startswith("lrrange"):
            continue
        x = np.linspace(0, 2, 201)
        axes.plot(x, [intervals.share(within) for within in x], label=f"{name} (median width {intervals.width:.2f})")
    axes.axvline(0.5, color="black", linestyle=":", linewidth=1)
    axes.set_xlabel("decades outside of the interval, at most")
    axes.set_ylabel("share of tasks and seeds\nwhose best constant rate is there")
    axes.set_ylim(0, 1.02)
    axes.legend(fontsize=7)
    return figure


def _cost(measured: Measurements) -> Figure:
    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axes = figure.subplots()
    for name in measured.complete():
        if name.startswith("oracle"):
            continue
        regret, cost = measured.finder_regrets["all"][name], steps(measured.rows[name])
        colour = _OURS if name.startswith("lrrange") else _OTHERS
        passes = cost.forwards if cost else 0
        axes.plot(passes, regret.mean, "o", color=colour, markersize=4)
        if name in (*_DRAWN, *LENGTHS.values()):  # the labels of all finders would overlap
            axes.annotate(name, (passes, regret.mean), (3, 3), textcoords="offset points", fontsize=7, color=colour)
    axes.set_xlabel("training steps that a suggestion costs, counted")
    axes.set_ylabel("regret")
    axes.set_ylim(bottom=0)
    return figure
