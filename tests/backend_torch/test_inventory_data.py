"""What a loader, its sampler, its data set and its transforms keep is put back; the data themselves are not copied."""

import copy
import itertools
import random
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy
import pytest
import torch
from torch.nn import functional as F
from torch.utils.data import (
    BatchSampler,
    ChainDataset,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    Sampler,
    StackDataset,
    Subset,
    WeightedRandomSampler,
    random_split,
)

import lrrange
from lrrange.errors import NotKeptWarning, RestoreFailed
from tests.backend_torch.picture import Picture
from tests.backend_torch.rigs import data, loader_of, rounds
from tests.backend_torch.sweeping import STEPS, Trained, sweep


class Epochs(Sampler[int]):
    """Counts its passes."""

    def __init__(self, count: int = 96) -> None:
        self.epoch, self.count = 0, count

    def __iter__(self) -> Iterator[int]:
        self.epoch += 1
        return iter(range(self.count))

    def __len__(self) -> int:
        return self.count


class Shuffles(Epochs):
    """Shuffles a list of its own, longer than what is searched."""

    def __init__(self) -> None:
        super().__init__()
        self.order = list(range(96))

    def __iter__(self) -> Iterator[int]:
        random.shuffle(self.order)
        return iter(self.order)


class Lazy(Epochs):
    """Makes its generator at the first pass."""

    generator: torch.Generator | None = None

    def __iter__(self) -> Iterator[int]:
        if self.generator is None:
            self.generator = torch.Generator().manual_seed(7)
        return iter(torch.randperm(self.count, generator=self.generator).tolist())


class Slotted(Sampler[int]):
    __slots__ = ("passes",)

    def __init__(self) -> None:
        self.passes = [0]

    def __iter__(self) -> Iterator[int]:
        self.passes[0] += 1
        return iter(range(96))


class Noise:
    """A transform with a generator of its own."""

    def __init__(self) -> None:
        self.rng = numpy.random.default_rng(5)
        self.calls = 0

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return x + float(self.rng.normal()) * 0.01


class Augmented(Dataset[Any]):
    def __init__(self, transform: Any) -> None:
        self.transform, self.inner, self.seen = transform, data(), {"n": 0}

    def __getitem__(self, index: int) -> Any:
        self.seen["n"] += 1
        x, y = self.inner[index]
        return self.transform(x), y

    def __len__(self) -> int:
        return 96


class Streamed(IterableDataset[Any]):
    """A stream that goes on where it was left."""

    def __init__(self) -> None:
        self.position, self.inner = 0, data()

    def __iter__(self) -> Iterator[Any]:
        for _ in range(64):
            self.position = (self.position + 1) % 96
            yield self.inner[self.position]


class Collated:
    """A collate function with a buffer and a count."""

    def __init__(self) -> None:
        self.batches, self.mean = 0, torch.zeros(6)

    def __call__(self, rows: list[Any]) -> Any:
        self.batches += 1
        x = torch.stack([row[0] for row in rows])
        self.mean += x.mean(0)
        return x, torch.stack([row[1] for row in rows])


class Wrapped:
    """A loader around a loader, as those that move batches to a device."""

    def __init__(self, loader: Iterable[Any]) -> None:
        self.loader, self.passes, self.rng = loader, 0, random.Random(3)

    def __iter__(self) -> Iterator[Any]:
        self.passes += 1
        for x, y in self.loader:
            yield x + self.rng.random() * 0.01, y


class Endless:
    """A loader that keeps one iterator, of a class of its own, over its data."""

    def __init__(self) -> None:
        self.x, self.y = data().tensors
        self.position = 0

    def __iter__(self) -> "Endless":
        return self

    def __next__(self) -> Any:
        self.position = (self.position + 16) % 96
        return self.x[self.position : self.position + 16], self.y[self.position : self.position + 16]


class OverAList:
    """A loader that keeps one iterator over a list."""

    def __init__(self) -> None:
        x, y = data().tensors
        self.batches = iter(list(zip(x.split(2), y.split(2), strict=True)))

    def __iter__(self) -> Iterator[Any]:
        return self.batches


