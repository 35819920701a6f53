"""What the chart of a range test shows, in words: for its caption, its cursor, and readers who do not see it."""

import math
from collections.abc import Sequence

from lrrange.advice.advice import Advice
from lrrange.advice.suggestion import Suggestion
from lrrange.report.formatting import format_rate
from lrrange.report.html_report.thinning import MOST_POINTS
from lrrange.report.pages.groups import describe_groups
from lrrange.sweep.curve import Curve


def format_value(value: float) -> str:
    """Return a value of the curve in four digits."""
    return f"{value:.4g}" if math.isfinite(value) else "not finite"


def describe_step(result: Advice, curves: Sequence[Curve], index: int) -> str:
    """Return the values of a step, in words."""
    lr = result.curve.lr[index]
    parts = [f"Step {index + 1} of {len(result.curve)}: learning rate {format_rate(lr)}"]
    for curve in curves:
        sign, name = curve.quantity.sign, curve.quantity.name
        texts = [f"{name} {format_value(sign * curve.loss[index])}"]
        if curve.measured is not None:
            measured, paired = (format_value(sign * values[index]) for values in (curve.measured, curve.loss))
            texts = [f"{name} measured {measured}, paired {paired}"]
        if math.isfinite(curve.smoothed[index]):
            texts.append(f"smoothed {format_value(sign * curve.smoothed[index])}")
        parts.append(", ".join(texts))
    groups = describe_groups(lr, result.provenance.details)
    return "; ".join([", ".join(parts), *groups])


def caption_of(result: Advice) -> str:
    """Return what the points of the chart are."""
    count, name = len(result.curve), result.curve.quantity.name
    text = f"One point for each of the {count:,} steps." if count != 1 else "The sweep has one step."
    if count > MOST_POINTS:
        text = (
            f"{count:,} steps, drawn by at most {MOST_POINTS:,} points: of each short part of the sweep, the lowest "
            f"and the highest {name}."
        )
    if any(not math.isfinite(value) for value in result.curve.loss):
        text += f" A cross at the bottom is a step whose {name} was not finite."
    return text


def alt_of(result: Advice) -> str:
    """Return what the chart shows, in words."""
    curve = result.curve
    name, finite = curve.quantity.name, curve.finite
    if not len(finite):
        return f"Chart without a curve: no {name} is finite."
    values = curve.quantity.oriented(finite.smoothed)
    first, best, last = (format_value(values[i]) for i in (0, finite.lowest, -1))
    text = (
        f"Chart of {name} against learning rate, from {format_rate(curve.lr[0])} to {format_rate(curve.lr[-1])}. The "
        f"smoothed {name} starts at {first}, has its {curve.quantity.best} value {best} at "
        f"{format_rate(finite.lr[finite.lowest])}, and ends at {last}."
    )
    if isinstance(result.chosen, Suggestion):
        return f"{text} The chosen learning rate, {format_rate(result.lr)}, is marked."
    return f"{text} No learning rate is marked."
