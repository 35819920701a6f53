"""A sweep trains as a fit does: at one constant rate both give the same losses, to the last bit."""

import importlib
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest
import torch
from lrrange_lightning.driver import TrainerDriver
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, IterableDataset

from lrrange import Curve, Sweep
from lrrange.sweep.plan import ConstantPlan
from tests.backend_torch.rigs import seed_all
from tests.lightning.trainings import classes, data, loader, trainer

STEPS = 9
LR = 0.02


@attrs.frozen(kw_only=True)
class Case:
    """A training. Args: functions that make its parts for a Lightning package."""

    model: Callable[[Any], Any]
    data: Callable[[Any], dict[str, Any]] = lambda _: {"train_dataloaders": loader(shuffle=False)}
    options: Callable[[Any], dict[str, Any]] = lambda _: {}
    steps_each: int = 1


def built(package: Any, step: Callable[..., Any] | None = None, **attributes: Any) -> Any:
    """Return a module without dropout, with the given methods."""

    class Built(classes(package).Plain):
        def __init__(self) -> None:
            super().__init__(LR)
            self.net = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 1))

        if step is not None:
            training_step = step

    for name, value in attributes.items():
        setattr(Built, name, value)
    seed_all()
    return Built()


def loss(self: Any, batch: Any, batch_idx: int) -> torch.Tensor:
    return F.mse_loss(self.net(batch[0]), batch[1])


def gan_with_its_own_noise(package: Any) -> Any:
    class Noisy(classes(package).Gan):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            torch.manual_seed(batch_idx)
            return super().training_step(batch, batch_idx)

        def configure_optimizers(self) -> Any:
            return super().configure_optimizers()[0]

    seed_all()
    return Noisy()


def with_scaler(package: Any) -> dict[str, Any]:
    mixed = importlib.import_module(f"{package.__name__}.plugins").MixedPrecision
    return {"plugins": [mixed("16-mixed", "cpu", torch.amp.GradScaler("cpu", init_scale=256.0, growth_interval=3))]}


class Stream(IterableDataset[Any]):
    """A dataset without a length."""

    def __iter__(self) -> Iterator[Any]:
        return iter(data(96))


class Iterable:
    """A loader that is not a DataLoader."""

    def __iter__(self) -> Iterator[Any]:
        return iter(loader(shuffle=False))


def moved(self: Any, batch: Any, dataloader_idx: int) -> Any:
    return [batch[0] * 2, batch[1]]


def stepped_in_a_hook(self: Any, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Any = None) -> None:
    optimizer.step(closure=optimizer_closure)
    with torch.no_grad():
        for parameter in self.parameters():
            parameter.mul_(0.99)


def of_two_loaders(self: Any, batch: Any) -> torch.Tensor:
    return loss(self, batch["one"], 0) + loss(self, batch["two"], 0)


def by_index(self: Any, batch: Any, batch_idx: int) -> torch.Tensor:
    return loss(self, batch, batch_idx) * (1 + batch_idx)


