"""The default advice: what it reads from a curve, where the loss has fallen and where it blows up.

One sweep shows two rates well. By the *fall* most of what the sweep could learn is learnt; at the *blow-up* the loss
climbs back over its starting level. The best rate for a whole training lies below the two, and which of them is nearer
differs from task to task; a rate between them errs less than either. `lrrange.advice.rule` says which rate follows from
them, and the page *How good is the advice?* of the documentation has the measurements.
"""

import bisect
import functools
import itertools
import math
import statistics
from collections.abc import Sequence
from itertools import pairwise

import attrs

from lrrange.advice.calibration import interval_around
from lrrange.advice.facts import TrainingFacts
from lrrange.advice.preconditions import (
    check_length,
    flat_curve_error,
    only_rises_error,
    rates_too_far_apart_error,
    still_falls_error,
    too_close_error,
)
from lrrange.advice.rule import CONSTANT, ONE_CYCLE
from lrrange.averages import mean
from lrrange.sweep.curve import Curve
from lrrange.sweep.noise import median_of_three, noise_level, rounding_of
from lrrange.sweep.plan import STEPS_PER_DECADE
from lrrange.sweep.smoothing import smooth

# The peak of a cycle is at least this many times its base.
NARROWEST_CYCLE = 4.0

# The level before any training is the median loss over this part of the swept decades, or of at least so many losses.
_HEAD, _FEWEST_IN_HEAD = 0.25, 5

# The fall is where this part of the drop is made: early enough to show in noise, late enough not to be noise itself.
_FALLEN = 0.8

# A loss that never climbs over its start has blown up once it has climbed this part of its drop again, and by more than
# the noise of this many losses on either side of the lowest.
_REGAINED = 0.25
_NEAR = 12

# Without a blow-up, a fall within this many decades of the last rate is not over: the loss may fall much further.
_UNFINISHED = 0.5

# With fewer losses per decade than this, the fall and the blow-up may both lie between two of them.
_FEWEST_PER_DECADE = 3.0

# A sweep with fewer steps per decade trains less before each rate, so its loss falls at a higher rate. What counts is
# the sum of the rates so far. The constants hold for sweeps with 25 steps per decade, in which the sum of all
# rates before a step is the rate of that step divided by `_GROWTH`.
_GROWTH = 10 ** (1 / STEPS_PER_DECADE) - 1

# In standard deviations of the noise: how far above the starting level the median of three losses is at the blow-up,
# and how far below it a smoothed loss must lie to be a fall.
_BLOW_UP_NOISE = 3.0
_FALL_NOISE = 4.0

# From its fall on, the mean loss is lower than before by at least this part of the drop.
_LASTING = 0.25

# Smoothing widths, in decades, at which a fall is looked for. The first at which it stands out of the noise is taken.
_WIDTHS = (0.0625, 0.125, 0.25, 0.5)

# Optimizers that train at no more than a rate of their own, however high the given one is: their sweeps end there, and
# there is nothing to see beyond.
_CAPPED = ("adafactor",)


@attrs.frozen(kw_only=True)
class FallAndBlowUp:
    """The rates at which the loss falls and blows up, in log10, and the advice that follows from them.

    Args:
        begin: where the loss begins to fall.
        fall: where it would have made four fifths of its drop in a sweep of 25 steps per decade; None if no fall stands
            out of the noise.
        blow_up: where it climbs over its starting level. If it never does, where it has climbed a quarter of its drop
            again; if it does not do that either, the last rate.
        blown_up: whether the loss blows up, in one of these two ways.
        seen_fall: where the loss of this sweep has made four fifths of its drop, without the correction; None if it is
            not known.
        facts: what else is known of the training.
    """

    begin: float
    fall: float | None
    blow_up: float
    blown_up: bool
    seen_fall: float | None = None
    facts: TrainingFacts = TrainingFacts()  # noqa: RUF009  a frozen value

    @property
    def lr(self) -> float:
        """The rate for training at one constant rate."""
        return 10 ** CONSTANT.read(self.fall, self.blow_up, self.facts)

    @property
    def interval(self) -> tuple[float, float]:
        """The interval in which the best constant rate probably lies."""
        return interval_around(self.lr, fall=self.fall is not None, blow_up=self.blown_up)

    @property
    def read(self) -> dict[str, float]:
        """The rates that were read, and what `lr` makes of them, by the names that `Suggestion.read` explains."""
        read = {"blow_up" if self.blown_up else "last": 10**self.blow_up}
        if self.fall is not None:
            seen = self.fall if self.seen_fall is None else self.seen_fall
            read = {"fall": 10**seen, **read, "usual_fall": 10**self.fall, "part": CONSTANT.part}
        return read | {"shift": CONSTANT.shift_for(self.facts, has_fallen=self.fall is not None)}

    @property
    def max_lr(self) -> float:
        """The peak rate of a one-cycle."""
        return 10 ** ONE_CYCLE.read(self.fall, self.blow_up, self.facts)

    @property
    def base_lr(self) -> float:
        """The rate at which a cycle starts: where the loss begins to fall, and well below the peak."""
        return min(10**self.begin, self.max_lr / NARROWEST_CYCLE)


