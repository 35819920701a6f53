"""Where a Keras model keeps its learning rate: a variable of its optimizer, a schedule, or several of these."""

from collections.abc import Iterator
from typing import Any

import keras
from keras.optimizers import Optimizer
from keras.optimizers.schedules import LearningRateSchedule

from lrrange.errors import TargetError

# The names that Keras's own schedules have for rates. The first two are where a schedule begins, and its peak.
PEAKS = ("warmup_target", "initial_learning_rate")
RATES = (*PEAKS, "end_learning_rate", "values")

# The kind of each class; a subclass is of the kind of its nearest base that is listed.
_KINDS = {
    "SGD": "sgd",
    **dict.fromkeys(("Adam", "AdamW", "Adamax", "Nadam", "Lamb", "ScheduleFreeAdamW"), "adam"),
    "RMSprop": "rmsprop",
    "Adagrad": "adagrad",
    "Adadelta": "adadelta",
    "Adafactor": "adafactor",
    "Lion": "sign",
    "Muon": "muon",
}


def optimizers_in(optimizer: Any) -> list[Any]:
    """Return the optimizers that have the rates: those of a `MultiOptimizer`, and the one in a `LossScaleOptimizer`.

    Raises: TargetError for a `MultiOptimizer` that does not know its optimizers yet.
    """
    kind = type(optimizer).__name__
    if kind == "LossScaleOptimizer":
        return optimizers_in(optimizer.inner_optimizer)
    if kind != "MultiOptimizer":
        return [optimizer]
    if not optimizer.optimizers:
        raise TargetError(
            "the MultiOptimizer chooses its optimizers by a function, and has not done so yet. Write "
            "model.optimizer.build(model.trainable_variables) first, or give it an OptimizerMap.",
        )
    return list(optimizer.optimizers)


def base_rate(optimizer: Any) -> float:
    """Return the rate of an optimizer, or of its schedule the rate from which it falls.

    Raises: TargetError for a schedule that is none of Keras's, if it is 0 at first.
    """
    schedule = optimizer._learning_rate
    peak = peak_of(schedule) if isinstance(schedule, LearningRateSchedule) else None
    rate = float(optimizer.learning_rate) if peak is None else peak
    if not rate > 0:
        raise TargetError(
            f"{type(optimizer).__name__} has learning_rate={rate:g}, and a sweep keeps proportions to it. Give it a "
            f"positive number: {type(optimizer).__name__}(learning_rate=1e-3).",
            lr=rate,
        )
    return rate


def peak_of(schedule: Any) -> float | None:
    """Return the highest rate of a schedule, from its config; None for one that is none of Keras's."""
    if not is_of_keras(schedule):
        return None
    config = schedule.get_config()
    if "values" in config:
        return max(map(float, config["values"]))
    return next(float(config[name]) for name in PEAKS if config.get(name) is not None)


def is_of_keras(schedule: object) -> bool:
    """Return whether a schedule is one of Keras's own, and not a user's."""
    return vars(keras.optimizers.schedules).get(type(schedule).__name__) is type(schedule)


class SweptRates:
    """The rates of a model's optimizers during a sweep, which keep their proportions.

    A schedule, or a function that gives the rate, is replaced until the state of the model is put back.

    Args:
        model: a compiled model.
    """

    def __init__(self, model: Any) -> None:
        optimizers = optimizers_in(model.optimizer)
        bases = [base_rate(each) for each in optimizers]
        self._rates = [(_rate_variable(each), base / bases[0]) for each, base in zip(optimizers, bases, strict=True)]
        if any(not isinstance(each._learning_rate, keras.Variable) for each in optimizers):
            model.train_function = None  # a compiled one has the schedule in it

    def set(self, lr: float) -> None:
        """Train the next batches at `lr`."""
        for variable, ratio in self._rates:
            variable.assign(lr * ratio)


def _rate_variable(optimizer: Any) -> Any:
    """Return the variable from which an optimizer reads its rate, and have it read one."""
    rate = optimizer._learning_rate
    if isinstance(rate, keras.Variable):
        return rate
    variable = keras.Variable(0.0, dtype=keras.config.floatx(), trainable=False, name="swept_learning_rate")
    optimizer._track_variable(variable)  # or JAX would compile its value into the step
    # A function, as Adafactor trains at lower rates where it is given a number in place of a schedule.
    optimizer.__dict__["_learning_rate"] = lambda: variable
    return variable


def accumulated(optimizer: Any) -> int:
    """Return over how many batches the optimizer accumulates gradients for one step."""
    return max(int(each.gradient_accumulation_steps or 1) for each in optimizers_in(optimizer))


def updates_of(optimizer: Any) -> int:
    """Return how many steps the optimizer has taken."""
    return max(int(each.iterations) for each in optimizers_in(optimizer))


def facts_of(optimizer: Optimizer) -> Iterator[tuple[str, Any]]:
    """Yield what is known of a training from its optimizer, for `facts()` of a backend."""
    main = optimizers_in(optimizer)[0]
    kind = next((_KINDS[cls.__name__] for cls in type(main).__mro__ if cls.__name__ in _KINDS), None)
    yield "steps_taken", updates_of(optimizer)
    if kind is not None:
        yield "optimizer", kind
        momentum = getattr(main, "momentum", getattr(main, "beta_1", None))
        if isinstance(momentum, (int, float)):
            yield "momentum", float(momentum)
        yield "weight_decay", float(main.weight_decay or 0.0)


def bounds_of(optimizer: Optimizer) -> dict[str, float]:
    """Return the bounds of a sweep if an optimizer needs others than most. See `SuggestsBounds`."""
    main = optimizers_in(optimizer)[0]
    if type(main).__name__ == "Adafactor" and main.relative_step and isinstance(main._learning_rate, keras.Variable):
        return {"highest_lr": (updates_of(optimizer) + 1) ** -0.5}  # it trains at 1 / sqrt(step) where that is lower
    return {"end_lr": 1e3} if type(main).__name__ == "Adadelta" else {}
