"""Set a rate so that it stays: in the param groups, and in whatever their schedulers compute the next rates from."""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

from torch.optim import Optimizer

from lrrange.errors import OptionError, RateNotInForce
from lrrange_torch.accelerate import unwrap
from lrrange_torch.optimizer.argument import check_scheduler
from lrrange_torch.optimizer.rates import GroupRates, base_rate, groups_of, set_rate
from lrrange_torch.same_rate import same_rate
from lrrange_torch.scheduler import (
    Deviation,
    Forecast,
    NoForecast,
    RateSlot,
    attached_schedulers,
    drives,
    holds_optimizer,
    slots_of,
)
from lrrange_torch.wrappers import inner_optimizer


def apply_rate(
    optimizer: Optimizer | Sequence[Optimizer], lr: float, scheduler: object | Sequence[object] | None = None
) -> dict[str, float]:
    """Set `lr` in every group of `optimizer` (ratios kept), and scale its schedulers with it, which keep their shape.

    What the schedulers will set is found out by stepping copies of them, with and without the new rate. All rates to
    come must change by the same factor, so absolute floors and targets (`eta_min`, `max_lr`) are scaled too.

    Args:
        optimizer: its first group with a rate gets `lr`. Of several optimizers, the first one's does, and the others
            keep their ratios to it.
        lr: the base rate from now on. Where a scheduler holds the present rate at a tenth of its base, in a warm-up for
            example, it stays at a tenth of the new one.
        scheduler: an attached scheduler, or several. Those of torch, timm and transformers are found if they are left
            out.
    Returns: the present rate of each group, by name.
    Raises: OptionError if `lr` is not a positive number, or the scheduler drives another optimizer; RateNotInForce if a
        scheduler would bring back rates that do not follow from `lr`. Nothing is changed then.
    """
    check_scheduler(scheduler)
    if not 0 < lr < math.inf:
        raise OptionError(f"lr={lr!r} is not a positive, finite rate.", lr=lr)
    given = [optimizer] if isinstance(optimizer, Optimizer) else list(optimizer)
    optimizers = [inner_optimizer(each) for each in given]
    rates = GroupRates(optimizers)
    named = scheduler if isinstance(scheduler, (list, tuple)) else [scheduler]
    schedulers = [unwrap(each) for each in named if each is not None]
    for each in schedulers:
        if not hasattr(each, "__dict__"):
            raise OptionError(
                f"the scheduler given, a {type(each).__name__}, has no attributes that can be followed. Make its "
                f"class without __slots__, or make it after result.apply(optimizer).",
            )
        if any(drives(each, driven) for driven in optimizers):
            continue
        if holds_optimizer(each):
            raise OptionError(
                f"the scheduler given, a {type(each).__name__}, drives another optimizer. Give the one made with "
                f"this {type(optimizers[0]).__name__}.",
            )
        if len(optimizers) > 1:
            raise OptionError(
                f"the scheduler given, a {type(each).__name__}, holds no optimizer in its attributes, so it is not "
                f"known which of these {len(optimizers)} it drives. Keep its optimizer in an attribute.",
            )
    bases = iter(rates.wanted_bases(lr))
    writes = []
    slots: dict[tuple[int, Any], RateSlot] = {}
    factor = lr / rates.reference if rates.reference is not None else 1.0
    for each in optimizers:
        driving = [own for own in schedulers if drives(own, each) or not holds_optimizer(own)]
        driving += [found for found in attached_schedulers(each) if not any(found is own for own in driving)]
        write = partial(_write, bases=[next(bases) for _ in each.param_groups], part=1.0)
        scaled = _slots_to_scale(each, driving, write, factor, rates.reference is None)
        part = _part_of_base(each, scaled) if driving and len(optimizers) == 1 else 1.0
        if part != 1.0:
            factor *= part
            write = partial(write, part=part)
            scaled = _slots_to_scale(each, driving, write, factor, all_zero=False)
        writes.append(write)
        slots |= {(id(slot.holder), slot.key): slot for slot in scaled}
    for each, write in zip(optimizers, writes, strict=True):
        write(each)
    for slot in slots.values():
        slot.scale(factor)
    return {name: float(group["lr"]) for name, group in groups_of(optimizers)}


