"""Subjects of the bank that read vectors: linear models, and MLPs with and without normalisation."""

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.quality.bank import data
from benchmarks.quality.bank.subject import Parts, subject
from benchmarks.quality.tasks import data as task_data
from benchmarks.quality.tasks.models import mlp


def _squared(out: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return F.mse_loss(out[:, 0], y)


@subject("mlp", "digits", batches=(2, 8, 32, 128))
def mlp_digits() -> Parts:
    """MLP on digits"""
    return mlp(64, 64, 10), nn.CrossEntropyLoss(), task_data.bundled("digits")


@subject("mlp", "mnist", batches=(4, 32, 256))
def mlp_mnist() -> Parts:
    """MLP on MNIST at 8 by 8"""
    return mlp(64, 96, 96, 10), nn.CrossEntropyLoss(), data.shrunk("mnist")


@subject("mlp", "digits", batches=(4, 16))
def mlp_wrong_labels() -> Parts:
    """MLP on digits with three in ten wrong labels"""
    return mlp(64, 64, 10), nn.CrossEntropyLoss(), task_data.mislabelled_digits()


@subject("mlp", "digits", batches=(16, 64))
def deep_tanh_digits() -> Parts:
    """Seven-layer tanh MLP on badly scaled digits"""
    return mlp(64, *[48] * 6, 10, activation=nn.Tanh), nn.CrossEntropyLoss(), task_data.badly_scaled_digits()


@subject("mlp", "digits", batches=(16, 64))
def hinge_digits() -> Parts:
    """MLP on digits, hinge loss"""
    return mlp(64, 64, 10), nn.MultiMarginLoss(), task_data.bundled("digits")


@subject("mlp", "digits", batches=(32, 128))
def smoothed_labels_digits() -> Parts:
    """MLP on digits, smoothed labels"""
    return mlp(64, 128, 10, activation=nn.GELU), nn.CrossEntropyLoss(label_smoothing=0.1), task_data.bundled("digits")


@subject("mlp", "tables", batches=(2, 8, 0))
def mlp_wine() -> Parts:
    """MLP on wine"""
    return mlp(13, 32, 3), nn.CrossEntropyLoss(), task_data.bundled("wine")


@subject("mlp", "tables", batches=(8, 32, 0))
def mlp_cancer() -> Parts:
    """MLP on breast cancer"""
    return mlp(30, 32, 32, 2), nn.CrossEntropyLoss(), task_data.bundled("breast_cancer")


@subject("mlp", "tables", batches=(8, 32))
def few_positives() -> Parts:
    """MLP on breast cancer with few malignant cases"""

    def loss(out: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return F.binary_cross_entropy_with_logits(out[:, 0], y)

    return mlp(30, 32, 1), loss, data.few_positives()


@subject("mlp", "tables", batches=(8, 32, 0))
def mlp_diabetes() -> Parts:
    """MLP on diabetes, standardised targets"""
    return mlp(10, 64, 1), _squared, data.standardised_diabetes()


@subject("mlp", "tables", batches=(16, 64))
def mlp_raw_units() -> Parts:
    """MLP on diabetes, targets around 150"""
    return mlp(10, 48, 1), _squared, task_data.bundled("diabetes")


@subject("linear", "tables", batches=(8, 32, 0))
def logistic() -> Parts:
    """Logistic regression on breast cancer"""
    return mlp(30, 2), nn.CrossEntropyLoss(), task_data.bundled("breast_cancer")


@subject("linear", "digits", batches=(8, 64, 0))
def softmax_digits() -> Parts:
    """Softmax regression on digits"""
    return mlp(64, 10), nn.CrossEntropyLoss(), task_data.bundled("digits")


@subject("mlp", "formulas", batches=(16, 64, 256))
def gaussian_likelihood() -> Parts:
    """MLP of mean and variance, Gaussian likelihood (goes negative)"""

    def loss(out: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        mean, log_variance = out.split(1, 1)
        return 0.5 * (log_variance + (y - mean) ** 2 / log_variance.exp()).mean()

    return mlp(1, 48, 48, 2, activation=nn.Tanh), loss, task_data.wave()


@subject("mlp", "formulas", batches=(16, 64))
def poisson() -> Parts:
    """MLP of the logarithm of a Poisson rate"""
    return mlp(8, 32, 1), nn.PoissonNLLLoss(), task_data.counts()


@subject("mlp", "formulas", batches=(16, 64))
def quantile() -> Parts:
    """MLP of the 90th percentile, pinball loss"""

    def loss(out: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return torch.maximum(0.9 * (y - out), -0.1 * (y - out)).mean()

    return mlp(12, 48, 48, 1), loss, data.heavy_tails()


@subject("mlp", "formulas", batches=(8, 64))
def heavy_tails() -> Parts:
    """MLP on targets with heavy-tailed noise, squared error"""
    return mlp(12, 48, 48, 1), nn.MSELoss(), data.heavy_tails()


@subject("mlp_bn", "digits", batches=(8, 32, 128))
def batch_norm_digits() -> Parts:
    """MLP with batch normalisation on digits"""
    return mlp(64, 64, 64, 10, norm=True), nn.CrossEntropyLoss(), task_data.bundled("digits")


@subject("mlp_bn", "fashion", batches=(16, 64))
def batch_norm_fashion() -> Parts:
    """MLP with batch normalisation on Fashion-MNIST at 8 by 8"""
    return mlp(64, 96, 96, 10, norm=True), nn.CrossEntropyLoss(), data.shrunk("fashion")
