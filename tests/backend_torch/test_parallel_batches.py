"""Each of several runs that are taken together draws the batches that it draws alone, in their order."""

import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset

from lrrange import StopReason
from lrrange.errors import NoData
from tests.backend_torch.rigs import data, loader_of
from tests.backend_torch.side_by_side import SWEEP, assert_together_is_as_off, find, training, ways


class Augmented(Dataset[Any]):
    def __init__(self, noise: Callable[[], float]) -> None:
        self.inner, self.noise = data(), noise

    def __len__(self) -> int:
        return len(self.inner)

    def __getitem__(self, index: int) -> Any:
        x, y = self.inner[index]
        return x * (1 + 0.3 * self.noise()), y


class WithItsOwnNumbers(Augmented):
    def __init__(self, own: Any) -> None:
        super().__init__(self._draw)
        self.own = own

    def _draw(self) -> float:
        if isinstance(self.own, torch.Generator):
            return float(torch.rand((), generator=self.own))
        return float(self.own.random())


class Cropped:
    """Batches of sequences; from the third on they are of a random length each."""

    def __iter__(self) -> Iterator[Any]:
        x, y = data().tensors
        for number in range(4):
            length = 6 if number < 2 else int(torch.randint(2, 7, ()))
            yield x[16 * number :, :length], y[16 * number :]


