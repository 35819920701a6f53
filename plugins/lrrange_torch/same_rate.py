"""When two learning rates count as the same."""

import math


def same_rate(wanted: float, actual: float) -> bool:
    """Return whether two rates are equal up to the rounding of float32."""
    return math.isclose(wanted, actual, rel_tol=1e-6, abs_tol=0.0)
