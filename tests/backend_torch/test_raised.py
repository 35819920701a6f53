"""Models that raise at a high rate, StopIteration that is not the end of the data, and watchdogs in batched passes."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from lrrange_torch.stop_iteration import is_end_of_data
from torch import nn
from torch._utils import ExceptionWrapper
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, IterableDataset

from lrrange import StopReason, find_lr
from lrrange.errors import NotKeptWarning
from tests.backend_torch.observing import of_module, of_optimizer
from tests.backend_torch.rigs import data, loader_of, seed_all
from tests.backend_torch.side_by_side import find, training, ways


def likelihood(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the negative log likelihood under a normal distribution, which refuses a mean that is NaN."""
    return -torch.distributions.Normal(output, 1.0, validate_args=True).log_prob(target).mean()


def checked(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the same, with a check that the user wrote."""
    if output.detach().abs().max() > 1e3:
        raise ValueError("Expected parameter loc to be below 1000")
    return likelihood(output, target)


def own_step_of(model: nn.Module, options: dict[str, Any]) -> Callable[[], torch.Tensor]:
    batches = itertools.cycle(options["loader"])

    def step() -> torch.Tensor:
        inputs, targets = next(batches)
        options["optimizer"].zero_grad()
        loss: torch.Tensor = options["loss_fn"](model(inputs), targets)
        loss.backward()
        options["optimizer"].step()
        return loss

    return step


@pytest.mark.filterwarnings("ignore::lrrange.errors.NotKeptWarning")  # the iterator of the batches
@pytest.mark.parametrize(
    ("form", "loss_fn"), [("loader step", checked), ("own step", checked), ("own step", likelihood)]
)
def test_a_distribution_that_refuses_its_parameters_ends_the_sweep_and_leaves_an_answer(
    form: str, loss_fn: Any
) -> None:
    model, options = training(loss_fn=loss_fn, model=lambda: nn.Linear(6, 1))()
    before = of_module(model), of_optimizer(options["optimizer"])
    rates: dict[str, Any] = {
        "start_lr": 1e-5,
        "end_lr": 1e3,
        "num_steps": 200,
        "divergence": None,
        "non_finite_limit": 50,
    }
    if form == "loader step":
        result = find_lr(model, **options, **rates, verify_restore=True)
    else:
        with pytest.warns(NotKeptWarning, match=r"variable batches \(an iterator\)"):
            result = find_lr(own_step_of(model, options), optimizer=options["optimizer"], restore=[model], **rates)
    assert (of_module(model), of_optimizer(options["optimizer"])) == before
    assert result.stop_reason is StopReason.RAISED
    (raised,) = result.provenance.details["raised"]
    assert raised["type"] == "ValueError"
    assert raised["text"].startswith("Expected parameter loc")
    assert raised["lr"] > result.curve.lr[-1]
    assert 1e-3 < result.lr < 0.5


def test_an_error_of_the_loader_is_not_taken_for_one_of_the_rate() -> None:
    class Corrupt:
        def __iter__(self) -> Iterator[Any]:
            for number, batch in enumerate(itertools.cycle(loader_of(data()))):
                if number == 150:
                    raise ValueError("a corrupt example")
                yield batch

    model, options = training(loader=Corrupt)()
    with pytest.raises(ValueError, match="a corrupt example"):
        find_lr(model, **options, start_lr=1e-5, end_lr=1.0, num_steps=200)


class Once:
    """Raises an error at its `number`-th call, and only then."""

    def __init__(self, number: int, error: type[BaseException]) -> None:
        self.calls = itertools.count(1)
        self.number, self.error = number, error

    def __call__(self) -> None:
        if next(self.calls) == self.number:
            raise self.error("raised once")


class Faulty(nn.Module):
    def __init__(self, reach: Callable[[], None]) -> None:
        super().__init__()
        self.layer, self.reach = nn.Linear(6, 1), reach

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.reach()
        return self.layer(x)


class FaultySGD(torch.optim.SGD):
    reach: Any = None

    def step(self, closure: Any = None) -> Any:
        self.reach()
        return super().step(closure)


def faulty(place: str, reach: Callable[[], None]) -> tuple[nn.Module, dict[str, Any]]:
    """Return a training that calls `reach` in one place."""

    def loss_fn(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        if place == "loss":
            reach()
        return F.mse_loss(output, target)

    seed_all()
    model = Faulty(reach if place == "model" else lambda: None)
    optimizer = FaultySGD(model.parameters(), 0.01)
    optimizer.reach = reach if place == "optimizer" else lambda: None
    return model, {"optimizer": optimizer, "loss_fn": loss_fn, "loader": loader_of(data())}


@pytest.mark.parametrize("place", ["model", "loss", "optimizer"])
@pytest.mark.parametrize("number", [1, 7, 30])
def test_stop_iteration_of_the_training_is_an_error_and_not_the_end_of_the_data(place: str, number: int) -> None:
    model, options = faulty(place, Once(number, StopIteration))
    before = of_module(model), of_optimizer(options["optimizer"])
    with pytest.raises(RuntimeError, match="raised StopIteration, which does not mean that the data") as caught:
        find_lr(model, **options, num_steps=40)
    assert isinstance(caught.value.__cause__, StopIteration)
    assert (of_module(model), of_optimizer(options["optimizer"])) == before


class Examples(Dataset):
    """Raises StopIteration for one example."""

    def __len__(self) -> int:
        return 96

    def __getitem__(self, index: int) -> Any:
        if index == 50:
            raise StopIteration
        return torch.randn(6), torch.randn(1)


def stops(items: Any) -> Any:
    raise StopIteration


@pytest.mark.parametrize("options", [{"dataset": Examples()}, {"dataset": data(), "collate_fn": stops}])
def test_stop_iteration_of_a_dataset_or_its_collate_function_is_an_error(options: Any) -> None:
    model, made = training(loader=lambda: DataLoader(batch_size=16, **options))()
    with pytest.raises(RuntimeError, match="the loader's dataset raised StopIteration"):
        find_lr(model, **made, num_steps=40)


def test_so_is_one_that_comes_from_a_worker_process() -> None:
    with pytest.raises(StopIteration) as ended:
        next(iter(()))
    assert is_end_of_data(ended.value)
    exc_info = (StopIteration, ended.value, None)
    wrapped = ExceptionWrapper(exc_info, where="in DataLoader worker process 0")  # as PyTorch sends it from a worker
    with pytest.raises(StopIteration) as raised:
        wrapped.reraise()
    assert not is_end_of_data(raised.value)


@pytest.mark.filterwarnings("ignore::lrrange.errors.NotKeptWarning")  # the iterator of the batches
def test_an_iterator_and_an_iterable_dataset_end_as_before() -> None:
    class Stream(IterableDataset):
        def __iter__(self) -> Iterator[Any]:
            yield from data()

    model, options = training(loader=lambda: iter(loader_of(data())))()
    with pytest.warns(NotKeptWarning, match=r"loader\._sampler_iter \(a generator\)"):
        result = find_lr(model, **options, num_steps=40)
    assert (result.stop_reason, len(result.curve)) == (StopReason.DATA_EXHAUSTED, 6)
    model, options = training(loader=lambda: DataLoader(Stream(), batch_size=16))()
    assert len(find_lr(model, **options, num_steps=40, divergence=None).curve) == 40


@pytest.mark.filterwarnings("ignore::lrrange.errors.NotKeptWarning")  # the iterator of the batches
@pytest.mark.parametrize("deep", [False, True])
def test_an_own_step_ends_the_sweep_by_next_and_not_by_what_a_module_raises(deep: bool) -> None:
    model, options = faulty("model", Once(11, StopIteration) if deep else lambda: None)
    optimizer = options["optimizer"]
    batches = iter(list(loader_of(data())) * 2)

    def draw() -> Any:
        return next(batches)

    def step() -> torch.Tensor:
        inputs, targets = draw()
        optimizer.zero_grad()
        loss = F.mse_loss(model(inputs), targets)
        loss.backward()
        optimizer.step()
        return loss

    if deep:
        with pytest.raises(RuntimeError, match=r"a module or a dataset in your step\(\) raised StopIteration"):
            find_lr(step, optimizer=optimizer, restore=[model], num_steps=40)
        return
    with pytest.warns(NotKeptWarning, match=r"variable batches \(an iterator\)"):
        result = find_lr(step, optimizer=optimizer, restore=[model], num_steps=40)
    assert (result.stop_reason, len(result.curve)) == (StopReason.DATA_EXHAUSTED, 12)


class TimedOut(TimeoutError):
    pass


class Enough(Exception):
    pass


# Calls of the loss function: 30 of the first sweep, then the pass of the model itself, the batched pass that is
# compared with it, and steps.
@pytest.mark.parametrize("number", range(31, 61))
@pytest.mark.parametrize("error", [TimedOut, Enough])
def test_an_error_that_is_raised_once_in_a_batched_pass_is_not_lost(number: int, error: type[Exception]) -> None:
    reach = Once(number, error)

    def loss_fn(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        reach()
        return F.mse_loss(output, target)

    with pytest.raises(error, match="raised once"):
        find(training(loss_fn=loss_fn), "vmap")


@pytest.mark.parametrize("number", [32, 33, 40])
def test_stop_iteration_in_a_batched_pass_is_an_error_too(number: int) -> None:
    reach = Once(number, StopIteration)

    def loss_fn(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        reach()
        return F.mse_loss(output, target)

    with pytest.raises(RuntimeError, match="raised StopIteration"):
        find(training(loss_fn=loss_fn), "vmap")


@pytest.mark.parametrize("error", [TimedOut, Enough])
def test_a_watchdog_s_error_in_the_loader_is_not_kept_for_a_batch_that_may_not_be_needed(
    error: type[Exception],
) -> None:
    """Batches are drawn ahead: eight at a time, so the last of 30 steps leave two that nobody takes."""

    class Watched:
        drawn = 0

        def __iter__(self) -> Iterator[Any]:
            for batch in loader_of(data()):
                Watched.drawn += 1
                if Watched.drawn == 30 + 8 * 4 * 2 - 1:
                    raise error("in the loader")
                yield batch

    if error is TimedOut:
        with pytest.raises(TimedOut, match="in the loader"):
            find(training(loader=Watched), "vmap")
    else:
        find(training(loader=Watched), "vmap")


class Factorising(nn.Module):
    """Factorises a matrix that is not positive definite once the weights have grown."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        room = 20.0 - self.layer.weight.square().sum()
        return self.layer(x) * torch.linalg.cholesky(torch.eye(2) * room)[0, 0] / 20**0.5


FACTORISING = training(model=Factorising, optimizer=lambda parameters: torch.optim.SGD(parameters, 0.01))
RATES: dict[str, Any] = {"start_lr": 1e-4, "end_lr": 300.0, "num_steps": 120, "divergence": None}


@pytest.mark.parametrize("parallel", ["off", "vmap"])
def test_of_runs_that_are_taken_together_those_end_that_raise(parallel: Any) -> None:
    result = find(FACTORISING, parallel, **RATES)
    assert result.stop_reason is StopReason.RAISED
    raised = result.provenance.details["raised"]
    assert [entry["type"] for entry in raised] == ["_LinAlgError"] * 3
    assert [entry["step"] for entry in raised] == [len(sweep) + 1 for sweep in result.sweeps]
    assert len({len(sweep) for sweep in result.sweeps}) > 1  # not all at the same step
    if parallel == "vmap":
        assert ways(result) == ["2 runs together"]


def test_they_end_as_they_do_alone() -> None:
    off, together = find(FACTORISING, "off", **RATES), find(FACTORISING, "vmap", **RATES)
    assert [len(sweep) for sweep in together.sweeps] == [len(sweep) for sweep in off.sweeps]
    for curve, other in zip(off.sweeps, together.sweeps, strict=True):
        assert other.loss == pytest.approx(curve.loss, rel=1e-3)
