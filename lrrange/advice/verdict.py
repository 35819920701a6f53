"""Whether an answer can be trusted, and the reasons if it cannot."""

import math
from collections.abc import Sequence

import attrs

from lrrange.advice.suggestion import Refusal, Suggestion
from lrrange.sweep.curve import Curve
from lrrange.sweep.plan import SweepPlan
from lrrange.sweep.planned_steps import StopReason

# An interval wider than this makes an answer uncertain, and so do other heuristics further away than this; in decades.
_WIDE = 1.0

# If the lowest loss is this close to the last rate, in decades, the curve has no valley: it still falls.
_AT_THE_END = 0.4

# With fewer steps per decade than this, too few losses are measured at the rates that matter.
_SPARSE = 6.0


@attrs.frozen(kw_only=True)
class Verdict:
    """The trust in an answer: `confident`, or uncertain for these `reasons`."""

    reasons: tuple[str, ...] = ()

    @property
    def confident(self) -> bool:
        """Whether there is no reason to doubt the answer."""
        return not self.reasons

    def __str__(self) -> str:
        return "confident" if self.confident else f"uncertain: {'; '.join(self.reasons)}"


def falls_to_the_end(curve: Curve) -> bool:
    """Return whether the loss falls up to the last rate, so that the sweep should go on to higher rates.

    It is meant for a sweep that completed its plan.
    """
    finite = curve.finite
    if len(finite) < 2 or not finite.falls:
        return False
    return math.log10(finite.lr[-1] / finite.lr[finite.lowest]) < _AT_THE_END


def _decades(low: float, high: float) -> float:
    """Return how far `high` is above `low`, in decades."""
    ratio = high / low
    # The ratio of two extreme rates may be too large or too small for a float.
    return math.log10(ratio) if 0 < ratio < math.inf else math.log10(high) - math.log10(low)


def judge(
    chosen: Suggestion,
    answers: Sequence[Suggestion | Refusal],
    curve: Curve,
    plan: SweepPlan,
    stop_reason: StopReason,
) -> Verdict:
    """Return the verdict on `chosen`, with every reason to doubt it.

    Args:
        chosen: the answer to judge.
        answers: the answers of all heuristics.
        curve, plan, stop_reason: the sweep that they were read from.
    """
    reasons = []
    width = _decades(chosen.low, chosen.high) if chosen.low and chosen.high else 0.0
    if width > _WIDE:
        reasons.append(f"the interval {chosen.low:.2g} to {chosen.high:.2g} is {width:.1f} decades wide")
    others = [answer for answer in answers if isinstance(answer, Suggestion) and answer != chosen]
    far = [other for other in others if abs(_decades(chosen.lr, other.lr)) > _WIDE]
    if far and 2 * len(far) >= len(others):
        names = ", ".join(f"{other.heuristic} ({other.lr:.2g})" for other in far)
        reasons.append(f"{names} lie more than a decade away")
    if stop_reason is StopReason.RAISED and len(curve):
        reasons.append(f"the training raised an error after lr={curve.lr[-1]:.2g}: lower end_lr, or mend the training")
    if stop_reason is StopReason.COMPLETED and falls_to_the_end(curve):
        reasons.append(f"the loss still falls at end_lr={plan.end_lr:.2g}: raise it")
    swept = _decades(curve.lr[0], curve.lr[-1]) if len(curve) else 0.0
    if swept > 0 and (density := (len(curve) - 1) / swept) < _SPARSE:
        reasons.append(f"{density:.1f} steps a decade are few: raise num_steps")
    return Verdict(reasons=tuple(reasons))
