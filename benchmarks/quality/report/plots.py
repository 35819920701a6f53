"""The plots of `docs/quality.md`."""

from collections.abc import Iterable
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.quality.report.budgets import common_budgets
from benchmarks.quality.report.measurements import OURS, PEERS, UNTOLD, BankMeasurements, Measurements, label
from benchmarks.quality.report.reliability import CONFIDENT_BELOW, reliabilities
from benchmarks.quality.report.statistics import FinderRegret, finder_regret, steps
from benchmarks.quality.report.tables.bank import compared_families, name_of_form

_OURS, _OTHERS, _REFERENCE = "#1565c0", "#757575", "#bdbdbd"

_STYLE = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "savefig.dpi": 140}


def draw(measured: Measurements, folder: Path) -> None:
    """Draw every plot into a folder. One without measurements says so."""
    folder.mkdir(parents=True, exist_ok=True)
    plots = {"regret": _regret, "families": _families, "reliability": _reliability, "budgets": _budgets}
    with mpl.rc_context(_STYLE):
        for name, plot in plots.items():
            figure = plot(measured.bank) or _nothing()
            # No date and no version in the file, so that the same measurements give the same bytes.
            figure.savefig(folder / f"quality-{name}.png", metadata={"Software": None})


def _nothing() -> Figure:
    figure = Figure(figsize=(3, 0.5))
    figure.text(0.5, 0.5, "not measured yet", ha="center", va="center", color=_OTHERS)
    return figure


def _regret(bank: BankMeasurements) -> Figure | None:
    """Draw the regret of our forms on held-out families, and of the other finders on the same tasks."""
    lines: list[tuple[str, FinderRegret, str]] = []
    for form in bank.forms():
        rows = bank.of_form(form)
        regret = finder_regret(rows, bank.task_regrets)
        # Other forms are for the table of what each part adds.
        if regret and form in (OURS, UNTOLD):
            counts = [row["steps"] for row in rows if row["steps"] is not None]
            lines.append((f"{name_of_form(form)}{_in_steps(counts)}", regret, _OURS))
    for name in bank.complete([*PEERS, "default"]):
        cost = steps(bank.rows[name])
        counts = [cost.forwards] if cost else []
        lines.append(
            (f"{label(name).removesuffix(' (200 steps)')}{_in_steps(counts)}", bank.finder_regrets[name], _OTHERS)
        )
    if not lines:
        return None
    lines.sort(key=lambda line: -line[1].mean)
    figure = Figure(figsize=(7, 0.27 * len(lines) + 0.9), layout="constrained")
    axes = figure.subplots()
    for y, (_, regret, colour) in enumerate(lines):
        axes.plot([regret.low, regret.high], [y, y], color=colour, linewidth=2, alpha=0.5, solid_capstyle="butt")
        axes.plot(regret.mean, y, "o", color=colour, markersize=6)
        axes.annotate(f"{regret.mean:.3f}", (regret.high, y), (5, 0), va="center", color=colour, **_OFFSET)
    axes.set_yticks(range(len(lines)), [name for name, _, _ in lines])
    for text, (_, _, colour) in zip(axes.get_yticklabels(), lines, strict=True):
        text.set_color(colour)
        text.set_fontweight("bold" if colour == _OURS else "normal")
    axes.set_xlabel(
        "given away of what the best rate gains (line: 90 % of resampled tasks)\n"
        "blue: with constants fitted without the family of the training"
    )
    axes.set_xlim(left=0)
    axes.set_ylim(-0.7, len(lines) - 0.3)
    return figure


_OFFSET = {"textcoords": "offset points", "fontsize": 8}


def _in_steps(counts: Iterable[float]) -> str:
    counts = list(counts)
    return f", {np.mean(counts):.0f} steps" if counts else ""


