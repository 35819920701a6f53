"""The eight original tasks, chosen before lrrange was written.

The stored ground truth depends on their names, seeds and budgets. If you change one, measure it again.
"""

import functools

import torch
from torch import nn
from torch.optim import SGD, Adam

from benchmarks.quality.tasks import data
from benchmarks.quality.tasks.models import lenet, mlp
from benchmarks.quality.tasks.task import Problem, Registry, problem

ORIGINAL = Registry()

_sgd = functools.partial(SGD, fused=True)
_adam = functools.partial(Adam, fused=True)
_momentum = functools.partial(_sgd, momentum=0.9)


@ORIGINAL.task(steps=250, default_lr=1e-3)
def lenet_adam() -> Problem:
    """Tutorial LeNet on MNIST, Adam, batch 64"""
    train, validation = data.mnist()
    return problem(lenet(), nn.CrossEntropyLoss(), _adam, train, 64, validation)


@ORIGINAL.task(steps=250, default_lr=0.1)
def lenet_sgd() -> Problem:
    """Tutorial LeNet on MNIST, plain SGD, batch 64"""
    train, validation = data.mnist()
    return problem(lenet(), nn.CrossEntropyLoss(), _sgd, train, 64, validation)


@ORIGINAL.task(steps=300, default_lr=0.01)
def mlp_bn_digits() -> Problem:
    """MLP with BatchNorm on digits, SGD momentum 0.9, batch 32"""
    train, validation = data.bundled("digits")
    return problem(mlp(64, 128, 128, 10, norm=True), nn.CrossEntropyLoss(), _momentum, train, 32, validation)


@ORIGINAL.task(steps=500, default_lr=1e-3)
def gaussian_nll() -> Problem:
    """Heteroscedastic regression, Gaussian NLL (goes negative), Adam, batch 64"""

    def nll(out: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        mean, log_var = out.chunk(2, 1)
        return 0.5 * (log_var + (y - mean) ** 2 * torch.exp(-log_var)).mean()

    train, validation = data.wave()
    return problem(mlp(1, 64, 64, 2, activation=nn.Tanh), nll, _adam, train, 64, validation)


@ORIGINAL.task(steps=400, default_lr=1e-3)
def denoising_ae() -> Problem:
    """Denoising autoencoder on digits, MSE, Adam, batch 32"""
    train, validation = data.noisy_digits()
    return problem(mlp(64, 48, 24, 48, 64), nn.MSELoss(), _adam, train, 32, validation)


@ORIGINAL.task(steps=250, default_lr=0.1)
def logistic() -> Problem:
    """Logistic regression (convex) on breast cancer, SGD, batch 32"""
    train, validation = data.bundled("breast_cancer")
    return problem(nn.Linear(30, 2), nn.CrossEntropyLoss(), _sgd, train, 32, validation)


@ORIGINAL.task(steps=500, default_lr=0.01)
def deep_tanh() -> Problem:
    """10-layer tanh MLP, input scales from 10 to 0.1, SGD momentum 0.9, batch 32"""
    train, validation = data.badly_scaled_digits()
    model = mlp(64, *[48] * 9, 10, activation=nn.Tanh)
    for layer in model:
        if isinstance(layer, nn.Linear):
            nn.init.xavier_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
    return problem(model, nn.CrossEntropyLoss(), _momentum, train, 32, validation)


@ORIGINAL.task(steps=800, default_lr=0.01)
def noisy_tiny_batch() -> Problem:
    """MLP on digits with 30% wrong labels, SGD momentum 0.9, batch 4 (very noisy loss)"""
    train, validation = data.mislabelled_digits()
    return problem(mlp(64, 64, 10), nn.CrossEntropyLoss(), _momentum, train, 4, validation)
