"""How much the search for state reads: no more objects than there are, and no data."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from lrrange_torch.inventory.inventory import Inventory, Item
from lrrange_torch.snapshot import Snapshot
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, TensorDataset

from tests.backend_torch.rigs import data

LONG = 1_000_000


def mlp() -> tuple[nn.Module, torch.optim.Optimizer]:
    """A small network whose optimizer has taken steps."""
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 1))
    optimizer = torch.optim.Adam(model.parameters())
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.randn(4, 6)).sum().backward()
        optimizer.step()
    return model, optimizer


def items_of(*values: Any, is_data: bool = False, in_full: bool = False) -> list[Item]:
    inventory = Inventory(in_full)
    return [item for value in values for item in inventory.items("", value, is_data)]


class Rows(Dataset[Any]):
    """A data set of a long list, which notices if anybody reads it."""

    def __init__(self, rows: Any) -> None:
        self.rows = rows

    def __getitem__(self, index: int) -> Any:
        return self.rows[index]

    def __len__(self) -> int:
        return len(self.rows)


def test_a_small_network_has_few_objects() -> None:
    model, optimizer = mlp()
    assert len(items_of(model)) < 45
    assert len(items_of(model, optimizer, nn.MSELoss())) < 90


def test_a_loader_has_few_objects_however_many_examples() -> None:
    counts = []
    for rows in (100, LONG):
        loader = DataLoader(TensorDataset(torch.zeros(rows, 2)), 16, shuffle=True)
        counts.append(len(items_of(loader, is_data=True)))
    assert counts[0] == counts[1] < 20


@pytest.mark.parametrize(
    "make",
    [
        lambda: list(range(LONG)),
        lambda: [[] for _ in range(LONG // 10)],
        lambda: dict.fromkeys(range(LONG), 1),
        lambda: {"train": [[] for _ in range(LONG // 10)]},
        lambda: tuple([] for _ in range(LONG // 10)),
    ],
)
def test_a_long_container_of_a_data_set_is_not_walked(make: Callable[[], Any]) -> None:
    loader = DataLoader(Rows(make()), 16)
    assert len(items_of(loader, is_data=True)) < 20


def test_a_long_list_of_indices_of_a_subset_is_not_walked() -> None:
    subset = torch.utils.data.Subset(data(), [0] * LONG)
    assert len(items_of(DataLoader(subset, 16), is_data=True)) < 20


def test_a_long_list_that_a_function_reads_is_not_walked() -> None:
    rows: list[list[int]] = [[] for _ in range(LONG // 10)]

    def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return F.mse_loss(outputs, targets) * len(rows)

    assert len(items_of(loss)) < 20


def test_the_data_in_a_list_of_batches_are_not_copied() -> None:
    batches = [(torch.zeros(1000, 100), torch.zeros(1000)) for _ in range(64)]
    state = Snapshot()
    state.keep(batches, is_data=True)
    assert state.copied_bytes == 0
    large = [item for item in items_of(batches, is_data=True) if item.is_too_large]
    assert len(large) == 64


def test_the_check_reads_everything() -> None:
    rows: list[list[int]] = [[] for _ in range(1000)]
    assert len(items_of(DataLoader(Rows(rows), 16), is_data=True, in_full=True)) > 1000


def test_each_object_is_found_once() -> None:
    model, optimizer = mlp()
    shared: list[Any] = [model, optimizer, [model]]
    shared.append(shared)
    items = items_of(shared, model, shared)
    assert len({id(item.value) for item in items}) == len(items)
