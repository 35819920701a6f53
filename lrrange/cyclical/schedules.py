"""The schedules of Smith's papers as frozen values: repeating cycles, and the single cycle."""

import itertools
import math
from typing import Literal, Protocol, get_args, runtime_checkable

import attrs

from lrrange.errors import PlanError
from lrrange.spelling import did_you_mean, spell_checked
from lrrange.validators import check_rising, checked_numbers, whole_number

CycleMode = Literal["triangular", "triangular2", "exp_range"]
Anneal = Literal["cosine", "linear"]

# The decay per step of "exp_range" in Smith 2017, section 4.1, for 70,000 steps.
GAMMA = 0.99994

# Ratio of the peak to the first rate of a single cycle without a range: the default of fastai and torch. Smith 2018
# has 10 or 20.
DIV_FACTOR = 25.0


@runtime_checkable
class Schedule(Protocol):
    """A learning rate, and optionally a momentum, for every optimizer step."""

    def lr_at(self, step: int) -> float:
        """Return the learning rate of step `step`, counted from 0."""

    def momentum_at(self, step: int) -> float | None:
        """Return the momentum of step `step`, or None if the schedule leaves momentum alone."""


@spell_checked
@attrs.frozen(kw_only=True, field_transformer=checked_numbers)
class Cycle:
    """A learning rate that rises linearly from `base_lr` to `max_lr` and falls back, over and over.

    Args:
        base_lr: rate of the first step, and of the first step of every later cycle.
        max_lr: rate at the peak of the first cycle.
        steps_up: optimizer steps from base to peak, the paper's `stepsize`.
        steps_down: optimizer steps from peak to base.
        mode: `"triangular"` keeps the peak; `"triangular2"` halves the distance from base to peak after every cycle;
            `"exp_range"` multiplies that distance by `gamma` at every step.
        gamma: decay per step of `"exp_range"`, above 0 and at most 1. The other modes ignore it.
        base_momentum, max_momentum: momentum falls from max to base while the rate rises. Its amplitude shrinks as the
            rate's does. None for both leaves momentum alone.

    Raises: PlanError if these values make no cycle.
    Source: Smith, "Cyclical Learning Rates for Training Neural Networks", WACV 2017, section 3.1, with constant
        momentum. Cyclical momentum is from Smith 2018 (arXiv:1803.09820), section 4.3.

    The rates equal those of `torch.optim.lr_scheduler.CyclicLR`. Both differ from the paper in `"exp_range"`: the paper
    shrinks both bounds; torch and lrrange shrink the distance between them, so that the rate returns to `base_lr`. The
    default `gamma` is the paper's. Torch's default is 1, which is the same as `"triangular"`.

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
            modes = get_args(CycleMode)
            meant = did_you_mean(self.mode, modes)
            raise PlanError(f"mode={self.mode!r} is not one of {', '.join(modes)}.{meant}", mode=self.mode)
        if not 0 < self.gamma <= 1:
            raise PlanError(f"gamma={self.gamma:g} is not above 0 and at most 1.", gamma=self.gamma)
        _check_momentum(self.base_momentum, self.max_momentum)

    def __repr__(self) -> str:
        bounds = f"{self.base_lr:.2e} to {self.max_lr:.2e}"
        return f"<Cycle {self.mode}: {bounds}, {self.steps_up} steps up, {self.steps_down} down>"

    def lr_at(self, step: int) -> float:
        """Return the learning rate of step `step`, counted from 0. Raises: IndexError if `step` is negative."""
        return _between(self.base_lr, self.max_lr, self._height(step))

    def momentum_at(self, step: int) -> float | None:
        """Return the momentum of step `step`, or None if it is not cycled. Raises: IndexError if `step` is negative."""
        if self.base_momentum is None or self.max_momentum is None:
            return None
        return _between(self.max_momentum, self.base_momentum, self._height(step))

    def _height(self, step: int) -> float:
        """Return the distance from the base at this step, as a fraction of the first cycle's peak."""
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


