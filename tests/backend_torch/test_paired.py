"""Paired sweeps of torch trainings: the same batches and dropout masks once more, and everything put back."""

import os
import random
from collections.abc import Callable, Iterator
from typing import Any

import lrrange_torch.distributed
import numpy
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

import lrrange
from lrrange import Curve, RangeTestResult
from lrrange.errors import NotPairedWarning
from lrrange.sweep.noise import noise_level
from tests.backend_torch.rigs import Busy, data, loader_of, seed_all, step_of
from tests.backend_torch.sweeping import sweep, sweep_own

o = torch.optim


def model_of(*extra: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Linear(6, 16), *extra, nn.Tanh(), nn.Dropout(0.5), nn.Linear(16, 1))


def find(
    model: nn.Module | None = None,
    make_optimizer: Callable[..., Any] = o.Adam,
    loader: Any = None,
    loss_fn: Callable[..., Any] = F.mse_loss,
    **options: Any,
) -> RangeTestResult:
    seed_all()
    model = model_of() if model is None else model
    loader = DataLoader(data(), 4, shuffle=True) if loader is None else loader
    plan = {"start_lr": 1e-6, "end_lr": 1.0, "num_steps": 100, "divergence": None}
    return lrrange.find_lr(
        model,
        optimizer=make_optimizer(model.parameters(), 0.01),
        loss_fn=loss_fn,
        loader=loader,
        **{**plan, "paired": True, **options},
    )


def is_quiet_at_the_start(curve: Curve, steps: int = 20) -> bool:
    """Return whether nearly nothing is left of the noise of the first steps."""
    return noise_level(curve.loss[:steps]) < 0.02 * noise_level(curve.unpaired.loss[:steps])


@pytest.mark.parametrize("make_optimizer", [o.Adam, o.SGD, lambda p, lr: o.SGD(p, lr, momentum=0.9, nesterov=True)])
@pytest.mark.parametrize("extra", [(), (nn.BatchNorm1d(16),)], ids=["dropout", "batch norm"])
def test_batches_and_dropout_masks_leave_no_noise_at_the_start(extra: Any, make_optimizer: Any) -> None:
    result = find(model_of(*extra), make_optimizer)
    assert is_quiet_at_the_start(result.curve)
    assert result.curve.baseline is not None
    assert result.curve.baseline[0] == result.curve.unpaired.loss[0]
    assert result.provenance.details["forward_passes"] == 100 == result.provenance.steps_run


def test_no_optimizer_takes_a_step_for_the_baseline() -> None:
    steps: list[int] = []

    def make_optimizer(parameters: Any, lr: float) -> torch.optim.Optimizer:
        optimizer = o.Adam(parameters, lr)
        optimizer.register_step_post_hook(lambda *_: steps.append(1))
        return optimizer

    find(make_optimizer=make_optimizer)
    assert len(steps) == 100


def test_everything_is_put_back_after_the_second_run() -> None:
    model = Busy()
    result = sweep(model, loader=loader_of(data()), paired=True, num_steps=30, seed=3)
    assert result.curve.baseline is not None
    assert sweep(Busy(), optimizer=None, paired="auto", heuristic="steepest", repeats=2, num_steps=30) is not None


@pytest.mark.parametrize("workers", [0, 1])
def test_workers_draw_the_same_batches_again(workers: int) -> None:
    loader = DataLoader(data(), 4, shuffle=True, num_workers=workers)
    assert is_quiet_at_the_start(find(loader=loader, num_steps=40 if workers else 100, seed=1).curve, 10)


