"""Rates, intervals and stop reasons as short texts, the same in tables, plots and progress bars."""

import math

from lrrange.advice.advice import Advice
from lrrange.advice.confirmation import Trial
from lrrange.advice.ending import broke_down
from lrrange.advice.ranges import LRRange
from lrrange.advice.rule import ASSUMED_TRAIN_STEPS
from lrrange.advice.suggestion import Refusal, Suggestion
from lrrange.errors import LRRangeError
from lrrange.printable import printable
from lrrange.sweep.planned_steps import StopReason

# Shown where an answer is a rate without an interval.
NO_INTERVAL = "-"

# These texts are ASCII and never rich markup, because a refusal's reason may hold brackets, and a log file may have any
# encoding.
_STOPPED = {
    StopReason.COMPLETED: "completed: all {steps} steps, up to lr={lr}",
    StopReason.DIVERGED: "diverged at step {steps} of {planned} (lr={lr}): {what} {broke_down}",
    StopReason.NON_FINITE: "non-finite at step {steps} of {planned} (lr={lr}): {what} stayed NaN or infinite",
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
    stopped = text.format(
        steps=len(curve),
        planned=result.plan.num_steps,
        lr=format_rate(curve.lr[-1]),
        what=curve.quantity.subject,
        broke_down=broke_down(curve.quantity),
    )
    return stopped + _format_error(result) if result.stop_reason is StopReason.RAISED else stopped


def _format_error(result: Advice) -> str:
    """Return what the training raised, as its result tells it; empty if it does not."""
    match result.provenance.details.get("raised"):
        case [{"type": kind, "text": text}, *_]:
            return f": {printable(str(kind))}: " + " ".join(printable(str(text)).split())
        case _:
            return ""


def format_interval(answer: Suggestion | Refusal) -> str:
    """Return the interval in which the suggested rate may lie; a dash if there is none, and nothing for a refusal."""
    if isinstance(answer, Refusal):
        return ""
    return NO_INTERVAL if answer.interval is None else " to ".join(map(format_rate, answer.interval))


def format_length(result: Advice) -> str:
    """Return how long the training is that the rate is for."""
    if result.facts.train_steps is None:
        return f"training length not given: assumed {ASSUMED_TRAIN_STEPS:,} steps"
    return f"{result.facts.train_steps:,} steps"


def range_or_reason(result: Advice) -> LRRange | str:
    """Return the range that is shown, the confirmed one or the first of `result.ranges`; or why there is none."""
    if result.ranges and result.confirmation is None:
        return result.ranges[0]
    try:
        return result.range
    except LRRangeError as error:
        return str(error)


def name_refusing(result: Advice) -> str:
    """Return who refused to answer: the heuristic that counts, or every one of them."""
    all_refuse = result.heuristic is None and all(isinstance(answer, Refusal) for answer in result.answers)
    return "every heuristic" if all_refuse else f'"{result.chosen.heuristic}"'


def format_difference(trial: Trial) -> str:
    """Return how far a trial's loss is above the best one's, with its error; empty if that is not known."""
    if trial.difference is None or trial.error is None:
        return ""
    text = f"{trial.difference:.3g} +/- {trial.error:.2g}"
    return text if trial.is_told_apart else f"{text}: as good"


def count_gaps(result: Advice) -> int:
    """Return the number of losses on the curve that are not finite."""
    return sum(not math.isfinite(loss) for loss in result.curve.loss)
