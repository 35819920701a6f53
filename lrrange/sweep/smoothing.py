"""Two smoothers: one that looks back only, to decide when to stop, and one that looks both ways, to read advice from.

Both measure distance in decades of learning rate, not in steps, so that the same sweep in twice as many steps is
smoothed over the same rates.

- `OnlineSmoother` is what a running sweep can have: a bias-corrected exponential moving average (EMA) of readings so
  far. It lags: what it says at one rate is what the curve was about `DECADES` earlier (`OnlineSmoother.lag`). Only the
  divergence stop reads it, where a late answer costs a few steps and no advice.
- `smooth` is for the finished curve, and the only one that heuristics read. Its `"ema"` weighs both sides alike and
  fits a line through them, so it is zero-phase: lag 0, and exact on a straight fall, also at both ends.
"""

import bisect
import math
import statistics
from collections.abc import Sequence
from typing import Literal, get_args

from lrrange.errors import UnknownName
from lrrange.sweep.noise import despike, median_of_three, noise_level, start_level

SmoothingKind = Literal["ema", "median", "none"]

# Distance at which a reading's weight has fallen to 1/e. An eighth of a decade is less than the distance between rates
# that train differently, and averages some 3 to 6 readings in the usual 100 to 200 steps over 8 decades.
DECADES = 0.125

# A reading higher than the start of the curve by more than this many noise standard deviations is divergence.
_DIVERGED = 4.0


def check_kind(kind: str) -> SmoothingKind:
    """`kind`, if it is a kind of smoothing. Raises: UnknownName."""
    for known in get_args(SmoothingKind):
        if kind == known:
            return known  # type: ignore[no-any-return]  # get_args is typed as Any
    raise UnknownName(f"smoothing={kind!r} is not one of {', '.join(get_args(SmoothingKind))}.", name=kind)


class OnlineSmoother:
    """A causal, bias-corrected EMA over log rates, fed by the median of the last three readings.

    The median makes a single spike invisible. Bias correction (dividing by the weights given so far) makes a constant
    loss constant from the first reading, as Kingma & Ba do for Adam's moments (ICLR 2015, section 3).
    """

    def __init__(self, decades: float = DECADES) -> None:
        self._decades = decades
        self._recent: list[float] = []
        self._readings = 0
        self._origin = 0.0
        self._last_x = 0.0
        self._total = 0.0
        self._weight = 0.0
        self._age = 0.0

    @property
    def lag(self) -> float:
        """Mean age of the readings in the average, in decades of learning rate; the median of three adds one step."""
        return self._age / self._weight if self._weight else 0.0

    def add(self, lr: float, loss: float) -> float:
        """The smoothed loss after this finite reading."""
        x = math.log10(lr)
        if not self._recent:
            # Sums are of distances from the first loss, so that a constant loss stays exactly constant.
            self._origin, self._last_x = loss, x
        self._recent = [*self._recent[-2:], loss]
        self._readings += 1
        if self._readings == 3:  # the first two had no median of three, so a spike among them would have stayed
            self._total = self._weight = self._age = 0.0
        step = x - self._last_x
        decay = math.exp(-step / self._decades)
        self._age = decay * (self._age + step * self._weight)
        self._total = decay * self._total + (self._median() - self._origin)
        self._weight = decay * self._weight + 1.0
        self._last_x = x
        return self._origin + self._total / self._weight

    def _median(self) -> float:
        return median_of_three(*self._recent) if len(self._recent) == 3 else statistics.fmean(self._recent)


def smooth(
    lr: Sequence[float], loss: Sequence[float], kind: SmoothingKind = "ema", decades: float = DECADES
) -> tuple[float, ...]:
    """The loss curve without its noise, for reading advice from. No lag.

    Args:
        lr: n positive, rising rates, shape (n,).
        loss: n losses, shape (n,). Those that are not finite are gaps: they stay NaN and touch no other point.
        kind: `"ema"`, a two-sided exponential average around each rate, with a line fitted through it; `"median"`, the
            median of the readings within `decades` on either side; `"none"`.
        decades: width, in decades of learning rate.
    Returns: n smoothed losses in the unit of the loss. For `"ema"` and `"median"` single spikes are left out, and
        readings far above the start of the curve count as the level at which they left it: the height of an explosion
        says nothing about the rates before it.
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
    after = reversed(_moments([-v for v in reversed(x)], y[::-1], decades))  # whose distances have the other sign
    fitted = []
    for own, (b0, b1, b2, c0, c1), (a0, a1, a2, d0, d1) in zip(y, before, after, strict=True):
        s1, s2, t1 = b1 - a1, b2 + a2, c1 - d1
        s0, t0 = b0 + a0 - 1.0, c0 + d0 - own  # the point itself was counted on both sides
        determinant = s0 * s2 - s1 * s1
        # With all the weight on one point no line can be fitted, and the point is its own average.
        line = determinant > 1e-9 * s0 * s0 * decades * decades
        fitted.append(origin + ((s2 * t0 - s1 * t1) / determinant if line else t0 / s0))
    return fitted


def _moments(x: list[float], y: list[float], decades: float) -> list[tuple[float, float, float, float, float]]:
    """At each point, sums over the points up to it of w, w*u, w*u*u, w*y, w*u*y with u the distance to it.

    Weights decay exponentially with distance, so each sum follows from the one before it in constant time.
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


def _as_it_is(_x: list[float], y: list[float], _decades: float) -> list[float]:
    return y


def _without_extremes(y: list[float]) -> list[float]:
    noise = noise_level(y)
    calm = despike(y, noise)
    level = start_level(calm)
    ceiling = level + max(level - min(calm), _DIVERGED * noise)
    # A curve whose losses were all but equal and then rise has no ceiling to speak of.
    return [min(value, ceiling) for value in calm] if ceiling > level else calm


_SMOOTHERS = {"ema": _two_sided_ema, "median": _running_median, "none": _as_it_is}
