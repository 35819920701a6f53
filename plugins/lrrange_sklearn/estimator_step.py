"""Steps of `partial_fit` on batches of the user's data."""

import copy
import inspect
import math
import pickle
import random
import warnings
import zlib
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import sklearn
from sklearn.base import clone, is_classifier
from sklearn.model_selection import train_test_split
from sklearn.utils import _safe_indexing, check_consistent_length
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import unique_labels

from lrrange.errors import NoData, OptionError, TargetError
from lrrange_sklearn.losses import linear_loss
from lrrange_sklearn.targets import swept_of, why_no_rate

__all__ = ["EstimatorStep"]

# Samples in a call of `partial_fit` of a linear model, which itself takes one update per sample.
_BATCH_SIZE = 32

# A rate that moves no weight. scikit-learn does not accept zero.
_NO_RATE = 1e-300

# What scikit-learn says when a rate was too high.
_BLOW_UPS = ("overflow", "non-finite")


class EstimatorStep:
    """A `TrainingStep` of an estimator: each step is one `partial_fit` on the next batch, at a constant rate.

    The sweep trains the estimator as it is now: a fitted one goes on from its weights, as `partial_fit` does. It works
    on copies of everything that the estimator holds, and puts the originals back, so that an estimator that was not
    fitted has no fitted attribute afterwards. What only `fit` can do is done as `fit` does it: weights for
    `class_weight="balanced"` come from all of `y`, and `early_stopping=True` holds out samples.

    Args:
        target: the estimator, or a pipeline that ends in one. Copies of the pipeline's other steps are fitted on `X`
            and transform it; the last step begins with new weights, as `fit` of a pipeline does.
        X: n samples: an array, a sparse matrix, a DataFrame, a list.
        y: n targets of any type that the estimator takes.
        batch_size: samples per step. By default those of a multi-layer perceptron's own `batch_size`, and 32 for a
            linear model, which takes one update per sample.
        classes: all classes, where `y` does not have them all.
        sample_weight: shape (n,).
        X_val, y_val: held-out samples, by which `find_lr(confirm=True)` then judges. Without them, and with
            `early_stopping=True`, `validation_fraction` of the samples are held out.
    Raises: TargetError for an estimator whose rate is not the user's; OptionError or NoData for wrong data.
    """

    def __init__(
        self,
        target: Any,
        X: Any,  # noqa: N803  as scikit-learn writes it
        y: Any = None,
        batch_size: int | None = None,
        classes: Any = None,
        sample_weight: Any = None,
        X_val: Any = None,  # noqa: N803
        y_val: Any = None,
    ) -> None:
        swept = swept_of(target)
        assert swept is not None  # the hook has asked already
        why = why_no_rate(swept)
        if why is not None:
            raise TargetError(why, target_type=type(swept.estimator).__name__)
        self._swept = swept
        self._estimator = swept.estimator
        if y is None or (X_val is not None and y_val is None):
            name, given = ("y", "X") if y is None else ("y_val", "X_val")
            raise OptionError(
                f"{name} is missing: a {type(self._estimator).__name__} needs a target for each sample of {given}."
            )
        if X_val is None and y_val is not None:
            raise OptionError("y_val is given without X_val. Give both, or neither.")
        X, X_val = swept.transformed(X, y, X_val)  # noqa: N806
        self._X, self._y, self._weight = _indexable(X), _targets(y), sample_weight
        self._held_out = None if X_val is None else (_indexable(X_val), _targets(y_val))
        self._check_lengths()
        takes = inspect.signature(self._estimator.partial_fit).parameters
        if sample_weight is not None:
            if "sample_weight" not in takes:
                raise OptionError(f"partial_fit of this {type(self._estimator).__name__} takes no sample_weight=.")
            self._weight = np.asarray(sample_weight)
        self._classes = None
        if is_classifier(self._estimator):
            self._classes = unique_labels(self._y) if classes is None else np.unique(classes)
        elif classes is not None:
            raise OptionError(f"classes= is for classifiers, and this is a {type(self._estimator).__name__}.")
        self._y_all = self._y
        if self._held_out is None and self._estimator.early_stopping:
            self._hold_out()
        # A sample of weight zero changes nothing, and scikit-learn refuses a batch of such samples alone.
        self._rows = np.arange(self._X.shape[0]) if self._weight is None else np.flatnonzero(self._weight > 0)
        if not len(self._rows):
            raise NoData("there are no samples with a weight above zero in X.")
        self.batch_size = self._batch_size(batch_size)
        self._batches: Iterator[Any] = iter(())

    def _check_lengths(self) -> None:
        try:
            check_consistent_length(self._X, self._y, self._weight)
            if self._held_out is not None:
                check_consistent_length(*self._held_out)
        except ValueError as error:
            raise OptionError(f"X, y and sample_weight do not fit together: {error}") from None

    def _hold_out(self) -> None:
        """Hold out samples as `fit` does with early stopping."""
        stratify = self._y if self._classes is not None and self._y.ndim == 1 else None
        split = partial(train_test_split, test_size=self._estimator.validation_fraction, random_state=0)
        given = [self._X, self._y, self._weight]
        parts = iter(split(*[each for each in given if each is not None], stratify=stratify))
        train, held = zip(
            *[(None, None) if each is None else (next(parts), next(parts)) for each in given], strict=True
        )
        self._X, self._y, self._weight = train
        self._held_out = held[0], held[1]

    def _batch_size(self, given: int | None) -> int:
        own = self._estimator.batch_size if self._swept.is_mlp else _BATCH_SIZE
        size = (200 if own == "auto" else own) if given is None else given
        if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 1:
            raise OptionError(f"batch_size={size!r} is not a whole number of samples, 1 or more.")
        return min(int(size), len(self._rows))

    def snapshot(self) -> Any:
        """Keep what the estimator holds, and put copies in its place."""
        held = vars(self._estimator)
        kept = dict(held)
        state = kept, random.getstate(), np.random.get_state()
        try:
            held.update(copy.deepcopy(kept, {id(self._estimator): self._estimator}))
            self._prepare()
        except BaseException as error:
            self.restore(state)
            if not isinstance(error, TypeError):
                raise
            raise TargetError(
                f"this {type(self._estimator).__name__} holds something that cannot be copied ({error}). Take it out "
                f"for the sweep."
            ) from error
        return state

    def restore(self, state: Any) -> None:
        """Put back what the estimator held, and NumPy's and Python's random states."""
        kept, python_state, numpy_state = state
        held = vars(self._estimator)
        held.clear()
        held.update(kept)
        random.setstate(python_state)
        np.random.set_state(numpy_state)

    def _prepare(self) -> None:
        """Let `partial_fit` do what `fit` would, on copies."""
        estimator = self._estimator
        if self._swept.pipeline is not None:
            fresh = vars(clone(estimator))
            vars(estimator).clear()
            vars(estimator).update(fresh)
        estimator.verbose = 0
        estimator.early_stopping = False
        if self._swept.is_mlp:
            estimator.batch_size = self.batch_size
        elif isinstance(getattr(estimator, "class_weight", None), str):
            present = np.unique(self._y_all)
            weights = compute_class_weight(estimator.class_weight, classes=present, y=self._y_all)
            estimator.class_weight = dict(zip(present.tolist(), weights.tolist(), strict=True))
        self._batches = self._endless(np.random.RandomState(0))

    def _endless(self, generator: np.random.RandomState) -> Iterator[Any]:
        """Yield the rows of each batch. Batches go on from one pass over the samples to the next."""
        rows = np.empty(0, dtype=int)
        while True:
            while len(rows) < self.batch_size:
                again = generator.permutation(self._rows) if self._estimator.shuffle else self._rows
                rows = np.concatenate([rows, again])
            yield rows[: self.batch_size]
            rows = rows[self.batch_size :]

    def _next_batch(self) -> tuple[Any, Any, Any]:
        rows = next(self._batches)
        batch = [None if each is None else _safe_indexing(each, rows) for each in (self._X, self._y, self._weight)]
        return batch[0], batch[1], batch[2]

    def set_rate(self, lr: float) -> None:
        """Train the next steps at this rate, whatever the schedule is."""
        if not self._swept.is_mlp:
            self._estimator.learning_rate = "constant"
            self._estimator.eta0 = lr
            return
        self._estimator.learning_rate_init = lr
        optimizer = vars(self._estimator).get("_optimizer")
        if optimizer is not None:  # made at the first step, with a rate of its own
            optimizer.learning_rate_init = optimizer.learning_rate = lr

    def step(self, lr: float) -> float:
        """Train on the next batch at `lr`. Return its loss at the weights before the step."""
        self.set_rate(lr)
        return self.train()

    def train(self) -> float:
        """Train on the next batch at the estimator's own rate. Return its loss at the weights before the step."""
        return self._partial_fit(self._estimator, *self._next_batch())

    def forward(self) -> float:
        """Return the loss of the next batch, and move no weight.

        Only the momentum of steps before the sweep still moves a perceptron: it has the rate of those steps in it.
        """
        return self.step(_NO_RATE) if self._swept.is_mlp else self._linear_loss(*self._next_batch())

    def evaluate(self) -> float | None:
        """Return the loss over the held-out samples; None without any."""
        if self._held_out is None:
            return None
        if not self._swept.is_mlp:
            return self._linear_loss(*self._held_out, None, averaged=True)
        aside = copy.deepcopy(self._estimator)
        aside.shuffle, aside.batch_size = False, self._held_out[0].shape[0]
        return self._partial_fit(aside, *self._held_out, None)

    def _linear_loss(self, X: Any, y: Any, weight: Any, averaged: bool = False) -> float:  # noqa: N803
        with np.errstate(all="ignore"):
            return linear_loss(self._estimator, X, y, weight, self._classes, averaged=averaged)

    def _partial_fit(self, estimator: Any, X: Any, y: Any, weight: Any) -> float:  # noqa: N803
        loss = math.nan if self._swept.is_mlp else self._linear_loss(X, y, weight)
        arguments = {"classes": self._classes, "sample_weight": weight}
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            # A perceptron catches Ctrl-C and goes on, with this warning.
            warnings.filterwarnings("error", "Training interrupted by user")
            try:
                estimator.partial_fit(X, y, **{name: value for name, value in arguments.items() if value is not None})
            except UserWarning as error:
                if "interrupted" not in str(error):
                    raise
                raise KeyboardInterrupt from None
        return float(estimator.loss_) if self._swept.is_mlp else loss

    def is_blow_up(self, error: Exception) -> bool:
        """Return whether scikit-learn says that weights have become infinite."""
        return isinstance(error, ValueError) and any(word in str(error) for word in _BLOW_UPS)

    def seed(self, value: int) -> None:
        """Seed the order of the batches, the initial weights of an estimator that is not fitted, and its shuffles."""
        seed = value % 2**32
        random.seed(value)
        np.random.seed(seed)
        self._estimator.random_state = seed
        self._batches = self._endless(np.random.RandomState(seed))

    def digest(self) -> Iterator[tuple[str, Any]]:
        """Yield names with checksums of everything that the estimator holds, and of the global random states."""
        states = {"random state of Python": random.getstate(), "random state of NumPy": np.random.get_state()}
        for name, value in (vars(self._estimator) | states).items():
            yield name, zlib.crc32(pickle.dumps(value))

    def facts(self) -> dict[str, Any]:
        """Return the kind of the optimizer, its momentum and weight decay, and the number of steps taken."""
        estimator = self._estimator
        steps = 0 if self._swept.pipeline is not None else int(vars(estimator).get("t_") or 0) // self.batch_size
        facts = {
            "optimizer": "sgd",
            "momentum": 0.0,
            "weight_decay": getattr(estimator, "alpha", 0.0),
            "steps_taken": steps,
        }
        if self._swept.is_mlp and estimator.solver == "adam":
            return facts | {"optimizer": "adam", "momentum": estimator.beta_1}
        return facts | ({"momentum": estimator.momentum} if self._swept.is_mlp else {})

    def report(self) -> dict[str, Any]:
        """Return versions, and facts about the sweeps."""
        return {
            "versions": {"scikit-learn": sklearn.__version__, "numpy": np.__version__},
            "form": "partial_fit",
            "estimator": type(self._estimator).__name__,
            "rate": self._swept.parameter,
            "batch_size": self.batch_size,
            "samples": self._X.shape[0],
        }


def _indexable(X: Any) -> Any:  # noqa: N803
    """Return samples as something with a shape and rows."""
    if hasattr(X, "tocsr"):  # a sparse matrix, of which not every kind has rows
        return X.tocsr()
    return X if hasattr(X, "shape") else np.asarray(X)


def _targets(y: Any) -> Any:
    """Return targets as an array, of one dimension where each sample has one."""
    array = y.toarray() if hasattr(y, "toarray") else np.asarray(y)
    return array.ravel() if array.ndim == 2 and array.shape[1] == 1 else array
