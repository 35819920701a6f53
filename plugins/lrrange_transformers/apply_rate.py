"""Set a rate where the `train()` of a Trainer reads it, and find out where that is."""

from collections.abc import Mapping, MutableMapping
from typing import Any

import attrs
from lrrange_torch.optimizer import apply_rate, base_rate, same_rate, unwrap
from torch.optim import Optimizer

from lrrange import RangeTestResult
from lrrange.errors import OptionError, RateNotInForce
from lrrange_transformers.limits import check_model_is_whole
from lrrange_transformers.train_start import at_start_of_train, maker_of_optimizer

# The parts of a number in which `train()` is begun, to see which rates follow it.
_PARTS = (1.0, 0.5)

# Steps of a training. A warm-up may be given as a part of them, and all that matters here is whether there is one.
_ANY_LENGTH = 10_000


@attrs.frozen(eq=False)
class RateNumber:
    """A number from which a Trainer may make the rates of its optimizer.

    Args:
        name: as the user would write it.
        holder, key: the mapping that contains it, and its key.
    """

    name: str
    holder: MutableMapping[str, Any] = attrs.field(repr=False)
    key: str

    def read(self) -> float:
        """Return the number as it is now."""
        return float(self.holder[self.key])

    def write(self, value: float) -> None:
        """Replace the number."""
        self.holder[self.key] = value


def rate_for_schedule(result: RangeTestResult, trainer_args: Any, own_scheduler: object | None) -> tuple[float, str]:
    """Return the rate of a result that fits the schedule of a Trainer, and why.

    Args:
        result: of a range test.
        trainer_args: its `lr_scheduler_type` is the schedule that the Trainer makes.
        own_scheduler: the one that the user gave in its place; None if there is none.
    Raises: the `NoSuggestion` with the reason, if there is no rate.
    """
    kind = trainer_args.lr_scheduler_type
    try:
        if own_scheduler is None:
            climbs = trainer_args.get_warmup_steps(_ANY_LENGTH) > 0
            scheduled = result.lr_for(getattr(kind, "value", kind), warmup=climbs)
        else:
            scheduled = result.lr_for(own_scheduler)
    except OptionError as unknown:
        if own_scheduler is None:
            raise
        return result.lr, f"{type(own_scheduler).__name__}: result.lr, as {unknown}"
    return scheduled.lr, scheduled.reason


def own_scheduler_of(trainer: Any) -> object | None:
    """Return the scheduler that the user gave to the Trainer; None if the Trainer makes it."""
    return None if trainer._created_lr_scheduler else trainer.lr_scheduler


def apply_to_trainer(
    trainer: Any, lr: float, scheduler: object | None, result: RangeTestResult | None
) -> Mapping[str, Any]:
    """Set the rate that the next `train()` begins with: in the optimizer that it takes, or in what it makes one from.

    To see which it is, `train()` is begun up to its first step, and everything is put back.

    Args:
        trainer: before `train()`, or inside of it.
        lr: the base rate of the first param group that has one; the others keep their ratios to it.
        scheduler: must be None, because the Trainer has it.
        result: the rate that fits the Trainer's schedule is taken from it, in place of `lr`; None for a rate that the
            user gave.
    Returns: what was set, by name; and under `"schedule"`, which rate of the result it is, and why.
    Raises: RateNotInForce with the name of the place that the rate is read from, if that cannot be set. Nothing is
        changed then.
    """
    if scheduler is not None:
        raise OptionError("a Trainer has its scheduler, or makes it in train(). Leave scheduler= out.")
    check_model_is_whole(trainer)
    present = None if trainer.optimizer is None else unwrap(trainer.optimizer, scaler="the Trainer's")

    def read(optimizer: Any, _: Any) -> tuple[Optimizer, float, object | None]:
        return optimizer, _first_rate(optimizer), own_scheduler_of(trainer)

    in_train = present is not None and trainer.is_in_train
    taken, before, own_scheduler = read(present, None) if in_train else at_start_of_train(trainer, read)
    why = {}
    if result is not None:
        lr, reason = rate_for_schedule(result, trainer.args, own_scheduler)
        why = {"schedule": reason}
    if taken is present:
        return _apply_to_optimizer(trainer, present, lr) | why
    for number in _numbers(trainer):
        factor = _factor(trainer, number)
        if factor is not None:
            number.write(lr / factor)
            return {number.name: number.read()} | why
    place = maker_of_optimizer(trainer) or "its arguments"
    raise RateNotInForce(
        f"train() would begin at lr={before:.6g}, not at {lr:.6g}: it takes its rates from {place}, and they do not "
        f"follow args.learning_rate. Nothing was changed. Set the rate there, or have it read args.learning_rate for "
        f"all param groups. The callback lrrange_transformers.LRRangeTest sets it in the optimizer that train() makes.",
        wanted=lr,
        actual=before,
        read=(place,),
    )


def _apply_to_optimizer(trainer: Any, optimizer: Optimizer, lr: float) -> dict[str, Any]:
    was_made_from_args = same_rate(_first_rate(optimizer), trainer.args.learning_rate)
    applied: dict[str, Any] = {
        f"trainer.optimizer, {name}": rate
        for name, rate in apply_rate(optimizer, lr, unwrap(trainer.lr_scheduler)).items()
    }
    if was_made_from_args:  # where trackers read it, and the next optimizer
        trainer.args.learning_rate = lr
        applied["args.learning_rate"] = lr
    return applied


def _first_rate(optimizer: Optimizer) -> float:
    return next((rate for rate in map(base_rate, optimizer.param_groups) if rate > 0), 0.0)


def _numbers(trainer: Any) -> list[RateNumber]:
    numbers = [RateNumber("args.learning_rate", vars(trainer.args), "learning_rate")]
    given = trainer.optimizer_cls_and_kwargs
    if given is not None and isinstance(given[1].get("lr"), (int, float)):
        numbers.append(RateNumber('optimizer_cls_and_kwargs[1]["lr"]', given[1], "lr"))
    return numbers


def _factor(trainer: Any, number: RateNumber) -> float | None:
    """Return the rate of the first param group divided by the number; None if not all rates follow the number."""
    before = number.holder[number.key]
    unit = number.read() or 1e-3
    made = []
    try:
        for part in _PARTS:
            number.write(part * unit)
            made.append(at_start_of_train(trainer, lambda optimizer, _: list(map(base_rate, optimizer.param_groups))))
    finally:
        number.holder[number.key] = before
    first, second = made
    follow = len(first) == len(second) and all(map(same_rate, [rate * _PARTS[1] for rate in first], second))
    rate = next((rate for rate in first if rate > 0), 0.0)
    return rate / unit if follow and rate > 0 else None
