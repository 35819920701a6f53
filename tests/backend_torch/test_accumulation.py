"""Micro-batches: drawn one at a time, and counted as one step of the curve until an optimizer has taken a step."""

import gc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import lrrange
from lrrange.errors import TargetError
from tests.backend_torch.observing import of_module, of_optimizer
from tests.backend_torch.rigs import data, loader_of, rounds, seed_all

# The steps here draw from a generator, which cannot be put back.
pytestmark = pytest.mark.filterwarnings("ignore::lrrange.errors.NotKeptWarning")


class Alive:
    """A loader that knows how many of its batches are alive. It has the same batches in each pass."""

    def __init__(self, count: int) -> None:
        self.count = count
        living: weakref.WeakSet[Any] = weakref.WeakSet()
        counts: list[int] = []  # in a function's variable, because a sweep puts the loader's own attributes back

        def note(batch: Any) -> None:
            living.add(batch)
            counts.append(len(living))

        self.note = note
        self.counts = lambda: counts

    @property
    def drawn(self) -> int:
        return len(self.counts())

    @property
    def most(self) -> int:
        return max(self.counts())

    def __iter__(self) -> Iterator[Any]:
        inputs, targets = data(count=16 * self.count).tensors
        for number in range(self.count):
            batch = [part[16 * number : 16 * (number + 1)].clone() for part in (inputs, targets)]
            self.note(batch[0])
            yield batch
            del batch


def network() -> nn.Sequential:
    seed_all()
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 1))


@pytest.mark.parametrize("parallel", ["off", "vmap"])
def test_micro_batches_are_drawn_one_at_a_time(parallel: Any) -> None:
    model, loader = network(), Alive(64)
    lrrange.find_lr(
        model,
        optimizer=torch.optim.Adam(model.parameters()),
        loss_fn=nn.MSELoss(),
        loader=loader,
        accumulate=64,
        num_steps=12,
        start_lr=1e-4,
        end_lr=1.0,
        repeats=2,
        parallel=parallel,
    )
    assert loader.drawn >= 64 * 12
    # The batch of the pass, and the one that is being drawn. Runs side by side also keep those of one draw ahead.
    assert loader.most <= (2 if parallel == "off" else 18)


def test_a_closure_is_given_all_micro_batches_of_its_step_each_time() -> None:
    model, loader = network(), Alive(8)
    optimizer = torch.optim.LBFGS(model.parameters(), 0.1, max_iter=3)
    result = lrrange.find_lr(
        model, optimizer=optimizer, loss_fn=nn.MSELoss(), loader=loader, accumulate=4, num_steps=12, start_lr=1e-3
    )
    assert result.provenance.details["batches_taken"] == 4 * len(result.curve.lr)
    assert 4 <= loader.most <= 5


def test_accumulated_gradients_are_those_of_the_whole_batch() -> None:
    curves = []
    for size, accumulate in ((16, 4), (64, 1)):
        model = network()
        batches = list(zip(*(part.split(size) for part in data(count=192).tensors), strict=True))
        result = lrrange.find_lr(
            model,
            optimizer=torch.optim.SGD(model.parameters(), 0.1),
            loss_fn=nn.MSELoss(),
            loader=batches,
            accumulate=accumulate,
            num_steps=20,
            start_lr=1e-3,
            end_lr=1.0,
        )
        curves.append(result.curve.loss)
    assert curves[0] == pytest.approx(curves[1], rel=1e-4)


def test_data_that_run_out_in_the_middle_of_a_step_end_the_sweep_after_the_last_whole_step() -> None:
    model = network()
    before = of_module(model)
    result = lrrange.find_lr(
        model,
        optimizer=torch.optim.Adam(model.parameters(), 0.01),
        loss_fn=nn.MSELoss(),
        loader=iter(list(rounds_of(50))),
        accumulate=4,
        num_steps=100,
        start_lr=1e-3,
        end_lr=10.0,
        heuristic=lambda curve: lrrange.Suggestion(lr=curve.lr[0], index=0, heuristic="first"),
    )
    assert result.stop_reason is lrrange.StopReason.DATA_EXHAUSTED
    assert len(result.curve.lr) == 12
    assert of_module(model) == before


