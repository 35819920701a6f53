"""The backend: a training step for lrrange, with snapshot and restore."""

import copy
from typing import Any

import numpy as np

from lrrange.errors import OptionError, RateNotInForce
from lrrange.protocol import ProvedRate
from lrrange_logistic.regression import LogisticRegression


class RegressionStep:
    """A `TrainingStep` on random batches of a data set.

    Args:
        model: the model to train. Everything that `fit_batch` changes is restored.
        inputs, labels: the data, of shapes (n, features) and (n,).
        batch_size: number of examples in a step.
    Raises: OptionError if the shapes do not fit together.
    """

    def __init__(self, model: LogisticRegression, inputs: np.ndarray, labels: np.ndarray, batch_size: int = 32) -> None:
        expected = (len(labels), len(model.weights))
        if inputs.shape != expected:
            raise OptionError(f"inputs has shape {inputs.shape}, and {expected} fits the labels and the model.")
        self.model = model
        self.inputs = inputs
        self.labels = labels
        self.batch_size = batch_size
        self.random = np.random.default_rng(0)

    def seed(self, value: int) -> None:
        """Set the seed that the batches are drawn with."""
        self.random = np.random.default_rng(value)

    def step(self, lr: float) -> float:
        """Take one SGD step at `lr`, and return its loss."""
        self.model.lr = lr
        batch = self.random.integers(len(self.labels), size=self.batch_size)
        return self.model.fit_batch(self.inputs[batch], self.labels[batch])

    def snapshot(self) -> Any:
        """Return a copy of everything that a step changes."""
        return copy.deepcopy(vars(self.model)), self.random.bit_generator.state

    def restore(self, state: Any) -> None:
        """Restore a snapshot."""
        model_state, random_state = state
        vars(self.model).update(model_state)
        self.random.bit_generator.state = random_state

    def prove(self, lr: float) -> ProvedRate:
        """Take a step at the model's own rate and one at twice that, put everything back, and return the proof.

        Raises: RateNotInForce if the model has another rate than `lr`, or does not use it.
        """
        if self.model.lr != lr:
            raise RateNotInForce(
                f"the model trains at lr={self.model.lr}, not at {lr}.", wanted=lr, actual=self.model.lr
            )
        updates = []
        for rate in (lr, 2 * lr):
            state = self.snapshot()
            try:
                self.step(rate)
                updates.append(self.model.last_update)
            finally:
                self.restore(state)
        if np.array_equal(*updates):
            raise RateNotInForce(f"the model takes the same step at {2 * lr} as at {lr}.", wanted=lr, actual=None)
        return ProvedRate(lr, steps_seen=1)
