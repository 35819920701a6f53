"""A model with its own SGD. It stands for a framework, and does not use lrrange."""

import numpy as np


class LogisticRegression:
    """Logistic regression for labels 0 and 1, trained by SGD with momentum.

    Args:
        features: number of features of an input.
        lr: learning rate of `fit_batch`.
        momentum: fraction of the last update that the next one repeats.
    """

    def __init__(self, features: int, lr: float = 0.1, momentum: float = 0.9) -> None:
        self.weights = np.zeros(features)
        self.bias = 0.0
        self.lr = lr
        self.momentum = momentum
        self.last_update = np.zeros(features + 1)

    def fit_batch(self, inputs: np.ndarray, labels: np.ndarray) -> float:
        """Take one SGD step, and return the mean loss of the batch before it."""
        logits = inputs @ self.weights + self.bias
        errors = 1 / (1 + np.exp(-np.clip(logits, -500, 500))) - labels
        gradient = np.append(errors @ inputs, errors.sum()) / len(labels)
        self.last_update = self.momentum * self.last_update - self.lr * gradient
        self.weights = self.weights + self.last_update[:-1]
        self.bias += float(self.last_update[-1])
        return float(np.mean(np.logaddexp(0, logits) - labels * logits))
