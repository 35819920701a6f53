"""What a heuristic answers: a learning rate, or the reason why not."""

import math
import operator
from collections.abc import Callable
from typing import Any

import attrs

from lrrange import errors
from lrrange.errors import LRRangeError, NoSuggestion
from lrrange.sweep.curve import Curve


def _finite_and_positive(suggestion: "Suggestion", _: object, lr: float) -> None:
    if not 0 < lr < math.inf:
        raise NoSuggestion(
            f'the "{suggestion.heuristic}" heuristic suggests lr={lr!r}, which is not a positive, finite rate.', lr=lr
        )


def _end(suggestion: "Suggestion", field: "attrs.Attribute[Any]", lr: float | None) -> None:
    if lr is not None:
        _finite_and_positive(suggestion, field, lr)


@attrs.frozen(kw_only=True)
class Suggestion:
    """The rate a heuristic suggests.

    Args:
        heuristic: its name.
        lr: the rate.
        index: of the point of the curve it was read from, counting gaps too; None if it lies between points.
        slope: of the smoothed loss there, in loss units per decade; None if the heuristic does not use it.
        low, high: the interval in which the rate lies. For `midway` that of the best rate, as measured on tasks where
            it is known; for the others that of their own reading, by asking every other point of the curve alone.
    """

    heuristic: str
    lr: float = attrs.field(converter=float, validator=_finite_and_positive)
    index: int | None = attrs.field(default=None, converter=attrs.converters.optional(operator.index))
    slope: float | None = attrs.field(default=None, converter=attrs.converters.optional(float))
    low: float | None = attrs.field(default=None, converter=attrs.converters.optional(float), validator=_end)
    high: float | None = attrs.field(default=None, converter=attrs.converters.optional(float), validator=_end)


@attrs.frozen(kw_only=True)
class Refusal:
    """Why a heuristic does not answer.

    Args:
        heuristic: its name.
        kind: name of the error class in `lrrange.errors`.
        reason: the message.
        numbers: its numbers, by name.
    """

    heuristic: str
    kind: str
    reason: str
    numbers: dict[str, float] = attrs.field(factory=dict)

    @property
    def error(self) -> LRRangeError:
        """The refusal as the error it was, to raise."""
        kind = getattr(errors, self.kind, NoSuggestion)
        return kind(self.reason, heuristic=self.heuristic, **self.numbers)


Heuristic = Callable[[Curve], "Suggestion | float"]