LOADERS: dict[str, Callable[[], Any]] = {
    "a sampler that counts": lambda: DataLoader(data(), 16, sampler=Epochs()),
    "a sampler that shuffles its own list": lambda: DataLoader(data(), 16, sampler=Shuffles()),
    "a sampler that makes its generator": lambda: DataLoader(data(), 16, sampler=Lazy()),
    "a sampler with slots": lambda: DataLoader(data(), 16, sampler=Slotted()),
    "a sampler in a sampler": lambda: DataLoader(data(), batch_sampler=BatchSampler(Epochs(), 16, False)),
    "a random sampler": lambda: DataLoader(data(), 16, sampler=RandomSampler(data(), generator=torch.Generator())),
    "weights": lambda: DataLoader(
        data(), 16, sampler=WeightedRandomSampler(torch.rand(96).tolist(), 96, generator=torch.Generator())
    ),
    "the global generator": lambda: DataLoader(data(), 16, shuffle=True),
    "a transform": lambda: loader_of(Augmented(Noise())),
    "a nested transform": lambda: loader_of(ConcatDataset([Subset(Augmented(Noise()), list(range(48))), data()])),
    "a stack": lambda: DataLoader(StackDataset(*data().tensors), 16, sampler=Epochs()),
    "a split": lambda: loader_of(random_split(Augmented(Noise()), [80, 16])[0]),
    "a stream": lambda: DataLoader(Streamed(), 16),
    "a chain of streams": lambda: DataLoader(ChainDataset([Streamed(), Streamed()]), 16),
    "a transform as a closure": lambda: loader_of(Augmented((lambda noise: lambda x: noise(x))(Noise()))),
    "a transform as a method": lambda: loader_of(Augmented(Noise().__call__)),
    "a collate object": lambda: loader_of(data(), collate_fn=Collated()),
    "a collate method": lambda: loader_of(data(), collate_fn=Collated().__call__),
    "a wrapped loader": lambda: Wrapped(loader_of(Augmented(Noise()))),
    "a loader wrapped twice": lambda: Wrapped(Wrapped(DataLoader(data(), 16, sampler=Epochs()))),
    "an endless loader": lambda: Endless(),
    "a loader that keeps an iterator over a list": lambda: OverAList(),
    "a list of batches": lambda: list(DataLoader(data(), 16)),
}


@pytest.mark.parametrize("what", LOADERS)
def test_a_loader_may_be_or_have(what: str) -> None:
    sweep(loader=LOADERS[what]())


@pytest.mark.parametrize("what", LOADERS)
def test_a_loader_may_be_new(what: str) -> None:
    sweep(loader=LOADERS[what](), before=0)


# A pass over the others does not end, or ends once.
VALIDATION_DATA = [what for what in LOADERS if "endless" not in what and "keeps" not in what]


@pytest.mark.parametrize("what", VALIDATION_DATA)
def test_validation_data_may_be_or_have(what: str) -> None:
    sweep(val_loader=LOADERS[what](), read_on="validation")


def test_a_generator_that_is_read_is_named() -> None:
    def batches() -> Iterator[Any]:
        yield from rounds(loader_of(data()))

    sweep(loader=batches(), before=0, not_kept=["loader"])


class Keeps:
    """A loader that keeps one generator."""

    def __init__(self) -> None:
        self.batches = itertools.cycle(loader_of(data()))

    def __iter__(self) -> Iterator[Any]:
        return self.batches


def test_an_iterator_in_a_loader_is_named() -> None:
    sweep(loader=Keeps(), not_kept=["loader.batches"])


def test_the_training_goes_on_equal_to_the_bit_after_a_sweep() -> None:
    def losses(swept: bool) -> list[float]:
        sampler = Lazy()
        loader = DataLoader(Augmented(Noise()), 16, sampler=sampler)
        torch.manual_seed(1)
        model = Trained()
        if swept:
            optimizer = torch.optim.SGD(model.parameters(), 0.1)
            lrrange.find_lr(model, optimizer=optimizer, loss_fn=F.mse_loss, loader=loader, num_steps=STEPS)
            assert sampler.generator is None
        return [F.mse_loss(model(x), y).item() for x, y in loader]

    assert losses(swept=True) == losses(swept=False)


def test_a_worker_process_and_its_init_function_leave_nothing() -> None:
    seen = torch.zeros(1)
    sweep(loader=loader_of(data(), num_workers=1, worker_init_fn=lambda index: seen.add_(1)), before=0)
    sweep(loader=loader_of(data(), num_workers=1, persistent_workers=True), before=0)


# How data are treated: nothing above 64 KiB is copied, and long containers are put back without a search.
LARGE = 1 << 15  # floats, that is 128 KiB


class InPlace(Dataset[Any]):
    """A data set that changes its data."""

    def __init__(self, held: Any, change: Callable[[Any], Any]) -> None:
        self.held, self.change, self.inner = held, change, data()

    def __getitem__(self, index: int) -> Any:
        self.change(self.held)
        return self.inner[index]

    def __len__(self) -> int:
        return 96


def first(held: Any) -> None:
    held[0] += 1


