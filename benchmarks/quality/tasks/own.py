"""The project's own tasks, which differ from the original eight, and from each other, as users' trainings do.

The stored ground truth depends on their names, seeds and budgets. If you change one, measure it again.
"""

import functools

import torch
import torch.nn.functional as F
from torch import nn
from torch.optim import SGD, Adagrad, Adam, AdamW, NAdam, RAdam, RMSprop

from benchmarks.quality.tasks import data
from benchmarks.quality.tasks.models import (
    VAE,
    CharGRU,
    CharTransformer,
    Factors,
    forecaster,
    mlp,
    small_cnn,
    tiny_resnet,
)
from benchmarks.quality.tasks.task import Problem, Registry, problem

OWN = Registry()


def _next_character(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(logits.flatten(0, 1), y.flatten())


@OWN.task(steps=200, default_lr=1e-3)
def char_transformer() -> Problem:
    """Two-block transformer on characters of prose, AdamW with weight decay 0.1, batch 8"""
    (train, validation), alphabet = data.text()
    return problem(
        CharTransformer(alphabet), _next_character, AdamW, train, 8, validation, weight_decay=0.1, fused=True
    )


@OWN.task(steps=200, default_lr=1e-3)
def char_gru() -> Problem:
    """GRU on characters of prose, RMSprop, batch 8"""
    (train, validation), alphabet = data.text()
    return problem(CharGRU(alphabet), _next_character, RMSprop, train, 8, validation)


@OWN.task(steps=200, default_lr=0.1)
def resnet_fashion() -> Problem:
    """Small ResNet on 720 images of Fashion-MNIST, Nesterov SGD with weight decay 5e-4, batch 16"""
    train, validation = data.fashion()
    options = {"momentum": 0.9, "nesterov": True, "weight_decay": 5e-4, "fused": True}
    return problem(tiny_resnet(), nn.CrossEntropyLoss(), SGD, train, 16, validation, **options)


@OWN.task(steps=250, default_lr=1e-3)
def dropout_cnn() -> Problem:
    """CNN with half of its units dropped, on small MNIST, AdamW, batch 32"""
    train, validation = data.small_mnist()
    return problem(small_cnn(dropout=0.5), nn.CrossEntropyLoss(), AdamW, train, 32, validation, fused=True)


@OWN.task(steps=500, default_lr=1e-3)
def vae_digits() -> Problem:
    """Variational autoencoder on digits, loss summed over pixels, Adam, batch 64"""

    def negative_elbo(out: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        pixels, mean, log_variance = out.split([64, 8, 8], 1)
        reconstruction = F.binary_cross_entropy_with_logits(pixels, x, reduction="none").sum(1)
        divergence = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(1)
        return (reconstruction + divergence).mean()

    train, validation = data.plain_digits()
    return problem(VAE(), negative_elbo, Adam, train, 64, validation, fused=True)


@OWN.task(steps=600, default_lr=0.01)
def matrix_factorisation() -> Problem:
    """Embeddings of users and items, squared error of ratings, Adagrad, batch 128"""
    (train, validation), users, items = data.ratings()
    return problem(Factors(users, items), nn.MSELoss(), Adagrad, train, 128, validation)


def _squared_error(out: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return F.mse_loss(out[:, 0], y)


@OWN.task(steps=400, default_lr=1e-3)
def raw_units_adam() -> Problem:
    """MLP on diabetes, squared error of targets around 150 (losses near 29000), Adam, batch 16"""
    train, validation = data.bundled("diabetes")
    return problem(mlp(10, 64, 64, 1), _squared_error, Adam, train, 16, validation, fused=True)


@OWN.task(steps=400, default_lr=1e-4)
def raw_units_sgd() -> Problem:
    """MLP on diabetes, squared error of targets around 150 (losses near 29000), SGD momentum 0.9, batch 16"""
    train, validation = data.bundled("diabetes")
    return problem(mlp(10, 32, 1), _squared_error, SGD, train, 16, validation, momentum=0.9, fused=True)


@OWN.task(steps=400, default_lr=0.01)
def deep_relu() -> Problem:
    """12-layer ReLU MLP without normalisation on digits, plain SGD, batch 64"""
    train, validation = data.bundled("digits")
    model = mlp(64, *[64] * 11, 10)
    for layer in model:
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
    return problem(model, nn.CrossEntropyLoss(), SGD, train, 64, validation, fused=True)


@OWN.task(steps=600, default_lr=1e-3)
def batch_of_two() -> Problem:
    """MLP on wine, Adam, two examples a batch"""
    train, validation = data.bundled("wine")
    return problem(mlp(13, 32, 3), nn.CrossEntropyLoss(), Adam, train, 2, validation, fused=True)


@OWN.task(steps=300, default_lr=1e-3)
def contrastive() -> Problem:
    """Embedding in which two noisy views of a digit find each other among a batch (InfoNCE), Adam, batch 64"""

    def info_nce(out: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        first, second = F.normalize(out, dim=-1).unbind(1)
        return F.cross_entropy(first @ second.T / 0.2, torch.arange(len(y)))

    train, validation = data.pairs_of_digits()
    return problem(mlp(64, 64, 16), info_nce, Adam, train, 64, validation, fused=True)


@OWN.task(steps=150, default_lr=0.1)
def large_batch() -> Problem:
    """CNN on small MNIST, SGD momentum 0.9, batch 512"""
    train, validation = data.small_mnist()
    return problem(small_cnn(), nn.CrossEntropyLoss(), SGD, train, 512, validation, momentum=0.9, fused=True)


@OWN.task(steps=300, default_lr=2e-3)
def label_smoothing() -> Problem:
    """MLP on digits, labels smoothed by 0.1, NAdam, batch 32"""
    train, validation = data.bundled("digits")
    return problem(mlp(64, 64, 10), nn.CrossEntropyLoss(label_smoothing=0.1), NAdam, train, 32, validation)


@OWN.task(steps=300, default_lr=1e-3)
def forecast() -> Problem:
    """One-dimensional convolutions that forecast a seasonal series, Huber loss, RAdam, batch 32"""
    train, validation = data.series()
    return problem(forecaster(), nn.SmoothL1Loss(), RAdam, train, 32, validation)


@OWN.task(steps=400, default_lr=0.01)
def poisson_counts() -> Problem:
    """MLP that predicts the logarithm of a Poisson rate (goes negative, explodes), plain SGD, batch 32"""
    train, validation = data.counts()
    return problem(mlp(8, 32, 1), nn.PoissonNLLLoss(), SGD, train, 32, validation, fused=True)


@functools.cache
def _pretrained() -> dict[str, torch.Tensor]:
    """Return the weights of a CNN trained on the digits 0 to 4, without its last layer."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = small_cnn(5)
        train, validation = data.only(data.small_mnist(), range(5))
        pretraining = problem(model, nn.CrossEntropyLoss(), Adam, train, 64, validation)
        optimizer = pretraining.optimizer(2e-3)
        for _, batch in zip(range(200), pretraining.batches(), strict=False):
            pretraining.update(optimizer, batch)
    return {name: value.clone() for name, value in model.state_dict().items() if not name.startswith("11.")}


@OWN.task(steps=200, default_lr=1e-3)
def fine_tuning() -> Problem:
    """CNN that knows the digits 0 to 4, with a new last layer for 5 to 9, AdamW with weight decay 0.05, batch 32"""
    train, validation = data.only(data.small_mnist(), range(5, 10))
    model = small_cnn(5)
    model.load_state_dict(_pretrained(), strict=False)
    return problem(model, nn.CrossEntropyLoss(), AdamW, train, 32, validation, weight_decay=0.05, fused=True)
