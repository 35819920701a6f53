"""The data and the nets of these tests."""

from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_diabetes, load_digits
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNet, NeuralNetBinaryClassifier, NeuralNetClassifier, NeuralNetRegressor
from torch import nn

DIGITS, DIGIT = load_digits(return_X_y=True)
DIGITS = StandardScaler().fit_transform(DIGITS)[:600]
DIGIT = DIGIT[:600]

PATIENTS, PROGRESS = load_diabetes(return_X_y=True)
PATIENTS = StandardScaler().fit_transform(PATIENTS)
PROGRESS = (PROGRESS - PROGRESS.mean()) / PROGRESS.std()

PIXELS = DIGITS.astype("float32")
LABELS = DIGIT.astype("int64")


class Classifier(nn.Module):
    """A small classifier with dropout and running statistics."""

    def __init__(self, hidden: int = 24, inputs: int = 64) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(inputs, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Dropout(0.2))
        self.head = nn.Linear(hidden, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.softmax(self.head(self.body(x)), -1)


class Scorer(nn.Module):
    """One number for each sample."""

    def __init__(self, inputs: int = 10) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(inputs, 16), nn.Tanh(), nn.Linear(16, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.layers(x)
        return scores


def classifier(**parameters: Any) -> NeuralNetClassifier:
    """A net of digits, with the random states that every test begins with."""
    seed()
    return NeuralNetClassifier(
        Classifier, **{"max_epochs": 2, "verbose": 0, "batch_size": 32, "iterator_train__shuffle": True, **parameters}
    )


def regressor(**parameters: Any) -> NeuralNetRegressor:
    seed()
    return NeuralNetRegressor(**{"module": Scorer, "max_epochs": 2, "verbose": 0, "batch_size": 32, **parameters})


def binary(**parameters: Any) -> NeuralNetBinaryClassifier:
    seed()
    return NeuralNetBinaryClassifier(Scorer, module__inputs=64, max_epochs=2, verbose=0, **parameters)


def plain_net(**parameters: Any) -> NeuralNet:
    seed()
    return NeuralNet(Scorer, nn.MSELoss, max_epochs=2, verbose=0, **parameters)


def seed() -> None:
    torch.manual_seed(7)
    np.random.seed(7)
