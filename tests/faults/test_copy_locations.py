"""A snapshot in main memory or on disk restores everything, as one on the device does, and leaves no file."""

import errno
import os
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
import torch
from lrrange_torch.snapshot.copy_stores import CopiesOnDisk, copies_in
from torch import nn
from torch.nn import functional as F

import lrrange
from lrrange import testing
from lrrange.errors import OptionError, SaveError
from tests.backend_torch import rigs
from tests.backend_torch.observing import bits_of_values

LOCATIONS = ["device", "cpu", "disk"]


def wide_and_frozen() -> testing.Rig:
    """Return a rig with parameters large enough to be copied only when they change. Most of them never change."""
    rigs.seed_all()
    model = nn.Sequential(nn.Linear(6, 256), nn.Tanh(), nn.Linear(256, 256), nn.Tanh(), nn.Linear(256, 1))
    model[2].requires_grad_(False)
    model[2].weight.data = model[2].weight.data.t()
    return rigs.rig_of(model, torch.optim.Adam(model.parameters()), rigs.loader_of(rigs.data()), nn.MSELoss())


def wide() -> testing.Rig:
    rigs.seed_all()
    model = nn.Sequential(nn.Linear(6, 4096), nn.Tanh(), nn.Linear(4096, 1))
    optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9)
    return rigs.rig_of(model, optimizer, rigs.loader_of(rigs.data()), nn.MSELoss())


TRAININGS = [
    wide,
    wide_and_frozen,
    rigs.busy_with_groups_and_scheduler,
    rigs.bfloat16_parameters,
    rigs.sparse_embedding,
    rigs.gan_by_own_step,
]


def copying_to(make_rig: testing.MakeRig, location: str) -> testing.MakeRig:
    def make() -> testing.Rig:
        rig = make_rig()
        return attrs.evolve(rig, options={**rig.options, "snapshot": location})

    return make


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder that is used for temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("location", LOCATIONS[1:])
@pytest.mark.parametrize("make_rig", TRAININGS, ids=lambda make: make.__name__)
@pytest.mark.parametrize("check", testing.CHECKS, ids=lambda check: check.__name__)
def test_the_contract_holds_for_every_copy_location(
    check: Callable[[testing.MakeRig], None], make_rig: testing.MakeRig, location: str
) -> None:
    check(copying_to(make_rig, location))


@pytest.mark.parametrize("location", LOCATIONS)
def test_the_same_is_copied_to_every_location_and_the_result_says_which(location: str) -> None:
    details = copying_to(wide_and_frozen, location)().find().provenance.details
    trained = 4 * (6 * 256 + 256 + 256 + 1)
    small_and_frozen = 4 * 256
    assert details["copied_to"] == location
    assert details["copied_bytes"] == trained + small_and_frozen


def test_a_snapshot_on_disk_has_no_name_at_any_moment(temporary: Path) -> None:
    listings: list[list[str]] = []

    class ListsFolder:
        @lrrange.hookimpl
        def lrrange_advanced(self) -> None:
            listings.append(os.listdir(temporary))

    copying_to(wide, "disk")().find(ListsFolder())
    assert len(listings) > 5
    assert not any(listings)
    assert os.listdir(temporary) == []


