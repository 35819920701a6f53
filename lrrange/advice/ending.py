"""How a sweep ended, and the refusals that this explains: heuristics see only the curve, and not why it is short."""

import math
from collections.abc import Sequence

import attrs

from lrrange.advice.preconditions import LOWEST_USEFUL_LR, explain_rise
from lrrange.errors import (
    AtTheEdge,
    EndedEarly,
    FlatCurve,
    NoDescent,
    NonFiniteLosses,
    NoSuggestion,
    OnlyRises,
    RatesTooFarApart,
    StillFalls,
    TooFewPoints,
)
from lrrange.quantity import Quantity
from lrrange.sweep.curve import Curve
from lrrange.sweep.plan import AnyPlan
from lrrange.sweep.planned_steps import StopReason

# Refusals that say more than that the sweep ended early, so an explained refusal keeps these classes.
_KEPT_KINDS = (StillFalls, RatesTooFarApart)

# With fewer finite losses than this before the first gap, a fall or a rise looks like noise. A loss that has grown by
# the first of these factors by then has exploded; after more losses, one that grew to the last by the second factor.
_FEW = 6
_EXPLODED = 2.0
_EXPLODED_LATER = 1000.0

# A sweep with fewer steps than this, or fewer per decade, shows too little.
_FEWEST_STEPS, _FEWEST_PER_DECADE = 50, 10

_CHECK_THE_DATA = (
    "Check the data (NaN, missing or infinite values, rows of zeros that are divided by their norm) and the loss (log "
    "of 0, division by 0, a mean over nothing, overflow in half precision)"
)


@attrs.frozen(kw_only=True)
class Ending:
    """How a sweep ended.

    Args:
        plan: the planned learning rates.
        stop_reason: why the sweep ended.
    """

    plan: AnyPlan
    stop_reason: StopReason

    def explain(self, error: NoSuggestion, curve: Curve) -> NoSuggestion:
        """Return the refusal with the cause that the sweep knows in its first sentence, and a remedy that is possible.

        Args:
            error: what a heuristic or a range rule raised.
            curve: the curve that it read.
        Returns: `error` itself, if the curve alone gives the reason.
        """
        if not len(curve):
            return self._ended_early(error, curve)
        explained = self._non_finite(error, curve)
        if explained is not None:
            return explained
        if isinstance(error, OnlyRises):
            return error
        if self.stop_reason is StopReason.COMPLETED:
            return self._completed(error)
        if self.stop_reason in (StopReason.DIVERGED, StopReason.NON_FINITE):
            return self._blew_up(error, curve)
        return self._ended_early(error, curve)

    def _non_finite(self, error: NoSuggestion, curve: Curve) -> NoSuggestion | None:
        """Return the refusal for losses that are not finite although no rate can have caused that; None for others."""
        gaps = [i for i, loss in enumerate(curve.loss) if not math.isfinite(loss)]
        if not gaps:
            return None
        first, finite, what = gaps[0], curve.finite, curve.quantity
        stopped = self.stop_reason is StopReason.NON_FINITE
        if stopped and _exploded(curve.loss[:first], moved=finite.falls or finite.rises):
            cause, remedy = explain_rise(finite)
            return _explained(
                error,
                OnlyRises,
                f"{what.subject} {what.rise}s from {what.shown(curve.loss[0])} to {what.shown(curve.loss[first - 1])} "
                f"within {first} steps from lr={curve.lr[0]:.2g} on, and is {_describe_losses(curve, gaps)} after "
                f"that{cause}. {remedy}",
            )
        moved = first > 0 and (finite.falls or finite.rises)
        if moved or (isinstance(error, (OnlyRises, StillFalls)) and first > 0):
            return None
        cause = f"{what.subject} was {_describe_losses(curve, gaps)} at {len(gaps)} of {len(curve)} steps, "
        remedy = _check_the_data(curve, gaps)
        if first == 0:
            cause += f"from the first step on, at lr={curve.lr[0]:.2g}, before any rate could have caused it"
        elif first < len(finite):
            cause += f"first at step {first + 1}, at lr={curve.lr[first]:.2g}, and finite again at higher rates, so no "
            cause += "rate caused it"
        elif first < _FEW:
            cause += f"from step {first + 1} on, at lr={curve.lr[first]:.2g}, after only {first} finite {what.values}"
            if curve.lr[0] > LOWEST_USEFUL_LR:
                remedy += f". If they are sound, start_lr={self.plan.start_lr:.2g} is far too high"
        else:
            cause += f"from lr={curve.lr[first]:.2g} on, before any rate could have caused it: it had not moved yet"
        if stopped or not len(finite):
            return _explained(error, NonFiniteLosses, f"{cause}. {remedy}.")
        if isinstance(error, TooFewPoints) and error.found + len(gaps) >= error.needed:
            return _explained(error, NonFiniteLosses, f"{cause}, and {_finding(error)}. {remedy}.")
        if isinstance(error, TooFewPoints):
            return None
        return _explained(error, type(error), f"{cause}. {remedy}. At the other steps {error}")

    def _completed(self, error: NoSuggestion) -> NoSuggestion:
        if not isinstance(error, TooFewPoints):
            return error
        remedy = f"Raise num_steps={self.plan.num_even_steps}: 25 steps a decade are usual."
        return _explained(error, TooFewPoints, f"{_finding(error)}. {remedy}")

    def _blew_up(self, error: NoSuggestion, curve: Curve) -> NoSuggestion:
        """Return the refusal for a sweep that ended at a blow-up, where no higher `end_lr` changes anything."""
        diverged, what = self.stop_reason is StopReason.DIVERGED, curve.quantity
        planned = self.plan.num_steps
        if diverged:
            far = f"{what.subject} {broke_down(what)}"
            cause = f"{far} at step {len(curve)} of {planned}, lr={curve.lr[-1]:.2g}"
        else:
            last = max((i for i, loss in enumerate(curve.loss) if math.isfinite(loss)), default=-1)
            gaps = range(last + 1, len(curve))
            begin = curve.lr[min(last + 1, len(curve) - 1)]
            what_it_was = f"{what.subject} was {_describe_losses(curve, gaps)}"
            cause = f"{what_it_was} from step {last + 2} of {planned} on, lr={begin:.2g}"
        cause += ", which ended the sweep"
        if isinstance(error, TooFewPoints):
            addition, remedy = explain_rise(curve.finite)
            if planned < _FEWEST_STEPS:
                addition, remedy = "", f"Raise num_steps={self.plan.num_even_steps}."
            return _explained(error, TooFewPoints, f"{cause}: {_finding(error)}{addition}. {remedy}")
        if isinstance(error, FlatCurve):
            remedy = "Raise num_steps."
        elif isinstance(error, AtTheEdge) and error.numbers.get("edge_lr") == curve.lr[-1]:
            remedy = "Raise num_steps, to see more of the rates before it."
        elif isinstance(error, (StillFalls, NoDescent)):
            more = f"raise num_steps, to see where the {what.fall} ends."
            remedy = f"Give divergence=None or {more}"
            if not diverged:
                remedy = f"{_check_the_data(curve, gaps)}. If they are sound, {more}"
        else:
            return error
        return _explained(error, type(error), f"{cause}; until then {_finding(error)}. {remedy}")

    def _ended_early(self, error: NoSuggestion, curve: Curve) -> NoSuggestion:
        """Return the refusal for a sweep that was ended from outside, before it saw the rates that matter."""
        steps, planned = len(curve), self.plan.num_steps
        reached = f", at lr={curve.lr[-1]:.2g}" if steps else ""
        if self.stop_reason is StopReason.DATA_EXHAUSTED:
            cause = f"the data ran out: there were batches for {steps} of the {planned} steps needed{reached}"
            remedy = (
                "Give a loader that can start again, or start it again in your own step: a list or a DataLoader can, "
                "an iterator or a generator cannot"
            )
            decades = math.log10(self.plan.end_lr) - math.log10(self.plan.start_lr)
            if steps >= max(_FEWEST_STEPS, _FEWEST_PER_DECADE * decades):
                remedy += f"; or give num_steps={steps}, so that the sweep reaches end_lr with these batches"
        elif self.stop_reason is StopReason.INTERRUPTED:
            cause = f"the sweep was interrupted after {steps} of {planned} steps{reached}"
            remedy = "Run it again"
        else:
            reason = self.stop_reason.value.replace("_", " ")
            cause = f"the sweep ended ({reason}) after {steps} of {planned} steps{reached}"
            remedy = "Remove what ended it, or lower end_lr"
        kind = type(error) if isinstance(error, _KEPT_KINDS) else EndedEarly
        cause += f", and {_finding(error)}" if isinstance(error, TooFewPoints) else f"; until then {_finding(error)}"
        return _explained(error, kind, f"{cause}. {remedy}.", steps_run=steps, num_steps=planned)


