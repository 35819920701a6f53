"""What plots and reports draw of a comparison: smoothed training losses, their band over the seeds, their limits."""

import math
import statistics
from collections.abc import Mapping, Sequence

from lrrange.averages import mean
from lrrange.comparison.standings import Standings
from lrrange.policy import Run
from lrrange.quantity import LOSS
from lrrange.report.plots.figures import drawable, drawable_rates, limits_around

# The training loss of each step is averaged over a window around it. The window is this part of a run.
_WINDOW = 0.03

# The plot ends at the first loss plus this part of the drop. Above that the loss only diverges.
_HEADROOM = 0.15

# The smoothed training loss of each run, by its policy and seed.
Curves = Mapping[tuple[str, int], Sequence[float]]


def curves_of(comparison: Standings) -> Curves:
    """Return the smoothed training loss of each finished run."""
    return {(run.policy, run.seed): _smooth(run) for run in comparison.finished}


def _smooth(run: Run) -> list[float]:
    """Return the training loss of each step, averaged over the finite losses around it, up to a step without any."""
    reach = max(1, round(_WINDOW * len(run.losses) / 2))
    curve = []
    for step in range(len(run.losses)):
        near = [loss for loss in run.losses[max(0, step - reach) : step + reach + 1] if math.isfinite(loss)]
        if not near:
            break
        curve.append(mean(near))
    return drawable(curve)


def find_band(curves: Sequence[Sequence[float]]) -> tuple[range, list[float], list[float], list[float]]:
    """Return the steps of the longest curve, counted from 1, with the median, lowest and highest loss at each."""
    longest = max(map(len, curves))
    losses = [[curve[step] for curve in curves if step < len(curve)] for step in range(longest)]
    steps = range(1, longest + 1)
    return steps, list(map(statistics.median, losses)), list(map(min, losses)), list(map(max, losses))


def find_held_out(runs: Sequence[Run]) -> list[tuple[int, float]]:
    """Return the steps at which held-out losses were measured, with the median loss of the runs at each."""
    steps = [checkpoint.step for checkpoint in max((run.held_out for run in runs), key=len, default=())]
    return [
        (step, statistics.median_high([run.held_out[i].loss for run in runs if i < len(run.held_out)]))
        for i, step in enumerate(steps)
    ]


def held_out_losses(run: Run) -> list[float]:
    """Return the held-out losses of a run."""
    return [checkpoint.loss for checkpoint in run.held_out]


def describe_end(comparison: Standings, policy: str) -> str:
    """Return where the runs under a policy end, in words."""
    standing = next(standing for standing in comparison.table if standing.policy == policy)
    if standing.diverged:
        return f"{standing.diverged} of {len(standing.finals)} diverged"
    return f"ends at {comparison.quantity.sign * standing.mean:.4g}"


def has_log_scale(comparison: Standings, curves: Curves) -> bool:
    """Return whether the axis of the losses is logarithmic: if none is zero or below. That of a metric is linear."""
    held_out = map(held_out_losses, comparison.finished)
    return comparison.quantity == LOSS and all(loss > 0 for losses in (*curves.values(), *held_out) for loss in losses)


def find_limits(comparison: Standings, curves: Curves, *, log: bool) -> tuple[float, float] | None:
    """Return limits that show every whole descent, but only the beginning of a divergence; None without any loss.

    Args:
        comparison: the comparison.
        curves: its smoothed training losses.
        log: whether the axis is logarithmic.
    """
    smoothed = [curve for curve in curves.values() if curve]
    held_out = [loss for run in comparison.finished for loss in held_out_losses(run)]
    finite = [value for value in (*map(min, smoothed), *held_out) if math.isfinite(value)]
    if not finite:
        return None
    finite = drawable(finite)
    bottom, top = min(finite), max((curve[0] for curve in smoothed), default=max(finite))
    if log and bottom > 0:
        bottom, top = drawable_rates((bottom, max(bottom, top)))
        return bottom / 1.3, top * (top / bottom) ** _HEADROOM if top > bottom else top * 1.3
    low, high = limits_around(bottom, max(bottom, top), 0.06)
    first, last = sorted(comparison.quantity.oriented((low, high + (_HEADROOM - 0.06) * (high - low))))
    return first, last
