"""The learning-rate range for a cyclical schedule, read from the same curve as the rate."""

import math
from collections.abc import Callable

import attrs

from lrrange.advice.midway import readings
from lrrange.advice.preconditions import check_descent
from lrrange.errors import CurveError, NoDescent, UnknownName
from lrrange.sweep.curve import Curve

# The loss "starts to fall" once it has made this part of its whole drop, and "stops falling" when this part is left.
_EDGE = 0.1

# Readings this far above the smoothed curve, twice within three, are ragged: in standard deviations of the noise, which
# is small before anything is learnt and grows with the rate, and at least in parts of the drop.
_RAGGED_NOISE = 4.0
_RAGGED_DROP = 0.25


@attrs.frozen(kw_only=True)
class LRRange:
    """Bounds between which a cyclical schedule moves the rate.

    Args:
        base_lr: lower bound, where the cycle starts and ends.
        max_lr: upper bound, at its middle.
        rule: name of the rule that read it.
        source: paper and section the rule comes from.
    """

    base_lr: float
    max_lr: float
    rule: str
    source: str

    def __attrs_post_init__(self) -> None:
        if not 0 < self.base_lr < self.max_lr < math.inf:
            raise CurveError(
                f"base_lr={self.base_lr:g} and max_lr={self.max_lr:g} are not a rising pair of positive rates.",
                base_lr=self.base_lr,
                max_lr=self.max_lr,
            )


def smith(curve: Curve) -> LRRange:
    """From where the loss starts to fall to where it stops falling or gets ragged.

    Args:
        curve: n points in sweep order.
    Returns: `base_lr`, the first rate from which the smoothed loss stays a tenth of its drop below the start;
        `max_lr`, the first rate by which nine tenths of the drop are made or, if earlier, two of three readings lie
        above the smoothed curve by a quarter of the drop (and four standard deviations of the noise).
    Raises: TooFewPoints, FlatCurve, OnlyRises as the heuristics do.
    Source: Smith, "Cyclical Learning Rates for Training Neural Networks", WACV 2017, section 3.3: "Note the learning
        rate value when the accuracy starts to increase and when the accuracy slows, becomes ragged, or starts to
        fall. These two learning rates are good choices for bounds." (Read for a falling loss instead.)
    """
    finite = check_descent(curve, "smith range")
    smoothed, lowest = finite.smoothed, finite.lowest
    begun = finite.start - _EDGE * finite.drop
    made = finite.start - (1 - _EDGE) * finite.drop
    base = next(i for i in range(lowest, -1, -1) if i == 0 or smoothed[i - 1] >= begun)
    top = next(i for i in range(base, lowest + 1) if smoothed[i] <= made)
    top = max(min(top, _first_ragged(finite, base)), base + 1)
    if top >= len(finite):
        raise NoDescent(
            "the loss falls only at the last rate of the curve, which leaves no range above it. Raise end_lr.",
            base_lr=finite.lr[base],
        )
    return LRRange(base_lr=finite.lr[base], max_lr=finite.lr[top], rule="smith", source="Smith 2017, section 3.3")


def _first_ragged(finite: Curve, base: int) -> int:
    ragged = max(_RAGGED_NOISE * finite.noise, _RAGGED_DROP * finite.drop)
    off = [raw - calm > ragged for raw, calm in zip(finite.loss, finite.smoothed, strict=True)]
    return next((i for i in range(base, len(off)) if off[i] and sum(off[i : i + 3]) >= 2), len(off))


def _fraction(divisor: int, source: str) -> Callable[[Curve], LRRange]:
    def rule(curve: Curve) -> LRRange:
        bounds = smith(curve)
        return LRRange(base_lr=bounds.max_lr / divisor, max_lr=bounds.max_lr, rule=f"max/{divisor}", source=source)

    return rule


_SMITH_2017 = (
    "Smith 2017, section 3.3: the optimum is usually within a factor of two of the largest rate that converges, "
    "so base_lr is set to 1/3 or 1/4 of max_lr"
)
_SMITH_2018 = (
    "Smith 2018 (arXiv:1803.09820), section 4.1: a minimum of 1/10 or 1/20 of the maximum if only one cycle is used"
)


def midway(curve: Curve) -> LRRange:
    """From where the loss begins to fall to the best peak of a one-cycle.

    Args:
        curve: n points in sweep order, best some 25 a decade.
    Returns: `base_lr`, where the smoothed loss has left its starting level by more than its noise, and under a quarter
        of the peak; `max_lr`, a third of the rate about midway between where the loss has fallen and where it blows up.
    Raises: TooFewPoints, RatesTooFarApart, FlatCurve, OnlyRises, StillFalls.
    Source: lrrange's own, and its default; `docs/quality.md` has the measurements.
    """
    found = readings(curve)
    return LRRange(base_lr=found.base_lr, max_lr=found.max_lr, rule="midway", source="lrrange, docs/quality.md")


RANGE_RULES: dict[str, Callable[[Curve], LRRange]] = {
    "midway": midway,
    "smith": smith,
    "max/3": _fraction(3, _SMITH_2017),
    "max/4": _fraction(4, _SMITH_2017),
    "max/10": _fraction(10, _SMITH_2018),
    "max/20": _fraction(20, _SMITH_2018),
}


DEFAULT_RANGE = "midway"


def range_rule(name: str) -> Callable[[Curve], LRRange]:
    """The range rule of that name. Raises: UnknownName."""
    if name not in RANGE_RULES:
        raise UnknownName(f"range rule {name!r} is not one of {', '.join(RANGE_RULES)}.", name=name)
    return RANGE_RULES[name]