def rounds_of(count: int) -> Iterator[Any]:
    batches = rounds(loader_of(data()))
    for _ in range(count):
        yield next(batches)


def own_step(every: int, divide: bool = False, **extra: Any) -> tuple[Callable[[], Any], nn.Module, Any]:
    """A step of one micro-batch a call, whose optimizer steps in each `every`th call."""
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    batches = rounds(loader_of(data()))
    calls = [0]

    def step() -> torch.Tensor:
        inputs, targets = next(batches)
        loss = F.mse_loss(model(inputs), targets)
        (loss / every).backward()
        calls[0] += 1
        if calls[0] % every == 0:
            optimizer.step()
            optimizer.zero_grad()
        return loss

    return step, model, optimizer


@pytest.mark.parametrize("every", [1, 4, 30])
def test_an_own_step_is_called_until_its_optimizer_has_taken_a_step(every: int) -> None:
    step, model, optimizer = own_step(every)
    result = lrrange.find_lr(step, optimizer=optimizer, restore=model, num_steps=20, start_lr=1e-4, end_lr=0.1)
    details = result.provenance.details
    assert (details["optimizer_steps"], details["calls"], len(result.curve.lr)) == (20, 20 * every, 20)


def test_the_curve_of_micro_batches_is_that_of_whole_steps() -> None:
    def whole() -> tuple[Callable[[], Any], nn.Module, Any]:
        micro, model, optimizer = own_step(4)
        return lambda: torch.stack([micro().detach() for _ in range(4)]).mean(), model, optimizer

    results = []
    for step, model, optimizer in (own_step(4), whole()):
        results.append(lrrange.find_lr(step, optimizer=optimizer, restore=model))
    assert results[0].curve.loss == pytest.approx(results[1].curve.loss, rel=1e-5)
    assert results[0].lr == pytest.approx(results[1].lr, rel=1e-3)


def test_the_rate_stays_the_same_until_the_step_that_uses_it() -> None:
    step, model, optimizer = own_step(4)
    rates: list[float] = []

    def watched() -> Any:
        rates.append(optimizer.param_groups[0]["lr"])
        return step()

    result = lrrange.find_lr(watched, optimizer=optimizer, restore=model, num_steps=10, start_lr=1e-4, end_lr=0.1)
    assert rates == [lr for lr in result.curve.lr for _ in range(4)]


def test_data_that_run_out_while_micro_batches_are_missing_end_the_sweep() -> None:
    step, model, optimizer = own_step(4)
    left = iter(range(42))

    def finite() -> Any:
        next(left)
        return step()

    result = lrrange.find_lr(
        finite,
        optimizer=optimizer,
        restore=model,
        num_steps=30,
        start_lr=1e-4,
        end_lr=10.0,
        heuristic=lambda curve: lrrange.Suggestion(lr=curve.lr[0], index=0, heuristic="first"),
    )
    assert (result.stop_reason, len(result.curve.lr)) == (lrrange.StopReason.DATA_EXHAUSTED, 10)


def test_steps_that_a_scaler_skips_are_no_accumulation() -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40, growth_interval=10**6)
    batches = rounds(loader_of(data()))

    def step() -> torch.Tensor:
        optimizer.zero_grad()
        inputs, targets = next(batches)
        with torch.autocast("cpu", torch.float16):
            outputs = model(inputs)
        loss = F.mse_loss(outputs.float(), targets)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        return loss

    result = lrrange.find_lr(
        step, optimizer=optimizer, restore=(model, scaler), num_steps=40, start_lr=1e-4, end_lr=0.1
    )
    details = result.provenance.details
    assert details["optimizer_steps"] == 40
    assert 40 < details["calls"] < 40 + 40  # each skip halves the scale, and is followed by one more call