@spell_checked
@attrs.frozen(kw_only=True, field_transformer=checked_numbers)
class OneCycle:
    """A learning rate that rises to `max_lr` once and then falls far below the first rate.

    Args:
        max_lr: rate at the peak.
        total_steps: optimizer steps of the whole schedule.
        pct_start: fraction of the steps from the first rate to the peak.
        div_factor: ratio of the peak to the first rate.
        final_div_factor: ratio of the first rate to the last.
        anneal: `"cosine"` or `"linear"`, in every phase.
        three_phase: fall to the first rate in as many steps as it rose, then to the last rate in the remaining steps,
            as in the paper. Otherwise fall from the peak to the last rate in one phase.
        base_momentum, max_momentum: momentum falls from max to base while the rate rises, rises again while the rate
            falls, and stays at max in a third phase. None for both leaves momentum alone.

    Raises: PlanError if these values leave a phase without steps, or make no schedule for another reason.
    Source: Smith & Topin (arXiv:1708.07120): one cycle, shorter than the training, then a rate several orders of
        magnitude below the first. Smith 2018 (arXiv:1803.09820), section 4, for the momentum.

    Rates and defaults equal those of `torch.optim.lr_scheduler.OneCycleLR`, which took them from fastai. The papers use
    `three_phase=True` with nearly half of the steps before the peak, `anneal="linear"`, and a `div_factor` of 10 to 20.
    After the last step, lrrange holds the last rate. Torch goes one step further along its curve, to a negative rate
    with `"linear"`, and then raises.

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
        for name, factor in (("div_factor", self.div_factor), ("final_div_factor", self.final_div_factor)):
            if not 1 < factor < math.inf:
                raise PlanError(f"{name}={factor:g} is not a finite number above 1.", **{name: factor})
        if not 0 < self.final_lr <= self.max_lr < math.inf:
            message = f"the rates from max_lr={self.max_lr:g} to {self.final_lr:g} are not positive and finite."
            raise PlanError(message, max_lr=self.max_lr)
        if self.anneal not in get_args(Anneal):
            kinds = get_args(Anneal)
            meant = did_you_mean(self.anneal, kinds)
            raise PlanError(f"anneal={self.anneal!r} is not one of {', '.join(kinds)}.{meant}", anneal=self.anneal)
        _check_momentum(self.base_momentum, self.max_momentum)
        ends = (0.0, *self._phase_ends)
        if not all(start < end for start, end in itertools.pairwise(ends)):
            raise PlanError(
                f"total_steps={self.total_steps} and pct_start={self.pct_start:g} leave a phase without steps: the "
                f"phases end at {ends[1:]}. Raise total_steps, or move pct_start.",
                total_steps=self.total_steps,
                pct_start=self.pct_start,
            )

    @property
    def base_lr(self) -> float:
        """Rate of the first step."""
        return self.max_lr / self.div_factor

    @property
    def final_lr(self) -> float:
        """Rate of the last step, and of any step after it."""
        return self.base_lr / self.final_div_factor

    @property
    def _phase_ends(self) -> tuple[float, ...]:
        # As in torch: the peak is the last step of the first phase, and the second phase of three is as long.
        peak, last = self.pct_start * self.total_steps - 1, self.total_steps - 1.0
        return (peak, 2 * peak, last) if self.three_phase else (peak, last)

    def __repr__(self) -> str:
        return f"<OneCycle: peak {self.max_lr:.2e}, {self.total_steps} steps, {self.anneal}>"

    def lr_at(self, step: int) -> float:
        """Return the learning rate of step `step`, counted from 0. Raises: IndexError if `step` is negative."""
        return self._anneal_through(self.base_lr, self.max_lr, self.final_lr, step)

    def momentum_at(self, step: int) -> float | None:
        """Return the momentum of step `step`, or None if it is not cycled. Raises: IndexError if `step` is negative."""
        if self.base_momentum is None or self.max_momentum is None:
            return None
        return self._anneal_through(self.max_momentum, self.base_momentum, self.max_momentum, step)

    def _anneal_through(self, first: float, peak: float, last: float, step: int) -> float:
        """Return the value at `step` of a quantity with these values at the ends of the phases."""
        _check_step(step)
        values = (first, peak, first, last) if self.three_phase else (first, peak, last)
        phase_start = 0.0
        for start, end, phase_end in zip(values, values[1:], self._phase_ends, strict=False):
            if step <= phase_end:
                part = (step - phase_start) / (phase_end - phase_start)
                return _between(start, end, part if self.anneal == "linear" else (1 - math.cos(math.pi * part)) / 2)
            phase_start = phase_end
        return last


def _between(start: float, end: float, part: float) -> float:
    # Counted from the nearer end, so that both ends are met exactly.
    return start + part * (end - start) if part < 0.5 else end - (1 - part) * (end - start)


def _check_step(step: int) -> None:
    if step < 0:
        raise IndexError(f"step {step} is negative. The first step of a schedule is 0.")


def _check_momentum(base: float | None, top: float | None) -> None:
    cycled = base is not None and top is not None and 0 <= base <= top < 1
    if not cycled and not (base is None and top is None):
        message = f"base_momentum={base} and max_momentum={top} are not 0 <= base <= max < 1. Or give None for both."
        raise PlanError(message, base_momentum=base, max_momentum=top)
