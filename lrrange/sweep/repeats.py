"""Several sweeps of the same training, each with its own batch order, as one curve with a band."""

import math
import statistics
from collections.abc import Sequence

import attrs

from lrrange.sweep.curve import Curve
from lrrange.sweep.planned_steps import StopReason
from lrrange.sweep.smoothing import SmoothingKind, smooth

_BLEW_UP = (StopReason.DIVERGED, StopReason.NON_FINITE, StopReason.RAISED)


def median_curve(curves: Sequence[Curve], stop_reasons: Sequence[StopReason], smoothing: SmoothingKind) -> Curve:
    """Return the curve of the median loss at each rate.

    Args:
        curves: of sweeps that have ended, all of the same plan, and all paired or none.
        stop_reasons: why each ended. At the rates that a sweep did not reach, its loss counts as infinite if it blew
            up. If its data ran out, it is left out there.
        smoothing: how the median is smoothed.
    Returns: the curve up to the last rate at which the median is not infinite. Of paired curves, it has the medians of
        the paired losses, of those measured and of the baselines. Its `also` is the median of theirs.
    """
    blew_up = [reason in _BLEW_UP for reason in stop_reasons]
    loss = _medians([curve.loss for curve in curves], blew_up)
    lr = max(curves, key=len).lr[: len(loss)]
    measured = baseline = None
    if all(curve.baseline is not None for curve in curves):
        measured = _medians([curve.measured or () for curve in curves], blew_up)[: len(loss)]
        baseline = _medians([curve.baseline or () for curve in curves], [False] * len(curves))[: len(loss)]
    also = None
    others = [curve.also for curve in curves if curve.also is not None]
    if len(others) == len(curves):
        also = _to_rates(lr, median_curve(others, stop_reasons, smoothing), smoothing)
    smoothed = smooth(lr, loss, smoothing)
    quantity = curves[0].quantity
    return Curve(
        lr=lr, loss=loss, smoothed=smoothed, baseline=baseline, measured=measured, quantity=quantity, also=also
    )


def _to_rates(lr: tuple[float, ...], curve: Curve, smoothing: SmoothingKind) -> Curve:
    """Return the curve with these rates, of which it may have more or fewer. A loss that is not known is a gap."""
    if curve.lr == lr:
        return curve

    def resized(losses: Sequence[float]) -> list[float]:
        return [*losses[: len(lr)], *[math.nan] * (len(lr) - len(losses))]

    loss = resized(curve.loss)
    return attrs.evolve(
        curve,
        lr=lr,
        loss=loss,
        smoothed=smooth(lr, loss, smoothing),
        baseline=None if curve.baseline is None else resized(curve.baseline),
        measured=None if curve.measured is None else resized(curve.measured),
    )


def _medians(losses: Sequence[Sequence[float]], blew_up: Sequence[bool]) -> list[float]:
    """Return the median of the finite losses at each step, up to the first step at which it is infinite.

    Args:
        losses: of each sweep, as far as it got.
        blew_up: whether the losses of a sweep count as infinite after its last step. Otherwise it is left out there.
    """
    medians = []
    for step in range(max(map(len, losses))):
        here = [_loss_at(step, *sweep) for sweep in zip(losses, blew_up, strict=True)]
        known = [loss for loss in here if not math.isnan(loss)]
        median = statistics.median_high(known) if known else math.nan
        if median == math.inf:
            break
        medians.append(median)
    return medians


def _loss_at(step: int, losses: Sequence[float], blew_up: bool) -> float:
    """Return the finite loss of this step, infinity after a blow-up, or NaN for a gap and after the data ran out."""
    if step < len(losses):
        return losses[step] if math.isfinite(losses[step]) else math.nan  # one infinite loss is a gap and no blow-up
    return math.inf if blew_up else math.nan


def common_reason(stop_reasons: Sequence[StopReason]) -> StopReason:
    """Return the most common stop reason; of several that are equally common, the first."""
    return statistics.mode(stop_reasons)


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
