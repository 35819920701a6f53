"""One torch scheduler for every schedule, and the two functions that make it from a range.

Torch's own `CyclicLR` and `OneCycleLR` give the same rates, which the tests compare step by step. But they do not work
for every optimizer, nor to the end of the schedule: they turn momentum on in an SGD made without it, and refuse an
optimizer that has none; they set all param groups to the same rate and momentum unless each is given; a `CyclicLR`
cannot load the same state twice; and the straight line of a `OneCycleLR` ends at a negative rate.
"""

from collections.abc import Sized
from typing import Any, get_args

import attrs
import torch
from lrrange_torch.optimizer import GroupRates, momentum_of, set_momentum, set_rate
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lrrange import LRRange, RangeTestResult
from lrrange.cyclical import GAMMA, Anneal, Cycle, CycleMode, OneCycle, bounds_for, half_cycle_steps
from lrrange.cyclical import one_cycle as one_cycle_schedule
from lrrange.errors import OptionError, TargetError
from lrrange.spelling import did_you_mean, spell_checked

MODES = (*get_args(CycleMode), "one_cycle")

_SCHEDULES = {"Cycle": Cycle, "OneCycle": OneCycle}


class ScheduleLR(LRScheduler):
    """A torch scheduler that follows a schedule: call `step()` after every `optimizer.step()`.

    Args:
        optimizer: any torch optimizer. Its param groups keep the ratios of their rates: the first group whose rate is
            not 0 gets the schedule's rate. Momentum (Adam's beta1, or `momentum`) is cycled in the groups that have
            one, with their ratios kept: the largest gets the schedule's momentum. A group without momentum stays
            without. Rates that are tensors are set in place.
        schedule: the schedule to follow.

    The first rate is in force at once. `state_dict` contains only numbers, strings, lists and dictionaries.
    `load_state_dict` puts the rate of the loaded step in force, whatever the optimizer's rate was.

    Raises: TargetError if it is not a torch optimizer, or a group has no rate that can be set.
    """

    def __init__(self, optimizer: Optimizer, schedule: Cycle | OneCycle) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TargetError(
                f"a {type(optimizer).__name__} is not a torch optimizer, so there is no rate to schedule."
            )
        self.schedule = schedule
        rates = GroupRates([optimizer])
        for group, rate in zip(optimizer.param_groups, rates.wanted(schedule.lr_at(0)), strict=True):
            group["initial_lr"] = rate
        momenta = [momentum_of(group) for group in optimizer.param_groups]
        self.momentum_ratios = [momentum / (max(momenta) or 1.0) for momentum in momenta]
        super().__init__(optimizer)

    def __repr__(self) -> str:
        return f"<ScheduleLR: step {self.last_epoch} of {self.schedule}>"

    def get_lr(self) -> list[float | torch.Tensor]:
        """Return each group's rate at the present step, and set its momentum, as torch's own cyclical schedulers do."""
        momentum = self.schedule.momentum_at(self.last_epoch)
        if momentum is not None:
            for group, ratio in zip(self.optimizer.param_groups, self.momentum_ratios, strict=True):
                if ratio > 0:
                    set_momentum(group, momentum * ratio)
        # Scaled from `base_lrs`, because `RangeTestResult.apply` changes those.
        first, now = self.schedule.lr_at(0), self.schedule.lr_at(self.last_epoch)
        return [now * (float(base) / first) for base in self.base_lrs]

    def state_dict(self) -> dict[str, Any]:
        """Return everything but the optimizer, in types that `torch.load(weights_only=True)` reads."""
        schedule = {"kind": type(self.schedule).__name__, **attrs.asdict(self.schedule)}
        return {**super().state_dict(), "schedule": schedule}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a saved step, at its rate.

        Raises: TargetError if the state is from another class of scheduler, or has another number of param groups.
        """
        groups = self.optimizer.param_groups
        if "schedule" not in state_dict:
            raise TargetError("the state is from another class of scheduler. Load it into the class that saved it.")
        if len(state_dict["base_lrs"]) != len(groups):
            raise TargetError(
                f"the state has {len(state_dict['base_lrs'])} param groups, and this {type(self.optimizer).__name__} "
                f"has {len(groups)}. Make the optimizer as it was when the state was saved.",
                saved=len(state_dict["base_lrs"]),
                groups=len(groups),
            )
        schedule = dict(state_dict["schedule"])
        super().load_state_dict({**state_dict, "schedule": _SCHEDULES[schedule.pop("kind")](**schedule)})
        for group, base, rate in zip(groups, self.base_lrs, self.get_lr(), strict=True):
            group["initial_lr"] = base
            set_rate(group, "lr", float(rate))


@spell_checked
def cyclical(
    optimizer: Optimizer,
    bounds: RangeTestResult | LRRange,
    mode: CycleMode = "triangular2",
    *,
    epochs_per_half_cycle: float | None = None,
    steps_per_half_cycle: int | None = None,
    steps_per_epoch: int | None = None,
    loader: Sized | None = None,
    gamma: float | None = None,
    base_momentum: float | None = 0.8,
    max_momentum: float | None = 0.9,
) -> ScheduleLR:
    """Make a scheduler that climbs from the base rate to the peak and back, again and again.

    Args:
        optimizer: any torch optimizer; see `ScheduleLR` for its param groups and its momentum.
        bounds: a range, or the result of a range test, whose range by the rule of Smith 2017, section 3.3, is taken:
            `result.range_by("smith")`. Give `result.range` for the range by the default rule.
        mode: `"triangular"`, `"triangular2"` or `"exp_range"`; see `lrrange.cyclical.Cycle`.
        epochs_per_half_cycle: epochs from the base rate to the peak, and as many back. If no length is given it is 2,
            and a warning in the log says so: Smith 2017, section 3.2, advises 2 to 10.
        steps_per_half_cycle: the same in optimizer steps; give one of the two.
        steps_per_epoch: optimizer steps in an epoch, which a length in epochs needs.
        loader: the training loader, in place of `steps_per_epoch`: one batch is then one step.
        gamma: only for `"exp_range"`; see `lrrange.cyclical.Cycle`.
        base_momentum, max_momentum: bounds of the momentum, if there is any. None for both leaves it unchanged.
    Raises: OptionError for a mode or a length that cannot be used; PlanError if these make no schedule; the reason, a
        `NoSuggestion`, if the result has no range; TargetError if a group has no rate.
    """
    if mode not in get_args(CycleMode):
        known = get_args(CycleMode)
        raise OptionError(
            f"mode {mode!r} is not one of {', '.join(known)}.{did_you_mean(mode, known)} For a single cycle call "
            f"one_cycle().",
            mode=mode,
        )
    if gamma is not None and mode != "exp_range":
        raise OptionError(
            f"gamma={gamma!r} belongs to mode 'exp_range', and the mode is {mode!r}. Leave it out.",
            mode=mode,
            gamma=gamma,
        )
    lr_range = bounds_for(mode, bounds)
    steps = _half_cycle(epochs_per_half_cycle, steps_per_half_cycle, steps_per_epoch, loader)
    schedule = Cycle(
        base_lr=lr_range.base_lr,
        max_lr=lr_range.max_lr,
        steps_up=steps,
        steps_down=steps,
        mode=mode,
        gamma=GAMMA if gamma is None else gamma,
        base_momentum=base_momentum,
        max_momentum=max_momentum,
    )
    return ScheduleLR(optimizer, schedule)


@spell_checked
def one_cycle(
    optimizer: Optimizer,
    bounds: RangeTestResult | LRRange,
    *,
    total_steps: int,
    pct_start: float = 0.3,
    div_factor: float | None = None,
    final_div_factor: float = 1e4,
    anneal: Anneal = "cosine",
    three_phase: bool = False,
    base_momentum: float | None = 0.85,
    max_momentum: float | None = 0.95,
) -> ScheduleLR:
    """Make a scheduler that climbs to the peak once, and then falls far below its first rate.

    Args:
        optimizer: any torch optimizer; see `ScheduleLR` for its param groups and its momentum.
        bounds: a range, or the result of a range test, whose default range is taken, `result.range`: its `max_lr` is
            the peak for a single cycle.
        total_steps: optimizer steps in the whole cycle. After them the rate stays at its last value.
        div_factor: the peak divided by the first rate; by default `max_lr / base_lr` of the range.
        pct_start, final_div_factor, anneal, three_phase, base_momentum, max_momentum: see `lrrange.cyclical.OneCycle`.
    Raises: PlanError if these make no schedule; the reason, a `NoSuggestion`, if the result has no range; TargetError
        if a group has no rate.
    """
    schedule = one_cycle_schedule(
        bounds_for("one_cycle", bounds),
        total_steps=total_steps,
        div_factor=div_factor,
        pct_start=pct_start,
        final_div_factor=final_div_factor,
        anneal=anneal,
        three_phase=three_phase,
        base_momentum=base_momentum,
        max_momentum=max_momentum,
    )
    return ScheduleLR(optimizer, schedule)


def _half_cycle(epochs: float | None, steps: int | None, steps_per_epoch: int | None, loader: Sized | None) -> int:
    """Return the optimizer steps of half a cycle. Raises: OptionError for two lengths, or for none that is known."""
    if steps is not None:
        if epochs is not None:
            message = f"steps_per_half_cycle={steps!r} and epochs_per_half_cycle={epochs!r} are both lengths. Give one."
            raise OptionError(message, steps=steps, epochs=epochs)
        return steps
    if steps_per_epoch is None:
        try:
            steps_per_epoch = len(loader)  # type: ignore[arg-type]  # a loader of None has no length either
        except TypeError:
            raise OptionError(
                "a half cycle in epochs needs the number of steps in an epoch. Give steps_per_epoch=, or a loader= "
                "that has a length, or steps_per_half_cycle= instead.",
            ) from None
    return half_cycle_steps(steps_per_epoch, epochs)
