"""How much of a loss curve is noise, and whether the curve falls or rises by more than its noise.

Losses are compared only with each other. So no decision changes if a constant is added to every loss, or if every loss
is multiplied by a positive number.
"""

import math
import operator
import statistics
import sys
from collections.abc import Sequence
from itertools import accumulate

# A second difference of independent losses has sqrt(1 + 4 + 1) times their standard deviation, and the median of |x|
# of a normal variable is its standard deviation over 1.4826.
_SECOND_DIFFERENCE_TO_SD = 1.4826 / math.sqrt(6)

# Nine of ten values of a normal variable lie within this many standard deviations.
_NINE_OF_TEN = 1.645

# A loss further than this many standard deviations from both neighbours is a spike, and not part of the curve.
_SPIKE = 6.0

# A curve falls if its largest fall, in standard deviations, is above this. Pure normal noise stays below it in 99.5 %
# of curves of 20 to 400 losses, and noise with the heavy tails of Student's t(3) in 97.5 % of curves of 200 losses.
# Shorter curves need more, because their noise is known less well.
_SIGNIFICANT = 4.2
_SHORT_CURVE = 8.0

_EPSILON = 2.0**-50

# Where noise grows, it is measured over this many losses on either side.
_NEAR = 8


def second_difference(before: float, here: float, after: float) -> float:
    """Return twice the distance of `here` from the straight line between its neighbours."""
    return before - 2 * here + after


