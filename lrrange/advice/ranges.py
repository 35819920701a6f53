"""Range rules: the bounds of a cyclical schedule, read from the same curve as the rate."""

import functools
import math
from collections.abc import Callable, Iterator

import attrs

from lrrange.advice.facts import TrainingFacts
from lrrange.advice.midway import find_fall_and_blow_up
from lrrange.advice.preconditions import advise_higher_end, check_descent, check_inside
from lrrange.errors import CurveError, NoDescent, UnknownName
from lrrange.other_tools.attributes import OF_RANGE
from lrrange.printable import brief
from lrrange.spelling import Hinting, did_you_mean, spell_checked
from lrrange.sweep.curve import Curve
from lrrange.validators import checked_numbers

# The loss "starts to fall" where it has made this part of its drop, and "stops falling" where this part is left.
_EDGE = 0.1

# A curve is ragged where two of three losses lie this far above the smoothed curve. The distance is in standard
# deviations of the noise; but noise is small before anything is learnt and grows with the rate, so it is also at least
# this part of the drop.
_RAGGED_NOISE = 4.0
_RAGGED_DROP = 0.25


@spell_checked
@attrs.frozen(kw_only=True, field_transformer=checked_numbers)
class LRRange(Hinting):
    """Bounds between which a cyclical schedule moves the learning rate. `base_lr, max_lr = result.range` takes both.

    Args:
        base_lr: lower bound, where the cycle starts and ends.
        max_lr: upper bound, which it reaches in the middle.
        rule: name of the range rule.
        source: paper and section that the rule comes from.
    """

    _elsewhere = OF_RANGE

    base_lr: float
    max_lr: float
    rule: str
    source: str

    def __repr__(self) -> str:
        return f"<LRRange {self.base_lr:.2e} to {self.max_lr:.2e}, {brief(self.rule)}>"

    def __attrs_post_init__(self) -> None:
        if not 0 < self.base_lr < self.max_lr < math.inf:
            raise CurveError(
                f"base_lr={self.base_lr:g} and max_lr={self.max_lr:g} are not a rising pair of positive rates.",
                base_lr=self.base_lr,
                max_lr=self.max_lr,
            )

    def __iter__(self) -> Iterator[float]:
        return iter((self.base_lr, self.max_lr))


def smith(curve: Curve) -> LRRange:
    """Return the range from where the loss starts to fall to where it stops falling or gets ragged.

    Args:
        curve: n points in sweep order.
    Returns: `base_lr`, the first rate from which the smoothed loss stays a tenth of its drop below the start;
        `max_lr`, the first rate by which nine tenths of the drop are made or, if earlier, from which two of three
        losses lie above the smoothed curve by a quarter of the drop (and four standard deviations of the noise).
    Raises: TooFewPoints, FlatCurve, OnlyRises as the heuristics do; NoDescent if the loss falls only at the last rate.
    Source: Smith, "Cyclical Learning Rates for Training Neural Networks", WACV 2017, section 3.3: "Note the learning
        rate value when the accuracy starts to increase and when the accuracy slows, becomes ragged, or starts to
        fall. These two learning rates are good choices for bounds." (Here for a loss that falls, instead of an accuracy
        that increases.)
    """
    finite = check_descent(curve, "smith")
    smoothed, lowest = finite.smoothed, finite.lowest
    fall_begins = finite.start - _EDGE * finite.drop
    fall_ends = finite.start - (1 - _EDGE) * finite.drop
    base = next(i for i in range(lowest, -1, -1) if i == 0 or smoothed[i - 1] >= fall_begins)
    top = next((i for i in range(base, lowest + 1) if smoothed[i] <= fall_ends), lowest)
    top = max(min(top, _first_ragged(finite, base)), base + 1)
    if top >= len(finite):
        quantity = finite.quantity
        falls = f"{quantity.subject} {quantity.fall}s"
        finding = f"{falls} only at the last rate of the curve, which leaves no range above it"
        raise NoDescent(
            f"{finding}. {advise_higher_end(finite)}",
            base_lr=finite.lr[base],
            finding=finding,
        )
    return LRRange(base_lr=finite.lr[base], max_lr=finite.lr[top], rule="smith", source="Smith 2017, section 3.3")


def _first_ragged(finite: Curve, base: int) -> int:
    """Return the index, from `base` on, at which the curve gets ragged; its length if it does not."""
    distance = max(_RAGGED_NOISE * finite.noise, _RAGGED_DROP * finite.drop)
    far = [raw - smoothed > distance for raw, smoothed in zip(finite.loss, finite.smoothed, strict=True)]
    return next((i for i in range(base, len(far)) if far[i] and sum(far[i : i + 3]) >= 2), len(far))


def _fraction_of_max(divisor: int, source: str) -> Callable[[Curve], LRRange]:
    """Return the rule that takes `max_lr` from `smith`, and this fraction of it as `base_lr`."""

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


_OWN_RULE = "lrrange's own rule, fitted on trainings whose best peak is known"


def midway(curve: Curve, facts: TrainingFacts = TrainingFacts()) -> LRRange:  # noqa: B008  a frozen value
    """Return the range from where the loss begins to fall to the best peak of a one-cycle.

    Args:
        curve: n points in sweep order; about 25 per decade are best.
        facts: what else is known of the training.
    Returns: `base_lr`, where the smoothed loss has fallen below its starting level by more than its noise, but at most
        a quarter of the peak; `max_lr`, the best peak of a one-cycle, as `lrrange.advice.rule` reads it from where the
        loss has fallen and where it blows up.
    Raises: TooFewPoints, RatesTooFarApart, FlatCurve, OnlyRises, StillFalls; AtTheEdge if the peak, or the rate that
        the heuristic `midway` suggests, is no rate of the sweep's inside.
    Source: lrrange's own rule, and its default. The page *How good is the advice?* of the documentation has the
        measurements.
    """
    rates = find_fall_and_blow_up(curve, facts)
    for lr in (rates.lr, rates.max_lr):
        check_inside(curve, "midway", lr)
    return LRRange(base_lr=rates.base_lr, max_lr=rates.max_lr, rule="midway", source=_OWN_RULE)


RANGE_RULES: dict[str, Callable[[Curve], LRRange]] = {
    "midway": midway,
    "smith": smith,
    "max/3": _fraction_of_max(3, _SMITH_2017),
    "max/4": _fraction_of_max(4, _SMITH_2017),
    "max/10": _fraction_of_max(10, _SMITH_2018),
    "max/20": _fraction_of_max(20, _SMITH_2018),
}


DEFAULT_RANGE = "midway"


def range_rule(
    name: str,
    facts: TrainingFacts = TrainingFacts(),  # noqa: B008  a frozen value
) -> Callable[[Curve], LRRange]:
    """Return the range rule of this name, which knows these facts of the training. Raises: UnknownName."""
    if name not in RANGE_RULES:
        raise UnknownName(
            f"range rule {name!r} is not one of {', '.join(RANGE_RULES)}.{did_you_mean(name, RANGE_RULES)}", name=name
        )
    rule = RANGE_RULES[name]
    return functools.partial(midway, facts=facts) if rule is midway else rule
