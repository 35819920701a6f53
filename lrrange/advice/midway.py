"""The default advice: midway between where the loss has fallen and where it blows up, and down from there.

One sweep shows two rates well. By the *fall* most of what the sweep could learn is learnt; at the *blow-up* the loss
climbs back over its starting level. The best rate for a whole training lies most of a decade below the two, and which
of them is nearer differs from task to task; a rate between them errs less than either. `docs/quality.md` has the
measurements, and says how the constants below were chosen.
"""

import functools
import math
import statistics
from collections.abc import Sequence
from itertools import pairwise

import attrs

from lrrange.advice.preconditions import enough_points, flat, only_rises, rates_too_far_apart, still_falls
from lrrange.sweep.curve import Curve
from lrrange.sweep.noise import median_of_three, noise_level, rounding_of
from lrrange.sweep.smoothing import smooth

# Part of the way, in log rate, from the fall to the blow-up: a little nearer to the fall.
_MIDWAY = 0.4

# How far below that, in decades, the best rate lies: for training at that rate throughout, and as the peak of a
# one-cycle. A sweep trains a few steps near each rate, and what survives those may not survive a thousand.
_DOWN_CONSTANT = 0.75
_DOWN_ONE_CYCLE = 0.45

# The best constant rate lay within this many decades below and above the answer on three of four tasks, and within half
# a decade more on nine of ten. Where one of the two rates is missing, so much more, in the direction it is missing in.
_BELOW = 0.3
_ABOVE = 0.5
_MISSING = 0.7

# The peak of a cycle is at least this many times its base.
NARROWEST = 4.0

# The fall is where this part of the drop is made: early enough to be seen in noise, late enough not to be noise itself.
_FALLEN = 0.8

# Where the loss never climbs over its start, it has blown up once this part of the drop is lost again; the noise there
# is that of so many readings on either side of the lowest.
_REGAINED = 0.25
_NEAR = 12

# Without a blow-up, a fall this near to the last rate, in decades, is no fall yet: the loss may fall much further.
_UNFINISHED = 0.5

# With fewer readings a decade than this, the fall and the blow-up may both lie between two of them.
_FEWEST_PER_DECADE = 3.0

# A sweep with fewer steps per decade trains less before each rate, so its loss falls later. What counts is the sum of
# the rates so far, which is proportional to the steps per decade; the constants are for this many.
_STEPS_PER_DECADE = 25.0

# Standard deviations of the noise by which the median of three readings passes the starting level at the blow-up, and
# by which a smoothed loss must lie below it to be a fall.
_BLOWN_UP = 3.0
_FALL = 4.0

# From its fall on, a loss lies lower than before by this part of the drop, on average.
_DOWN = 0.25

# Widths, in decades, at which a fall is looked for; the first at which it stands out of the noise is taken.
_WIDTHS = (0.0625, 0.125, 0.25)


@attrs.frozen(kw_only=True)
class Readings:
    """What the advice is made from; rates are in log10.

    Args:
        begin: where the loss begins to fall.
        fall: where four fifths of the drop are made; None if no fall stands out of the noise.
        blow_up: where the loss climbs over its starting level; if it never does, where it is back by a quarter of its
            drop; if not even that, the last rate.
        blown_up: whether it does either.
    """

    begin: float
    fall: float | None
    blow_up: float
    blown_up: bool

    @property
    def _middle(self) -> float:
        """Between the two rates; half a decade under the blow-up if there is no fall."""
        return self.blow_up - 0.5 if self.fall is None else self.fall + _MIDWAY * (self.blow_up - self.fall)

    @property
    def lr(self) -> float:
        """The rate for training at one rate throughout."""
        return 10 ** (self._middle - _DOWN_CONSTANT)

    @property
    def interval(self) -> tuple[float, float]:
        """Where the best such rate probably lies."""
        below = _BELOW + (_MISSING if self.fall is None else 0.0)
        above = _ABOVE + (0.0 if self.blown_up else _MISSING)
        return self.lr / 10**below, self.lr * 10**above

    @property
    def max_lr(self) -> float:
        """The peak rate for a one-cycle."""
        return 10 ** (self._middle - _DOWN_ONE_CYCLE)

    @property
    def base_lr(self) -> float:
        """Where a cycle starts: where the loss begins to fall, well under the peak."""
        return min(10**self.begin, self.max_lr / NARROWEST)