def _families(bank: BankMeasurements) -> Figure | None:
    """Draw our regret and that of the best other finder, for each family of architecture and of optimizer."""
    parts = {}
    for axis in ("architecture", "optimizer"):
        lines = [
            (f"{family} ({count})", ours, theirs) for family, count, ours, _, theirs in compared_families(bank, axis)
        ]
        if lines:
            parts[axis] = sorted(lines, key=lambda line: -line[1])
    if not parts:
        return None
    figure = Figure(figsize=(7, 0.22 * sum(map(len, parts.values())) + 1.5), layout="constrained")
    heights = [len(lines) + 1 for lines in parts.values()]
    for axes, (axis, lines) in zip(
        np.atleast_1d(figure.subplots(len(parts), 1, sharex=True, height_ratios=heights)), parts.items(), strict=True
    ):
        for y, (_, ours, peer) in enumerate(lines):
            axes.plot([ours, peer], [y, y], color=_REFERENCE, linewidth=1.5, zorder=1)
            axes.plot(peer, y, "o", color=_OTHERS, markersize=5)
            axes.plot(ours, y, "o", color=_OURS, markersize=5)
        axes.set_yticks(range(len(lines)), [name for name, _, _ in lines])
        axes.set_ylim(-0.6, len(lines) - 0.4)
        axes.set_xlim(left=0)
        axes.set_title(f"{axis} (tasks)", loc="left", fontsize=9)
    figure.legend(
        [mpl.lines.Line2D([], [], color=colour, marker="o", linestyle="") for colour in (_OURS, _OTHERS)],
        ["lrrange (train_steps=), family held out", "best other finder in the family"],
        loc="outside lower center",
        ncols=2,
        frameon=False,
    )
    axes.set_xlabel("regret")
    return figure


def _reliability(bank: BankMeasurements) -> Figure | None:
    classes = reliabilities(bank.of_form(OURS), bank.task_regrets)
    if not classes:
        return None
    figure = Figure(figsize=(5, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=_REFERENCE, linewidth=1)
    axes.axvline(CONFIDENT_BELOW, color=_REFERENCE, linewidth=1, linestyle=":")
    for part in classes:
        axes.plot([part.expected] * 2, [part.low, part.high], color=_OURS, linewidth=2, alpha=0.5)
        axes.plot(part.expected, part.measured, "o", color=_OURS, markersize=6)
        axes.annotate(f"{part.answers}", (part.expected, part.high), (0, 5), ha="center", color=_OURS, **_OFFSET)
    axes.set_xlabel("expected chance that an answer is bad\n(dotted: below it, an answer is called confident)")
    axes.set_ylabel("share that is bad on held-out families\n(numbers: answers; lines: 90 % of resampled tasks)")
    top = min(1.0, 1.15 * max(max(part.high, part.expected) for part in classes) + 0.05)
    axes.annotate("as expected", (0.75 * top, 0.75 * top), (-6, 2), ha="right", color=_OTHERS, **_OFFSET)
    axes.set_xlim(-0.04 * top, top)
    axes.set_ylim(-0.03 * top, top)
    return figure


def _budgets(bank: BankMeasurements) -> Figure | None:
    if not bank.ladders:
        return None
    figure = Figure(figsize=(7, 3.4), layout="constrained")
    titles = {"constant": "constant rate", "onecycle": "one-cycle, peak rate"}
    colours = [_OURS, "#c62828", "#2e7d32", "#ef6c00", "#6a1b9a", "#00838f", "#5d4037", "#ad1457"]
    budgets = common_budgets(bank.ladders)
    panels: list[Axes] = list(figure.subplots(1, 2, sharey=True))
    for axes, (protocol, title) in zip(panels, titles.items(), strict=True):
        for ladder, colour in zip(bank.ladders, colours, strict=False):
            best = ladder.best[protocol]  # type: ignore[index]
            axes.plot([*best], [*best.values()], "o-", color=colour, markersize=4, linewidth=1.5, label=ladder.name)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xticks(budgets, budgets)
        axes.minorticks_off()
        axes.set_title(title, loc="left", fontsize=9)
        axes.set_xlabel("steps of the training")
    panels[0].set_ylabel("best rate")
    _label_ends(panels[1], bank, colours)
    return figure


def _label_ends(axes: Axes, bank: BankMeasurements, colours: list[str]) -> None:
    """Write each ladder's name at the right end of its line, apart enough to be read."""
    ends = sorted((np.log10([*ladder.best["onecycle"].values()][-1]), i) for i, ladder in enumerate(bank.ladders))
    low, high = np.log10(axes.get_ylim())
    least = (high - low) * 0.07
    heights: list[float] = []
    for end, _ in ends:
        heights.append(max(end, heights[-1] + least) if heights else end)
    for height, (_, i) in zip(heights, ends, strict=True):
        at = (1.02, (height - low) / (high - low))
        style = {"fontsize": 8, "color": colours[i % len(colours)], "annotation_clip": False}
        axes.annotate(bank.ladders[i].name, at, xycoords="axes fraction", va="center", **style)
