"""Draw the figures of docs/cyclical.md: a range test, and the schedules made from it.

Run from anywhere: python examples/draw_schedules.py [FOLDER]. It needs `pip install 'lrrange[demo]'`.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

from lrrange_torch.demo import make
from matplotlib.figure import Figure

import lrrange
from lrrange.cyclical import Schedule, exp_range, one_cycle, triangular, triangular2

STEPS = 600
HALF = 50

# Okabe and Ito's palette, which people with any colour vision can tell apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73")
DASHES = ("-", "--", "-.")


def ranges(result: lrrange.RangeTestResult, path: Path) -> None:
    """Draw two ranges below their curve."""
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    curve = result.curve
    axes.plot(curve.lr, curve.loss, color="#bbbbbb", linewidth=0.8, label="loss")
    axes.plot(curve.lr, curve.smoothed, color="black", label="smoothed")
    lowest, highest = min(curve.loss), 1.6 * curve.start
    uses = (("smith", "triangular, triangular2, exp_range"), ("midway", "one_cycle"))
    for (rule, use), colour, height in zip(uses, COLOURS, (0.05, 0.13), strict=False):
        bounds = result.range_by(rule)
        level = lowest + height * (highest - lowest)
        ends = (bounds.base_lr, bounds.max_lr)
        axes.plot(ends, (level, level), color=colour, marker="|", markersize=12, linewidth=3, label=f"{rule}: {use}")
    axes.set(xscale="log", ylim=(lowest - 0.1, highest), xlabel="learning rate", ylabel="training loss")
    axes.legend(loc="upper left")
    figure.savefig(path, dpi=110)


def schedules(named: Mapping[str, Schedule], path: Path) -> None:
    """Draw the learning rates of some schedules, and their momentum below."""
    figure = Figure(figsize=(8, 5), layout="constrained")
    above, below = figure.subplots(2, sharex=True, height_ratios=(3, 1))
    steps = range(STEPS)
    for (name, schedule), colour, dash in zip(named.items(), COLOURS, DASHES, strict=False):
        above.plot(steps, [schedule.lr_at(step) for step in steps], color=colour, linestyle=dash, label=name)
        below.plot(steps, [schedule.momentum_at(step) for step in steps], color=colour, linestyle=dash)
    above.set(ylabel="learning rate")
    above.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
    figure.legend(loc="outside upper center", ncols=3)
    below.set(xlabel="optimizer step", ylabel="momentum")
    figure.savefig(path, dpi=110)


def main(folder: Path) -> None:
    """Run a range test of LeNet with Adam on the digits, and draw all figures."""
    model, options = make()
    result = lrrange.find_lr(model, **options, seed=0)
    ranges(result, folder / "schedule-ranges.png")
    cycles = {
        "triangular": triangular(result, steps_per_half_cycle=HALF),
        "triangular2": triangular2(result, steps_per_half_cycle=HALF),
        "exp_range": exp_range(result, steps_per_half_cycle=HALF, gamma=0.995),
    }
    schedules(cycles, folder / "schedule-cycles.png")
    single = {
        "two phases, cosine": one_cycle(result, total_steps=STEPS),
        "three phases, linear, as in the papers": one_cycle(
            result, total_steps=STEPS, three_phase=True, anneal="linear", pct_start=0.45
        ),
    }
    schedules(single, folder / "schedule-one-cycle.png")
    print(f"{folder}: schedule-ranges.png, schedule-cycles.png, schedule-one-cycle.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[1] / "docs" / "images")