def _exploded(loss: Sequence[float], *, moved: bool) -> bool:
    """Return whether the losses before the first gap explode, although they are too few to stand out of their noise.

    Args:
        loss: the losses before the first one that is not finite.
        moved: whether the finite losses of the curve fall or rise by more than their noise.
    """
    if len(loss) < _FEW:
        return len(loss) > 0 and loss[-1] > _EXPLODED * abs(loss[0])
    grows = loss[-3] < loss[-2] < loss[-1]
    return not moved and grows and loss[-1] > _EXPLODED_LATER * abs(loss[0])


def _check_the_data(curve: Curve, gaps: Sequence[int]) -> str:
    """Return what to check about values that are not finite: a metric alone, if the losses of its steps are."""
    also = curve.also
    if also is None or not all(math.isfinite(also.loss[i]) for i in gaps):
        return _CHECK_THE_DATA
    name = curve.quantity.subject
    return (
        f"The loss was finite at these steps, so check {name} (division by 0, a batch without positives, a state that "
        f"is empty at first). To read the answer from the loss, leave the metric out; to let {name} start later, raise "
        f"non_finite_limit"
    )


def broke_down(quantity: Quantity) -> str:
    """Return how a quantity moved in a sweep that diverged, as the end of a sentence."""
    if quantity.higher_is_better:
        return "fell far below its highest"
    return "rose far above its lowest"


def _finding(error: NoSuggestion) -> str:
    """Return what the curve shows, without the remedy; the whole message of an error that does not tell them apart."""
    return str(error.numbers.get("finding", error)).rstrip(".")


def _explained(error: NoSuggestion, kind: type[NoSuggestion], message: str, **numbers: float) -> NoSuggestion:
    """Return a refusal of this class, with the numbers of the first one."""
    return kind(message, **{**error.numbers, **numbers})


def _describe_losses(curve: Curve, gaps: Sequence[int]) -> str:
    """Return what the losses in the gaps are, in words."""
    nans = sum(math.isnan(curve.loss[i]) for i in gaps)
    return "NaN" if nans == len(gaps) else "infinite" if nans == 0 else "NaN or infinite"
