"""How much of a loss curve is noise, and whether it falls by more than that.

Everything here measures losses only against each other, so adding a constant to every loss or multiplying all
by a positive number changes no decision.
"""

import math
import statistics
import sys
from collections.abc import Sequence

# A second difference of independent readings has sqrt(1 + 4 + 1) times their standard deviation, and the median of
# |x| of a normal variable is its standard deviation over 1.4826.
_SECOND_DIFFERENCE_TO_SD = 1.4826 / math.sqrt(6)

# Nine of ten readings of a normal variable lie within this many standard deviations.
_NINE_OF_TEN = 1.645

# Further than this many standard deviations from both neighbours, one reading is a spike and not the curve.
_SPIKE = 6.0

# Standardised falls of pure normal noise stay under this in 99.5 % of curves of 20 to 400 readings, and of noise with
# the heavy tails of Student's t(3) in 97.5 % of those of 200 (tests/core/test_noise.py measures both); shorter curves
# need more, because their own noise is known less well.
_SIGNIFICANT = 4.2
_SHORT_CURVE = 8.0

_EPSILON = 2.0**-50


def second_difference(before: float, here: float, after: float) -> float:
    """How far `here` lies off the straight line between its neighbours, times two."""
    return before - 2 * here + after


def noise_from(second_differences: Sequence[float]) -> float:
    """Standard deviation of one reading, from *sorted* absolute second differences; 0 if there are none.

    The median makes single spikes and the one steep part of the curve count for nothing.
    """
    if not second_differences:
        return 0.0
    return _SECOND_DIFFERENCE_TO_SD * second_differences[len(second_differences) // 2]


def noise_level(loss: Sequence[float]) -> float:
    """Standard deviation of one reading about the curve, in the unit of the loss.

    Args:
        loss: n finite losses in sweep order, shape (n,).
    Returns: 0 if n is under 3.
    """
    return noise_from(_bends(loss))


def _bends(loss: Sequence[float]) -> list[float]:
    """Absolute second differences, sorted."""
    return sorted(map(abs, map(second_difference, loss, loss[1:], loss[2:])))


def start_level(loss: Sequence[float]) -> float:
    """The loss before any training: the median of the first five readings."""
    return statistics.median(loss[:5])


def rounding_of(loss: Sequence[float]) -> float:
    """A difference of losses this small is rounding. In the unit of the loss.

    That of the start of the curve: losses that explode later must not make what came before look like rounding.
    """
    return _EPSILON * max(map(abs, loss[:5]), default=0.0)


def median_of_three(one: float, two: float, three: float) -> float:
    """The middle one. `statistics.median` takes five times as long."""
    if one > two:
        one, two = two, one
    return max(one, min(two, three))


def despike(loss: Sequence[float], noise: float) -> list[float]:
    """The same losses with single readings that leave the curve and come straight back set to a neighbour's value.

    Args:
        loss: n finite losses in sweep order, shape (n,).
        noise: standard deviation of one reading.
    Returns: n losses; the ends are left as they are.
    """
    calm = list(loss)
    for i, (before, here, after) in enumerate(zip(loss, loss[1:], loss[2:], strict=False), 1):
        if before <= here <= after or before >= here >= after:
            continue
        middle = median_of_three(before, here, after)
        if abs(here - middle) > _SPIKE * noise:
            calm[i] = middle
    return calm


def significant_fall(loss: Sequence[float]) -> bool:
    """Whether the losses fall below their start, somewhere, by more than their noise explains."""
    return significant_changes(loss)[0]


def significant_rise(loss: Sequence[float]) -> bool:
    """Whether the losses rise above their start, somewhere, by more than their noise explains."""
    return significant_changes(loss)[1]


def significant_changes(loss: Sequence[float]) -> tuple[bool, bool]:
    """Both: whether the losses fall, and whether they rise."""
    if not loss:
        return False, False
    noise, level = noise_level(loss), start_level(loss)
    calm = despike(loss, noise)
    noise = _with_heavy_tails(calm, noise) + rounding_of(loss)
    enough = _SIGNIFICANT + _SHORT_CURVE / len(loss)
    # Only what lies beyond the start counts: coming back from a valley is no rise, nor from an explosion a fall.
    below = [-min(value, level) for value in calm]
    above = [max(value, level) for value in calm]
    return _largest_change(below, noise) > enough, _largest_change(above, noise) > enough


def _with_heavy_tails(loss: Sequence[float], noise: float) -> float:
    """The noise, or what the tenth largest of ten second differences says of it, if that is more.

    The first half of the readings alone: later ones belong to a curve that moves.
    """
    half = loss[: max(8, len(loss) // 2)]
    bends = _bends(half)
    return max(noise, bends[int(0.9 * len(bends))] / _NINE_OF_TEN / math.sqrt(6)) if bends else noise


def _largest_change(loss: Sequence[float], noise: float) -> float:
    """The largest rise from one block of readings to a later one, in standard deviations of such a difference.

    Blocks of 3, 6, 12, ... readings are compared, so that both a short deep valley and a long shallow slope show.
    """
    known = noise >= sys.float_info.min  # less cannot be divided by
    sums = [0.0]
    for value in loss:
        sums.append(sums[-1] + (value - loss[0]))
    largest, block = 0.0, 3
    while 2 * block <= len(loss):
        means = [(after - before) / block for before, after in zip(sums, sums[block:], strict=False)]
        lowest, rise = math.inf, 0.0
        for earlier, later in zip(means, means[block:], strict=False):
            if earlier < lowest:
                lowest = earlier
            if later - lowest > rise:
                rise = later - lowest
        if rise > 0:
            largest = max(largest, rise / (noise * math.sqrt(2 / block)) if known else math.inf)
        block *= 2
    return largest
