"""Schedules from the result of a range test, from a range, or from rates."""

import logging
import math
from typing import Any, get_args

import attrs

from lrrange.advice.advice import Advice
from lrrange.advice.ranges import LRRange
from lrrange.cyclical.schedules import DIV_FACTOR, GAMMA, Cycle, CycleMode, OneCycle
from lrrange.errors import OptionError, PlanError
from lrrange.spelling import spell_checked
from lrrange.validators import as_number, shown

Bounds = Advice | LRRange | float

# Epochs in half a cycle: the low end of the 2 to 10 that Smith 2017, section 3.2, recommends. In the paper, 8 did only
# slightly better than 2. A training should see at least three cycles, which is 12 epochs with 2 and 48 with 8.
EPOCHS_PER_HALF_CYCLE = 2

_log = logging.getLogger("lrrange")


def bounds_for(mode: str, bounds: Advice | LRRange) -> LRRange:
    """Return the range for a schedule of this mode. A range test has read several from its curve.

    Args:
        mode: `"triangular"`, `"triangular2"`, `"exp_range"`, or anything else for a single cycle.
        bounds: the result of a range test; a range is returned as it is.
    Returns: `result.range_by("smith")` for the three repeating cycles, because Smith's rule was written for them.
        `result.range` for every other mode, because its `max_lr` was measured as the peak of a single
        cycle.
    Raises: the reason, a `NoSuggestion`, if the result has no rate or no such range; OptionError for bounds of another
        kind.
    Source: Smith 2017, section 3.3: the bounds are where the accuracy starts to increase and where it slows, becomes
        ragged, or starts to fall. Smith 2018 (arXiv:1803.09820), section 4.1: the maximum of a single cycle may be the
        largest rate that does not yet raise the loss, and the minimum a tenth or a twentieth of it.
    """
    if isinstance(bounds, LRRange):
        return bounds
    if not isinstance(bounds, Advice):
        raise OptionError(f"bounds={shown(bounds)} is neither a RangeTestResult nor an LRRange.", bounds=bounds)
    if (refusal := bounds.refusal) is not None:
        raise refusal  # a curve without an answer may still have ranges, which are read with less care
    return bounds.range_by("smith") if mode in get_args(CycleMode) else bounds.range


def half_cycle_steps(steps_per_epoch: int, epochs: float | None = None) -> int:
    """Return the number of optimizer steps in half a cycle.

    Args:
        steps_per_epoch: optimizer steps per epoch. With gradient accumulation there are fewer of them than batches.
        epochs: length of half a cycle. None takes 2 and logs a warning, because the user did not choose it.
    Raises: PlanError if that is less than one step.
    Source: Smith 2017, section 3.2: a `stepsize` of 2 to 10 epochs.
    """
    length = EPOCHS_PER_HALF_CYCLE if epochs is None else epochs
    if not (1 <= steps_per_epoch < math.inf and 0 < length < math.inf) or round(steps_per_epoch * length) < 1:
        message = f"{length!r} epochs of {steps_per_epoch!r} steps make no half cycle of one step or more."
        raise PlanError(message, steps_per_epoch=steps_per_epoch, epochs=length)
    steps = round(steps_per_epoch * length)
    if epochs is None:
        message = "half a cycle takes %d epochs (%d steps). Smith 2017 recommends 2 to 10 epochs: choose a number."
        _log.warning(message, length, steps)
    return steps


@spell_checked
def triangular(bounds: Bounds, max_lr: float | None = None, *, steps_per_half_cycle: int, **momentum: Any) -> Cycle:
    """Return cycles with a constant peak.

    Args:
        bounds: a result, whose range by Smith's rule is taken (see `bounds_for`); or a range; or the base rate.
        max_lr: the peak rate, if `bounds` is the base rate.
        steps_per_half_cycle: optimizer steps up, and as many down. `half_cycle_steps` computes them from epochs.
        momentum: `base_momentum` and `max_momentum` of `Cycle`.
    Raises: PlanError; the reason, a `NoSuggestion`, if the result has no range.
    """
    if isinstance(bounds, (Advice, LRRange)):
        if max_lr is not None:
            raise PlanError(f"max_lr={max_lr!r} was given together with a range. Give one or the other.", max_lr=max_lr)
        lr_range = bounds_for("triangular", bounds)
        bounds, max_lr = lr_range.base_lr, lr_range.max_lr
    peak = as_number("max_lr", max_lr)  # raises if it was forgotten and is None
    steps = steps_per_half_cycle
    return Cycle(base_lr=bounds, max_lr=peak, steps_up=steps, steps_down=steps, **momentum)


@spell_checked
def triangular2(bounds: Bounds, max_lr: float | None = None, *, steps_per_half_cycle: int, **momentum: Any) -> Cycle:
    """Return cycles whose height above the base halves after every cycle. The arguments are those of `triangular`."""
    cycle = triangular(bounds, max_lr, steps_per_half_cycle=steps_per_half_cycle, **momentum)
    return attrs.evolve(cycle, mode="triangular2")


@spell_checked
def exp_range(
    bounds: Bounds, max_lr: float | None = None, *, steps_per_half_cycle: int, gamma: float = GAMMA, **momentum: Any
) -> Cycle:
    """Return cycles whose height above the base is multiplied by `gamma` at every step.

    The other arguments are those of `triangular`.
    """
    cycle = triangular(bounds, max_lr, steps_per_half_cycle=steps_per_half_cycle, **momentum)
    return attrs.evolve(cycle, mode="exp_range", gamma=gamma)


@spell_checked
def one_cycle(bounds: Bounds, *, total_steps: int, div_factor: float | None = None, **options: Any) -> OneCycle:
    """Return a single cycle: up to the peak, and down to a rate far below the first.

    Args:
        bounds: a result, whose default range is taken (see `bounds_for`); or a range; or the peak rate.
        total_steps: optimizer steps of the whole schedule.
        div_factor: ratio of the peak to the first rate. The default is `max_lr / base_lr` of the range, or 25 if
            `bounds` is the peak rate.
        options: the other arguments of `OneCycle`.
    Raises: PlanError; the reason, a `NoSuggestion`, if the result has no range.
    """
    if isinstance(bounds, (Advice, LRRange)):
        lr_range = bounds_for("one_cycle", bounds)
        bounds, ratio = lr_range.max_lr, lr_range.max_lr / lr_range.base_lr
    else:
        ratio = DIV_FACTOR
    div_factor = ratio if div_factor is None else div_factor
    return OneCycle(max_lr=bounds, total_steps=total_steps, div_factor=div_factor, **options)