CASES: dict[str, Case] = {
    "plain": Case(model=built),
    "dict": Case(model=lambda package: built(package, lambda *args: {"loss": loss(*args), "more": 1})),
    "no index": Case(model=lambda package: built(package, lambda self, batch: loss(self, batch, 0))),
    "by index": Case(model=lambda package: built(package, by_index)),
    "gan": Case(model=gan_with_its_own_noise, steps_each=2),
    "accumulated": Case(model=built, options=lambda _: {"accumulate_grad_batches": 3}),
    "clipped by norm": Case(model=built, options=lambda _: {"gradient_clip_val": 0.1}),
    "clipped by value": Case(
        model=built, options=lambda _: {"gradient_clip_val": 0.01, "gradient_clip_algorithm": "value"}
    ),
    "bf16-mixed": Case(model=built, options=lambda _: {"precision": "bf16-mixed"}),
    "bf16-true": Case(model=built, options=lambda _: {"precision": "bf16-true"}),
    "64-true": Case(model=built, options=lambda _: {"precision": "64-true"}),
    "16-mixed with a scaler": Case(model=built, options=with_scaler),
    "own optimizer_step": Case(model=lambda package: built(package, optimizer_step=stepped_in_a_hook)),
    "batch-transfer hook": Case(model=lambda package: built(package, on_before_batch_transfer=moved)),
    "data module": Case(
        model=lambda package: built(package, validation_step=loss),
        data=lambda package: {"datamodule": classes(package).Data(shuffle=False)},
    ),
    "stream": Case(model=built, data=lambda _: {"train_dataloaders": DataLoader(Stream(), 16)}),
    "short": Case(model=built, data=lambda _: {"train_dataloaders": loader(64, shuffle=False)}),
    "limited": Case(model=built, options=lambda _: {"limit_train_batches": 4}),
    "limited in part": Case(model=built, options=lambda _: {"limit_train_batches": 0.5}),
    "two loaders": Case(
        model=lambda package: built(package, of_two_loaders),
        data=lambda _: {"train_dataloaders": {"one": loader(shuffle=False), "two": loader(64, shuffle=False)}},
    ),
    "any iterable": Case(model=built, data=lambda _: {"train_dataloaders": Iterable()}),
}


class Constant(Sweep):
    """A sweep whose steps are all at one rate, which makes no curve."""

    curve = property(lambda _: Curve(lr=(), loss=()))  # type: ignore[assignment]  # empty in place of the computed one


def losses_of_the_fit(package: Any, case: Case) -> list[float]:
    losses: list[float] = []

    class Listening(package.Callback):
        def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, *_: Any) -> None:
            losses.append(outputs["loss"].double().item())

    fitting = trainer(
        package, callbacks=[Listening()], max_epochs=-1, max_steps=STEPS * case.steps_each, **case.options(package)
    )
    fitting.fit(case.model(package), **case.data(package))
    count = fitting.accumulate_grad_batches
    # Lightning has divided each micro-batch's loss by their number.
    return [sum(losses[i : i + count]) for i in range(0, len(losses), count)]


@pytest.mark.parametrize("name", CASES)
def test_a_sweep_trains_as_the_fit_does(pl: Any, name: str) -> None:
    case = CASES[name]
    model = case.model(pl)
    driver = TrainerDriver(trainer(pl, **case.options(pl)), model, **case.data(pl))
    sweep = Constant(ConstantPlan(lr=LR, num_steps=STEPS))
    if name == "gan":
        model.judge_lr, model.maker_lr = LR, LR / 4
    driver.run(sweep)
    losses = [point.loss for point in sweep.points]

    def same(package: Any) -> Any:
        model = case.model(package)
        if name == "gan":
            model.judge_lr, model.maker_lr = LR, LR / 4
        return model

    expected = losses_of_the_fit(pl, attrs.evolve(case, model=same))
    assert len(set(losses)) == STEPS
    assert losses == pytest.approx(expected, rel=1e-6 if "accumulated" in name or "mixed" in name else 0, abs=0)


def test_an_optimizer_that_calls_its_closure_several_times_a_step_is_read_once_a_step(pl: Any) -> None:
    losses: list[float] = []

    def noting(self: Any, batch: Any, batch_idx: int) -> torch.Tensor:
        value = loss(self, batch, batch_idx)
        losses.append(value.item())
        return value

    def lbfgs(self: Any) -> Any:
        return torch.optim.LBFGS(self.parameters(), LR, max_iter=2, tolerance_grad=0, tolerance_change=0)

    model = built(pl, noting, configure_optimizers=lbfgs)
    trainer(pl, max_epochs=-1, max_steps=STEPS).fit(model, loader(shuffle=False))
    expected = losses[::2]
    losses.clear()
    sweep = Constant(ConstantPlan(lr=LR, num_steps=STEPS))
    model = built(pl, noting, configure_optimizers=lbfgs)
    TrainerDriver(trainer(pl), model, train_dataloaders=loader(shuffle=False)).run(sweep)
    assert [point.loss for point in sweep.points] == expected
    assert len(losses) == 2 * STEPS