def noise_from(second_differences: Sequence[float]) -> float:
    """Return the standard deviation of a single loss, from *sorted* absolute second differences; 0 if there are none.

    It is read from their median, so neither single spikes nor the one steep part of the curve change it.
    """
    if not second_differences:
        return 0.0
    return _SECOND_DIFFERENCE_TO_SD * second_differences[len(second_differences) // 2]


def noise_level(loss: Sequence[float]) -> float:
    """Return the standard deviation of a single loss about the curve, in the unit of the loss.

    Args:
        loss: n finite losses in sweep order, shape (n,).
    Returns: 0 if n is under 3.
    """
    return noise_from(_second_differences(loss))


def growing_noise(loss: Sequence[float]) -> list[float]:
    """Return the standard deviation of a single loss at each step of a curve whose noise grows along it.

    It follows from the nearest second differences, as `noise_level` and the 90th percentile for heavy tails do from
    all, and never falls: it is meant for paired losses, which have hardly any noise where the weights have not moved.

    Args:
        loss: n finite losses in sweep order, shape (n,).
    Returns: n numbers; all 0 if n is under 3.
    """
    differences = list(map(abs, map(second_difference, loss, loss[1:], loss[2:])))
    if not differences:
        return [0.0] * len(loss)
    levels = []
    for i in range(len(differences)):
        near = sorted(differences[max(0, i - _NEAR) : i + _NEAR + 1])
        levels.append(max(noise_from(near), near[int(0.9 * len(near))] / _NINE_OF_TEN / math.sqrt(6)))
    return list(accumulate([levels[0], *levels, levels[-1]], max))


def _second_differences(loss: Sequence[float]) -> list[float]:
    """Return the absolute second differences, sorted."""
    return sorted(map(abs, map(second_difference, loss, loss[1:], loss[2:])))


def start_level(loss: Sequence[float]) -> float:
    """Return the loss before any training: the median of the first five losses."""
    return statistics.median(loss[:5])


def rounding_of(loss: Sequence[float]) -> float:
    """Return the size, in the unit of the loss, below which a difference of two losses is rounding.

    It follows from the first five losses alone: losses that explode later must not make earlier differences look like
    rounding.
    """
    return _EPSILON * max(map(abs, loss[:5]), default=0.0)


def median_of_three(first: float, second: float, third: float) -> float:
    """Return the median of three numbers. `statistics.median` takes five times as long."""
    if first > second:
        first, second = second, first
    return max(first, min(second, third))


def despike(loss: Sequence[float], noise: float) -> list[float]:
    """Return the losses with each single spike replaced by the loss of a neighbour.

    A spike is one loss that leaves the curve and comes straight back.

    Args:
        loss: n finite losses in sweep order, shape (n,).
        noise: standard deviation of a single loss.
    Returns: n losses. The first and the last are left as they are.
    """
    despiked = list(loss)
    for i, (before, here, after) in enumerate(zip(loss, loss[1:], loss[2:], strict=False), 1):
        if before <= here <= after or before >= here >= after:
            continue
        middle = median_of_three(before, here, after)
        if abs(here - middle) > _SPIKE * noise:
            despiked[i] = middle
    return despiked


def significant_changes(loss: Sequence[float]) -> tuple[bool, bool]:
    """Return whether the losses fall below their start anywhere, and rise above it, by more than noise explains."""
    if not loss:
        return False, False
    noise, level = noise_level(loss), start_level(loss)
    despiked = despike(loss, noise)
    noise = _with_heavy_tails(despiked, noise) + rounding_of(loss)
    return _changes_beyond(despiked, level, [noise] * len(loss), [0.0] * len(loss))


def significant_changes_in_growing_noise(loss: Sequence[float], level_error: Sequence[float]) -> tuple[bool, bool]:
    """Return whether losses fall and rise, as `significant_changes` does, if their noise grows along the curve.

    Pure noise that grows from nothing, of a normal variable or of Student's t(3), stays below the threshold in 96 % of
    curves.

    Args:
        loss: n finite losses in sweep order, shape (n,).
        level_error: standard error of the level of each, compared with the first; shape (n,). It never falls.
    """
    if not loss:
        return False, False
    rounding = rounding_of(loss)
    noise = [noise + rounding for noise in growing_noise(loss)]
    return _changes_beyond(loss, start_level(loss), noise, level_error)


def _changes_beyond(
    loss: Sequence[float], level: float, noise: Sequence[float], level_error: Sequence[float]
) -> tuple[bool, bool]:
    """Return whether the losses fall below `level`, and whether they rise above it, by more than their noise.

    Args:
        loss: n losses without single spikes.
        level: the loss at the start.
        noise: standard deviation of each, which never falls from one to the next.
        level_error: standard error of the level of each, compared with the first; it never falls either.
    """
    threshold = _SIGNIFICANT + _SHORT_CURVE / len(loss)
    # Losses are clipped at the start, so that the way back from a valley is no rise, and from an explosion no fall.
    below = [-min(value, level) for value in loss]
    above = [max(value, level) for value in loss]
    falls, rises = (_largest_change(losses, noise, level_error) > threshold for losses in (below, above))
    return falls, rises


def _with_heavy_tails(loss: Sequence[float], noise: float) -> float:
    """Return `noise`, or the noise that the 90th percentile of the second differences implies, if that is larger.

    Only the first half of the losses counts: later in the sweep the curve itself moves.
    """
    half = loss[: max(8, len(loss) // 2)]
    differences = _second_differences(half)
    if not differences:
        return noise
    return max(noise, differences[int(0.9 * len(differences))] / _NINE_OF_TEN / math.sqrt(6))


def _largest_change(loss: Sequence[float], noise: Sequence[float], level_error: Sequence[float]) -> float:
    """Return the largest rise of the block mean, from one block of losses to a later one, in units of its noise.

    Blocks of 3, 6, 12, ... losses are compared, so that both a short deep valley and a long shallow slope show.

    Returns: the rise, in standard deviations of the difference of two block means; infinite if there is no noise.
    """
    sums = list(accumulate((value - loss[0] for value in loss), initial=0.0))
    largest, block = 0.0, 3
    while 2 * block <= len(loss):
        means = [total / block for total in map(operator.sub, sums[block:], sums)]
        part, last, highest = math.sqrt(2 / block), 2 * block - 1, 0.0
        for i, rise in enumerate(map(operator.sub, means[block:], accumulate(means, min))):
            if rise > highest:  # the noise never falls, so a lower rise later on is no larger in its units
                # The errors of the last loss of the later block are the largest in both blocks.
                highest, error = rise, math.hypot(noise[last + i] * part, level_error[last + i])
                # A division by less than the smallest normal number could overflow.
                largest = max(largest, rise / error if error >= sys.float_info.min else math.inf)
        block *= 2
    return largest
