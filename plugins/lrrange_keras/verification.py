"""The proof that a fit trains at a rate: a callback that watches its first steps."""

import functools
import inspect
import math
from types import TracebackType
from typing import Any

import keras
from keras.optimizers.schedules import LearningRateSchedule

from lrrange.errors import RateNotInForce
from lrrange_keras.apply_rate import suggested_rate
from lrrange_keras.fit_driver import check_model
from lrrange_keras.rates import optimizers_in, updates_of


class RateWatch(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """A callback that watches the first steps of a fit, and raises from the one that uses another rate.

    Args:
        lr: the rate, or the highest one of a schedule. Of several optimizers it is that of the first.
        steps: optimizer steps to watch. Each waits for the device; after them there is no cost.

    Attributes:
        steps_seen: number of steps watched so far.
    """

    def __init__(self, lr: float, steps: int) -> None:
        super().__init__()
        self.steps_seen = 0
        self._lr = lr
        self._steps = steps
        self._batches = 0
        self._updates = 0
        self._closed = False

    @property
    def proved(self) -> bool:
        """Whether at least one step was seen. All that were seen have used the rate, or had raised."""
        return self.steps_seen > 0

    def close(self) -> None:
        """Stop watching."""
        self._closed = True

    def check(self) -> None:
        """Stop watching. Raises: RateNotInForce unless at least one step was seen."""
        self.close()
        if self.proved:
            return
        did = f"took no step in {self._batches} batches" if self._batches else "was in no fit while it was watched"
        raise RateNotInForce(
            f"the optimizer that the model is compiled with {did}, so the rate {self._lr:.6g} had no effect. Does the "
            f"model train by another optimizer, in a train_step of its own? Apply the rate to that one: "
            f"result.apply(optimizer).",
            wanted=self._lr,
            steps_seen=0,
        )

    def __enter__(self) -> "RateWatch":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
        if error is None:
            self.check()

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """Have a schedule read as it is now, and not as it was when the training function was compiled."""
        model = self.model
        if not self._closed and isinstance(self._rate_of(model), LearningRateSchedule):
            model.make_train_function(force=True)

    def on_train_batch_begin(self, *_: Any, **__: Any) -> None:
        """Check the rate before the step."""
        if not self._closed:
            model = self.model
            self._updates = updates_of(model.optimizer)
            self._check_rate(model)

    def on_train_batch_end(self, *_: Any, **__: Any) -> None:
        """Check the rate after the step, and count the steps that the optimizer has taken."""
        if self._closed:
            return
        model = self.model
        self._batches += 1
        self._check_rate(model)
        self.steps_seen += updates_of(model.optimizer) - self._updates
        if self.steps_seen >= self._steps:
            self.close()

    def on_train_end(self, *_: Any, **__: Any) -> None:
        """Raise RateNotInForce if the fit has ended and no step was seen."""
        if not self._closed and not self.proved:
            self.check()

    def _rate_of(self, model: Any) -> Any:
        return optimizers_in(model.optimizer)[0]._learning_rate

    def _check_rate(self, model: Any) -> None:
        rate = self._rate_of(model)
        kind = type(model.optimizer).__name__
        actual: float | None
        if not isinstance(rate, LearningRateSchedule):
            actual, name = float(optimizers_in(model.optimizer)[0].learning_rate), f"{kind} trains"
            cause = "A callback such as LearningRateScheduler, or a train_step of the model's own, sets it in the fit"
        else:
            actual, name = (
                suggested_rate(rate, self._lr),
                f"{kind} follows a {type(rate).__name__}, whose highest rate is",
            )
            cause = "The model was compiled again, or has been given another schedule since"
        if actual is None:
            raise RateNotInForce(
                f"{kind} follows the schedule {type(rate).__name__}, which is none of Keras's, so whether it trains at "
                f"{self._lr:.6g} cannot be seen. Compare the rate that it gives for your steps yourself.",
                wanted=self._lr,
                actual=None,
                scheduler=type(rate).__name__,
            )
        if not math.isclose(actual, self._lr, rel_tol=1e-6):
            raise RateNotInForce(
                f"{name} at lr={actual:.6g}, not at the {self._lr:.6g} it was given. {cause}, or result.apply(model) "
                f"was not called.",
                wanted=self._lr,
                actual=actual,
                steps_seen=self.steps_seen,
            )


def watch_fit(model: Any, lr: float, steps: int) -> RateWatch:
    """Return a watch over the next fits of a model: until it has seen its steps, it is a callback of each."""
    check_model(model)
    watch = _OwnWatch(lr, steps, model)
    plain_fit = model.fit
    signature = inspect.signature(plain_fit)

    @functools.wraps(plain_fit)
    def fit(*args: Any, **options: Any) -> Any:
        bound = signature.bind(*args, **options)
        given = bound.arguments.get("callbacks")
        if isinstance(given, keras.callbacks.CallbackList):
            # A new one, because a list decides when it is made whether its callbacks are called from a thread.
            bound.arguments["callbacks"] = keras.callbacks.CallbackList(
                [*given.callbacks, watch], model=model, **(given.params or {})
            )
        else:
            bound.arguments["callbacks"] = [*_listed(given), watch]
        return plain_fit(*bound.args, **bound.kwargs)

    model.__dict__["fit"] = fit  # as an attribute that Keras would track, it would be part of the model
    return watch


class _OwnWatch(RateWatch):
    """A watch that has put itself into the fits of a model, and leaves them when it ends."""

    def __init__(self, lr: float, steps: int, model: Any) -> None:
        super().__init__(lr, steps)
        self._watched = model

    def close(self) -> None:
        """Stop watching, and give the model its own `fit` back."""
        super().close()
        self._watched.__dict__.pop("fit", None)


def _listed(callbacks: Any) -> list[Any]:
    if callbacks is None:
        return []
    return list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks]
