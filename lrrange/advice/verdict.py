"""How far an answer can be trusted, and why not further."""

import math
from collections.abc import Sequence

import attrs

from lrrange.advice.suggestion import Refusal, Suggestion
from lrrange.sweep.curve import Curve
from lrrange.sweep.plan import SweepPlan
from lrrange.sweep.planned_steps import StopReason

# In decades: an interval wider than this, or other heuristics further off than this, make an answer uncertain.
_WIDE = 1.0

# The lowest loss this close to the last rate, in decades, is no valley: the curve still falls.
_AT_THE_END = 0.4

# Fewer steps a decade than this leave too few readings at the rates that matter.
_SPARSE = 6.0


@attrs.frozen(kw_only=True)
class Verdict:
    """`confident`, or not and the `reasons` why."""

    reasons: tuple[str, ...] = ()

    @property
    def confident(self) -> bool:
        """Whether nothing speaks against the answer."""
        return not self.reasons

    def __str__(self) -> str:
        return "confident" if self.confident else f"uncertain: {'; '.join(self.reasons)}"


def still_falls(curve: Curve) -> bool:
    """Whether a sweep that came to its last rate ended before the loss stopped falling: it should go further up."""
    finite = curve.finite
    if len(finite) < 2 or not finite.falls:
        return False
    return math.log10(finite.lr[-1] / finite.lr[finite.lowest]) < _AT_THE_END


def judge(
    chosen: Suggestion,
    answers: Sequence[Suggestion | Refusal],
    curve: Curve,
    plan: SweepPlan,
    stop_reason: StopReason,
) -> Verdict:
    """What speaks against `chosen`.

    Args:
        chosen: the answer.
        answers: of every heuristic.
        curve, plan, stop_reason: of the sweep.
    """
    reasons = []
    if chosen.low and chosen.high and math.log10(chosen.high / chosen.low) > _WIDE:
        width = math.log10(chosen.high / chosen.low)
        reasons.append(f"the interval {chosen.low:.2g} to {chosen.high:.2g} is {width:.1f} decades wide")
    others = [answer for answer in answers if isinstance(answer, Suggestion) and answer != chosen]
    far = [other for other in others if abs(math.log10(other.lr / chosen.lr)) > _WIDE]
    if far and 2 * len(far) >= len(others):
        named = ", ".join(f"{other.heuristic} ({other.lr:.2g})" for other in far)
        reasons.append(f"{named} lie more than a decade away")
    if stop_reason is StopReason.COMPLETED and still_falls(curve):
        reasons.append(f"the loss still falls at end_lr={plan.end_lr:.2g}: raise it")
    if len(curve) > 1 and (density := (len(curve) - 1) / math.log10(curve.lr[-1] / curve.lr[0])) < _SPARSE:
        reasons.append(f"{density:.1f} steps a decade are few: raise num_steps")
    return Verdict(reasons=tuple(reasons))