def find_fall_and_blow_up(curve: Curve, facts: TrainingFacts = TrainingFacts()) -> FallAndBlowUp:  # noqa: B008  a frozen value
    """Find where the loss begins to fall, has fallen, and blows up.

    On a paired curve the fall is looked for in the paired losses, and the blow-up in the losses as measured: the noise
    of the batches that pairing takes away is the scale on which a loss has blown up.

    Args:
        curve: n points in sweep order.
        facts: what else is known of the training.
    Raises: TooFewPoints; RatesTooFarApart; OnlyRises if the loss blows up within the first decade; FlatCurve if it
        neither falls nor blows up; StillFalls if it has not stopped falling at the last rate.
    """
    return attrs.evolve(_find(curve, may_end_falling=facts.optimizer in _CAPPED), facts=facts)


@functools.lru_cache(maxsize=8)  # the heuristic, the range rule and the verdict read the same curve
def _find(curve: Curve, may_end_falling: bool) -> FallAndBlowUp:
    finite = check_length(curve, "midway", 12)
    x = [math.log10(lr) for lr in finite.lr]
    if x[-1] == x[0]:
        raise too_close_error(finite)
    per_decade = (len(x) - 1) / (x[-1] - x[0])
    if per_decade < _FEWEST_PER_DECADE:
        raise rates_too_far_apart_error(finite, per_decade, _FEWEST_PER_DECADE)
    head = max(_FEWEST_IN_HEAD, bisect.bisect_right(x, x[0] + _HEAD * (x[-1] - x[0])))
    first = max(head, bisect.bisect_left(x, x[0] + 1.0))  # no blow-up is looked for in the first decade
    blown_up = _first_above_start(finite.unpaired.loss, head, first)
    end = len(x) if blown_up is None else blown_up
    blow_up = x[min(end, len(x) - 1)]
    if not finite.falls and not finite.rises:
        raise flat_curve_error(finite)
    if not finite.falls and (blown_up is None or end <= first + 1):
        raise only_rises_error(finite)
    level = statistics.median(finite.loss[:head])
    medians = _medians_of_three(finite.loss)[:end]
    for width in _WIDTHS:
        smoothed = smooth(finite.lr[:end], medians, "ema", width)
        lowest = min(range(end), key=smoothed.__getitem__)
        drop = level - smoothed[lowest]
        error = _error_of_drop(finite, lowest, end, head, 4 * width * _density(x, lowest))
        until = end if finite.baseline is None else _return(smoothed, lowest, level)
        if drop > _FALL_NOISE * error and _stays_down(medians[:until], smoothed, level, drop):
            fall = _crossing(x, smoothed, level - _FALLEN * drop)
            rebound = _rebound(finite.loss, smoothed, lowest, drop) if blown_up is None else None
            ends_falling = blown_up is None and rebound is None and x[-1] - fall < _UNFINISHED
            if ends_falling and not may_end_falling:
                raise still_falls_error(finite, 10**fall)
            return FallAndBlowUp(
                begin=_crossing(x, smoothed, level - max(0.1 * drop, _FALL_NOISE * error)),
                fall=_crossing(_usual_positions(finite.lr), smoothed, level - _FALLEN * drop),
                blow_up=blow_up if rebound is None else x[rebound],
                blown_up=blown_up is not None or rebound is not None,
                seen_fall=fall,
            )
    if blown_up is None:
        raise flat_curve_error(finite)
    return FallAndBlowUp(begin=blow_up - 1, fall=None, blow_up=blow_up, blown_up=True)


def _usual_positions(rates: Sequence[float]) -> list[float]:
    """Return for each rate the log10 of the rate at which a sweep of 25 steps per decade has trained as much."""
    trained = itertools.accumulate(rates, initial=0.0)  # before each rate
    return [math.log10((before or lr) * _GROWTH) for before, lr in zip(trained, rates, strict=False)]


