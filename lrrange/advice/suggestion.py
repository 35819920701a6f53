"""The answer of a heuristic: a learning rate, or the reason why it has none."""

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from lrrange import errors
from lrrange.errors import NoSuggestion
from lrrange.printable import brief
from lrrange.sweep.curve import Curve

# The errors that a refusal may stand for, by name.
_REASONS = {
    name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, NoSuggestion)
}


def _finite_and_positive(suggestion: "Suggestion", _: object, lr: float) -> None:
    if not 0 < lr < math.inf:
        raise NoSuggestion(
            f'the "{suggestion.heuristic}" heuristic suggests lr={lr!r}, which is not a positive, finite rate.', lr=lr
        )


def _finite_and_positive_or_none(suggestion: "Suggestion", field: "attrs.Attribute[Any]", lr: float | None) -> None:
    if lr is not None:
        _finite_and_positive(suggestion, field, lr)


def _numbers(read: Mapping[str, float]) -> dict[str, float]:
    return {str(name): float(value) for name, value in read.items()}


@attrs.frozen(kw_only=True)
class Suggestion:
    """The learning rate that a heuristic suggests.

    Args:
        heuristic: name of the heuristic.
        lr: the rate.
        index: index in the curve, gaps counted, of the point it was read from; None if it was not read from one point.
        slope: slope of the smoothed loss there, in loss units per decade; None if the heuristic does not use it.
        low, high: the interval in which the rate lies. For `midway` it held the best rate on four of five tasks whose
            best rate is known. For the others it spans the answers to the curve and to its `halves`. None if there is
            no such interval: one of no width says nothing.
        read: what the heuristic read from the curve and what it made of that, by name. For `midway`: `fall` and
            `blow_up`, the rates at which the loss has fallen and blows up (`last` in place of `blow_up`, the last rate
            of the sweep, if the loss does not blow up); `usual_fall`, the rate of the fall in a sweep of 25 steps per
            decade; `part` and `shift`, how far from there towards the blow-up the answer lies, and how many decades
            from that point. Without a fall, `shift` is the distance from the blow-up.
    """

    heuristic: str
    lr: float = attrs.field(converter=float, validator=_finite_and_positive)
    index: int | None = attrs.field(default=None, converter=attrs.converters.optional(operator.index))
    slope: float | None = attrs.field(default=None, converter=attrs.converters.optional(float))
    low: float | None = attrs.field(
        default=None, converter=attrs.converters.optional(float), validator=_finite_and_positive_or_none
    )
    high: float | None = attrs.field(
        default=None, converter=attrs.converters.optional(float), validator=_finite_and_positive_or_none
    )
    # No part of the hash, because a dict has none.
    read: dict[str, float] = attrs.field(factory=dict, converter=_numbers, hash=False)

    def __repr__(self) -> str:
        interval = "" if self.interval is None else f", {self.interval[0]:.2e} to {self.interval[1]:.2e}"
        return f"<Suggestion {brief(self.heuristic)}: lr={self.lr:.2e}{interval}>"

    @property
    def interval(self) -> tuple[float, float] | None:
        """`low` and `high`; None if one of them is missing or they are equal up to rounding."""
        if self.low is None or self.high is None or self.high <= self.low * (1 + 1e-9):
            return None
        return self.low, self.high


@attrs.frozen(kw_only=True)
class Refusal:
    """The reason why a heuristic gives no answer.

    Args:
        heuristic: name of the heuristic.
        kind: name of the error class in `lrrange.errors`.
        reason: message of the error.
        numbers: numbers of the error, by name.
    """

    heuristic: str
    kind: str
    reason: str
    numbers: dict[str, float] = attrs.field(factory=dict)

    def __repr__(self) -> str:
        return f"<Refusal {brief(self.heuristic, 20)}: {brief(self.kind, 20)}, {brief(self.reason)}>"

    @property
    def error(self) -> NoSuggestion:
        """The error that the heuristic raised, made again from its parts."""
        kind = _REASONS.get(self.kind, NoSuggestion)
        return kind(self.reason, heuristic=self.heuristic, **self.numbers)


Heuristic = Callable[[Curve], "Suggestion | float"]
