"""What a paired sweep holds at a time: no more copies, and no more of a forward pass, than a plain sweep."""

import weakref
from typing import Any

import pytest
import torch
from lrrange_torch.snapshot.copy_stores import Copies
from lrrange_torch.snapshot.snapshot_maker import SnapshotMaker
from torch import nn
from torch.autograd.graph import saved_tensors_hooks

import lrrange
from tests.backend_torch.test_own_step_copies import step_of
from tests.backend_torch.test_own_step_copies import sweep as sweep_own
from tests.backend_torch.test_snapshot_lazy import SMALL, Table, batches, bytes_of, sweep, wide, words


class Alive:
    """The bytes that exist now, the most that existed at a time, and all that ever did."""

    def __init__(self) -> None:
        self.now = self.most = self.total = 0

    def add(self, owner: object, count: int) -> None:
        """Count these bytes until their owner is gone."""
        self.now += count
        self.most = max(self.most, self.now)
        self.total += count
        weakref.finalize(owner, self._remove, count)

    def _remove(self, count: int) -> None:
        self.now -= count


@pytest.fixture
def copies(monkeypatch: pytest.MonkeyPatch) -> Alive:
    """All copies of snapshots."""
    alive, keep = Alive(), Copies.keep

    def counted(copies: Copies, tensor: torch.Tensor) -> Any:
        put_back = keep(copies, tensor)
        alive.add(put_back, tensor.nbytes)
        return put_back

    monkeypatch.setattr(Copies, "keep", counted)
    return alive


@pytest.fixture
def at_each_snapshot(monkeypatch: pytest.MonkeyPatch, copies: Alive) -> list[int]:
    """The bytes of earlier copies that still exist when a snapshot is made, for each snapshot."""
    found: list[int] = []
    make = SnapshotMaker.make

    def watched(maker: SnapshotMaker) -> Any:
        found.append(copies.now)
        return make(maker)

    monkeypatch.setattr(SnapshotMaker, "make", watched)
    return found


def test_the_copy_of_the_sweep_is_gone_before_the_second_snapshot_which_copies_nothing_large(
    copies: Alive, at_each_snapshot: list[int]
) -> None:
    model = wide()
    details = sweep(model, batches(), paired=True)
    assert details["forward_passes"] == 12
    assert at_each_snapshot == [0, 0]
    assert copies.most == details["copied_bytes"] == bytes_of(model)
    assert copies.total < bytes_of(model) + SMALL


def test_the_second_snapshot_of_a_sparse_table_copies_none_of_its_rows(at_each_snapshot: list[int]) -> None:
    plain, paired = (sweep(Table(), words(), paired=paired) for paired in (False, True))
    assert paired["forward_passes"] == 12
    assert at_each_snapshot == [0, 0, 0]
    assert paired["copied_bytes"] == plain["copied_bytes"] > 0


def test_each_sweep_of_several_is_gone_before_the_baselines(copies: Alive, at_each_snapshot: list[int]) -> None:
    model = wide()
    sweep(model, batches(), paired=True, repeats=3)
    assert at_each_snapshot == [0] * 6
    assert copies.most == bytes_of(model)


def test_steps_of_your_own_that_are_taken_again_copy_the_weights_again_but_one_copy_exists(
    copies: Alive, at_each_snapshot: list[int]
) -> None:
    model = wide()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    details = sweep_own(step_of(model, optimizer, batches()), optimizer, model, paired=True)
    assert at_each_snapshot == [0, 0]
    assert copies.most == details["copied_bytes"] == bytes_of(model)
    assert copies.total == 2 * bytes_of(model)


@pytest.mark.parametrize("accumulate", [1, 4])
def test_forward_passes_keep_the_activations_of_one_batch(accumulate: int) -> None:
    """A backward pass would free them. Without one, each loss must go before the next batch."""
    model = wide()
    most = {}
    for paired in (False, True):
        activations = Alive()

        class Kept:
            def __init__(self, tensor: torch.Tensor, alive: Alive = activations) -> None:
                self.tensor = tensor.detach()  # a result that keeps itself would keep its graph
                alive.add(self, tensor.nbytes)

        with saved_tensors_hooks(Kept, lambda kept: kept.tensor):
            result = lrrange.find_lr(
                model,
                torch.optim.SGD(model.parameters(), 0.1),
                nn.MSELoss(),
                batches(),
                num_steps=12,
                accumulate=accumulate,
                paired=paired,
            )
        assert result.provenance.details.get("forward_passes", 0) == 12 * paired
        assert activations.now == 0
        most[paired] = activations.most
    assert most[True] == most[False] > 0
