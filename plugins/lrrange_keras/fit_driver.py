"""A range test by `model.fit` itself: a callback sets the rate before each step and reads the loss after it."""

import gc
import inspect
import sys
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import keras

from lrrange.errors import OptionError, TargetError
from lrrange.protocol import LoopDriver
from lrrange.sweep import PlannedSteps, StopReason
from lrrange_keras.kept_state import KeptState
from lrrange_keras.rates import SweptRates, accumulated, bounds_of, facts_of, updates_of
from lrrange_keras.training_data import TrainingData, unpacked

_COMPILE = 'model.compile(optimizer="adam", loss="mse")'


class FitDriver(LoopDriver):
    """The steps that `model.fit` takes: with its data, its order of batches, and a `train_step` of the model's own.

    Args:
        model: a compiled `keras.Model`, built or not, trained or not.
        x, y, sample_weight: as for `fit`: arrays with one sample per row, or structures of them.
        dataset: in place of these, what else `fit` takes as `x`: a `PyDataset`, a `tf.data.Dataset`, a `DataLoader` of
            torch; or a function that makes a generator of batches, because a generator gives its batches only once.
        batch_size, shuffle, class_weight, steps_per_epoch: as for `fit`.
        epochs: those of the training, from which the number of its steps follows; see `train_steps`.
        validation_data: held-out data, by which `confirm=True` judges: (x, y), (x, y, sample_weight) or a dataset.
        validation_batch_size, validation_steps: as for `fit`.
        monitor: the name of the loss in the logs of `fit`. It is the mean over the batches of a step.
        restore: other objects that the training changes, such as those that a callback of the dataset writes to.
    Raises: TargetError for a model that cannot be trained; OptionError or NoData for data that cannot be used.
    """

    def __init__(
        self,
        model: Any,
        x: Any = None,
        y: Any = None,
        *,
        dataset: Any = None,
        batch_size: int | None = None,
        shuffle: bool | None = None,
        sample_weight: Any = None,
        class_weight: Mapping[int, float] | None = None,
        steps_per_epoch: int | None = None,
        epochs: int | None = None,
        validation_data: Any = None,
        validation_batch_size: int | None = None,
        validation_steps: int | None = None,
        monitor: str = "loss",
        restore: Any = None,
    ) -> None:
        check_model(model)
        for name, value in (("batch_size", batch_size), ("steps_per_epoch", steps_per_epoch), ("epochs", epochs)):
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise OptionError(f"{name}={value!r} is not a whole number, 1 or more.")
        if sample_weight is not None and class_weight is not None:
            raise OptionError("sample_weight= and class_weight= are both given, and Keras takes one of them.")
        options = {
            "batch_size": batch_size,
            "shuffle": shuffle,
            "class_weight": class_weight,
            "steps_per_epoch": steps_per_epoch,
        }
        self._model = model
        self._data = TrainingData(
            x=x,
            y=y,
            sample_weight=sample_weight,
            dataset=dataset,
            options={name: value for name, value in options.items() if value is not None},
        )
        if y is None and self._data.is_arrays and model.loss is not None and _computes_loss_of_y(model):
            raise OptionError("y is missing: the loss that the model is compiled with compares with targets. Give y=y.")
        self._validation = None
        if validation_data is not None:
            held_out = unpacked(validation_data, "validation_data")
            limits = {"batch_size": validation_batch_size or batch_size, "steps": validation_steps}
            self._validation = held_out, {name: value for name, value in limits.items() if value is not None}
        self._epochs = epochs
        self._monitor = monitor
        self._restore = restore
        self._kept: KeptState | None = None
        self._steps_per_epoch: int | None = None
        self._compiled: Any = None

    def train(self, sweep: PlannedSteps) -> None:
        """Fit until the sweep has ended. A generator that ends is made again, as long as it gives batches."""
        callback = _SweepInFit(sweep, SweptRates(self._model), self._monitor)
        if self._compiled is not None:
            self._model.train_function = self._compiled
        if keras.config.backend() == "tensorflow":  # whose functions keep the variables of their first call
            self._model.train_function = self._model.test_function = None
        while sweep.running:
            before = callback.batches
            self.fit(callback)
            if sweep.running and callback.batches == before:
                sweep.close(StopReason.DATA_EXHAUSTED)
        self._steps_per_epoch = callback.params.get("steps")
        if keras.config.backend() == "jax":  # whose compiled steps are functions of the state alone
            self._compiled = self._model.train_function

    def fit(self, callback: Any) -> None:
        """Fit without an end but that of the data, or that which the callback sets, and print nothing."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Your input ran out of data", UserWarning)
            arguments = self._data.arguments()
            leaving = _LeaveWithData()
            if inspect.isgenerator(arguments["x"]):
                arguments["x"] = leaving.noting_the_end(arguments["x"])
            # Not `self._model.fit`, into which a watch over the next fit may have put itself.
            type(self._model).fit(
                self._model, **arguments, epochs=sys.maxsize, verbose=0, callbacks=[callback, leaving]
            )

    def snapshot(self) -> KeptState:
        """Return the state of the model, of the datasets and of everything in them, and the random states."""
        data = [self._data] if self._validation is None else [self._data, self._validation[0]]
        datasets = [each.source for each in data if not each.is_arrays]  # no fit writes to its arrays
        self._kept = KeptState(self._model, datasets, self._restore)
        return self._kept

    def restore(self, state: KeptState) -> None:
        """Put everything back as it was at the snapshot."""
        self._kept = None  # which holds a copy of the weights
        if keras.config.backend() == "tensorflow":
            gc.collect()  # ends the threads of the fit's pipeline, which read ahead in the dataset
        state.restore()

    def seed(self, value: int) -> None:
        """Seed the random states, and the generators that the model and the dataset hold."""
        if self._kept is not None:
            self._kept.seed(value)

    def evaluate(self) -> float | None:
        """Return the held-out loss of the model as it is now; None without `validation_data`."""
        if self._validation is None:
            return None
        model, (held_out, limits) = self._model, self._validation
        if hasattr(model, "jax_state_sync"):
            model.jax_state_sync()  # in the middle of a fit, JAX's has the state
        training = getattr(model, "training", None)
        arguments = held_out.arguments()
        arguments.pop("shuffle")
        logs = model.evaluate(**arguments, **limits, verbose=0, return_dict=True)
        if training is not None and keras.config.backend() == "torch":
            model.train(training)  # which evaluate has ended
        return loss_in(logs, self._monitor)

    def facts(self) -> dict[str, Any]:
        """Return what is known of the training: its optimizer, the steps it has taken, and those of all `epochs`."""
        facts = dict(facts_of(self._model.optimizer))
        if self._epochs is not None and self._steps_per_epoch is not None:
            facts["train_steps"] = max(1, self._epochs * self._steps_per_epoch // accumulated(self._model.optimizer))
        return facts

    def bounds(self) -> dict[str, float]:
        """Return the bounds of a sweep if the optimizer needs others than most. See `SuggestsBounds`."""
        return bounds_of(self._model.optimizer)

    def report(self) -> dict[str, Any]:
        """Return the backend of Keras, the versions, and whether the order of the batches cannot be put back."""
        report = {"keras_backend": keras.config.backend(), "versions": {"keras": keras.__version__}}
        if self._data.reshuffles:
            why = "TensorFlow keeps the order of a pipeline that reshuffles each time. Give the sweep one of its own"
            report["not_kept"] = {"dataset": why}
        return report

    def digest(self) -> Iterator[tuple[str, bytes]]:
        """Yield the values of all variables of the model and its optimizer."""
        for variable in (*self._model.variables, *self._model.optimizer.variables):
            yield variable.path, keras.ops.convert_to_numpy(variable.value).tobytes()


class _SweepInFit(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Set the rate before each optimizer step, and tell the sweep the mean loss over its batches.

    Several batches make one step where gradients are accumulated, or where `steps_per_execution` takes them together.
    """

    def __init__(self, sweep: PlannedSteps, rates: SweptRates, monitor: str) -> None:
        super().__init__()
        self.batches = 0
        self._sweep = sweep
        self._rates = rates
        self._monitor = monitor
        self._of_step = 0  # batches of the present step so far
        self._updates = 0

    def on_train_batch_begin(self, *_: Any, **__: Any) -> None:
        """Set the rate of the step."""
        if self._of_step:
            return
        model = self.model
        self._rates.set(self._sweep.lr)
        model.reset_metrics()  # the loss in the logs is a mean since then
        if accumulated(model.optimizer) > 1:
            self._updates = updates_of(model.optimizer)

    def on_train_batch_end(self, _batch: int, logs: Any = None) -> None:
        """Tell the loss of the step, when all its batches are done."""
        model = self.model
        self.batches += 1
        self._of_step += 1
        together = accumulated(model.optimizer)
        # A step that a loss scale skips changes no count, so the batches count, too.
        if self._of_step < together and updates_of(model.optimizer) == self._updates:
            return
        self._of_step = 0
        if not self._sweep.tell(loss_in(logs or {}, self._monitor)):
            model.stop_training = True


