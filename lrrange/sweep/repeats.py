"""Several sweeps of the same training, each with its own batch order, as one curve with a band."""

import math
import statistics
from collections.abc import Sequence

from lrrange.sweep.curve import Curve
from lrrange.sweep.planned_steps import StopReason
from lrrange.sweep.smoothing import SmoothingKind, smooth
from lrrange.sweep.sweep import Sweep

_BLEW_UP = (StopReason.DIVERGED, StopReason.NON_FINITE, StopReason.RAISED)


def median_curve(sweeps: Sequence[Sweep], smoothing: SmoothingKind) -> Curve:
    """Return the curve of the median loss at each rate.

    Args:
        sweeps: sweeps that have ended, all of the same plan. At the rates that a sweep did not reach, its loss counts
            as infinite if it blew up. If its data ran out, it is left out there.
        smoothing: how the median is smoothed.
    Returns: the curve up to the last rate at which the median is not infinite.
    """
    lr: list[float] = []
    loss: list[float] = []
    for step in range(max(len(sweep.points) for sweep in sweeps)):
        losses = [value for value in (_loss_at(sweep, step) for sweep in sweeps) if not math.isnan(value)]
        median = statistics.median_high(losses) if losses else math.nan
        if median == math.inf:
            break
        lr.append(sweeps[0].plan.lr_at(step))
        loss.append(median)
    return Curve(lr=lr, loss=loss, smoothed=smooth(lr, loss, smoothing))


def _loss_at(sweep: Sweep, step: int) -> float:
    """Return the finite loss of this step, infinity after a blow-up, or NaN for a gap and after the data ran out."""
    if step < len(sweep.points):
        loss = sweep.points[step].loss
        return loss if math.isfinite(loss) else math.nan  # one infinite loss is a gap and no blow-up
    return math.inf if sweep.stop_reason in _BLEW_UP else math.nan


def common_reason(sweeps: Sequence[Sweep]) -> StopReason:
    """Return the most common stop reason of the sweeps; of several that are equally common, the first."""
    return statistics.mode(sweep.stop_reason for sweep in sweeps if sweep.stop_reason is not None)


def band(sweeps: Sequence[Curve]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the lowest and the highest smoothed loss at each rate.

    Args:
        sweeps: curves over the same rates; the longest has n points.
    Returns: two tuples of shape (n,). NaN where no curve has a finite loss.
    """
    longest = max(map(len, sweeps), default=0)
    losses_by_step = []
    for step in range(longest):
        losses = [curve.smoothed[step] for curve in sweeps if step < len(curve)]
        losses_by_step.append([loss for loss in losses if math.isfinite(loss)] or [math.nan])
    return tuple(map(min, losses_by_step)), tuple(map(max, losses_by_step))
