"""The limits of a plot of losses."""

import math
from collections.abc import Iterable, Sequence

from lrrange.advice.confirmation import Trial
from lrrange.report.plots.figures import drawable, limits_around
from lrrange.sweep.curve import Curve
from lrrange.sweep.repeats import band

# The plot ends at the curve's first loss plus this part of its drop. Above that the loss only diverges, and on a scale
# that shows all of the divergence the descent would look like a flat line.
_HEADROOM = 0.6


def limits_of_losses(curve: Curve, sweeps: Sequence[Curve], trials: Iterable[Trial]) -> tuple[float, float] | None:
    """Return limits that show the whole descent, but only the beginning of a divergence; None without losses.

    Args:
        curve: to be drawn.
        sweeps: single sweeps, whose band is drawn.
        trials: to be drawn as well.
    """
    finite = curve.finite
    if not len(finite):
        return None
    loss, smoothed = drawable(finite.loss), drawable(finite.smoothed)
    bottom = smoothed[finite.lowest]
    (top,) = drawable([max(finite.start, *smoothed[: finite.lowest + 1])])
    if not finite.falls:  # there is no descent, so the lower three quarters of the losses set the scale
        top = max(top, sorted(loss)[-(-3 * (len(finite) - 1) // 4)])
    (noise,) = drawable([finite.noise])
    span = max(top - bottom, 4 * noise if math.isfinite(noise) else 0.0, 1e-6 * abs(top))
    low = max(min(loss), bottom - _HEADROOM * span)
    high = min(max(loss), top + _HEADROOM * span)
    if finite.measured is not None:  # whose noise is larger
        measured = drawable(finite.unpaired.finite.loss)
        (noise,) = drawable([finite.unpaired.noise])
        low = min(low, max(min(measured), bottom - 2 * noise))
        high = max(high, min(max(measured), top + 2 * noise))
    if sweeps:
        edges = [[loss for loss in drawable(edge) if math.isfinite(loss)] for edge in band(sweeps)]
        low = min(low, max(min(edges[0], default=low), bottom - _HEADROOM * span))
        high = max(high, min(max(edges[1], default=high), top + _HEADROOM * span))
    for trial in trials:
        if math.isfinite(trial.loss):
            (level,), (error,) = drawable([trial.loss]), drawable([trial.error or 0.0])
            low = min(low, level - min(error, span))
            high = max(high, min(level + error, top + _HEADROOM * span))
    return limits_around(min(low, high), max(low, high), 0.06)


def above_zero(limits: tuple[float, float], heights: Iterable[float]) -> tuple[float, float] | None:
    """Return limits for a logarithmic axis: the lower one is at the lowest height above zero, if it is not above zero.

    None if nothing is above zero.
    """
    low, high = limits
    positive = [height for height in heights if 0 < height < high]
    if low > 0 or not positive:
        return limits if low > 0 else None
    return min(positive) / 1.2, high
