"""Rates, intervals and stop reasons as short texts, the same in tables, plots and progress bars."""

import math

from lrrange.advice.advice import Advice
from lrrange.advice.suggestion import Refusal, Suggestion
from lrrange.sweep.planned_steps import StopReason

# Texts here are ASCII and never rich markup: a reason may hold brackets, and a log file any encoding.
_STOPPED = {
    StopReason.COMPLETED: "completed: all {steps} steps, up to lr={lr}",
    StopReason.DIVERGED: "diverged at step {steps} of {planned} (lr={lr}): the loss rose far above its lowest",
    StopReason.NON_FINITE: "non-finite at step {steps} of {planned} (lr={lr}): the loss stayed NaN or infinite",
    StopReason.DATA_EXHAUSTED: "data exhausted after {steps} of {planned} steps (lr={lr})",
    StopReason.INTERRUPTED: "interrupted after {steps} of {planned} steps (lr={lr})",
}


def rate(lr: float) -> str:
    """A learning rate in three digits, always in powers of ten so that rates compare at a glance."""
    return f"{lr:.2e}"


def stopped(result: Advice) -> str:
    """Why the sweep ended, with its numbers, in one line."""
    curve = result.curve
    if not len(curve):
        return f"{result.stop_reason.value.replace('_', ' ')} before the first step"
    return _STOPPED[result.stop_reason].format(steps=len(curve), planned=result.plan.num_steps, lr=rate(curve.lr[-1]))


def interval(answer: Suggestion | Refusal) -> str:
    """From where to where the suggested rate may lie; empty if that is not known, or no wider than the rate itself."""
    if isinstance(answer, Refusal) or answer.low is None or answer.high is None or answer.low == answer.high:
        return ""
    return f"{rate(answer.low)} to {rate(answer.high)}"


def gap_count(result: Advice) -> int:
    """Readings that were not finite."""
    return sum(not math.isfinite(loss) for loss in result.curve.loss)
