"""Rates, intervals and stop reasons as short texts, the same in tables, plots and progress bars."""

import math

from lrrange.advice.advice import Advice
from lrrange.advice.suggestion import Refusal, Suggestion
from lrrange.printable import printable
from lrrange.sweep.planned_steps import StopReason

# These texts are ASCII and never rich markup, because a refusal's reason may hold brackets, and a log file may have any
# encoding.
_STOPPED = {
    StopReason.COMPLETED: "completed: all {steps} steps, up to lr={lr}",
    StopReason.DIVERGED: "diverged at step {steps} of {planned} (lr={lr}): the loss rose far above its lowest",
    StopReason.NON_FINITE: "non-finite at step {steps} of {planned} (lr={lr}): the loss stayed NaN or infinite",
    StopReason.RAISED: "raised an error after {steps} of {planned} steps (lr={lr})",
}


def format_rate(lr: float) -> str:
    """Return a learning rate in three digits, always with an exponent, so that rates compare at a glance."""
    return f"{lr:.2e}"


def format_stop(result: Advice) -> str:
    """Return why the sweep ended, with its numbers, in one line."""
    curve, reason = result.curve, result.stop_reason.value.replace("_", " ")
    if not len(curve):
        return f"{reason} before the first step"
    text = _STOPPED.get(result.stop_reason, reason + " after {steps} of {planned} steps (lr={lr})")
    stopped = text.format(steps=len(curve), planned=result.plan.num_steps, lr=format_rate(curve.lr[-1]))
    return stopped + _format_error(result) if result.stop_reason is StopReason.RAISED else stopped


def _format_error(result: Advice) -> str:
    """Return what the training raised, as its result tells it; empty if it does not."""
    match result.provenance.details.get("raised"):
        case [{"type": kind, "text": text}, *_]:
            return f": {printable(str(kind))}: " + " ".join(printable(str(text)).split())
        case _:
            return ""


def format_interval(answer: Suggestion | Refusal) -> str:
    """Return the interval in which the suggested rate may lie; empty if there is none, or it is a single rate."""
    if isinstance(answer, Refusal) or answer.low is None or answer.high is None or answer.low == answer.high:
        return ""
    return f"{format_rate(answer.low)} to {format_rate(answer.high)}"


def count_gaps(result: Advice) -> int:
    """Return the number of losses on the curve that are not finite."""
    return sum(not math.isfinite(loss) for loss in result.curve.loss)
