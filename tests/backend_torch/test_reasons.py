"""What PyTorch's trainings are refused for is what went wrong with them."""

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lrrange import NoSuggestion, find_lr
from lrrange.errors import EndedEarly, NonFiniteLosses, OnlyRises, OptionError, TargetError


def refusal(inputs, targets, *, loss_fn=None, shuffle=True, as_iterator=False, batch_size=16, **options):
    """Return the error that the sweep of a small network on this data ends with."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 1))
    loader = DataLoader(TensorDataset(inputs, targets), batch_size=batch_size, shuffle=shuffle)
    result = find_lr(
        model,
        optimizer=torch.optim.Adam(model.parameters()),
        loss_fn=loss_fn or nn.MSELoss(),
        loader=iter(loader) if as_iterator else loader,
        **options,
    )
    with pytest.raises(NoSuggestion) as caught:
        _ = result.lr
    return caught.value


@pytest.fixture
def data():
    torch.manual_seed(1)
    inputs = torch.randn(512, 8)
    return inputs, 2 * inputs[:, :1] + 0.1 * torch.randn(512, 1)


def test_rows_of_nan_are_blamed_on_the_data(data):
    inputs, targets = data
    inputs[torch.randperm(512)[:60], 3] = torch.nan
    error = refusal(inputs, targets)
    assert type(error) is NonFiniteLosses
    assert str(error).startswith("the loss was NaN at ")
    assert "Check the data (NaN" in str(error)


def test_a_log_of_zero_is_blamed_on_the_loss(data):
    error = refusal(*data, loss_fn=lambda outputs, _: torch.log(outputs - outputs).mean())
    assert type(error) is NonFiniteLosses
    assert "the loss was infinite at 3 of 3 steps, from the first step on" in str(error)


@pytest.mark.filterwarnings("ignore::lrrange.errors.NotKeptWarning")  # the iterator of the batches
def test_an_iterator_that_is_exhausted_is_named(data):
    error = refusal(*data, as_iterator=True, num_steps=200)
    assert type(error) is EndedEarly
    assert "there were batches for 32 of the 200 steps needed" in str(error)


def test_batches_in_an_order_of_rising_loss_are_named(data):
    inputs, targets = data
    order = torch.argsort(targets[:, 0].abs())
    error = refusal(inputs[order], targets[order], shuffle=False, batch_size=8)
    assert type(error) is OnlyRises
    assert "follows the order of the batches" in str(error)
    assert "start_lr" not in str(error)


def test_a_class_of_losses_and_data_without_a_loader_are_named(data):
    model = nn.Linear(8, 1)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    loader = DataLoader(TensorDataset(*data), batch_size=16)
    with pytest.raises(OptionError, match=r"^loss_fn is the class MSELoss, .* Give MSELoss\(\)\.$"):
        find_lr(model, optimizer=optimizer, loss_fn=nn.MSELoss, loader=loader)
    with pytest.raises(TargetError, match=r"length 512, not \(inputs, targets\).*DataLoader\(TensorDataset\("):
        find_lr(model, optimizer=optimizer, loss_fn=nn.MSELoss(), loader=data)