def _density(x: Sequence[float], index: int) -> float:
    """Return the number of losses per decade around this one."""
    before, after = max(index - 1, 0), min(index + 1, len(x) - 1)
    return (after - before) / (x[after] - x[before])


def _first_above_start(loss: Sequence[float], head: int, first: int) -> int | None:
    """Return the first index from `first` on at which the loss has climbed over its start; None if it never does."""
    noise = _early_noise(loss) + rounding_of(loss)
    level = statistics.median(loss[:head]) + _BLOW_UP_NOISE * noise
    medians = _medians_of_three(loss)
    return next((i for i in range(first, len(loss)) if medians[i] > level), None)


def _error_of_drop(finite: Curve, lowest: int, end: int, head: int, averaged: float) -> float:
    """Return the standard error of the drop to the lowest smoothed loss, in the unit of the loss.

    Args:
        finite: n points without gaps.
        lowest: index of the lowest smoothed loss.
        end: number of losses before the blow-up.
        head: number of losses whose median is the level before the drop.
        averaged: number of losses that the smoothed loss averages.
    """
    # The median of three has 1.25 times the error of a mean.
    if finite.baseline is None:
        noise = _early_noise(finite.loss) + rounding_of(finite.loss)
        return 1.25 * noise * math.sqrt(1 / max(1.0, averaged) + 1 / head)
    # The level has hardly any noise left, and the lowest losses have theirs.
    noise = noise_level(finite.loss[max(0, lowest - _NEAR) : min(lowest + _NEAR, end)]) + rounding_of(finite.loss)
    return math.hypot(1.25 * noise / math.sqrt(max(1.0, averaged)), finite.level_error[lowest])


def _return(smoothed: Sequence[float], lowest: int, level: float) -> int:
    """Return the index at which the smoothed loss has climbed back to `level`; the number of losses if it never does.

    On a paired curve a loss may come back slowly: its blow-up is measured by the noise of the batches, which is larger.
    """
    return next((i for i in range(lowest, len(smoothed)) if smoothed[i] > level), len(smoothed))


def _stays_down(loss: Sequence[float], smoothed: Sequence[float], level: float, drop: float) -> bool:
    """Return whether the mean loss is lower after the fall than before it. After a mere dip in the noise it is not."""
    fallen = _first_at(smoothed, level - _FALLEN * drop)
    before = mean(loss[:fallen]) if fallen else level
    return mean(loss[fallen:]) < before - _LASTING * drop


def _rebound(loss: Sequence[float], smoothed: Sequence[float], lowest: int, drop: float) -> int | None:
    """Return the index at which the loss has climbed a quarter of its drop again; None if it never does.

    The climb must also stand out of the noise around the lowest point. A pretrained network that forgets what it knew
    blows up in this way: its loss may never climb over where it started.
    """
    noise = noise_level(loss[max(0, lowest - _NEAR) : lowest + _NEAR])
    climb = max(_REGAINED * drop, _BLOW_UP_NOISE * noise)
    return next((i for i in range(lowest, len(smoothed)) if smoothed[i] - smoothed[lowest] > climb), None)


def _medians_of_three(loss: Sequence[float]) -> list[float]:
    """Return the median of each loss and its two neighbours. Both ends repeat the value next to them."""
    inner = list(map(median_of_three, loss, loss[1:], loss[2:]))
    return [inner[0], *inner, inner[-1]]


def _early_noise(loss: Sequence[float]) -> float:
    """Return the standard deviation of a single loss in the first half of the curve, where little is learnt.

    If the 95th percentile of the steps between losses implies a larger one, because the noise has heavy tails, that one
    is returned.
    """
    half = loss[: max(9, len(loss) // 2 + 1)]
    steps = sorted(abs(after - before) for before, after in pairwise(half))
    return max(1.4826 * statistics.median(steps), steps[int(0.95 * (len(steps) - 1))] / 1.96) / math.sqrt(2)


def _first_at(smoothed: Sequence[float], level: float) -> int:
    """Return the index at which the smoothed loss first comes down to `level`, or to its lowest if that is above it."""
    level = max(level, min(smoothed))
    return next(i for i, value in enumerate(smoothed) if value <= level)


def _crossing(x: Sequence[float], smoothed: Sequence[float], level: float) -> float:
    """Return where the smoothed loss first comes down to `level`, interpolated between two points."""
    i = _first_at(smoothed, level)
    if i == 0 or smoothed[i - 1] == smoothed[i]:
        return x[i]
    part = (smoothed[i - 1] - level) / (smoothed[i - 1] - smoothed[i])
    return x[i - 1] + part * (x[i] - x[i - 1])
