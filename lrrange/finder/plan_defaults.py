"""Defaults for the rates and steps that the user does not give, and how far a sweep goes on beyond default rates."""

import math
from collections.abc import Mapping

import attrs

from lrrange.advice.midway import find_fall_and_blow_up
from lrrange.advice.suggestion import Refusal, Suggestion
from lrrange.advice.verdict import falls_to_the_end
from lrrange.errors import NoSuggestion
from lrrange.sweep.curve import Curve
from lrrange.sweep.noise import rounding_of
from lrrange.sweep.pace import QUIET_BELOW, further, plan_to_begin_with
from lrrange.sweep.plan import STEPS_PER_DECADE, AdaptivePlan, AnyPlan, Shape, SweepPlan
from lrrange.sweep.planned_steps import StopReason
from lrrange.sweep.sweep import Sweep

# Rates between which most optimizers go from learning nothing to blowing up. A backend may know better ones.
_START_LR, _END_LR = 1e-7, 10.0

# Steps of a sweep in even steps. Where so few will do, none are saved.
_FEWEST_STEPS, _LINEAR_STEPS = 50, 200

# Decades by which a sweep that ends too soon at a default bound goes on upwards, or starts again further down.
_FURTHER_UP, _FURTHER_DOWN = 2, 4

# Refusals that more steps would not change.
_NOT_OF_STEPS = ("NonFiniteLosses", "EndedEarly", "StillFalls")

# A blow-up within this many decades of the first rate leaves no room for the rates that matter.
_TOO_SOON = 2.0


def plan_for(
    start_lr: float | None, end_lr: float | None, num_steps: int | None, shape: Shape, bounds: Mapping[str, float]
) -> AnyPlan:
    """Return the plan with what the user gave, and the defaults for the rest.

    Args:
        start_lr, end_lr: None for the default.
        num_steps: None for as many as the curve needs.
        shape: of the sweep.
        bounds: the backend's own defaults; see `lrrange.protocol.SuggestsBounds`.
    """
    start = bounds.get("start_lr", _START_LR) if start_lr is None else start_lr
    default_end = bounds.get("end_lr", min(_END_LR, bounds.get("highest_lr", math.inf)))
    end = default_end if end_lr is None else end_lr
    if num_steps is not None:
        return SweepPlan(start_lr=start, end_lr=end, num_steps=num_steps, shape=shape)
    plan = SweepPlan(start_lr=start, end_lr=end, num_steps=_LINEAR_STEPS, shape=shape)  # which checks the rates
    if shape == "linear":
        return plan
    even = in_even_steps(start, end)
    return even if even.num_steps == _FEWEST_STEPS else plan_to_begin_with(plan.start_lr, plan.end_lr)


def in_even_steps(start_lr: float, end_lr: float) -> SweepPlan:
    """Return the plan of a sweep that takes as many steps in each decade as others do where the curve turns."""
    decades = math.log10(end_lr) - math.log10(start_lr)
    num_steps = max(_FEWEST_STEPS, round(STEPS_PER_DECADE * decades))
    return SweepPlan(start_lr=start_lr, end_lr=end_lr, num_steps=num_steps)


def may_go_further_up(bounds: Mapping[str, float]) -> bool:
    """Return whether a sweep up to a default rate may go on beyond it: unless higher rates have no effect."""
    return "highest_lr" not in bounds


def further_up(plan: AnyPlan, curve: Curve) -> AnyPlan | None:
    """Return the plan to go on with if the loss still falls at the last rate; None if it does not."""
    if not falls_to_the_end(curve):
        return None
    if isinstance(plan, AdaptivePlan):
        return further(plan, plan.end_lr * 10**_FURTHER_UP)
    per_decade = (plan.num_steps - 1) / math.log10(plan.end_lr / plan.start_lr)
    return attrs.evolve(
        plan, end_lr=plan.end_lr * 10**_FURTHER_UP, num_steps=plan.num_steps + round(_FURTHER_UP * per_decade)
    )


def ran_its_course(sweep: Sweep) -> bool:
    """Return whether its own losses ended the sweep, or its plan was done."""
    return sweep.stop_reason in (StopReason.COMPLETED, StopReason.DIVERGED, StopReason.NON_FINITE)


def is_too_coarse(sweep: Sweep, chosen: Suggestion | Refusal, curve: Curve) -> bool:
    """Return whether a sweep of the same rates in even steps could show more, where this one took few.

    Args:
        sweep: a sweep that has ended.
        chosen: the answer that counts.
        curve: the curve that it was read from.
    """
    plan = sweep.plan
    if not isinstance(plan, AdaptivePlan) or not ran_its_course(sweep):
        return False
    if isinstance(chosen, Refusal):
        if chosen.kind == "FlatCurve":
            return curve.noise > rounding_of(curve.finite.loss)
        if chosen.kind == "OnlyRises":
            return "level_until" in chosen.error.numbers
        return chosen.kind not in _NOT_OF_STEPS
    try:
        begin = find_fall_and_blow_up(curve).begin
    except NoSuggestion:
        return False
    return plan.start_lr < QUIET_BELOW and 10**begin < QUIET_BELOW


def further_down(sweep: Sweep) -> SweepPlan | None:
    """Return the plan for a second sweep if the first blew up at once; None if it did not."""
    curve = sweep.curve
    blew_up = sweep.stop_reason in (StopReason.DIVERGED, StopReason.NON_FINITE)
    if not blew_up or len(curve.finite) == 0 or curve.falls or not curve.rises:
        return None
    first, last = curve.lr[0], curve.lr[-1]
    if math.log10(last / first) >= _TOO_SOON:
        return None
    return in_even_steps(first / 10**_FURTHER_DOWN, last)
