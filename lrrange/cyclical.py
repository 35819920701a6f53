"""Schedules that put a range to work: the rate at each step of a cycle, and the momentum that moves the other way.

A schedule is a frozen value that knows nothing of a framework: `lr_at(step)` is a plain function of the step, counted
from 0 in optimizer steps. The plug-in `lrrange_clr` makes torch schedulers of them.

>>> schedule = one_cycle(0.1, total_steps=100)
>>> f"{schedule.lr_at(0):g} {schedule.lr_at(29):g} {schedule.lr_at(99):g}"
'0.004 0.1 4e-07'
"""

import itertools
import logging
import math
from typing import Any, Literal, Protocol, get_args, runtime_checkable

import attrs

from lrrange.advice.advice import Advice
from lrrange.advice.ranges import LRRange
from lrrange.errors import OptionError, PlanError
from lrrange.validators import as_number, check_rising, checked_numbers, whole_number

__all__ = [
    "Anneal",
    "Bounds",
    "Cycle",
    "CycleMode",
    "DIV_FACTOR",
    "EPOCHS_PER_HALF_CYCLE",
    "GAMMA",
    "OneCycle",
    "Schedule",
    "bounds_for",
    "exp_range",
    "half_cycle_steps",
    "one_cycle",
    "triangular",
    "triangular2",
]


CycleMode = Literal["triangular", "triangular2", "exp_range"]
Anneal = Literal["cosine", "linear"]
Bounds = Advice | LRRange | float

# Epochs in half a cycle: the low end of what Smith 2017, section 3.2, advises. There, 8 did only slightly better than
# 2, and a training should see three cycles or more: 12 epochs with 2, and 48 with 8.
EPOCHS_PER_HALF_CYCLE = 2

# The decay a step of "exp_range" in Smith 2017, section 4.1, for 70,000 steps.
GAMMA = 0.99994

# How far under its peak a single cycle begins if no range says: fastai's and torch's choice. Smith 2018 has 10 or 20.
DIV_FACTOR = 25.0

_log = logging.getLogger("lrrange")


@runtime_checkable
class Schedule(Protocol):
    """A rate, and perhaps a momentum, for every optimizer step."""

    def lr_at(self, step: int) -> float:
        """The rate of step `step`, counted from 0."""

    def momentum_at(self, step: int) -> float | None:
        """The momentum of step `step`; None if the schedule leaves momentum alone."""


@attrs.frozen(kw_only=True, field_transformer=checked_numbers)
class Cycle:
    """A rate that climbs in a straight line from `base_lr` to `max_lr` and comes back, again and again.

    Args:
        base_lr: rate of the first step, and wherever a cycle begins.
        max_lr: rate at the first cycle's peak.
        steps_up: optimizer steps from base to peak, the paper's `stepsize`.
        steps_down: optimizer steps from peak to base.
        mode: `"triangular"` keeps its peak; `"triangular2"` halves the distance from base to peak with every cycle;
            `"exp_range"` multiplies that distance by `gamma` with every step.
        gamma: of `"exp_range"` alone; above 0 and at most 1.
        base_momentum, max_momentum: momentum falls from max to base as the rate climbs, and its distance shrinks as the
            rate's does. None for both leaves momentum alone.

    Raises: PlanError if these make no cycle.
    Source: Smith, "Cyclical Learning Rates for Training Neural Networks", WACV 2017, section 3.1, where momentum stays
        as it is; cyclical momentum is from Smith 2018 (arXiv:1803.09820), section 4.3.

    The rates are those of `torch.optim.lr_scheduler.CyclicLR`, which differs from the paper in one thing: in the paper,
    `"exp_range"` shrinks both bounds; in torch and here the distance between them, so that the rate comes back to
    `base_lr`. Torch's default for `gamma` is 1, which makes it `"triangular"`; here it is the paper's.

    >>> cycle = Cycle(base_lr=0.25, max_lr=1.0, steps_up=2, steps_down=2, mode="triangular2")
    >>> [cycle.lr_at(step) for step in range(7)]
    [0.25, 0.625, 1.0, 0.625, 0.25, 0.4375, 0.625]
    """

    base_lr: float
    max_lr: float
    steps_up: int
    steps_down: int
    mode: CycleMode = "triangular"
    gamma: float = GAMMA
    base_momentum: float | None = 0.8
    max_momentum: float | None = 0.9

    def __attrs_post_init__(self) -> None:
        check_rising(self.base_lr, self.max_lr)
        whole_number("steps_up", self.steps_up)
        whole_number("steps_down", self.steps_down)
        if self.mode not in get_args(CycleMode):
            raise PlanError(f"mode={self.mode!r} is not one of {', '.join(get_args(CycleMode))}.", mode=self.mode)
        if not 0 < self.gamma <= 1:
            raise PlanError(f"gamma={self.gamma:g} is not above 0 and at most 1.", gamma=self.gamma)
        _check_momentum(self.base_momentum, self.max_momentum)

    def lr_at(self, step: int) -> float:
        """The rate of step `step`, counted from 0. Raises: IndexError if `step` is negative."""
        return _between(self.base_lr, self.max_lr, self._height(step))

    def momentum_at(self, step: int) -> float | None:
        """The momentum of step `step`; None if it is not cycled. Raises: IndexError if `step` is negative."""
        if self.base_momentum is None or self.max_momentum is None:
            return None
        return _between(self.max_momentum, self.base_momentum, self._height(step))

    def _height(self, step: int) -> float:
        """How far up from the base: 1 at the peak of the first cycle."""
        _check_step(step)
        cycle, position = divmod(step, self.steps_up + self.steps_down)
        down = self.steps_up + self.steps_down - position
        height = position / self.steps_up if position <= self.steps_up else down / self.steps_down
        match self.mode:
            case "triangular":
                return height
            case "triangular2":
                return height * math.ldexp(1.0, -cycle)
            case "exp_range":
                return height * math.pow(self.gamma, step)