@pytest.mark.parametrize("options", [{"seed": 5}, {}], ids=["seed", "no seed"])
def test_random_numbers_of_python_and_numpy_are_the_same_again(options: dict[str, Any]) -> None:
    class Jitters(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = model_of()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.net(x) + random.gauss(0.0, 1.0) + float(numpy.random.randn())

    assert is_quiet_at_the_start(find(Jitters(), **options).curve)


def test_the_micro_batches_of_a_step_are_its_batch() -> None:
    result = find(accumulate=3, num_steps=50)
    assert is_quiet_at_the_start(result.curve, 10)
    assert result.provenance.details["batches_taken"] == 300
    assert result.provenance.details["forward_passes"] == 50


@pytest.mark.parametrize(
    "options",
    [
        {"autocast": torch.bfloat16},
        {"grad_scaler": torch.amp.GradScaler("cpu", init_scale=256.0), "autocast": torch.bfloat16},
        {"metric": lambda outputs, targets: (outputs - targets).abs().mean(), "metric_mode": "min"},
        {"metric": lambda outputs, targets: -(outputs - targets).abs().mean()},
        {"clip_norm": 1.0},
    ],
    ids=["autocast", "scaler", "metric", "metric to raise", "clipping"],
)
def test_what_is_recorded_is_what_is_paired(options: dict[str, Any]) -> None:
    assert is_quiet_at_the_start(find(**options).curve)


def test_a_loss_with_derivatives_in_it_can_be_paired() -> None:
    """As those of networks that solve differential equations, which need the graph of the forward pass."""

    def residual(model: nn.Module, batch: Any) -> torch.Tensor:
        x = batch[0].requires_grad_()
        (slope,) = torch.autograd.grad(model(x).sum(), x, create_graph=True)
        return ((slope - batch[1]) ** 2).mean()

    result = find(nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 1)), loss_fn=residual, batch_form="whole")
    assert is_quiet_at_the_start(result.curve)


class TwoSteps(o.SGD):
    """A SAM: it evaluates the loss once more, at other weights."""

    def first_step(self) -> None: ...
    def second_step(self) -> None: ...

    def step(self, closure: Any = None) -> Any:
        moved = [(p, p.grad.clone()) for group in self.param_groups for p in group["params"] if p.grad is not None]
        with torch.no_grad():
            for parameter, gradient in moved:
                parameter.add_(0.05 * gradient)
        loss = closure()
        with torch.no_grad():
            for parameter, gradient in moved:
                parameter.sub_(0.05 * gradient)
        super().step()
        return loss


