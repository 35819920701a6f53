"""The plan of a sweep: the learning rate of each step."""

import math
from collections.abc import Iterable
from typing import Literal, Protocol

import attrs

from lrrange.errors import PlanError
from lrrange.spelling import did_you_mean, spell_checked
from lrrange.validators import checked_numbers, finite_and_positive

Shape = Literal["exponential", "linear"]
_SHAPES: tuple[Shape, ...] = ("exponential", "linear")

# Steps a decade of a sweep in even steps, unless its number of steps is given.
STEPS_PER_DECADE = 25

# Neighbouring rates closer than this (relative) could round to the same float.
_SMALLEST_STEP = 1e-12


class Plan(Protocol):
    """A learning rate for each of `num_steps` training steps."""

    @property
    def num_steps(self) -> int:
        """Number of steps."""

    def lr_at(self, step: int) -> float:
        """Return the learning rate of step `step`, counted from 0."""


@spell_checked
@attrs.frozen(kw_only=True, field_transformer=checked_numbers)
class SweepPlan:
    """Where the learning rate starts, where it ends, and in how many steps.

    Args:
        start_lr: rate of the first step.
        end_lr: rate of the last step, above `start_lr`.
        num_steps: number of optimizer steps; at least 2, one at each end.
        shape: `"exponential"` multiplies the rate by the same factor at each step, `"linear"` adds the same amount.

    Raises: PlanError if the rates would not rise from step to step.
    Source: Smith, "Cyclical Learning Rates for Training Neural Networks", WACV 2017, section 3.3 (linear);
        the exponential shape is common practice since then.

    >>> SweepPlan(start_lr=1e-4, end_lr=1.0, num_steps=5).rates
    (0.0001, 0.001, 0.01, 0.1, 1.0)
    """

    start_lr: float = attrs.field(default=1e-7, validator=finite_and_positive)
    end_lr: float = attrs.field(default=10.0, validator=finite_and_positive)
    num_steps: int = 200
    shape: Shape = "exponential"

    def __attrs_post_init__(self) -> None:
        if self.shape not in _SHAPES:
            raise PlanError(
                f"shape={self.shape!r} is not one of {', '.join(_SHAPES)}.{did_you_mean(self.shape, _SHAPES)}",
                shape=self.shape,
            )
        if self.num_steps < 2:
            raise PlanError(
                f"num_steps={self.num_steps} is too few: a sweep takes at least 2, one at each end. 200 is usual.",
                num_steps=self.num_steps,
            )
        if self.end_lr <= self.start_lr:
            raise PlanError(
                f"end_lr={self.end_lr:g} is not above start_lr={self.start_lr:g}. Swap them, or raise end_lr.",
                start_lr=self.start_lr,
                end_lr=self.end_lr,
            )
        too_many = self.num_steps > 1 / _SMALLEST_STEP**2  # too large a number to divide by
        if too_many or math.isinf(self.end_lr / self.start_lr) or self._relative_step < _SMALLEST_STEP:
            raise PlanError(
                f"{self.num_steps} steps from {self.start_lr:g} to {self.end_lr:g} are too far apart or too close for "
                f"floating-point numbers. Change start_lr, end_lr or num_steps.",
                start_lr=self.start_lr,
                end_lr=self.end_lr,
                num_steps=self.num_steps,
            )

    @property
    def _relative_step(self) -> float:
        if self.shape == "linear":
            return (1 - self.start_lr / self.end_lr) / (self.num_steps - 1)
        return math.log(self.end_lr / self.start_lr) / (self.num_steps - 1)

    def lr_at(self, step: int) -> float:
        """Return the learning rate of step `step`, counted from 0. Both ends are exact.

        Raises: IndexError if the plan has no such step.
        """
        if not 0 <= step < self.num_steps:
            raise IndexError(f"step {step} is outside this plan's steps 0 to {self.num_steps - 1}")
        if step == 0:
            return self.start_lr
        if step == self.num_steps - 1:
            return self.end_lr
        part = step / (self.num_steps - 1)
        if self.shape == "linear":
            return self.start_lr + (self.end_lr - self.start_lr) * part
        return self.start_lr * math.pow(self.end_lr / self.start_lr, part)

    @property
    def num_even_steps(self) -> int:
        """Number of steps: they are all equally far apart."""
        return self.num_steps

    @property
    def rates(self) -> tuple[float, ...]:
        """Every rate of the sweep, in order; shape (num_steps,)."""
        return tuple(map(self.lr_at, range(self.num_steps)))


def _rates(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(values)


@attrs.frozen(kw_only=True, repr=False)
class AdaptivePlan:
    """The rates of a sweep that takes few steps a decade while nothing moves, and many where the curve turns.

    A sweep revises it on the way, but not the rates of the steps that it has taken.

    Args:
        rates: the rate of each step, rising; shape (n,).
    """

    rates: tuple[float, ...] = attrs.field(converter=_rates, validator=attrs.validators.min_len(2))

    def __repr__(self) -> str:
        return f"<AdaptivePlan: {self.num_steps} steps from {self.start_lr:g} to {self.end_lr:g}>"

    @property
    def start_lr(self) -> float:
        """Rate of the first step."""
        return self.rates[0]

    @property
    def end_lr(self) -> float:
        """Rate of the last step, if the sweep is not stopped before it."""
        return self.rates[-1]

    @property
    def num_steps(self) -> int:
        """Number of steps up to `end_lr`."""
        return len(self.rates)

    @property
    def num_even_steps(self) -> int:
        """Number of steps up to `end_lr` of a sweep in even steps."""
        return round(STEPS_PER_DECADE * (math.log10(self.end_lr) - math.log10(self.start_lr)))

    def lr_at(self, step: int) -> float:
        """Return the learning rate of step `step`, counted from 0. Raises: IndexError if the plan has no such step."""
        if not 0 <= step < self.num_steps:
            raise IndexError(f"step {step} is outside this plan's steps 0 to {self.num_steps - 1}")
        return self.rates[step]


AnyPlan = SweepPlan | AdaptivePlan


@attrs.frozen(kw_only=True)
class ConstantPlan:
    """The same rate at every step: the plan of a trial.

    Args:
        lr: the rate.
        num_steps: number of steps.
    """

    lr: float
    num_steps: int

    def lr_at(self, step: int) -> float:  # noqa: ARG002  the signature of a plan
        """Return the rate, whatever the step."""
        return self.lr
