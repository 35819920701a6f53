"""Setting the answer in every place where a Lightning training keeps its rate."""

from collections.abc import Sequence
from typing import Any

from lrrange_torch.optimizer import GroupRates, apply_rate, base_rate, groups_of, same_rate
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lrrange import NoSuggestion, RangeTestResult
from lrrange.cyclical import Cycle, OneCycle
from lrrange.errors import OptionError, RateNotInForce, TargetError
from lrrange_lightning.rate_sources import Source, nominal_rate, sources


def rate_to_apply(result: RangeTestResult, trainer: Any, swept: Sequence[Optimizer]) -> float:
    """The base rate that the optimizers should get: the suggested one, unless a schedule goes up from its base.

    The suggested rate is for training at. Under a cycle, whose base is where it starts, the peak becomes the top of
    the suggested range, and the base follows.
    """
    peaks = [_peak_over_base(trainer, one) for one in swept]
    peak = next((ratio for ratio in peaks if ratio is not None), None)
    if peak is None:
        return result.lr
    try:
        return result.range.max_lr / peak
    except NoSuggestion:
        return result.lr / peak


def _peak_over_base(trainer: Any, optimizer: Optimizer) -> float | None:
    """How far a cyclical scheduler takes the optimizer's rate up, as a ratio; None if it has no such scheduler."""
    index, group = next((found for found in enumerate(optimizer.param_groups) if base_rate(found[1]) > 0), (0, {}))
    if "max_lr" in group:
        return nominal_rate(group) / base_rate(group)
    for scheduler in (config.scheduler for config in trainer.lr_scheduler_configs):
        if scheduler.optimizer is optimizer and group:
            if isinstance(cycle := getattr(scheduler, "schedule", None), (Cycle, OneCycle)):
                return cycle.max_lr / cycle.lr_at(0)
            if hasattr(scheduler, "max_lrs"):
                return float(scheduler.max_lrs[index]) / base_rate(group)
    return None


def apply_to_fit(trainer: Any, swept: Sequence[Optimizer], lr: float, found: Sequence[Source]) -> dict[str, float]:
    """Set `lr` in the optimizers, their schedulers, and the places that `configure_optimizers` reads.

    Args:
        trainer: of the fit.
        swept: the optimizers whose rate it is; one multiplier over all their groups.
        lr: the base rate of the first group that has one.
        found: where the rate of each group of all the fit's optimizers comes from.
    Returns: what was set, by name.
    """
    groups = dict(groups_of(trainer.optimizers))
    wanted = wanted_rates(swept, lr)
    targets = [_nominal(group, wanted.get(id(group))) for group in groups.values()]
    # Where groups were added since, which is which cannot be told.
    applied = _write(found, targets) if len(groups) == len(found) else {}
    for one in swept:
        apply_rate(one, first_wanted(one, wanted), foreign_scheduler(trainer, one))
    return applied | {name: float(group["lr"]) for name, group in groups.items() if id(group) in wanted}


def _nominal(group: dict[str, Any], wanted: float | None) -> float | None:
    """The group's nominal rate once its base rate is the one wanted; None if it is to stay."""
    base, nominal = base_rate(group), nominal_rate(group)
    if wanted is None or base <= 0:
        return None
    return wanted if nominal == base else wanted * nominal / base


def apply_to_module(module: Any, lr: float, scheduler: object | None) -> dict[str, float]:
    """Write `lr` to the place from which the module's `configure_optimizers` reads the rate of its first param group.

    Rates of other groups that come from other places follow in proportion.
    Returns: what was written, by name.
    Raises: RateNotInForce if there is no such place; TargetError if `configure_optimizers` cannot be asked yet.
    """
    if scheduler is not None:
        raise OptionError("a LightningModule makes its schedulers in configure_optimizers. Leave scheduler= out.")
    try:
        found = sources(module, [])
    except Exception as error:
        raise TargetError(
            f"configure_optimizers of this {type(module).__name__} cannot be asked before a fit ({error}). Put the "
            f"callback lrrange_lightning.LRRangeTest into the Trainer, which sets the rate inside the fit.",
        ) from error
    reference = next((source.rate for source in found if source.rate > 0), 0.0)
    applied = _write(found, [lr * (source.rate / reference) if reference else None for source in found])
    if not applied:
        raise RateNotInForce(
            f"configure_optimizers of this {type(module).__name__} reads no number of the module's that could be set: "
            f"whatever is written, its rate stays {reference:g}. Have it read self.lr, or put the callback "
            f"lrrange_lightning.LRRangeTest into the Trainer, which sets the optimizer's rate itself.",
            wanted=lr,
            actual=reference,
        )
    return applied


def _write(found: Sequence[Source], targets: Sequence[float | None]) -> dict[str, float]:
    """Bring each place to what gives its groups their target rates, if they all want it moved by one factor."""
    factors = [
        target / source.rate if target is not None and source.rate > 0 else None
        for source, target in zip(found, targets, strict=True)
    ]
    applied: dict[str, float] = {}
    for source, target, factor in zip(found, targets, factors, strict=True):
        place = source.place
        if place is None or place.name in applied or target is None or factor is None:
            continue
        asked = [other for one, other in zip(found, factors, strict=True) if one.place is place]
        if all(other is not None and same_rate(other, factor) for other in asked):
            # The number itself where the place holds the very rate: a product would be off by its rounding.
            place.write(target if place.value == source.rate else place.value * factor)
            applied[place.name] = place.value
    return applied


def wanted_rates(swept: Sequence[Optimizer], lr: float) -> dict[int, float]:
    """The base rate of each param group, by its id, if the reference group's is `lr`."""
    rates = GroupRates(swept).wanted(lr)
    return dict(zip((id(group) for _, group in groups_of(swept)), rates, strict=True))


def first_wanted(optimizer: Optimizer, wanted: dict[int, float]) -> float:
    """The rate of the optimizer's first group that has one: what sets or checks all of its groups by their ratios."""
    rates = [wanted[id(group)] for group in optimizer.param_groups]
    return next((rate for rate in rates if rate > 0), rates[0])


def foreign_scheduler(trainer: Any, optimizer: Optimizer) -> Any:
    """The optimizer's scheduler if it is of a class that torch does not know; torch's own are found without."""
    for config in trainer.lr_scheduler_configs:
        if config.scheduler.optimizer is optimizer and not isinstance(config.scheduler, LRScheduler):
            return config.scheduler
    return None
