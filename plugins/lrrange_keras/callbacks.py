"""The callbacks for `fit`: a range test before its first step, and the proof of a rate."""

from typing import Any

import keras

from lrrange import RangeTestResult, find_lr
from lrrange.errors import OptionError
from lrrange.protocol import check_steps
from lrrange.spelling import spell_checked
from lrrange_keras.verification import RateWatch


@spell_checked
class VerifyRate(RateWatch):
    """A callback that verifies in the first steps of a fit that it trains at a given learning rate.

    Args:
        lr: the rate, or the highest one of a schedule; or a result, for its `lr`.
        steps: optimizer steps to watch.

    Raises: inside `fit`, RateNotInForce: something else has set the rate, or the optimizer took no step.
    """

    def __init__(self, lr: float | RangeTestResult, steps: int = 20) -> None:
        if isinstance(lr, bool) or not isinstance(lr, (int, float, RangeTestResult)):
            raise OptionError(
                f"lr={lr!r} is neither a rate nor the result of a range test. Give a number, such as VerifyRate(1e-3).",
                lr=lr,
            )
        check_steps(steps)
        super().__init__(lr.lr if isinstance(lr, RangeTestResult) else float(lr), steps)


class LRRangeTest(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """A callback that runs a range test before the first step of a fit, and applies what it finds.

    The fit goes on as if there had been no sweep, but at the new rate. Keras does not tell a callback the data of its
    fit, so give them here, too.

    Args:
        x, y: as for `fit`; or `dataset=`, see `options`.
        apply: set the rate in the model's optimizer, and scale its schedule if it has one.
        verify_steps: optimizer steps over which to verify the applied rate; 0 for none.
        options: all others of `lrrange.find_lr(model, ...)`, such as `batch_size`, `num_steps`, `seed` or `confirm`.

    Attributes:
        result: of the last sweep; None before it.
        applied: what the last sweep has set, by name.

    Raises: inside `fit`, the reason if there is no rate to apply; before the first step, OptionError or TargetError for
        what cannot be swept; RateNotInForce if the fit does not train at the rate.
    """

    def __init__(
        self, x: Any = None, y: Any = None, *, apply: bool = True, verify_steps: int = 20, **options: Any
    ) -> None:
        super().__init__()
        if apply is not True and apply is not False:
            raise OptionError(f"apply={apply!r} is neither True nor False.")
        check_steps(verify_steps, "verify_steps", least=0)
        self.result: RangeTestResult | None = None
        self.applied: dict[str, float] = {}
        self._options = {**options, "x": x, "y": y}
        self._apply = apply
        self._verify_steps = verify_steps
        self._watch: RateWatch | None = None

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """Sweep, apply the rate, and begin to verify it."""
        model = self.model
        self._watch = None
        self.result = find_lr(model, **self._options)
        if not self._apply:
            return
        self.applied = dict(self.result.apply(model))
        if self._verify_steps:
            self._watch = RateWatch(self.result.lr, self._verify_steps)
            self._watch.set_model(model)
            self._watch.on_train_begin()

    def on_train_batch_begin(self, *_: Any, **__: Any) -> None:
        """Check the rate before the step."""
        if self._watch is not None:
            self._watch.on_train_batch_begin()

    def on_train_batch_end(self, *_: Any, **__: Any) -> None:
        """Check the rate after the step."""
        if self._watch is not None:
            self._watch.on_train_batch_end()

    def on_train_end(self, *_: Any, **__: Any) -> None:
        """Raise RateNotInForce if no step was seen."""
        if self._watch is not None:
            self._watch.on_train_end()
