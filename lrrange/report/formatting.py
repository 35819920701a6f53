"""Rates, intervals and stop reasons as short texts, the same in tables, plots and progress bars."""

import math

from lrrange.advice.advice import Advice
from lrrange.advice.suggestion import Refusal, Suggestion
from lrrange.sweep.planned_steps import StopReason

# These texts are ASCII and never rich markup, because a refusal's reason may hold brackets, and a log file may have any
# encoding.
_STOPPED = {
    StopReason.COMPLETED: "completed: all {steps} steps, up to lr={lr}",
    StopReason.DIVERGED: "diverged at step {steps} of {planned} (lr={lr}): the loss rose far above its lowest",
    StopReason.NON_FINITE: "non-finite at step {steps} of {planned} (lr={lr}): the loss stayed NaN or infinite",
    StopReason.DATA_EXHAUSTED: "data exhausted after {steps} of {planned} steps (lr={lr})",
    StopReason.INTERRUPTED: "interrupted after {steps} of {planned} steps (lr={lr})",
}


def format_rate(lr: float) -> str:
    """Return a learning rate in three digits, always with an exponent, so that rates compare at a glance."""
    return f"{lr:.2e}"


def format_stop(result: Advice) -> str:
    """Return why the sweep ended, with its numbers, in one line."""
    curve = result.curve
    if not len(curve):
        return f"{result.stop_reason.value.replace('_', ' ')} before the first step"
    last = format_rate(curve.lr[-1])
    return _STOPPED[result.stop_reason].format(steps=len(curve), planned=result.plan.num_steps, lr=last)


def format_interval(answer: Suggestion | Refusal) -> str:
    """Return the interval in which the suggested rate may lie; empty if there is none, or it is a single rate."""
    if isinstance(answer, Refusal) or answer.low is None or answer.high is None or answer.low == answer.high:
        return ""
    return f"{format_rate(answer.low)} to {format_rate(answer.high)}"


def count_gaps(result: Advice) -> int:
    """Return the number of losses on the curve that are not finite."""
    return sum(not math.isfinite(loss) for loss in result.curve.loss)
