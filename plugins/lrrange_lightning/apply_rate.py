"""Set the suggested rate wherever a Lightning training keeps its rate: optimizers, schedulers and the module."""

from collections.abc import Sequence
from typing import Any

from lrrange_torch.optimizer import GroupRates, apply_rate, base_rate, groups_of, same_rate
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lrrange import NoSuggestion, RangeTestResult
from lrrange.cyclical import Cycle, OneCycle
from lrrange.errors import OptionError, RateNotInForce, TargetError
from lrrange_lightning.rate_sources import RateSource, find_rate_sources, nominal_rate


def rate_to_apply(result: RangeTestResult, trainer: Any, swept: Sequence[Optimizer]) -> float:
    """Return the base rate that the swept optimizers should get.

    It is the suggested rate, unless a cyclical schedule climbs from the base rate. Then the peak of the cycle becomes
    the top of the suggested range, and the base rate follows from the peak.
    Raises: the reason, a `NoSuggestion`, if there is no rate.
    """
    suggested = result.lr
    ratios = [_peak_over_base(trainer, optimizer) for optimizer in swept]
    peak_over_base = next((ratio for ratio in ratios if ratio is not None), None)
    if peak_over_base is None:
        return suggested
    try:
        return result.range.max_lr / peak_over_base
    except NoSuggestion:
        return suggested / peak_over_base


def _peak_over_base(trainer: Any, optimizer: Optimizer) -> float | None:
    """Return the peak of the optimizer's cyclical scheduler over its base rate; None if it has no such scheduler."""
    index, group = next(
        ((index, group) for index, group in enumerate(optimizer.param_groups) if base_rate(group) > 0), (0, {})
    )
    if "max_lr" in group:
        return nominal_rate(group) / base_rate(group)
    for scheduler in (config.scheduler for config in trainer.lr_scheduler_configs):
        if scheduler.optimizer is optimizer and group:
            # A scheduler of any class may follow a cycle of lrrange's, or keep peaks as torch's CyclicLR does.
            if isinstance(cycle := getattr(scheduler, "schedule", None), (Cycle, OneCycle)):
                return cycle.max_lr / cycle.lr_at(0)
            if hasattr(scheduler, "max_lrs"):
                return float(scheduler.max_lrs[index]) / base_rate(group)
    return None


def apply_to_fit(
    trainer: Any, swept: Sequence[Optimizer], lr: float, sources: Sequence[RateSource]
) -> dict[str, float]:
    """Set `lr` in the optimizers, in their schedulers, and in the numbers that `configure_optimizers` reads.

    Args:
        trainer: of the fit.
        swept: the optimizers to set. One multiplier scales all their param groups.
        lr: the base rate of the first group whose rate is not 0.
        sources: of the rates of all param groups of the fit, in the order of `configure_optimizers`.
    Returns: the rates that were set, by name.
    """
    groups = dict(groups_of(trainer.optimizers))
    wanted = wanted_rates(swept, lr)
    targets = [_nominal_target(group, wanted.get(id(group))) for group in groups.values()]
    # First, because it raises if a scheduler would bring another rate back, and nothing is to be changed then.
    apply_rate(swept, lr, [scheduler for each in swept if (scheduler := foreign_scheduler(trainer, each)) is not None])
    # Where param groups were added since, it is not known which source belongs to which group.
    applied = _write(sources, targets) if len(groups) == len(sources) else {}
    return applied | {name: float(group["lr"]) for name, group in groups.items() if id(group) in wanted}


def _nominal_target(group: dict[str, Any], wanted: float | None) -> float | None:
    """Return the nominal rate that gives the group its wanted base rate; None if the group is to keep its rate."""
    base, nominal = base_rate(group), nominal_rate(group)
    if wanted is None or base <= 0:
        return None
    return wanted if nominal == base else wanted * nominal / base


def apply_to_module(module: Any, lr: float, scheduler: object | None) -> dict[str, float]:
    """Write `lr` to the number from which the module's `configure_optimizers` reads the rate of its first param group.

    The rates of other groups that are read from other numbers change in proportion.
    Returns: the numbers that were written, by name.
    Raises: RateNotInForce if `configure_optimizers` reads no number; TargetError if it cannot be called before a fit.
    """
    if scheduler is not None:
        raise OptionError("a LightningModule makes its schedulers in configure_optimizers. Leave scheduler= out.")
    try:
        sources = find_rate_sources(module, [])
    except Exception as error:
        raise TargetError(
            f"configure_optimizers of this {type(module).__name__} cannot be called before a fit ({error}). Put the "
            f"callback lrrange_lightning.LRRangeTest into the Trainer, which sets the rate inside the fit.",
        ) from error
    reference = next((source.rate for source in sources if source.rate > 0), 0.0)
    applied = _write(sources, [lr * (source.rate / reference) if reference else None for source in sources])
    if not applied:
        raise RateNotInForce(
            f"configure_optimizers of this {type(module).__name__} reads no number of the module that could be set: "
            f"its rate stays {reference:g}, whatever the module's attributes are. Have it read self.lr, or put the "
            f"callback lrrange_lightning.LRRangeTest into the Trainer, which sets the optimizer's rate itself.",
            wanted=lr,
            actual=reference,
        )
    return applied


def _write(sources: Sequence[RateSource], targets: Sequence[float | None]) -> dict[str, float]:
    """Scale each number so that the groups that read it get their target rates.

    A number stays if these groups do not all need the same factor.
    Args:
        sources, targets: one of each per param group. A target of None keeps the group's rate.
    Returns: the numbers that were written, by name.
    """
    factors = [
        target / source.rate if target is not None and source.rate > 0 else None
        for source, target in zip(sources, targets, strict=True)
    ]
    applied: dict[str, float] = {}
    for source, target, factor in zip(sources, targets, factors, strict=True):
        number = source.number
        if number is None or number.name in applied or target is None or factor is None:
            continue
        needed = [other for reader, other in zip(sources, factors, strict=True) if reader.number is number]
        if all(other is not None and same_rate(other, factor) for other in needed):
            # A number that equals the rate gets the target itself: a product would differ by its rounding.
            number.write(target if number.value == source.rate else number.value * factor)
            applied[number.name] = number.value
    return applied


def wanted_rates(swept: Sequence[Optimizer], lr: float) -> dict[int, float]:
    """Return the base rate of each param group, by its id, when the first group whose rate is not 0 is at `lr`."""
    rates = GroupRates(swept).wanted_bases(lr)
    return dict(zip((id(group) for _, group in groups_of(swept)), rates, strict=True))


def first_wanted(optimizer: Optimizer, wanted: dict[int, float]) -> float:
    """Return the first rate that is not 0 among the optimizer's groups, from which their ratios give the others."""
    rates = [wanted[id(group)] for group in optimizer.param_groups]
    return next((rate for rate in rates if rate > 0), rates[0])


def foreign_scheduler(trainer: Any, optimizer: Optimizer) -> Any:
    """Return the optimizer's scheduler if it is not a torch `LRScheduler`; those are found without help."""
    for config in trainer.lr_scheduler_configs:
        if config.scheduler.optimizer is optimizer and not isinstance(config.scheduler, LRScheduler):
            return config.scheduler
    return None