@pytest.mark.parametrize("make_optimizer", [lambda p, lr: o.LBFGS(p, lr, max_iter=1), TwoSteps])
def test_an_optimizer_that_takes_a_closure_steps_at_rate_zero_and_draws_what_it_drew(make_optimizer: Any) -> None:
    calls: list[int] = []

    def counting(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        return F.mse_loss(output, target)

    result = find(make_optimizer=make_optimizer, loss_fn=counting, end_lr=1e-3, num_steps=60)
    assert len(calls) == (240 if make_optimizer is TwoSteps else 120)
    assert is_quiet_at_the_start(result.curve, 10)


def test_held_out_losses_have_no_noise_of_batches_to_take_out() -> None:
    loader = list(DataLoader(data(), 32))
    result = find(loader=loader, val_loader=loader, read_on="validation", start_lr=1e-8)
    assert result.curve.loss == pytest.approx(result.curve.unpaired.loss, rel=1e-5)


OPTIMIZERS = {
    kind.__name__: kind
    for kind in vars(o).values()
    if isinstance(kind, type) and issubclass(kind, o.Optimizer) and kind not in (o.Optimizer, o.SparseAdam, o.LBFGS)
}


@pytest.mark.parametrize("kind", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_every_optimizer_of_torch_can_be_paired_in_a_step_of_your_own(kind: Any) -> None:
    seed_all()
    model = nn.Sequential(nn.Linear(6, 16, bias=False), nn.Dropout(0.5), nn.Linear(16, 1, bias=False))
    optimizer = kind(model.parameters(), lr=0.01, weight_decay=0.0) if kind is o.Muon else kind(model.parameters())
    loader = DataLoader(data(), 4, shuffle=True)

    batches = Batches(loader)
    result = lrrange.find_lr(
        step_of(model, optimizer, batches),
        optimizer=optimizer,
        restore=[model, batches],
        start_lr=1e-7,
        end_lr=0.1,
        num_steps=60,
        divergence=None,
        paired=True,
        seed=1,
    )
    assert result.provenance.steps_run == 120
    assert result.provenance.details["forward_passes"] == 0
    assert noise_level(result.curve.loss[:12]) < 0.1 * noise_level(result.curve.unpaired.loss[:12])


class Batches:
    """Batches of a user's own, which start again where they were."""

    def __init__(self, loader: Any) -> None:
        self.batches = list(loader)
        self.place = 0

    def __next__(self) -> Any:
        self.place = (self.place + 1) % len(self.batches)
        return self.batches[self.place]

    def state_dict(self) -> dict[str, int]:
        return {"place": self.place}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.place = state["place"]


def test_a_step_of_your_own_is_put_back_after_its_second_run() -> None:
    seed_all()
    model = model_of(nn.BatchNorm1d(16))
    optimizer = o.AdamW(model.parameters(), 0.01, weight_decay=0.1)
    batches = Batches(DataLoader(data(), 8, shuffle=True))

    result = sweep_own(step_of(model, optimizer, batches), optimizer, [model, batches], paired=True, num_steps=30)
    assert result.curve.baseline is not None
    assert is_quiet_at_the_start(result.curve, 8)


@pytest.mark.filterwarnings("ignore::lrrange.errors.NotPairedWarning")
def test_another_network_that_trains_at_rate_zero_is_noticed() -> None:
    """A step with two optimizers, of which only one was given."""
    seed_all()
    model, other = nn.Linear(6, 1), nn.Linear(6, 1)
    swept, own = o.SGD(model.parameters(), 0.01), o.SGD(other.parameters(), 0.02)
    inputs, targets = data().tensors

    def step() -> torch.Tensor:
        swept.zero_grad()
        own.zero_grad()
        loss = F.mse_loss(model(inputs) + other(inputs), targets) + 0.01 * torch.randn(())
        loss.backward()
        swept.step()
        own.step()
        return loss

    result = lrrange.find_lr(step, optimizer=swept, restore=[model, other, own], num_steps=60, paired=True)
    assert "the loss falls at rate zero, too" in result.provenance.details["paired"]


class Shuffled(IterableDataset):
    """A stream that draws from a source that nothing puts back."""

    def __iter__(self) -> Iterator[Any]:
        examples = list(TensorDataset(*data().tensors))
        while True:
            yield examples[os.urandom(1)[0] % len(examples)]


def generator() -> Iterator[Any]:
    while True:
        yield from DataLoader(data(), 4, shuffle=True)


@pytest.mark.filterwarnings("ignore:training may have changed what cannot be put back")
@pytest.mark.parametrize("make", [generator, lambda: DataLoader(Shuffled(), 4)], ids=["generator", "stream"])
def test_a_stream_is_noticed_at_the_first_step_and_the_plain_curve_is_read(make: Any) -> None:
    with pytest.warns(NotPairedWarning, match="Give a loader that starts again"):
        result = find(loader=make())
    assert result.curve.baseline is None
    assert result.provenance.details["forward_passes"] == 1
    assert result.provenance.details["batches_taken"] == 101


def test_losses_that_are_read_late_are_paired(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = find(num_steps=50)

    class Late:
        steps_late = 3

        def __init__(self, values: Any, factor: float) -> None:
            self.value = float(torch.stack([torch.as_tensor(value) for value in values]).sum()) * factor

        def __float__(self) -> float:
            return self.value

    monkeypatch.setattr(lrrange_torch.distributed, "reader_for", lambda _: Late)
    late = find(num_steps=50)
    assert late.curve.baseline == at_once.curve.baseline
    assert late.curve == at_once.curve


@pytest.mark.parametrize("parallel", ["vmap", "auto"])
def test_repeats_that_were_swept_side_by_side_are_paired(parallel: Any) -> None:
    model = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 1))
    result = find(model, repeats=3, seed=2, parallel=parallel)
    assert result.provenance.details["forward_passes"] == 300
    assert all(is_quiet_at_the_start(curve) for curve in (result.curve, *result.sweeps))


def test_forward_passes_are_not_measured_as_training_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    from lrrange_torch.vmap.step_timer import StepTimer

    measured: list[int] = []
    begin, end = StepTimer.begin, StepTimer.end

    def ended(self: Any, batches: int) -> None:
        measured.append(self._batches is not None)
        end(self, batches)

    monkeypatch.setattr(StepTimer, "end", ended)
    assert begin is StepTimer.begin
    find(num_steps=30)
    assert measured == [True, False]


@pytest.mark.gpu
def test_on_cuda_the_first_loss_of_both_runs_is_the_same() -> None:
    model = model_of().cuda()
    result = find(model)
    assert result.curve.baseline is not None
    assert is_quiet_at_the_start(result.curve)