@functools.lru_cache(maxsize=4)  # the heuristic and the range are read from the same ones
def readings(curve: Curve) -> Readings:
    """Where the loss begins to fall, has fallen, and blows up.

    Args:
        curve: n points in sweep order.
    Raises: TooFewPoints; RatesTooFarApart; OnlyRises if the loss blows up within the first decade; FlatCurve if it
        neither falls nor blows up; StillFalls if it has not stopped falling at the last rate.
    """
    finite = enough_points(curve, "midway", 12)
    x = [math.log10(lr) for lr in finite.lr]
    per_decade = (len(x) - 1) / (x[-1] - x[0])
    if per_decade < _FEWEST_PER_DECADE:
        raise rates_too_far_apart(finite, per_decade, _FEWEST_PER_DECADE)
    head = max(5, round(0.1 * len(x)))
    level = statistics.median(finite.loss[:head])
    noise = _early_noise(finite.loss) + rounding_of(finite.loss)
    calm = _medians_of_three(finite.loss)
    from_here = max(head, round(per_decade))
    blown_up = [i for i in range(from_here, len(x)) if calm[i] > level + _BLOWN_UP * noise]
    end = blown_up[0] if blown_up else len(x)
    blow_up = x[min(end, len(x) - 1)]
    if not finite.falls and not finite.rises:
        raise flat(finite)
    if not finite.falls and (not blown_up or end <= from_here + 1):
        raise only_rises(finite)
    for width in _WIDTHS:
        smoothed = smooth(finite.lr[:end], calm[:end], "ema", width)
        lowest = min(range(end), key=smoothed.__getitem__)
        drop = level - smoothed[lowest]
        error = 1.25 * noise * math.sqrt(1 / max(1.0, 4 * width * per_decade) + 1 / head)
        if drop > _FALL * error and _stays_down(calm[:end], smoothed, level, drop):
            fall = _crossing(x, smoothed, level - _FALLEN * drop)
            back = None if blown_up else _rebound(finite.loss, smoothed, lowest, drop)
            if not blown_up and back is None and x[-1] - fall < _UNFINISHED:
                raise still_falls(finite, 10**fall)
            return Readings(
                begin=_crossing(x, smoothed, level - max(0.1 * drop, _FALL * error)),
                fall=fall + math.log10(per_decade / _STEPS_PER_DECADE),
                blow_up=blow_up if back is None else x[back],
                blown_up=bool(blown_up) or back is not None,
            )
    if not blown_up:
        raise flat(finite)
    return Readings(begin=blow_up - 1, fall=None, blow_up=blow_up, blown_up=True)


def _stays_down(calm: Sequence[float], smoothed: Sequence[float], level: float, drop: float) -> bool:
    """Whether the loss is lower, on the whole, from where it has fallen on. After one dip of noise it is not."""
    fallen = next(i for i, value in enumerate(smoothed) if value <= level - _FALLEN * drop)
    before = statistics.fmean(calm[:fallen]) if fallen else level
    return statistics.fmean(calm[fallen:]) < before - _DOWN * drop


def _rebound(loss: Sequence[float], smoothed: Sequence[float], lowest: int, drop: float) -> int | None:
    """Where the loss has climbed back a quarter of its drop, and by more than the noise about its lowest point.

    A network that knew something before, and forgets it, may never lose more than it had at the start.
    """
    noise = noise_level(loss[max(0, lowest - _NEAR) : lowest + _NEAR])
    climb = max(_REGAINED * drop, _BLOWN_UP * noise)
    return next((i for i in range(lowest, len(smoothed)) if smoothed[i] - smoothed[lowest] > climb), None)


def _medians_of_three(loss: Sequence[float]) -> list[float]:
    """Each reading's median with its two neighbours; at the ends, with the nearest two."""
    inner = list(map(median_of_three, loss, loss[1:], loss[2:]))
    return [inner[0], *inner, inner[-1]]


def _early_noise(loss: Sequence[float]) -> float:
    """Standard deviation of one reading before anything is learnt, or of its heavy tails if these are worse."""
    half = loss[: max(9, len(loss) // 2 + 1)]
    steps = sorted(abs(after - before) for before, after in pairwise(half))
    return max(1.4826 * statistics.median(steps), steps[int(0.95 * (len(steps) - 1))] / 1.96) / math.sqrt(2)


def _crossing(x: Sequence[float], smoothed: Sequence[float], level: float) -> float:
    """Where the smoothed loss first comes down to `level`, between points."""
    i = next(i for i, value in enumerate(smoothed) if value <= level)
    if i == 0:
        return x[0]
    part = (smoothed[i - 1] - level) / (smoothed[i - 1] - smoothed[i])
    return x[i - 1] + part * (x[i] - x[i - 1])