def test_a_large_tensor_of_a_data_set_is_not_copied_and_named_if_it_changes() -> None:
    large = torch.zeros(LARGE)
    name = "loader.dataset.held"
    sweep(loader=loader_of(InPlace(large, lambda held: held.sum())), before=0)
    with pytest.raises(RestoreFailed, match=name):
        sweep(loader=loader_of(InPlace(large, first)), before=0)
    model = Trained()
    options = {"optimizer": torch.optim.SGD(model.parameters(), 0.1), "loader": loader_of(InPlace(large, first))}
    with pytest.warns(NotKeptWarning, match=rf"{name} \(a tensor of 131072 bytes .* too large to copy"):
        lrrange.find_lr(model, **options, loss_fn=F.mse_loss, num_steps=STEPS)


@pytest.mark.parametrize("count", [8, LARGE // 2])  # up to 64 KiB
def test_a_small_tensor_or_array_of_a_data_set_is_put_back(count: int) -> None:
    sweep(loader=loader_of(InPlace(torch.zeros(count), first)), before=0)
    sweep(loader=loader_of(InPlace(numpy.zeros(count, "f4"), first)), before=0)


def test_a_large_array_of_a_data_set_is_read_by_the_check() -> None:
    with pytest.raises(RestoreFailed, match=r"loader\.dataset\.held"):
        sweep(loader=loader_of(InPlace(numpy.zeros(LARGE, "f4"), first)), before=0)


def test_the_order_of_a_long_list_of_a_data_set_is_put_back() -> None:
    sweep(loader=loader_of(InPlace(list(range(1000)), random.shuffle)), before=0)
    sweep(loader=loader_of(InPlace({n: n for n in range(1000)}, lambda held: held.pop(next(iter(held))))), before=0)


def test_what_a_long_list_of_a_data_set_holds_is_read_by_the_check() -> None:
    with pytest.raises(RestoreFailed, match=r"loader\.dataset\.held\[3\]"):
        sweep(loader=loader_of(InPlace([[0] for _ in range(100)], lambda held: held[3].append(1))), before=0)


def test_what_a_short_list_of_a_data_set_holds_is_put_back() -> None:
    sweep(loader=loader_of(InPlace([[0] for _ in range(64)], lambda held: held[3].append(1))), before=0)


def test_a_model_reached_through_the_data_is_part_of_the_training() -> None:
    """A large module in a collate function is no data."""
    teacher = torch.nn.Linear(300, 300)

    def change(held: Any) -> None:
        with torch.no_grad():
            held.weight += 1

    sweep(loader=loader_of(InPlace(teacher, change)), before=0)


def test_a_large_tensor_of_a_model_is_put_back() -> None:
    sweep(Trained(lambda module: first(module.held), held=torch.zeros(LARGE)))
    sweep(Trained(lambda module: first(module.held), held=numpy.zeros(LARGE)))
    sweep(Trained(lambda module: module.held[900].append(1), held=[[] for _ in range(1000)]))


def test_named_data_are_put_back_in_full() -> None:
    held = torch.zeros(LARGE)
    sweep(loader=loader_of(InPlace(held, first)), before=0, restore=held)
    rows = [[0] for _ in range(100)]
    sweep(loader=loader_of(InPlace(rows, lambda held: held[3].append(1))), before=0, restore=[rows])


def test_a_picture_sees_what_these_tests_rely_on() -> None:
    """The comparison itself finds differences: in place, by identity, in order, and in a bit."""
    held: dict[str, Any] = {
        "a": [1.0],
        "t": torch.zeros(2),
        "u": torch.zeros(2),
        "n": numpy.zeros(2),
        "r": random.Random(1),
        "o": Epochs(),
    }
    changes: list[Callable[[dict[str, Any]], Any]] = [
        lambda h: h["a"].append(1),
        lambda h: h.update(a=[1.0]),
        lambda h: h["a"].__setitem__(0, 1),
        lambda h: h["a"].__setitem__(0, -1.0),
        lambda h: h["t"].neg_(),
        lambda h: h["t"].unsqueeze_(0),
        lambda h: h["t"].set_(h["u"]),
        lambda h: setattr(h["t"], "grad", torch.zeros(2)),
        lambda h: h["n"].__setitem__(0, -0.0),
        lambda h: setattr(h["n"].flags, "writeable", False),
        lambda h: h["r"].random(),
        lambda h: setattr(h["o"], "late", 1),
        lambda h: h.update(a=h.pop("a")),
        lambda h: torch.rand(1),
    ]
    assert Picture(held=held).differences(held=held) == []
    for change in changes:
        changed = copy.deepcopy(held)
        picture = Picture(held=changed)
        change(changed)
        assert picture.differences(held=changed)
