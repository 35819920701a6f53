"""What lrrange needs of a training loop: step, snapshot and restore."""

import copy
from typing import Any

import numpy as np

from lrrange.errors import OptionError
from lrrange_logistic.regression import LogisticRegression


class RegressionStep:
    """A `TrainingStep` over random batches of some data.

    Args:
        model: to train. Everything that `fit_batch` changes is put back.
        inputs, labels: the data; shapes (n, features) and (n,).
        batch_size: examples a step.
    Raises: OptionError if these do not fit together.
    """

    def __init__(self, model: LogisticRegression, inputs: np.ndarray, labels: np.ndarray, batch_size: int = 32) -> None:
        wanted = (len(labels), len(model.weights))
        if inputs.shape != wanted:
            raise OptionError(f"inputs has shape {inputs.shape}, and {wanted} fits the labels and the model.")
        self.model = model
        self.inputs = inputs
        self.labels = labels
        self.batch_size = batch_size
        self.random = np.random.default_rng(0)

    def seed(self, value: int) -> None:
        """Draw other batches."""
        self.random = np.random.default_rng(value)

    def step(self, lr: float) -> float:
        """One SGD step at `lr`; its loss."""
        self.model.lr = lr
        batch = self.random.integers(len(self.labels), size=self.batch_size)
        return self.model.fit_batch(self.inputs[batch], self.labels[batch])

    def snapshot(self) -> Any:
        """A copy of everything that a step changes."""
        return copy.deepcopy(vars(self.model)), self.random.bit_generator.state

    def restore(self, state: Any) -> None:
        """Put it back."""
        of_model, of_random = state
        vars(self.model).update(of_model)
        self.random.bit_generator.state = of_random
