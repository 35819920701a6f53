"""Defaults for the rates and steps that the user does not give, and how far a sweep goes on beyond default rates."""

import math
from collections.abc import Mapping

import attrs

from lrrange.advice.verdict import falls_to_the_end
from lrrange.sweep.curve import Curve
from lrrange.sweep.plan import Shape, SweepPlan
from lrrange.sweep.planned_steps import StopReason
from lrrange.sweep.sweep import Sweep

# Rates between which most optimizers go from learning nothing to blowing up. A backend may know better ones.
_START_LR, _END_LR = 1e-7, 10.0

_STEPS_PER_DECADE = 25
_FEWEST_STEPS, _LINEAR_STEPS = 50, 200

# Decades by which a sweep that ends too soon at a default bound goes on upwards, or starts again further down.
_FURTHER_UP, _FURTHER_DOWN = 2, 4

# A blow-up within this many decades of the first rate leaves no room for the rates that matter.
_TOO_SOON = 2.0


def plan_for(
    start_lr: float | None, end_lr: float | None, num_steps: int | None, shape: Shape, bounds: Mapping[str, float]
) -> SweepPlan:
    """Return the plan with what the user gave, and the defaults for the rest.

    Args:
        start_lr, end_lr, num_steps: None for the default.
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
    decades = math.log10(plan.end_lr / plan.start_lr)
    return attrs.evolve(plan, num_steps=max(_FEWEST_STEPS, round(_STEPS_PER_DECADE * decades)))


def may_go_further_up(bounds: Mapping[str, float]) -> bool:
    """Return whether a sweep up to a default rate may go on beyond it: unless higher rates have no effect."""
    return "highest_lr" not in bounds


def further_up(plan: SweepPlan, curve: Curve) -> SweepPlan | None:
    """Return the plan to go on with if the loss still falls at the last rate; None if it does not."""
    if not falls_to_the_end(curve):
        return None
    per_decade = (plan.num_steps - 1) / math.log10(plan.end_lr / plan.start_lr)
    return attrs.evolve(
        plan, end_lr=plan.end_lr * 10**_FURTHER_UP, num_steps=plan.num_steps + round(_FURTHER_UP * per_decade)
    )


def further_down(sweep: Sweep) -> SweepPlan | None:
    """Return the plan for a second sweep if the first blew up at once; None if it did not."""
    curve = sweep.curve
    blew_up = sweep.stop_reason in (StopReason.DIVERGED, StopReason.NON_FINITE)
    if not blew_up or len(curve.finite) == 0 or curve.falls or not curve.rises:
        return None
    first, last = curve.lr[0], curve.lr[-1]
    if math.log10(last / first) >= _TOO_SOON:
        return None
    return plan_for(first / 10**_FURTHER_DOWN, last, None, "exponential", {})