class _LeaveWithData(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """End a fit whose data have run out, because all its further epochs would be empty, or of the first batches again.

    Keras looks at the first batches of a generator, and begins each later epoch with them.
    """

    def __init__(self) -> None:
        super().__init__()
        self._ended = False
        self._batches = 0

    def noting_the_end(self, generator: Iterator[Any]) -> Iterator[Any]:
        """Yield the batches of a generator, and note when there are no more."""
        yield from generator
        self._ended = True

    def on_epoch_begin(self, *_: Any, **__: Any) -> None:
        """Count the batches of the epoch."""
        self._batches = 0

    def on_train_batch_end(self, *_: Any, **__: Any) -> None:
        """Count the batches of the epoch."""
        self._batches += 1

    def on_epoch_end(self, *_: Any, **__: Any) -> None:
        """Leave the fit."""
        if self._ended or not self._batches:
            self.model.stop_training = True


def loss_in(logs: Mapping[str, Any], monitor: str) -> float:
    """Return the loss in the logs of Keras. Raises: TargetError if there is none of this name."""
    if monitor not in logs:
        raise TargetError(
            f"the logs of fit have no {monitor!r}, but {', '.join(map(repr, logs)) or 'nothing'}. Let train_step "
            f"return its loss as 'loss', or name it: monitor=...",
        )
    return float(logs[monitor])


def check_model(model: Any) -> None:
    """Raise TargetError if a model cannot be fitted, or not by one process on its own."""
    kind = type(model).__name__
    if not model.compiled or model.optimizer is None:
        raise TargetError(
            f"this {kind} is not compiled, so it has no optimizer and no loss. Write {_COMPILE} first, with yours.",
            target_type=kind,
        )
    distribution = keras.distribution.distribution()
    replicas = getattr(getattr(model, "distribute_strategy", None), "num_replicas_in_sync", 1)
    if distribution is not None or replicas > 1:
        what = type(distribution).__name__ if distribution is not None else f"a strategy of {replicas} replicas"
        raise TargetError(
            f"the model trains under {what}, whose state is in several devices and cannot be put back here. Sweep the "
            f"model on one device, and apply the rate to the distributed one.",
            strategy=what,
        )


def _computes_loss_of_y(model: Any) -> bool:
    """Return whether the model trains as Keras does, and not by a step or a loss of its own."""
    return all(getattr(type(model), name) is getattr(keras.Model, name) for name in ("train_step", "compute_loss"))
