"""Set the suggested rate in a Keras optimizer: its number, or the schedule that it follows, whose shape stays."""

from typing import Any
from weakref import WeakKeyDictionary

import keras
from keras.optimizers.schedules import LearningRateSchedule

from lrrange import RangeTestResult
from lrrange.errors import OptionError, RateNotInForce, TargetError
from lrrange_keras.rates import RATES, base_rate, optimizers_in, peak_of

# The rate of the result from which the rates of a schedule were derived.
_suggested: WeakKeyDictionary[Any, float] = WeakKeyDictionary()


def apply_rate(target: Any, lr: float, scheduler: object, result: RangeTestResult | None) -> dict[str, float]:
    """Set `lr` in a model's optimizer, or what `result` says for the schedule that it follows.

    Args:
        target: a compiled model, or an optimizer.
        lr: the rate.
        scheduler: must be None; Keras's schedules are in the optimizer.
        result: the range test that the rate is from, or None.
    Returns: what was set, by name. Several optimizers of a `MultiOptimizer` keep their proportions.
    Raises: TargetError for a model that is not compiled; RateNotInForce where writing would have no effect. Nothing is
        changed then.
    """
    if scheduler is not None:
        raise OptionError("a schedule of Keras is in the optimizer, and is found there. Leave scheduler= out.")
    model = target if isinstance(target, keras.Model) else None
    if model is not None and (not model.compiled or model.optimizer is None):
        raise TargetError(
            f"this {type(model).__name__} is not compiled, so it has no optimizer. Write model.compile(optimizer, "
            f"loss) first, or give the rate to the optimizer: result.apply(optimizer).",
        )
    optimizers = optimizers_in(target if model is None else model.optimizer)
    for optimizer in optimizers:
        _check_takes_rate(optimizer, lr, model)
    bases = [base_rate(each) for each in optimizers]
    schedules = [each._learning_rate for each in optimizers]
    rates = [_rate_for(schedule, lr, result) * base / bases[0] for schedule, base in zip(schedules, bases, strict=True)]
    applied: dict[str, float] = {}
    for optimizer, rate, base in zip(optimizers, rates, bases, strict=True):
        name = f"{optimizer.name}." if len(optimizers) > 1 else ""
        applied |= {name + key: value for key, value in _set(optimizer, rate, rate / base, lr).items()}
    if model is not None and model.train_function is not None and not all(map(_is_variable, optimizers)):
        model.make_train_function(force=True)  # the compiled one has the old schedule in it
    return applied


def suggested_rate(schedule: Any, lr: float) -> float | None:
    """Return `lr` if the schedule was scaled for it, or the schedule's highest rate; None if that is not known."""
    return lr if _suggested.get(schedule) == lr else peak_of(schedule)


def _is_variable(optimizer: Any) -> bool:
    return isinstance(optimizer._learning_rate, keras.Variable)


def _rate_for(schedule: Any, lr: float, result: RangeTestResult | None) -> float:
    if result is None or not isinstance(schedule, LearningRateSchedule):
        return lr
    return result.lr_for(schedule).lr


def _check_takes_rate(optimizer: Any, lr: float, model: Any) -> None:
    """Raise RateNotInForce for an optimizer in which a rate cannot be written, or would not be read."""
    kind, rate = type(optimizer).__name__, optimizer._learning_rate
    if isinstance(rate, keras.Variable):
        return
    if not isinstance(rate, LearningRateSchedule):
        raise RateNotInForce(
            f"{kind} takes its rate from the function that it was given as learning_rate=, so writing one has no "
            f"effect. Have that function return {lr:.3g}, or give a number: {kind}(learning_rate={lr:.3g}).",
            wanted=lr,
        )
    if peak_of(rate) is None:
        raise RateNotInForce(
            f"{kind} takes its rate from the schedule {type(rate).__name__}, which is none of Keras's: which of its "
            f"numbers are rates is not known. Make it again for the new rate, and write "
            f"model.optimizer.learning_rate = {type(rate).__name__}(...), then model.make_train_function(force=True).",
            wanted=lr,
            scheduler=type(rate).__name__,
        )
    if model is None:
        raise RateNotInForce(
            f"{kind} follows the schedule {type(rate).__name__}, and the training function that a model has compiled "
            f"may have it in it: writing to the optimizer has no effect then. Give the model: result.apply(model).",
            wanted=lr,
            scheduler=type(rate).__name__,
        )


def _set(optimizer: Any, rate: float, factor: float, suggested: float) -> dict[str, float]:
    """Set the rate of one optimizer, or multiply all rates of its schedule by `factor`. Return what was set."""
    schedule = optimizer._learning_rate
    if isinstance(schedule, LearningRateSchedule):
        config = schedule.get_config()
        for name in RATES:
            if isinstance(config.get(name), (list, tuple)):
                config[name] = [float(value) * factor for value in config[name]]
            elif config.get(name) is not None:
                config[name] = float(config[name]) * factor
        optimizer.learning_rate = type(schedule).from_config(config)
        _suggested[optimizer._learning_rate] = suggested
        return {name: max(config[name]) if name == "values" else config[name] for name in RATES if config.get(name)}
    before = float(optimizer.learning_rate)
    optimizer.learning_rate = rate
    if abs(float(optimizer.learning_rate) - rate) > 1e-6 * rate:
        found = float(optimizer.learning_rate)
        optimizer.learning_rate = before
        kind = type(optimizer).__name__
        raise RateNotInForce(
            f"{rate:.6g} was written to learning_rate of {kind}, and {found:.6g} is read there: {kind} has a "
            f"learning_rate of its own. Set the rate where that takes it from.",
            wanted=rate,
            actual=found,
        )
    return {"learning_rate": rate}
