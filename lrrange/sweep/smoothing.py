"""Two smoothers: one that looks back only, to decide when to stop, and one that looks both ways, to read advice from.

Both measure distance in decades of learning rate, not in steps, so that the same sweep in twice as many steps is
smoothed over the same rates.

- `OnlineSmoother` is what a running sweep can have: a bias-corrected exponential moving average (EMA) of the losses so
  far. It lags: its value at one rate is what the curve was about `DECADES` earlier (`OnlineSmoother.lag`). Only the
  divergence stop reads it, where a late answer costs a few steps and no advice.
- `smooth` is for the finished curve, and the only one that heuristics read. Its `"ema"` weighs both sides alike and
  fits a line through them, so it is zero-phase: lag 0, and exact on a straight fall, also at both ends.
"""

import bisect
import math
import statistics
from collections.abc import Sequence
from typing import Literal, get_args

from lrrange.averages import mean
from lrrange.errors import UnknownName
from lrrange.spelling import did_you_mean
from lrrange.sweep.noise import despike, median_of_three, noise_level, start_level

SmoothingKind = Literal["ema", "median", "none"]

# Distance at which the weight of a loss has fallen to 1/e. An eighth of a decade is less than the distance between
# rates that train differently, and averages some 6 losses where there are 25 steps per decade.
DECADES = 0.125

# A loss above the start of the curve by more than this many standard deviations of the noise is divergence.
_DIVERGED = 4.0


_KINDS: tuple[SmoothingKind, ...] = get_args(SmoothingKind)


def check_kind(kind: str) -> SmoothingKind:
    """Return `kind` if it is a kind of smoothing. Raises: UnknownName if it is not."""
    for known in _KINDS:
        if kind == known:
            return known
    raise UnknownName(f"smoothing={kind!r} is not one of {', '.join(_KINDS)}.{did_you_mean(kind, _KINDS)}", name=kind)


class OnlineSmoother:
    """A causal, bias-corrected EMA over log rates of the median of the last three losses.

    The median hides a single spike. The bias correction divides by the sum of the weights so far, so that a constant
    loss is constant from the first step on, as Kingma & Ba do for Adam's moments (ICLR 2015, section 3).
    """

    def __init__(self, decades: float = DECADES) -> None:
        self._decades = decades
        self._recent: list[float] = []
        self._count = 0
        self._origin = 0.0
        self._last_x = 0.0
        self._total = 0.0
        self._weight = 0.0
        self._age = 0.0

    @property
    def lag(self) -> float:
        """Mean age of the losses in the average, in decades of learning rate. The median of three adds one step."""
        return self._age / self._weight if self._weight else 0.0

    def add(self, lr: float, loss: float) -> float:
        """Add a finite loss, and return the smoothed loss."""
        x = math.log10(lr)
        if not self._recent:
            # The sums are of differences from the first loss, so that a constant loss stays exactly constant.
            self._origin, self._last_x = loss, x
        self._recent = [*self._recent[-2:], loss]
        self._count += 1
        if self._count == 3:  # the first two had no median of three, so a spike among them would stay
            self._total = self._weight = self._age = 0.0
        step = x - self._last_x
        decay = math.exp(-step / self._decades)
        self._age = decay * (self._age + step * self._weight)
        self._total = decay * self._total + (self._median() - self._origin)
        self._weight = decay * self._weight + 1.0
        self._last_x = x
        return self._origin + self._total / self._weight

    def _median(self) -> float:
        return median_of_three(*self._recent) if len(self._recent) == 3 else mean(self._recent)


def smooth(
    lr: Sequence[float], loss: Sequence[float], kind: SmoothingKind = "ema", decades: float = DECADES
) -> tuple[float, ...]:
    """Return the loss curve without its noise and without lag, to read advice from.

    Args:
        lr: n positive, rising rates, shape (n,).
        loss: n losses, shape (n,). A loss that is not finite is a gap: it becomes NaN and affects no other point.
        kind: `"ema"` fits a line around each rate, with weights that decay exponentially on both sides; `"median"` is
            the median of the losses within `decades` on either side; `"none"` leaves the losses as they are.
        decades: width of the smoothing, in decades of learning rate.
    Returns: n smoothed losses in the unit of the loss. `"ema"` and `"median"` leave single spikes out. They also cut
        the losses off at a ceiling, which is as far above the start of the curve as the curve falls below it (or four
        standard deviations of the noise, if that is more): the height of an explosion says nothing about the rates
        before it.
    """
    kept = [i for i, value in enumerate(loss) if math.isfinite(value)]
    smoothed = [math.nan] * len(loss)
    x = [math.log10(lr[i]) for i in kept]
    y = [loss[i] for i in kept]
    for i, value in zip(kept, _SMOOTHERS[check_kind(kind)](x, y, decades), strict=True):
        smoothed[i] = value
    return tuple(smoothed)


def _two_sided_ema(x: list[float], y: list[float], decades: float) -> list[float]:
    if not y:
        return []
    origin = y[0]
    y = [value - origin for value in _without_extremes(y)]
    before = _moments(x, y, decades)
    after = reversed(_moments([-v for v in reversed(x)], y[::-1], decades))  # their distances have the other sign
    fitted = []
    for own, (b0, b1, b2, c0, c1), (a0, a1, a2, d0, d1) in zip(y, before, after, strict=True):
        s1, s2, t1 = b1 - a1, b2 + a2, c1 - d1
        s0, t0 = b0 + a0 - 1.0, c0 + d0 - own  # the point itself was counted on both sides
        determinant = s0 * s2 - s1 * s1
        # If nearly all the weight is on one point, no line can be fitted, and the weighted mean is taken.
        has_line = determinant > 1e-9 * s0 * s0 * decades * decades
        fitted.append(origin + ((s2 * t0 - s1 * t1) / determinant if has_line else t0 / s0))
    return fitted


def _moments(x: list[float], y: list[float], decades: float) -> list[tuple[float, float, float, float, float]]:
    """Return, for each point, the sums of w, w*u, w*u*u, w*y and w*u*y over all points up to it.

    u is the distance to the point, and w the weight. Weights decay exponentially with distance, so each sum follows
    from the previous one in constant time.
    """
    rows = []
    s0 = s1 = s2 = t0 = t1 = 0.0
    last = x[0]
    for here, value in zip(x, y, strict=True):
        d = here - last
        w = math.exp(-d / decades)
        s0, s1, s2 = w * s0 + 1.0, w * (s1 - d * s0), w * (s2 - 2 * d * s1 + d * d * s0)
        t0, t1 = w * t0 + value, w * (t1 - d * t0)
        rows.append((s0, s1, s2, t0, t1))
        last = here
    return rows


def _running_median(x: list[float], y: list[float], decades: float) -> list[float]:
    y = _without_extremes(y)
    return [
        statistics.median(y[bisect.bisect_left(x, here - decades) : bisect.bisect_right(x, here + decades)])
        for here in x
    ]


def _unsmoothed(_x: list[float], y: list[float], _decades: float) -> list[float]:
    return y


def _without_extremes(y: list[float]) -> list[float]:
    """Return the losses without single spikes, cut off at the ceiling that `smooth` describes."""
    noise = noise_level(y)
    despiked = despike(y, noise)
    level = start_level(despiked)
    ceiling = level + max(level - min(despiked), _DIVERGED * noise)
    # Without noise and without a fall the ceiling would be the start itself, and hide every rise.
    return [min(value, ceiling) for value in despiked] if ceiling > level else despiked


_SMOOTHERS = {"ema": _two_sided_ema, "median": _running_median, "none": _unsmoothed}