@attrs.frozen(kw_only=True, field_transformer=checked_numbers)
class OneCycle:
    """A rate that climbs to `max_lr` once and then falls far below where it began.

    Args:
        max_lr: rate at the peak.
        total_steps: optimizer steps in all.
        pct_start: part of them, up to the peak.
        div_factor: the first rate is `max_lr / div_factor`.
        final_div_factor: the last rate is the first one divided by this.
        anneal: `"cosine"` or `"linear"`, in every phase.
        three_phase: come back to the first rate in as many steps as went up, and fall to the last rate in the steps
            that remain, as the paper describes; otherwise fall from the peak to the last rate in one go.
        base_momentum, max_momentum: momentum falls from max to base as the rate climbs to its peak, comes back as the
            rate does, and stays at max in a third phase. None for both leaves momentum alone.

    Raises: PlanError if a phase is left without steps, or these are otherwise no schedule.
    Source: Smith & Topin (arXiv:1708.07120): one cycle, shorter than the training, then a rate several orders of
        magnitude under the first; Smith 2018 (arXiv:1803.09820), section 4, for the momentum.

    Rates and defaults are those of `torch.optim.lr_scheduler.OneCycleLR`, which has them from fastai. The papers have
    `three_phase=True` with nearly half of the steps up, `anneal="linear"`, and a `div_factor` of 10 to 20. After the
    last step torch goes one further along its curve, to a negative rate if that is a line, and then raises; here the
    last rate is held.

    >>> schedule = OneCycle(max_lr=1.0, total_steps=10, anneal="linear", div_factor=2, final_div_factor=2)
    >>> schedule.lr_at(0), schedule.lr_at(2), schedule.lr_at(9), schedule.lr_at(10)
    (0.5, 1.0, 0.25, 0.25)
    """

    max_lr: float
    total_steps: int
    pct_start: float = 0.3
    div_factor: float = DIV_FACTOR
    final_div_factor: float = 1e4
    anneal: Anneal = "cosine"
    three_phase: bool = False
    base_momentum: float | None = 0.85
    max_momentum: float | None = 0.95

    def __attrs_post_init__(self) -> None:
        for name in ("div_factor", "final_div_factor"):
            if not 1 < getattr(self, name) < math.inf:
                raise PlanError(f"{name}={getattr(self, name):g} is not above 1.", **{name: getattr(self, name)})
        if not 0 < self.final_lr <= self.max_lr < math.inf:
            message = f"the rates from max_lr={self.max_lr:g} to {self.final_lr:g} are not positive and finite."
            raise PlanError(message, max_lr=self.max_lr)
        if self.anneal not in get_args(Anneal):
            raise PlanError(f"anneal={self.anneal!r} is not one of {', '.join(get_args(Anneal))}.", anneal=self.anneal)
        _check_momentum(self.base_momentum, self.max_momentum)
        ends = (0.0, *self._phase_ends)
        if not all(start < end for start, end in itertools.pairwise(ends)):
            raise PlanError(
                f"total_steps={self.total_steps} and pct_start={self.pct_start:g} leave a phase without steps: they "
                f"end at {ends[1:]}. Raise total_steps, or move pct_start.",
                total_steps=self.total_steps,
                pct_start=self.pct_start,
            )

    @property
    def base_lr(self) -> float:
        """The first rate."""
        return self.max_lr / self.div_factor

    @property
    def final_lr(self) -> float:
        """The last rate."""
        return self.base_lr / self.final_div_factor

    @property
    def _phase_ends(self) -> tuple[float, ...]:
        # Torch's reckoning: the peak is the last of the steps that go up, and the way down has as many.
        peak, last = self.pct_start * self.total_steps - 1, self.total_steps - 1.0
        return (peak, 2 * peak, last) if self.three_phase else (peak, last)

    def lr_at(self, step: int) -> float:
        """The rate of step `step`, counted from 0; that of the last from there on. Raises: IndexError if negative."""
        return self._along(self.base_lr, self.max_lr, self.final_lr, step)

    def momentum_at(self, step: int) -> float | None:
        """The momentum of step `step`; None if it is not cycled. Raises: IndexError if `step` is negative."""
        if self.base_momentum is None or self.max_momentum is None:
            return None
        return self._along(self.max_momentum, self.base_momentum, self.max_momentum, step)

    def _along(self, first: float, peak: float, last: float, step: int) -> float:
        _check_step(step)
        turns = (first, peak, first, last) if self.three_phase else (first, peak, last)
        begun = 0.0
        for start, end, ended in zip(turns, turns[1:], self._phase_ends, strict=False):
            if step <= ended:
                part = (step - begun) / (ended - begun)
                return _between(start, end, part if self.anneal == "linear" else (1 - math.cos(math.pi * part)) / 2)
            begun = ended
        return last