def _part_of_base(optimizer: Optimizer, rates: list[RateSlot]) -> float:
    """Return which part of the base rate the present one is, where param groups have no `initial_lr` to say so.

    A scheduler that is no `LRScheduler` sets none. If one of its rates is the one that the optimizer was made with,
    that is the base rate.
    """
    group = next((group for group in optimizer.param_groups if float(group["lr"]) > 0), None)
    made_with = optimizer.defaults.get("lr")
    if group is None or "initial_lr" in group or not isinstance(made_with, (int, float)) or not made_with > 0:
        return 1.0
    held = [slot.first for slot in rates if slot.name != "_last_lr"]
    return float(group["lr"]) / made_with if any(same_rate(made_with, rate) for rate in held) else 1.0


def _slots_to_scale(
    optimizer: Optimizer, schedulers: list[Any], write: partial[None], factor: float, all_zero: bool
) -> list[RateSlot]:
    """Return what of the schedulers to scale. Raises: RateNotInForce if that does not make them follow the rate."""
    if not schedulers:  # there may have been one, or be one later
        return [slot for slot in slots_of(optimizer, []) if slot.is_named_after_a_rate]
    lr = next((base for base in write.keywords["bases"] if base > 0), 0.0)
    if all_zero:
        names = ", ".join(type(scheduler).__name__ for scheduler in schedulers)
        raise RateNotInForce(
            f"all rates of the {type(optimizer).__name__} are 0, and its {names} would set them to 0 again. Give the "
            f"param groups a rate before the scheduler is made.",
            wanted=lr,
            actual=0.0,
        )
    try:
        return Forecast(optimizer, schedulers).slots_to_scale(write, factor)
    except NoForecast as failure:
        name, _ = list(groups_of([optimizer]))[failure.deviation.group]
        raise _error(failure.deviation, name, lr) from failure.__cause__


def _write(optimizer: Optimizer, bases: Sequence[float], part: float) -> None:
    """Give each group its base rate, and the same part of it at present as before.

    Args:
        optimizer: or a copy of it.
        bases: the base rate of each group.
        part: which part of the base rate is the present one of groups that have no `initial_lr`.
    """
    for group, base in zip(optimizer.param_groups, bases, strict=True):
        before = base_rate(group)
        if "initial_lr" in group:
            set_rate(group, "lr", float(group["lr"]) * (base / before) if before > 0 else base)
            set_rate(group, "initial_lr", base)
        else:
            set_rate(group, "lr", base * part)
            if part != 1.0:
                group["initial_lr"] = base


def _error(deviation: Deviation, group: str, lr: float) -> RateNotInForce:
    scheduler = deviation.scheduler
    advice = (
        f"Nothing was changed. Make the scheduler after the rate is set: `del scheduler`, result.apply(optimizer), and "
        f"`scheduler = {scheduler}(optimizer, ...)` with rates that fit {lr:.6g}."
    )
    if deviation.reason is not None:
        return RateNotInForce(
            f"it is not known which rates the {scheduler} will set: {deviation.reason}. {advice}",
            wanted=lr,
            actual=None,
            scheduler=scheduler,
        )
    return RateNotInForce(
        f"lr={lr:.6g} would not stay in force: at its step {deviation.step} from now, the {scheduler} sets {group} to "
        f"{deviation.actual:.6g}. In proportion to the new rate it would be {deviation.wanted:.6g}. It takes that "
        f"rate from where it cannot be changed. {advice}",
        group=group,
        wanted=deviation.wanted,
        actual=deviation.actual,
        scheduler=scheduler,
        step=deviation.step,
    )
