"""Modules that raise at a high rate, and StopIteration that is not the end of the data, under Lightning."""

from typing import Any

import pytest
import torch
from lrrange_lightning import LRRangeTest
from torch.nn import functional as F
from torch.utils.data import Dataset

from lrrange import StopReason, find_lr
from tests.backend_torch.observing import of_module
from tests.lightning.trainings import loader, plain, trainer

RATES: dict[str, Any] = {"start_lr": 1e-6, "end_lr": 1e3, "num_steps": 90, "divergence": None}


def checking(package: Any) -> Any:
    """Return a module that checks its outputs, as many do while they are debugged."""
    model = plain(package)

    def training_step(batch: Any, batch_idx: int) -> Any:
        output = model.net(batch[0])
        assert output.abs().max() < 100.0, "the output explodes"
        return F.mse_loss(output, batch[1])

    model.training_step = training_step
    return model


def test_the_points_before_an_error_at_a_high_rate_are_kept_and_answered_from(pl: Any) -> None:
    model = checking(pl)
    before = of_module(model)
    result = find_lr(trainer(pl), model=model, train_dataloaders=loader(), **RATES)
    assert of_module(model) == before
    assert result.stop_reason is StopReason.RAISED
    (raised,) = result.provenance.details["raised"]
    assert raised["type"] == "AssertionError"
    assert raised["text"].startswith("the output explodes")
    assert result.lr < raised["lr"]


def test_so_they_are_by_the_callback_and_the_fit_goes_on(pl: Any) -> None:
    callback = LRRangeTest(**RATES)
    fitting = trainer(pl, callbacks=[callback])
    fitting.fit(checking(pl), loader())
    assert callback.result.stop_reason is StopReason.RAISED
    assert fitting.global_step > 0


@pytest.mark.parametrize("hook", ["training_step", "on_train_batch_start", "optimizer_step"])
def test_stop_iteration_of_a_module_is_an_error_and_not_the_end_of_the_data(pl: Any, hook: str) -> None:
    model, calls = plain(pl), []
    real = getattr(model, hook)

    def stops(*arguments: Any, **named: Any) -> Any:
        calls.append(hook)
        if len(calls) == 8:
            raise StopIteration
        return real(*arguments, **named)

    if hook == "training_step":
        model.training_step = lambda batch, batch_idx: stops(batch, batch_idx)
    else:
        setattr(model, hook, stops)
    before = of_module(model)
    with pytest.raises(RuntimeError, match="the module or its optimizer raised StopIteration"):
        find_lr(trainer(pl), model=model, train_dataloaders=loader(), num_steps=20)
    assert of_module(model) == before


class Examples(Dataset):
    """Raises an error for one example of the second epoch."""

    def __init__(self, error: type[Exception]) -> None:
        self.error, self.taken = error, 0

    def __len__(self) -> int:
        return 96

    def __getitem__(self, index: int) -> Any:
        self.taken += 1
        if self.taken > 150:
            raise self.error("in the dataset")
        return torch.randn(6), torch.randn(1)


def test_stop_iteration_of_a_dataset_is_an_error(pl: Any) -> None:
    data = torch.utils.data.DataLoader(Examples(StopIteration), 32)
    with pytest.raises(RuntimeError, match="the loader's dataset raised StopIteration"):
        find_lr(trainer(pl), model=plain(pl), train_dataloaders=data, num_steps=20)


def test_an_error_of_the_loader_is_not_taken_for_one_of_the_rate(pl: Any) -> None:
    data = torch.utils.data.DataLoader(Examples(ValueError), 2)
    with pytest.raises(ValueError, match="in the dataset"):
        find_lr(trainer(pl), model=plain(pl), train_dataloaders=data, **RATES)