def bounds_for(mode: str, bounds: Advice | LRRange) -> LRRange:
    """The range for a schedule of that mode, where a test has found several.

    Args:
        mode: `"triangular"`, `"triangular2"`, `"exp_range"`, or anything else for a single cycle.
        bounds: the result of a range test; a range is returned as it is.
    Returns: `result.range_by("smith")` for the cycles that repeat, whose bounds that rule was written for;
        `result.range`, whose `max_lr` was measured as the peak of a single cycle (`docs/quality.md`), for the others.
    Raises: the reason, a `NoSuggestion`, if the curve has no such range; OptionError for bounds of another kind.
    Source: Smith 2017, section 3.3: the bounds are where the accuracy starts to increase and where it slows, becomes
        ragged, or starts to fall. Smith 2018 (arXiv:1803.09820), section 4.1: a single cycle may have the largest rate
        that does not yet raise the loss for its maximum, and a tenth or a twentieth of it for its minimum.
    """
    if isinstance(bounds, LRRange):
        return bounds
    if not isinstance(bounds, Advice):
        raise OptionError(f"bounds={bounds!r} is neither a RangeTestResult nor an LRRange.", bounds=bounds)
    return bounds.range_by("smith") if mode in get_args(CycleMode) else bounds.range


def half_cycle_steps(steps_per_epoch: int, epochs: float | None = None) -> int:
    """Optimizer steps in half a cycle of so many epochs.

    Args:
        steps_per_epoch: optimizer steps, not batches: with gradient accumulation there are fewer.
        epochs: 2 if None, which the log then says as a warning, because it is a choice the user did not make.
    Raises: PlanError if that is less than one step.
    Source: Smith 2017, section 3.2: a `stepsize` of 2 to 10 epochs.
    """
    chosen = EPOCHS_PER_HALF_CYCLE if epochs is None else epochs
    if not (1 <= steps_per_epoch < math.inf and 0 < chosen < math.inf) or round(steps_per_epoch * chosen) < 1:
        message = f"{chosen!r} epochs of {steps_per_epoch!r} steps make no half cycle."
        raise PlanError(message, steps_per_epoch=steps_per_epoch, epochs=chosen)
    steps = round(steps_per_epoch * chosen)
    if epochs is None:
        message = "half a cycle takes %d epochs (%d steps), of the 2 to 10 that Smith 2017 has. Give one to choose."
        _log.warning(message, chosen, steps)
    return steps