class FullDisk:
    """A disk with `room` bytes left, which holds the temporary file of a snapshot."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
        self.room = room
        self.refused = 0
        real = tempfile.TemporaryFile

        def temporary_file(*arguments: Any, **options: Any) -> Any:
            self.file = real(*arguments, **options)
            return self

        monkeypatch.setattr(tempfile, "TemporaryFile", temporary_file)

    def write(self, chunk: memoryview) -> int:
        if self.room == 0:
            self.refused += 1
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        count: int = self.file.write(chunk[: self.room])  # the last chunk is written in part, as on a real disk
        self.room -= count
        return count

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


@pytest.mark.parametrize(
    ("make_rig", "room"),
    [
        *[(wide, room) for room in (0, 1_000, 20_000, 100_000, 150_000)],  # some are copied in the first step
        *[(rigs.busy_with_groups_and_scheduler, room) for room in (0, 1_000)],
        *[(rigs.gan_by_own_step, room) for room in (0, 500)],
    ],
)
def test_a_full_disk_ends_the_sweep_with_the_reason_and_changes_nothing(
    make_rig: testing.MakeRig, room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = copying_to(make_rig, "disk")()
    rig.train(3)
    before = rig.observe()
    disk = FullDisk(monkeypatch, room)
    with pytest.raises(SaveError, match=r"No space left on device\. Set the environment variable TMPDIR") as caught:
        rig.find()
    assert disk.refused == 1
    assert isinstance(caught.value.__cause__, OSError)
    assert rig.observe() == before
    assert disk.file.closed


class Unreadable(random.Random):
    def getstate(self) -> Any:
        raise ValueError("raised on purpose")


def test_a_snapshot_that_fails_leaves_gradients_and_hooks_unchanged_and_no_file() -> None:
    rig = copying_to(wide, "disk")()
    rig.train(2)
    rig.options["loader"].sampler.odd = Unreadable()
    before = rig.observe()
    with pytest.raises(ValueError, match="raised on purpose"):
        rig.find()
    assert rig.observe() == before


@pytest.mark.parametrize("location", ["gpu", None, 3])
def test_an_unknown_copy_location_is_refused_before_the_first_step(location: Any) -> None:
    for make_rig in (wide, rigs.gan_by_own_step):
        rig = copying_to(make_rig, location)()
        before = rig.observe()
        with pytest.raises(OptionError, match="is none of 'device', 'cpu', 'disk'"):
            rig.find()
        assert rig.observe() == before


def _tensors() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    plain = torch.randn(300, 70)
    kinds = (torch.float64, torch.bfloat16, torch.float16, torch.int8, torch.bool, torch.complex64, torch.float8_e5m2)
    return {
        "plain": plain,
        "of several chunks": torch.randn(200, 300),
        "transposed": plain.t(),
        "strided": plain[::3, ::2],
        "one element": plain[0, 0],
        "empty": plain[:0],
        "conjugate": torch.randn(5, dtype=torch.complex64).conj(),
        "sparse": torch.eye(4).to_sparse(),
        **{str(kind): plain.to(kind) for kind in kinds},
    }


@pytest.mark.parametrize("location", LOCATIONS)
@pytest.mark.parametrize("kind", _tensors())
def test_tensors_of_every_kind_are_restored_to_the_last_bit(kind: str, location: str) -> None:
    copies = copies_in(location)
    tensor = _tensors()[kind]
    before = tensor.clone()
    put_back = copies.keep(tensor)
    copies.keep(torch.ones(3))  # later copies do not change earlier ones
    tensor.zero_()
    put_back(tensor)
    copies.close()
    if kind == "sparse":
        assert torch.equal(tensor.to_dense(), before.to_dense())
    else:
        assert bits_of_values(tensor.resolve_conj()) == bits_of_values(before.resolve_conj())


def test_a_truncated_file_is_an_error_and_not_a_wrong_value() -> None:
    copies = CopiesOnDisk()
    put_back = copies.keep(torch.ones(10))
    copies._file.truncate(8)
    with pytest.raises(EOFError, match="shorter"):
        put_back(torch.zeros(10))
    copies.close()


@pytest.mark.gpu
def test_a_snapshot_in_main_memory_or_on_disk_takes_no_gpu_memory() -> None:
    model = nn.Sequential(nn.Linear(64, 4096), nn.Linear(4096, 1)).cuda()
    x = torch.randn(16, 64)
    loader, peaks = [(x, x[:, :1])], {}
    for location in LOCATIONS:
        torch.cuda.reset_peak_memory_stats()
        optimizer = torch.optim.SGD(model.parameters(), 0.01)
        before = [bits_of_values(parameter.cpu()) for parameter in model.parameters()]
        lrrange.find_lr(model, optimizer=optimizer, loss_fn=F.mse_loss, loader=loader, num_steps=50, snapshot=location)
        assert [bits_of_values(parameter.cpu()) for parameter in model.parameters()] == before
        peaks[location] = torch.cuda.max_memory_allocated()
    assert peaks["cpu"] < peaks["device"]
    assert peaks["disk"] < peaks["device"]