def test_a_step_that_skips_its_update_for_a_loss_that_is_not_finite_is_not_repeated() -> None:
    step, model, optimizer = own_step(1)
    calls = [0]

    def step_or_nan() -> Any:
        calls[0] += 1
        return float("nan") if calls[0] in (5, 9) else step()

    result = lrrange.find_lr(step_or_nan, optimizer=optimizer, restore=model, num_steps=20, start_lr=1e-4, end_lr=0.1)
    assert calls[0] == len(result.curve.lr) == 20
    assert [step for step, loss in enumerate(result.curve.loss) if loss != loss] == [4, 8]


def test_networks_that_step_in_turn_get_one_call_for_each_rate() -> None:
    models = [network(), network()]
    optimizers = [torch.optim.Adam(model.parameters(), 0.01) for model in models]
    batches = rounds(loader_of(data()))
    calls = [0]

    def step() -> torch.Tensor:
        inputs, targets = next(batches)
        turn = calls[0] % 2
        calls[0] += 1
        optimizers[turn].zero_grad()
        loss = F.mse_loss(models[turn](inputs), targets)
        loss.backward()
        optimizers[turn].step()
        return loss

    result = lrrange.find_lr(step, optimizer=optimizers, restore=models, num_steps=30, start_lr=1e-4, end_lr=0.1)
    assert result.provenance.details["calls"] == result.provenance.details["optimizer_steps"] == 30


def test_an_optimizer_that_stops_stepping_for_good_costs_a_bounded_number_of_calls() -> None:
    step, model, optimizer = own_step(1)
    calls = [0]

    def step_ten_times() -> Any:
        calls[0] += 1
        if calls[0] <= 10:
            return step()
        with torch.no_grad():
            return F.mse_loss(model(data().tensors[0]), data().tensors[1])

    result = lrrange.find_lr(
        step_ten_times, optimizer=optimizer, restore=model, num_steps=60, start_lr=1e-4, end_lr=0.1
    )
    assert len(result.curve.lr) == 60
    assert calls[0] < 60 + 30


def test_an_optimizer_that_never_steps_is_named_with_the_number_of_calls() -> None:
    step, model, _ = own_step(4)
    before = of_module(model)
    with pytest.raises(TargetError, match=r"called 256 times at one rate and the optimizer given took no step"):
        lrrange.find_lr(step, optimizer=torch.optim.SGD(model.parameters(), 0.1), restore=model)
    assert of_module(model) == before


def test_the_graph_of_a_micro_batch_does_not_outlive_it() -> None:
    step, model, optimizer = own_step(8)
    losses: weakref.WeakSet[Any] = weakref.WeakSet()
    most = [0]

    def watched() -> Any:
        most[0] = max(most[0], len(losses))
        loss = step()
        losses.add(loss)
        return loss

    lrrange.find_lr(watched, optimizer=optimizer, restore=model, num_steps=10, start_lr=1e-4, end_lr=0.1)
    gc.collect()
    assert most[0] <= 1


def test_accelerate_accumulation_is_one_step_of_the_curve() -> None:
    accelerate = pytest.importorskip("accelerate")
    accelerator = accelerate.Accelerator(cpu=True, gradient_accumulation_steps=4)
    model = network()
    model, optimizer, loader = accelerator.prepare(
        model, torch.optim.Adam(model.parameters(), 0.01), loader_of(data(count=16 * 8))
    )
    before = of_module(model), of_optimizer(optimizer.optimizer)
    batches = rounds(loader)

    def step() -> torch.Tensor:
        inputs, targets = next(batches)
        with accelerator.accumulate(model):
            loss = F.mse_loss(model(inputs), targets)
            accelerator.backward(loss)
            optimizer.step()
            optimizer.zero_grad()
        return loss

    result = lrrange.find_lr(step, optimizer=optimizer, restore=model, num_steps=20, start_lr=1e-4, end_lr=0.1)
    details = result.provenance.details
    assert (details["optimizer_steps"], details["calls"]) == (20, 80)
    assert (of_module(model), of_optimizer(optimizer.optimizer)) == before