def triangular(bounds: Bounds, max_lr: float | None = None, *, steps_per_half_cycle: int, **momentum: Any) -> Cycle:
    """Cycles that all have the same peak.

    Args:
        bounds: a result, of which the range that Smith reads is taken (see `bounds_for`); or a range; or the base rate.
        max_lr: the peak rate, if `bounds` is the base rate.
        steps_per_half_cycle: optimizer steps up, and as many down; `half_cycle_steps` has the paper's advice.
        momentum: `base_momentum` and `max_momentum` of `Cycle`.
    Raises: PlanError; the reason, a `NoSuggestion`, if the result has no range.
    """
    if isinstance(bounds, (Advice, LRRange)):
        if max_lr is not None:
            raise PlanError(f"max_lr={max_lr!r} was given beside a range, which has its own.", max_lr=max_lr)
        found = bounds_for("triangular", bounds)
        bounds, max_lr = found.base_lr, found.max_lr
    peak = as_number("max_lr", max_lr)  # which is None if it was forgotten
    return Cycle(
        base_lr=bounds,
        max_lr=peak,
        steps_up=steps_per_half_cycle,
        steps_down=steps_per_half_cycle,
        **momentum,
    )


def triangular2(bounds: Bounds, max_lr: float | None = None, *, steps_per_half_cycle: int, **momentum: Any) -> Cycle:
    """Cycles of which each climbs half as far above the base as the one before. Arguments as for `triangular`."""
    cycle = triangular(bounds, max_lr, steps_per_half_cycle=steps_per_half_cycle, **momentum)
    return attrs.evolve(cycle, mode="triangular2")


def exp_range(
    bounds: Bounds,
    max_lr: float | None = None,
    *,
    steps_per_half_cycle: int,
    gamma: float = GAMMA,
    **momentum: Any,
) -> Cycle:
    """Cycles whose height above the base shrinks by `gamma` with every step. Other arguments as for `triangular`."""
    cycle = triangular(bounds, max_lr, steps_per_half_cycle=steps_per_half_cycle, **momentum)
    return attrs.evolve(cycle, mode="exp_range", gamma=gamma)


def one_cycle(bounds: Bounds, *, total_steps: int, div_factor: float | None = None, **options: Any) -> OneCycle:
    """One climb to the peak and one long descent.

    Args:
        bounds: a result, of which the default range is taken (see `bounds_for`); or a range; or the peak rate.
        total_steps: optimizer steps in all.
        div_factor: of peak over first rate. By default the range's own, `max_lr / base_lr`; 25 for a bare peak rate.
        options: the other arguments of `OneCycle`.
    Raises: PlanError; the reason, a `NoSuggestion`, if the result has no range.
    """
    if isinstance(bounds, (Advice, LRRange)):
        found = bounds_for("one_cycle", bounds)
        bounds, ratio = found.max_lr, found.max_lr / found.base_lr
    else:
        ratio = DIV_FACTOR
    div_factor = ratio if div_factor is None else div_factor
    return OneCycle(max_lr=bounds, total_steps=total_steps, div_factor=div_factor, **options)


def _between(start: float, end: float, part: float) -> float:
    # From the nearer end, so that both are met exactly.
    return start + part * (end - start) if part < 0.5 else end - (1 - part) * (end - start)


def _check_step(step: int) -> None:
    if step < 0:
        raise IndexError(f"step {step} is before the first step of the schedule, which is 0")


def _check_momentum(base: float | None, top: float | None) -> None:
    cycled = base is not None and top is not None and 0 <= base <= top < 1
    if not cycled and not (base is None and top is None):
        message = f"base_momentum={base} and max_momentum={top} are not 0 <= base <= max < 1, nor both None."
        raise PlanError(message, base_momentum=base, max_momentum=top)
