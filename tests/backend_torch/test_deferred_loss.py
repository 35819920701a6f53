"""Losses that a device is still computing are read some steps late, and no step waits for one."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import lrrange_torch.distributed
import lrrange_torch.gradient_step
import pytest
import torch
from lrrange_torch.deferred_loss import PendingLoss, read_now
from lrrange_torch.loader_step import LoaderStep
from lrrange_torch.optimizer.rates import GroupRates
from lrrange_torch.own_step import OwnStep
from torch import nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

import lrrange
from lrrange import StopReason, Sweep, SweepPlan
from lrrange.errors import RateNotInForce
from lrrange.protocol import DeferredLoss, StepDriver
from tests.backend_torch.rigs import data, loader_of, seed_all

LATE = 3
PLAN = SweepPlan(start_lr=1e-4, end_lr=1.0, num_steps=20)


class Arriving:
    """A deferred loss that notes how many further steps the device had taken when it was read."""

    steps_late = LATE

    def __init__(self, device: "Device", value: float) -> None:
        self.device, self.value, self.made_at = device, value, device.steps

    def __float__(self) -> float:
        self.device.waited.append(self.device.steps - self.made_at)
        return self.value


class Device:
    """A training whose losses are deferred, without any device."""

    def __init__(self, loss: Callable[[int], float], batches: int = 1000, late: bool = True) -> None:
        self.loss, self.batches, self.late = loss, batches, late
        self.steps = 0
        self.waited: list[int] = []
        self.rates: list[float] = []
        self.restored = 0

    def step(self, lr: float) -> Any:
        if self.steps == self.batches:
            raise StopIteration
        self.rates.append(lr)
        loss = self.loss(self.steps)
        self.steps += 1
        return Arriving(self, loss) if self.late else loss

    def snapshot(self) -> None:
        pass

    def restore(self, _: None) -> None:
        self.restored += 1


def falling(step: int) -> float:
    return 1.0 / (1 + step)


def exploding(step: int) -> float:
    return 2.0 - 0.1 * step if step < 12 else 10.0**step


def nan_from(first: int) -> Callable[[int], float]:
    return lambda step: math.nan if step >= first else falling(step)


def run(device: Device) -> Sweep:
    sweep = Sweep(PLAN)
    StepDriver(device).run(sweep)
    assert device.restored == 1
    return sweep


@pytest.mark.parametrize("loss", [falling, exploding, nan_from(0), nan_from(9), nan_from(19)])
@pytest.mark.parametrize("batches", [0, 2, 9, 1000])
def test_late_losses_give_the_curve_and_the_end_of_losses_read_at_once(
    loss: Callable[[int], float], batches: int
) -> None:
    late, at_once = Device(loss, batches), Device(loss, batches, late=False)
    one, other = run(late), run(at_once)
    assert one.stop_reason is other.stop_reason
    assert one.curve == other.curve
    assert late.rates[: len(at_once.rates)] == at_once.rates
    assert len(at_once.rates) <= len(late.rates) <= min(len(at_once.rates) + LATE, PLAN.num_steps)


def test_no_loss_is_read_earlier_except_at_the_end() -> None:
    device = Device(falling)
    run(device)
    in_time, rest = device.waited[:-LATE], device.waited[-LATE:]
    assert in_time == [LATE] * (PLAN.num_steps - LATE)
    assert rest == list(range(LATE))[::-1]


def test_a_watcher_that_raises_late_still_has_everything_restored() -> None:
    device = Device(falling)

    def refuse(_: object) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        StepDriver(device).run(Sweep(PLAN, on_advance=refuse))
    assert device.restored == 1
    assert device.steps == LATE + 1


# -- the torch backend, on a device that counts ------------------------------------------------------------------------


class Waits(TorchDispatchMode):
    """Counts the operations that make Python wait for a device: a number read, or a shape that depends on values."""

    names = ("_local_scalar_dense", "nonzero", "equal", "is_nonzero", "unique")

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if any(name in str(func) for name in self.names):
            self.found.append(str(func))
        return func(*args, **(kwargs or {}))


class LateOnTheCPU:
    """A deferred loss as on CUDA, of tensors that are in main memory anyway."""

    steps_late = LATE

    def __init__(self, values: Any, factor: float) -> None:
        self.values = [value.clone() if isinstance(value, torch.Tensor) else value for value in values]
        self.factor = factor

    def __float__(self) -> float:
        return read_now(self.values, self.factor)


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lrrange_torch.distributed, "reader_for", lambda _: LateOnTheCPU)
    monkeypatch.setattr(lrrange_torch.gradient_step, "PendingLoss", LateOnTheCPU)


@pytest.fixture
def model() -> nn.Module:
    seed_all()
    return nn.Sequential(nn.Linear(6, 128), nn.BatchNorm1d(128), nn.Linear(128, 128), nn.Linear(128, 1))


def accuracy(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return ((output > 0) == (target > 0)).float().mean()


STEPS: dict[str, dict[str, Any]] = {
    "plain": {},
    "accumulated and clipped": {"accumulate": 2, "clip_norm": 1.0},
    "a metric": {"metric": accuracy},
    "held out": {"val_loader": list(loader_of(data())), "read_on": "validation"},
    "autocast": {"autocast": torch.bfloat16},
}
OPTIMIZERS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "SGD": lambda parameters: torch.optim.SGD(parameters, 0.1, momentum=0.9),
    "fused": lambda parameters: torch.optim.SGD(parameters, 0.1, fused=True),
    "a tensor for a rate": lambda parameters: torch.optim.Adagrad(parameters, torch.tensor(0.1), fused=True),
}


@pytest.mark.parametrize("form", STEPS.values(), ids=STEPS)
@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
@pytest.mark.usefixtures("late")
def test_a_step_waits_for_nothing_on_the_device(make: Any, form: dict[str, Any], model: nn.Module) -> None:
    target = LoaderStep(model, make(model.parameters()), nn.MSELoss(), list(loader_of(data())), **form)
    state = target.snapshot()
    try:
        with Waits() as waits:
            losses = [target.step(10.0**-k) for k in range(6, 2, -1)]
        assert waits.found == []
        with waits:
            assert all(map(math.isfinite, map(float, losses)))
        assert len(waits.found) >= len(losses), "reading them is no longer counted, so nothing was shown"
    finally:
        target.restore(state)


@pytest.mark.usefixtures("late")
def test_a_sweep_with_late_losses_gives_the_curve_of_one_without(
    model: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sweep() -> lrrange.RangeTestResult:
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        return lrrange.find_lr(
            model, optimizer=optimizer, loss_fn=nn.MSELoss(), loader=list(loader_of(data())), end_lr=1e6
        )

    late = sweep()
    monkeypatch.setattr(lrrange_torch.distributed, "reader_for", lambda _: read_now)
    at_once = sweep()
    assert late.stop_reason in (StopReason.DIVERGED, StopReason.NON_FINITE)
    # A loss that is not finite moves no weights if it is read at once, so the curves are equal only up to the first.
    finite = next((i for i, loss in enumerate(at_once.curve.loss) if not math.isfinite(loss)), len(at_once.curve))
    assert late.curve.loss[:finite] == at_once.curve.loss[:finite]


@pytest.mark.usefixtures("late")
def test_a_late_loss_that_destroys_the_weights_ends_the_sweep_and_they_are_put_back(model: nn.Module) -> None:
    before = [parameter.detach().clone() for parameter in model.parameters()]
    calls: Iterator[int] = iter(range(1000))

    def loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return F.mse_loss(output, target) * (math.nan if next(calls) == 10 else 1.0)

    result = lrrange.find_lr(
        model, optimizer=torch.optim.SGD(model.parameters(), 0.1), loss_fn=loss, loader=list(loader_of(data()))
    )
    assert result.stop_reason is StopReason.NON_FINITE
    assert len(result.curve) == 13
    assert all(torch.equal(parameter, was) for parameter, was in zip(model.parameters(), before, strict=True))


@pytest.mark.usefixtures("late")
def test_the_loss_tensor_of_a_users_own_step_is_read_late(model: nn.Module) -> None:
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    x, y = data().tensors

    def step() -> torch.Tensor:
        optimizer.zero_grad()
        loss = F.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    target = OwnStep(step, optimizer, restore=model)
    state = target.snapshot()
    with Waits() as waits:
        losses = [target.step(0.01) for _ in range(3)]
    target.restore(state)
    assert waits.found == []
    assert [loss.steps_late for loss in losses] == [LATE] * 3


def test_a_pending_loss_is_a_deferred_loss_of_the_mean_at_the_time() -> None:
    first, second = torch.tensor(1.0), torch.tensor(3.0)
    pending = PendingLoss([first, second, 2.0], 0.5)
    first.fill_(100.0)
    assert isinstance(pending, DeferredLoss)
    assert pending.steps_late > 0
    assert float(pending) == 3.0


def test_a_rate_in_a_tensor_is_checked_without_reading_it() -> None:
    optimizer = torch.optim.Adagrad([nn.Parameter(torch.ones(2))], torch.tensor(0.1), fused=True)
    rates = GroupRates([optimizer])
    with Waits() as waits:
        rates.set(0.5)
        rates.check(0.5)
    assert waits.found == []
    optimizer.param_groups[0]["lr"].mul_(2)
    with pytest.raises(RateNotInForce):
        rates.check(0.5)


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype")
@pytest.mark.parametrize("form", STEPS.values(), ids=STEPS)
@pytest.mark.parametrize("frozen", [False, True], ids=["trained", "frozen"])
def test_on_cuda_no_step_synchronises(form: dict[str, Any], frozen: bool, model: nn.Module) -> None:
    model.cuda()
    model[2].requires_grad_(not frozen)
    form = {
        key: [(x.cuda(), y.cuda()) for x, y in value] if key == "val_loader" else value for key, value in form.items()
    }
    before = [parameter.detach().clone() for parameter in model.parameters()]
    optimizer = torch.optim.Adam(model.parameters(), torch.tensor(0.1, device="cuda"), capturable=True, fused=True)
    loader = [(x.cuda(), y.cuda()) for x, y in loader_of(data())]
    target = LoaderStep(model, optimizer, nn.MSELoss(), loader, **form)
    state = target.snapshot()
    try:
        target.step(1e-6)  # what CUDA sets up once, such as handles and workspaces, may wait
        torch.cuda.set_sync_debug_mode("error")
        try:
            losses = [target.step(10.0**-k) for k in range(6, 2, -1)]
        finally:
            torch.cuda.set_sync_debug_mode("default")
        assert all(isinstance(loss, PendingLoss) and math.isfinite(float(loss)) for loss in losses)
    finally:
        target.restore(state)
    assert all(torch.equal(parameter, was) for parameter, was in zip(model.parameters(), before, strict=True))