class Streaming(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        for x, y in data():
            if random.random() < 0.7:
                yield x, y


class OfAnyLength(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(1, 8), nn.Linear(8, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(torch.tanh(self.first(x.unsqueeze(-1))).mean(1))


def unseeded(dataset: Any = None, **options: Any) -> DataLoader[Any]:
    return DataLoader(dataset or data(), batch_size=16, shuffle=True, **options)


LOADERS: dict[str, Callable[[], Any]] = {
    "in order": lambda: DataLoader(data(), batch_size=16),
    "a list": lambda: list(loader_of(data())),
    "shuffled by the global numbers": unseeded,
    "shuffled by a generator": lambda: loader_of(data()),
    "drawn with replacement": lambda: DataLoader(
        data(), batch_size=16, sampler=torch.utils.data.RandomSampler(data(), replacement=True, num_samples=80)
    ),
    "augmented by torch": lambda: unseeded(Augmented(lambda: float(torch.randn(())))),
    "augmented by numpy": lambda: unseeded(Augmented(lambda: float(numpy.random.randn()))),
    "augmented by python": lambda: loader_of(Augmented(lambda: random.gauss(0.0, 1.0))),
    "augmented by a generator of its own": lambda: unseeded(WithItsOwnNumbers(torch.Generator().manual_seed(8))),
    "augmented by numpy's own generator": lambda: unseeded(WithItsOwnNumbers(numpy.random.default_rng(8))),
    "augmented by a Random of its own": lambda: loader_of(WithItsOwnNumbers(random.Random(8))),
    "with a smaller last batch": lambda: loader_of(data(count=88)),
    "one batch": lambda: loader_of(data(count=16)),
    "of one sample each": lambda: loader_of(data(), batch_size=1),
    "a stream of random length": lambda: DataLoader(Streaming(), batch_size=12, drop_last=True),
}


@pytest.mark.parametrize("loader", LOADERS.values(), ids=LOADERS)
@pytest.mark.parametrize("seed", [None, 7])
def test_every_run_has_the_batches_that_it_has_alone(loader: Any, seed: int | None) -> None:
    off, together = assert_together_is_as_off(training(loader=loader), seed=seed, confirm=True, confirm_steps=90)
    assert together.provenance.details["batches_taken"] <= off.provenance.details["batches_taken"]


def test_runs_of_different_seeds_have_different_batches() -> None:
    _, together = assert_together_is_as_off(training(loader=unseeded))
    assert together.sweeps[1].loss != pytest.approx(together.sweeps[2].loss, rel=1e-3)


def test_batches_whose_shapes_differ_between_the_runs_are_passed_one_by_one_in_that_step() -> None:
    assert_together_is_as_off(training(OfAnyLength, loader=Cropped), confirm=True, confirm_steps=90)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_passes_one_by_one_keep_the_precision_of_the_loss(dtype: torch.dtype) -> None:
    def loss(model: nn.Module, batch: Any) -> torch.Tensor:
        return nn.functional.mse_loss(model(batch[0].to(dtype)).double(), batch[1].double())

    make = training(lambda: OfAnyLength().to(dtype), loader=Cropped, loss_fn=loss, batch_form="whole")
    if dtype is torch.float64:
        assert_together_is_as_off(make, rel=1e-11)
    else:
        off, together = assert_together_is_as_off(make, rel=0.02, end_lr=1e-2)
        assert together.sweeps[1].loss[:8] == pytest.approx(off.sweeps[1].loss[:8], rel=2e-3)


def test_batches_of_different_shapes_from_the_first_on_are_a_reason() -> None:
    class Uneven(Cropped):
        def __iter__(self) -> Iterator[Any]:
            return (batch for number, batch in enumerate(super().__iter__()) if number > 1)

    make = training(OfAnyLength, loader=Uneven)
    off, together = find(make, "off"), find(make, "vmap")
    assert ways(together) == ["2 runs one by one: the batches have different shapes"]
    assert together.sweeps == off.sweeps


class TellsItsName(Dataset[Any]):
    def __len__(self) -> int:
        return 96

    def __getitem__(self, index: int) -> Any:
        return {"x": data()[index][0], "y": data()[index][1], "name": f"sample {index}"}


def test_batches_that_hold_other_things_than_tensors_are_taken_together_only_where_these_are_the_same() -> None:
    def loss(model: nn.Module, batch: Any) -> torch.Tensor:
        return nn.functional.mse_loss(model(batch["x"]), batch["y"])

    make = training(loader=lambda: unseeded(TellsItsName()), loss_fn=loss, batch_form="whole")
    off, together = (
        find(make, "off", confirm=True, confirm_steps=90),
        find(make, "vmap", confirm=True, confirm_steps=90),
    )
    assert ways(together)[0] == "2 runs one by one: the batches hold different values of str"
    assert together.sweeps == off.sweeps
    assert ways(together)[1] == "2 runs together"  # which have one batch for all


class GivesWhatIsLeft:
    """A loader that gives its batches only once, and does not look like that."""

    def __init__(self, count: int) -> None:
        batches = list(loader_of(data()))
        self._left = (batches[number % 6] for number in range(count))

    def __iter__(self) -> Iterator[Any]:
        return self._left


# The first sweep has 30 of them.
@pytest.mark.parametrize("count", [30, 31, 36, 61])
@pytest.mark.parametrize("parallel", ["vmap", "auto"])
@pytest.mark.filterwarnings("ignore::lrrange.errors.NotKeptWarning")
def test_a_loader_that_runs_out_without_notice_ends_the_runs(count: int, parallel: str) -> None:
    result = find(training(loader=lambda: GivesWhatIsLeft(count)), parallel)
    assert result.provenance.steps_run <= count
    assert len(result.sweeps[0]) == SWEEP["num_steps"]
    assert result.stop_reason in (StopReason.COMPLETED, StopReason.DATA_EXHAUSTED)


def test_trials_whose_data_run_out_say_so_as_they_do_alone() -> None:
    for parallel in ("off", "vmap"):
        with pytest.raises(NoData, match="data ran out after"):
            find(training(loader=lambda: GivesWhatIsLeft(35)), parallel, repeats=1, confirm=True, confirm_steps=90)


def test_an_error_in_a_batch_that_no_run_needs_is_not_raised() -> None:
    class Broken(Augmented):
        def __getitem__(self, index: int) -> Any:
            if index >= 30:
                raise RuntimeError("a sample that cannot be read")
            return super().__getitem__(index)

    loader = training(loader=lambda: DataLoader(Broken(lambda: 0.0), batch_size=1))
    assert_together_is_as_off(loader)  # each takes 30 steps, and batches are drawn eight at a time


def test_worker_processes_draw_for_runs_that_share_their_batches_and_for_no_others() -> None:
    make = training(loader=lambda: loader_of(data(), num_workers=1))
    _, together = (find(make, way, repeats=2, confirm=True, confirm_steps=90) for way in ("off", "vmap"))
    assert ways(together) == ["2 runs together"]
    assert ways(find(make, "vmap")) == ["2 runs one by one: each run would start worker processes of its own"]
