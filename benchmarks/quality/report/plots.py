"""The plots of `docs/evidence/quality.md`."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from benchmarks.plots import WIDTH, Theme, legend_below, named_rows, save
from benchmarks.quality.report.budgets import common_budgets
from benchmarks.quality.report.frontier_plot import draw_frontier
from benchmarks.quality.report.measurements import OURS, PEERS, UNTOLD, BankMeasurements, Measurements, label
from benchmarks.quality.report.reliability import CONFIDENT_BELOW, reliabilities
from benchmarks.quality.report.statistics import FinderRegret, finder_regret
from benchmarks.quality.report.tables.bank import best_lengths, compared_families, name_of_form


def draw(measured: Measurements, folder: Path) -> None:
    """Draw every plot into a folder. One without measurements says so."""
    for name, plot in _PLOTS.items():
        save(partial(_or_nothing, plot, measured.bank), folder / f"quality-{name}")


def _or_nothing(
    plot: Callable[[BankMeasurements, Theme], Figure | None], bank: BankMeasurements, theme: Theme
) -> Figure:
    figure = plot(bank, theme)
    if figure is None:
        figure = Figure(figsize=(3, 0.5))
        figure.text(0.5, 0.5, "not measured yet", ha="center", va="center")
    return figure


def _regret(bank: BankMeasurements, theme: Theme) -> Figure | None:
    """Draw the regret of our two forms on held-out families, and of each other finder at its better length."""
    lines: list[tuple[str, FinderRegret, str]] = []
    for form in (OURS, UNTOLD):
        regret = finder_regret(bank.of_form(form), bank.task_regrets)
        if regret:
            lines.append((name_of_form(form), regret, theme.ours))
    lines += [
        (label(name), bank.finder_regrets[name], theme.others) for name in best_lengths(bank, [*PEERS, "default"])
    ]
    if not lines:
        return None
    lines.sort(key=lambda line: line[1].mean)
    figure = Figure(figsize=(WIDTH, 0.3 * len(lines) + 0.8))
    axes = figure.subplots()
    named_rows(axes, [name for name, _, _ in lines], [colour for _, _, colour in lines])
    for y, (_, regret, colour) in enumerate(lines):
        axes.plot([regret.low, regret.high], [y, y], color=colour, linewidth=3, alpha=0.4, solid_capstyle="butt")
        axes.plot(regret.mean, y, "o", color=colour, markersize=7)
        axes.annotate(f"{regret.mean:.2f}", (regret.high, y), (5, 0), va="center", color=colour, **_OFFSET)
    axes.set_xlabel("share of the possible gain that is given away")
    axes.set_xlim(left=0)
    return figure


_OFFSET = {"textcoords": "offset points", "fontsize": 9.5}


def _families(bank: BankMeasurements, theme: Theme) -> Figure | None:
    """Draw our regret and that of the best other finder, for each family of architecture and of optimizer."""
    parts = {}
    for axis in ("architecture", "optimizer"):
        lines = [
            (f"{family.replace('_', ' ')} ({count})", ours, theirs)
            for family, count, ours, _, theirs in compared_families(bank, axis)
        ]
        if lines:
            parts[axis] = sorted(lines, key=lambda line: line[1])
    if not parts:
        return None
    figure = Figure(figsize=(WIDTH, 0.24 * sum(map(len, parts.values())) + 1.6))
    heights = [len(lines) + 1 for lines in parts.values()]
    panels = np.atleast_1d(figure.subplots(len(parts), 1, sharex=True, height_ratios=heights))
    for axes, (axis, lines) in zip(panels, parts.items(), strict=True):
        named_rows(axes, [name for name, _, _ in lines])
        for y, (_, ours, peer) in enumerate(lines):
            colour = theme.ours if ours <= peer else theme.worse
            axes.plot([ours, peer], [y, y], color=colour, linewidth=2, alpha=0.6)
            axes.plot(peer, y, "D", color=theme.others, markersize=5, label="best other finder there")
            axes.plot(
                ours, y, "o", color=colour, markersize=7, label="lrrange" if ours <= peer else "lrrange, if worse"
            )
        axes.set_xlim(left=0)
        axes.set_title(f"{axis} (trainings)")
    axes.set_xlabel("share of the possible gain that is given away")
    legend_below(figure, panels[0], 3)
    return figure


def _reliability(bank: BankMeasurements, theme: Theme) -> Figure | None:
    classes = reliabilities(bank.of_form(OURS), bank.task_regrets)
    if not classes:
        return None
    figure = Figure(figsize=(WIDTH, 3.8))
    axes = figure.subplots()
    axes.plot([0, 100], [0, 100], color=theme.others, linewidth=1)
    axes.axvspan(0, 100 * CONFIDENT_BELOW, color=theme.ours, alpha=0.12, linewidth=0)
    for part in classes:
        at = 100 * part.expected
        axes.plot([at] * 2, [100 * part.low, 100 * part.high], color=theme.ours, linewidth=3, alpha=0.4)
        axes.plot(at, 100 * part.measured, "o", color=theme.ours, markersize=7)
        axes.annotate(f"{part.answers}", (at, 100 * part.high), (0, 4), ha="center", color=theme.ours, **_OFFSET)
    axes.set_xlabel("chance to be bad that lrrange stated, %")
    axes.set_ylabel("of these answers, bad, %")
    top = min(100.0, 115 * max(max(part.high, part.expected) for part in classes) + 5)
    axes.annotate("as stated", (0.9 * top, 0.9 * top), (-8, 0), ha="right", color=theme.others, **_OFFSET)
    axes.set_xlim(0, top)
    axes.set_ylim(0, top)
    return figure


def _budgets(bank: BankMeasurements, theme: Theme) -> Figure | None:
    if not bank.ladders:
        return None
    figure = Figure(figsize=(WIDTH, 3.6))
    axes = figure.subplots()
    budgets = common_budgets(bank.ladders)
    marks = "osD^vP"
    for ladder, colour, mark in zip(bank.ladders, theme.palette, marks, strict=False):
        best = [ladder.best["constant"][budget] for budget in budgets]
        name = ladder.name.replace("_", " ")
        axes.plot(budgets, best, f"{mark}-", color=colour, markersize=6, linewidth=1.8, label=name)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(budgets, [f"{budget:,}" for budget in budgets])
    axes.minorticks_off()
    axes.grid(visible=True, axis="y")
    axes.set_xlabel("steps of the training")
    axes.set_ylabel("best constant learning rate")
    legend_below(figure, axes, 2)
    return figure


_PLOTS = {
    "frontier": draw_frontier,
    "regret": _regret,
    "families": _families,
    "reliability": _reliability,
    "budgets": _budgets,
}
