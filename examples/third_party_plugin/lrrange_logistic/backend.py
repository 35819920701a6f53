"""The backend: a training step for lrrange, with snapshot and restore."""

import copy
from typing import Any

import numpy as np

from lrrange.errors import OptionError
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
