"""Mean and standard deviation of losses, which may be as large as a float can be, or infinite."""

import math
import statistics
from collections.abc import Sequence


def mean(values: Sequence[float]) -> float:
    """Return the mean of one or more losses.

    `statistics.fmean` raises where the sum is too large for a float, though the mean is not, and for infinities of both
    signs, whose mean is NaN here.
    """
    try:
        return statistics.fmean(values)
    except OverflowError:
        return 2 * math.fsum(value / len(values) / 2 for value in values)
    except ValueError:
        return math.nan


def standard_deviation(values: Sequence[float]) -> float:
    """Return the standard deviation of two or more finite losses; infinite if it is too large for a float."""
    try:
        return statistics.stdev(values)
    except OverflowError:
        return math.inf
