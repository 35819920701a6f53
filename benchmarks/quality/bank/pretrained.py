"""Subjects of the bank that start from trained weights: adapters, fine-tuning and distillation."""

import functools
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn
from torch.optim import Adam

from benchmarks.quality.bank import data, models
from benchmarks.quality.bank.structures import next_character
from benchmarks.quality.bank.subject import Parts, subject
from benchmarks.quality.tasks import data as task_data
from benchmarks.quality.tasks.models import CharTransformer, mlp
from benchmarks.quality.tasks.task import problem


def _pretrained(untrained: Callable[[], Parts], steps: int = 400, lr: float = 2e-3) -> dict[str, torch.Tensor]:
    """Return the weights of a model after some training, the same in every process."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model, criterion, (train, validation) = untrained()
        pretraining = problem(model, criterion, Adam, train, 32, validation)
        optimizer = pretraining.optimizer(lr)
        for _, batch in zip(range(steps), pretraining.batches(), strict=False):
            pretraining.update(optimizer, batch)
    return {name: value.clone() for name, value in model.state_dict().items()}


@functools.cache
def _language_model() -> dict[str, torch.Tensor]:
    def first_half() -> Parts:
        split, alphabet = data.half_of_text(second=False)
        return CharTransformer(alphabet), next_character, split

    return _pretrained(first_half, steps=600, lr=3e-3)


def _on_other_text() -> Parts:
    split, alphabet = data.half_of_text(second=True)
    model = CharTransformer(alphabet)
    model.load_state_dict(_language_model())
    return model, next_character, split


@subject("adapter", "text", batches=(2, 8), longest=250, ignores_input=False)
def adapters_text() -> Parts:
    """Low-rank adapters on a transformer of other prose"""
    model, criterion, split = _on_other_text()
    return models.with_adapters(model), criterion, split


@subject("fine_tuning", "text", batches=(4, 8), longest=250, ignores_input=False)
def fine_tuned_text() -> Parts:
    """Transformer of other prose, all weights trained on"""
    return _on_other_text()


@functools.cache
def _classifier() -> dict[str, torch.Tensor]:
    return _pretrained(lambda: (mlp(64, 96, 96, 10), nn.CrossEntropyLoss(), data.shrunk("mnist")))


def _on_other_images(upside_down: bool) -> Parts:
    model = mlp(64, 96, 96, 10)
    model.load_state_dict(_classifier())
    split = data.upside_down(data.shrunk("mnist")) if upside_down else data.shrunk("fashion")
    return model, nn.CrossEntropyLoss(), split


@subject("adapter", "fashion", batches=(4, 16), ignores_input=False)
def adapters_fashion() -> Parts:
    """Low-rank adapters on an MLP of MNIST, for Fashion-MNIST"""
    model, criterion, split = _on_other_images(upside_down=False)
    return models.with_adapters(model), criterion, split


@subject("fine_tuning", "mnist", batches=(4, 16, 64), ignores_input=False)
def fine_tuned_upside_down() -> Parts:
    """MLP of MNIST, trained on with the digits upside down"""
    return _on_other_images(upside_down=True)


@functools.cache
def _mnist_cnn() -> dict[str, torch.Tensor]:
    return _pretrained(lambda: (models.digit_cnn(norm=True), nn.CrossEntropyLoss(), data.shrunk("mnist")))


@subject("fine_tuning", "digits", batches=(8, 32), longest=400)
def fine_tuned_new_head() -> Parts:
    """CNN of MNIST with a new last layer, for digits"""
    model = models.digit_cnn(norm=True)
    model.load_state_dict({k: v for k, v in _mnist_cnn().items() if not k.startswith("10.")}, strict=False)
    return model, nn.CrossEntropyLoss(), task_data.bundled("digits")


@functools.cache
def _teacher() -> dict[str, torch.Tensor]:
    return _pretrained(lambda: (mlp(64, 128, 10), nn.CrossEntropyLoss(), task_data.bundled("digits")))


@subject("mlp", "digits", batches=(16, 64), ignores_input=False)
def distillation() -> Parts:
    """Small MLP that learns the outputs of a larger one"""
    teacher = mlp(64, 128, 10)
    teacher.load_state_dict(_teacher())
    (x, _), (val_x, _) = task_data.bundled("digits")

    def loss(out: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return F.kl_div(F.log_softmax(out / 2, 1), F.softmax(y / 2, 1), reduction="batchmean")

    with torch.no_grad():
        return mlp(64, 24, 10), loss, ((x, teacher(x)), (val_x, teacher(val_x)))
