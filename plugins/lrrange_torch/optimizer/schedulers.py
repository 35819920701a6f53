"""The LR schedulers of an optimizer: find them, and move their base rates together with the optimizer's."""

import gc
import math
from collections.abc import Sequence
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lrrange.errors import OptionError
from lrrange_torch.optimizer.rates import GroupRates, base_rate, groups_of, set_rate

# Attributes in which torch's schedulers keep one rate per param group, and fields of param groups that hold a rate.
_SCHEDULER_RATES = ("base_lrs", "max_lrs", "_last_lr")
_GROUP_RATES = ("max_lr", "min_lr")


def attached_schedulers(optimizer: Optimizer) -> list[LRScheduler]:
    """Return every living scheduler that drives this optimizer.

    Torch keeps no list of them, so all objects that the garbage collector knows are searched.
    """
    return [
        candidate
        for candidate in gc.get_objects()
        if issubclass(type(candidate), LRScheduler) and getattr(candidate, "optimizer", None) is optimizer
    ]


def with_nested(schedulers: Sequence[Any]) -> list[Any]:
    """Return the schedulers and those that they are composed of, each once. None is left out."""
    distinct: list[Any] = []
    waiting = [scheduler for scheduler in schedulers if scheduler is not None]
    while waiting:
        scheduler = waiting.pop()
        if not any(scheduler is known for known in distinct):
            distinct.append(scheduler)
            waiting.extend(getattr(scheduler, "_schedulers", ()))
    return distinct


def apply_rate(optimizer: Optimizer, lr: float, scheduler: object | None = None) -> dict[str, float]:
    """Set `lr` in every group of `optimizer` (ratios kept), and as the base of its schedulers, which keep their shape.

    Args:
        optimizer: its first group with a rate gets `lr`.
        lr: the base rate from now on. Where a scheduler holds the present rate at a tenth of its base, in a warm-up for
            example, it stays at a tenth of the new one.
        scheduler: an attached scheduler. Living schedulers of this optimizer are found even if it is left out.
    Returns: the present rate of each group, by name.
    Raises: OptionError if `lr` is not a positive number, or the scheduler drives another optimizer.
    """
    if not 0 < lr < math.inf:
        raise OptionError(f"lr={lr!r} is not a positive, finite rate.", lr=lr)
    rates = GroupRates([optimizer])
    if scheduler is not None and getattr(scheduler, "optimizer", None) is not optimizer:
        raise OptionError(
            f"the scheduler given, a {type(scheduler).__name__}, drives another optimizer. Give the one made with "
            f"this {type(optimizer).__name__}.",
        )
    scheduled = any("initial_lr" in group for group in optimizer.param_groups)
    schedulers = with_nested([scheduler, *(attached_schedulers(optimizer) if scheduled else [])])
    factors = []
    for group, rate in zip(optimizer.param_groups, rates.wanted(lr), strict=True):
        before = base_rate(group)
        factors.append(rate / before if before > 0 else 1.0)
        set_rate(group, "lr", float(group["lr"]) * factors[-1] if "initial_lr" in group and before > 0 else rate)
        if "initial_lr" in group:
            set_rate(group, "initial_lr", rate)
        for key in _GROUP_RATES:
            if key in group:
                set_rate(group, key, float(group[key]) * factors[-1])
    for attached in schedulers:
        for name in _SCHEDULER_RATES:
            held = getattr(attached, name, None)
            if isinstance(held, list) and len(held) == len(factors):
                setattr(attached, name, [rate * factor for rate, factor in zip(held, factors, strict=True)])
    return {name: float(group["lr"]) for name, group in groups_of([optimizer])}
