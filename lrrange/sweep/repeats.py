"""Several sweeps of the same thing in other batch orders, as one curve with a band."""

import math
import statistics
from collections.abc import Sequence

from lrrange.sweep.curve import Curve
from lrrange.sweep.planned_steps import StopReason
from lrrange.sweep.smoothing import SmoothingKind, smooth
from lrrange.sweep.sweep import Sweep

_BLEW_UP = (StopReason.DIVERGED, StopReason.NON_FINITE)


def median_curve(sweeps: Sequence[Sweep], smoothing: SmoothingKind) -> Curve:
    """The median loss at each rate.

    Args:
        sweeps: ended, of the same plan. One that blew up counts as infinitely high at the rates it did not reach; one
            whose data ran out does not count there.
        smoothing: of the median.
    Returns: as far as the median is finite.
    """
    lr: list[float] = []
    loss: list[float] = []
    for step in range(max(len(sweep.points) for sweep in sweeps)):
        readings = [reading for sweep in sweeps if (reading := _reading(sweep, step)) is not None]
        finite_or_blown = [reading for reading in readings if not math.isnan(reading)]
        middle = statistics.median_high(finite_or_blown) if finite_or_blown else math.nan
        if middle == math.inf:
            break
        lr.append(sweeps[0].plan.lr_at(step))
        loss.append(middle)
    return Curve(lr=lr, loss=loss, smoothed=smooth(lr, loss, smoothing))


def _reading(sweep: Sweep, step: int) -> float | None:
    if step < len(sweep.points):
        loss = sweep.points[step].loss
        return loss if math.isfinite(loss) else math.nan  # a gap, and no blow-up
    return math.inf if sweep.stop_reason in _BLEW_UP else None


def common_reason(sweeps: Sequence[Sweep]) -> StopReason:
    """Why most of the sweeps ended; of equally many, the first one's."""
    return statistics.mode(sweep.stop_reason for sweep in sweeps if sweep.stop_reason is not None)


def band(sweeps: Sequence[Curve]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The lowest and the highest smoothed loss at each rate that any of the curves reached; two of shape (n,)."""
    longest = max(map(len, sweeps), default=0)
    at_each = []
    for step in range(longest):
        there = [curve.smoothed[step] for curve in sweeps if step < len(curve)]
        at_each.append([loss for loss in there if math.isfinite(loss)] or [math.nan])
    return tuple(map(min, at_each)), tuple(map(max, at_each))
