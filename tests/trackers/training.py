"""A training that a tracker watches, and what was told of it."""

import random

import numpy
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import lrrange
from lrrange.sweep import MetricValue, Quantity
from tests.core.training import Loop

CONFIRM = {"confirm": True, "confirm_steps": 120}


def make(seed=0):
    """Return a small classification, and the options of `find_lr` for it, with held-out data."""
    torch.manual_seed(seed)
    points = torch.randn(256, 8)
    labels = (points.sum(1) > 0).long()
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2))
    return model, {
        "optimizer": torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9),
        "loss_fn": nn.CrossEntropyLoss(),
        "loader": DataLoader(TensorDataset(points, labels), batch_size=32, shuffle=True),
        "val_loader": DataLoader(TensorDataset(points[:64], labels[:64]), batch_size=64),
    }


def random_states():
    """Return every random state of the process."""
    return random.getstate(), numpy.random.get_state()[1].tolist(), torch.get_rng_state().tolist()


def find(*watchers, **options):
    """Return the result of a range test that these watch."""
    model, made = make()
    return lrrange.find_lr(model, **made, **{"num_steps": 60, **options}, watchers=list(watchers))


def compare(*watchers, **options):
    """Return a comparison that these watch: a fixed rate and a one-cycle, each from two seeds."""
    policies = {"0.1": 0.1, "one/cycle": lrrange.OneCycle(max_lr=0.3, total_steps=12)}
    options = {"steps": 12, "repeats": 2, "evaluate_every": 6, "watchers": list(watchers), **options}
    return lrrange.compare(make, policies, **options)


class Stop:
    """A watcher that raises an error at a step of the sweep, or of a run."""

    def __init__(self, error, step=7):
        self.error, self.step = error, step

    @lrrange.hookimpl
    def lrrange_advanced(self, point):
        if point.step == self.step:
            raise self.error

    @lrrange.hookimpl
    def lrrange_run_advanced(self, step):
        if step == self.step:
            raise self.error


class Accuracy(Loop):
    """A training that records its accuracy, and its loss beside it."""

    QUANTITY = Quantity(name="accuracy@1", higher_is_better=True)

    def loss(self, lr):
        loss = super().loss(lr)
        return MetricValue(quantity=self.QUANTITY, value=1 - loss, loss=loss)
