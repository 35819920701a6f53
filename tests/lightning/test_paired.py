"""Paired sweeps of a Lightning training: the steps once more at rate zero, and a fit that notices nothing."""

import os
from typing import Any

import pytest
import torch
from lrrange_lightning import LRRangeTest
from torch.utils.data import DataLoader, IterableDataset

from lrrange.errors import NotPairedWarning
from lrrange.sweep.noise import noise_level
from tests.lightning.finding import changed, find
from tests.lightning.observing import of_training
from tests.lightning.trainings import data, gan, loader, plain, trainer

SWEEP = {"start_lr": 1e-6, "end_lr": 1.0, "num_steps": 40, "divergence": None}


def is_quiet_at_the_start(curve: Any) -> bool:
    return noise_level(curve.loss[:10]) < 0.05 * noise_level(curve.unpaired.loss[:10])


def test_a_trainer_takes_the_steps_again_at_rate_zero(package: Any) -> None:
    rates: list[float] = []

    def record(self: Any, optimizer: Any) -> None:
        rates.append(optimizer.param_groups[0]["lr"])

    model, fitting = changed(package, on_before_optimizer_step=record), trainer(package)
    before = of_training(fitting, model)
    result = find(package, model, trainer=fitting, train_dataloaders=loader(batch_size=4), paired=True, **SWEEP)
    assert of_training(fitting, model) == before
    assert is_quiet_at_the_start(result.curve)
    assert rates[40:] == [0.0] * 40
    assert (result.provenance.steps_run, result.provenance.details["forward_passes"]) == (80, 0)


def test_manual_optimization_is_paired_with_its_random_numbers(pl: Any) -> None:
    result = find(pl, gan(pl), train_dataloaders=loader(batch_size=4), paired=True, **SWEEP)
    assert is_quiet_at_the_start(result.curve)


def test_the_fit_around_the_callback_goes_on_as_without_one(package: Any) -> None:
    def weights(**options: Any) -> tuple[Any, list[torch.Tensor]]:
        model = plain(package)
        callback = LRRangeTest(apply=False, seed=1, **SWEEP, **options)
        fitting = trainer(package, callbacks=[callback], max_epochs=1)
        fitting.fit(model, loader(batch_size=4))
        return callback.result, [parameter.detach().clone() for parameter in model.parameters()]

    plain_result, expected = weights()
    result, found = weights(paired=True)
    assert result.curve.unpaired == plain_result.curve
    assert is_quiet_at_the_start(result.curve)
    assert all(torch.equal(*pair) for pair in zip(expected, found, strict=True))


class Endless(IterableDataset):
    """Examples in an order that nothing puts back."""

    def __iter__(self) -> Any:
        examples = data()
        while True:
            yield examples[os.urandom(1)[0] % len(examples)]


def test_a_stream_is_noticed(pl: Any) -> None:
    with pytest.warns(NotPairedWarning, match="first step"):
        result = find(pl, plain(pl), train_dataloaders=DataLoader(Endless(), 4), paired=True, **SWEEP)
    assert result.curve.baseline is None
    assert result.provenance.steps_run == 41
