"""The suggested rate is set wherever a Lightning training keeps its rate."""

import argparse
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import attrs
import pytest
import torch
from lrrange_clr import ScheduleLR
from lrrange_lightning import LRRangeTest
from torch.optim import lr_scheduler as schedulers

from lrrange import find_lr
from lrrange.cyclical import Cycle
from lrrange.errors import OptionError, RateNotInForce, TargetError
from tests.backend_torch.rigs import seed_all
from tests.lightning.trainings import classes, gan, loader, plain, trainer

SWEEP = {"start_lr": 1e-5, "end_lr": 10.0, "num_steps": 80}


def a_hundredth(_: Any) -> float:
    """Return a rate inside each sweep here: the loss of a GAN falls to the end."""
    return 0.01


def fitted(package: Any, model: Any, *callbacks: Any, **options: Any) -> LRRangeTest:
    callback = LRRangeTest(**SWEEP)
    trainer(package, callbacks=[callback, *callbacks], **options).fit(model, loader())
    return callback


def test_the_attribute_that_is_read_is_set_and_the_one_that_is_not_is_left(package: Any) -> None:
    model = plain(package)
    callback = fitted(package, model)
    assert callback.applied == {"self.lr": callback.result.lr, "param group 0": callback.result.lr}
    assert model.lr == callback.result.lr != 0.01
    assert model.hparams.lr == 0.01


@attrs.frozen(slots=False)
class Frozen:
    optimizer: dict[str, float]


READ: dict[str, tuple[Callable[[Any], None], Callable[[Any], float], str]] = {
    "hparams": (lambda m: None, lambda m: m.hparams.lr, "self.hparams.lr"),
    "nested hparams": (
        lambda m: m.hparams.update(optim={"step_size": 0.02}),
        lambda m: m.hparams.optim["step_size"],
        "self.hparams.optim.step_size",
    ),
    "namespace": (
        lambda m: setattr(m, "args", argparse.Namespace(seed=1, eta=0.02)),
        lambda m: m.args.eta,
        "self.args.eta",
    ),
    "configuration": (
        lambda m: setattr(m, "config", SimpleNamespace(inner=Frozen({"lr": 0.02}))),
        lambda m: m.config.inner.optimizer["lr"],
        "self.config.inner.optimizer.lr",
    ),
    "private": (lambda m: setattr(m, "_rate", 1), lambda m: m._rate * 1.0, "self._rate"),
    "scaled by the batch size": (lambda m: setattr(m, "batch", 64), lambda m: m.lr * m.batch / 64, "self.lr"),
}


@pytest.mark.parametrize("name", READ)
def test_the_number_that_is_read_is_found_whatever_its_name(pl: Any, name: str) -> None:
    prepare, read, called = READ[name]

    class Reading(classes(pl).Plain):
        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), read(self))

    seed_all()
    model = Reading()
    prepare(model)
    callback = fitted(pl, model)
    assert callback.applied.keys() == {called, "param group 0"}
    assert read(model) == pytest.approx(callback.result.lr)


def test_a_rate_that_no_attribute_holds_is_set_in_the_optimizer_alone(pl: Any) -> None:
    class Constant(classes(pl).Plain):
        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), 0.03)

    seed_all()
    callback = fitted(pl, Constant())
    assert callback.applied == {"param group 0": callback.result.lr}


def test_calling_configure_optimizers_leaves_nothing_behind(pl: Any) -> None:
    class Storing(classes(pl).Plain):
        calls = 0

        def configure_optimizers(self) -> Any:
            self.calls += 1
            self.mine = torch.optim.SGD(self.parameters(), self.lr)
            torch.rand(1)
            return self.mine

    seed_all()
    model = Storing()
    fitted(pl, model)
    assert model.calls == 1
    assert model.mine is model.trainer.optimizers[0]


def test_param_groups_keep_their_ratios(pl: Any) -> None:
    class Groups(classes(pl).Plain):
        def configure_optimizers(self) -> Any:
            body, head = self.net[0].parameters(), [*self.net[1].parameters(), *self.net[4].parameters()]
            return torch.optim.SGD([{"params": body, "lr": self.lr / 10}, {"params": head, "name": "head"}], self.lr)

    seed_all()
    model = Groups()
    callback = fitted(pl, model)
    lr = callback.result.lr
    assert [group["lr"] for group in model.trainer.optimizers[0].param_groups] == pytest.approx([lr, 10 * lr])
    assert model.lr == pytest.approx(10 * lr)


SHAPES: dict[str, tuple[Callable[[Any], Any], dict[str, Any]]] = {
    "lambda": (lambda o: schedulers.LambdaLR(o, lambda step: 0.9**step), {"interval": "step"}),
    "warm-up": (lambda o: schedulers.LambdaLR(o, lambda step: min(1.0, (step + 1) / 8)), {"interval": "step"}),
    "one cycle": (lambda o: schedulers.OneCycleLR(o, 0.01, total_steps=12), {"interval": "step"}),
    "cyclic": (lambda o: schedulers.CyclicLR(o, 1e-3, 4e-3, 4, cycle_momentum=False), {"interval": "step"}),
    "lrrange's cycle": (
        lambda o: ScheduleLR(o, Cycle(base_lr=1e-3, max_lr=8e-3, steps_up=3, steps_down=3)),
        {"interval": "step"},
    ),
    "cosine": (lambda o: schedulers.CosineAnnealingLR(o, 12), {"interval": "step", "frequency": 2}),
    "by epoch": (lambda o: schedulers.StepLR(o, 1, 0.5), {}),
    "plateau": (lambda o: schedulers.ReduceLROnPlateau(o, patience=0, threshold=1e9), {"monitor": "loss"}),
    "sequential": (
        lambda o: schedulers.SequentialLR(
            o, [schedulers.LinearLR(o, 0.1, total_iters=4), schedulers.StepLR(o, 3)], milestones=[4]
        ),
        {"interval": "step"},
    ),
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_scheduler_keeps_its_shape_around_the_new_rate(pl: Any, name: str) -> None:
    make, config = SHAPES[name]

    class Scheduled(classes(pl).Plain):
        def configure_optimizers(self) -> Any:
            optimizer = torch.optim.SGD(self.parameters(), self.lr, momentum=0.9)
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": make(optimizer), **config}}

    class Rates(pl.Callback):
        def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
            rates.append(trainer.optimizers[0].param_groups[0]["lr"])

    seed_all()
    rates: list[float] = []
    trainer(pl, callbacks=[Rates()]).fit(Scheduled(), loader())
    without, rates = rates, []
    callback = fitted(pl, Scheduled(), Rates())
    factor = rates[0] / without[0]
    assert rates == pytest.approx([factor * rate for rate in without], rel=1e-6)
    assert len(set(without)) > 1
    peak = {"one cycle": 0.01, "cyclic": 4e-3, "lrrange's cycle": 8e-3}.get(name)
    assert factor == pytest.approx(callback.result.range.max_lr / peak if peak else callback.result.lr / 0.01)


def test_a_scheduler_of_the_users_own_follows_too(pl: Any) -> None:
    class Halving:
        def __init__(self, optimizer: Any) -> None:
            self.optimizer = optimizer
            self.base_lrs = [group["lr"] for group in optimizer.param_groups]
            self._last_lr = list(self.base_lrs)

        def step(self) -> None:
            self._last_lr = [rate / 2 for rate in self._last_lr]
            for group, rate in zip(self.optimizer.param_groups, self._last_lr, strict=True):
                group["lr"] = rate

        def state_dict(self) -> dict[str, Any]:
            return {}

        def load_state_dict(self, state: dict[str, Any]) -> None: ...

    class Own(classes(pl).Plain):
        def configure_optimizers(self) -> Any:
            optimizer = torch.optim.SGD(self.parameters(), self.lr)
            return [optimizer], [{"scheduler": Halving(optimizer), "interval": "step"}]

        def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
            scheduler.step()

    seed_all()
    model = Own()
    callback = fitted(pl, model, max_steps=3)
    assert model.trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(callback.result.lr / 8)


def test_a_later_sweeps_rate_replaces_an_earlier_one(pl: Any) -> None:
    model = plain(pl)
    callback = LRRangeTest(at_epochs=[0, 2], **SWEEP)
    trainer(pl, callbacks=[callback], max_epochs=3).fit(model, loader())
    assert sorted(callback.results) == [0, 2]
    assert callback.results[0].curve.loss[0] > callback.results[2].curve.loss[0]
    assert model.lr == callback.result.lr == callback.results[2].lr == model.trainer.optimizers[0].param_groups[0]["lr"]


def test_two_optimizers_get_one_multiplier_and_each_its_own_attribute(pl: Any) -> None:
    model = gan(pl)
    callback = LRRangeTest(a_hundredth, start_lr=1e-5, end_lr=0.3, num_steps=40)
    trainer(pl, callbacks=[callback], max_epochs=1).fit(model, loader())
    judging, making = (one.param_groups[0] for one in model.trainer.optimizers)
    lr = callback.result.lr
    assert (judging["initial_lr"], making["initial_lr"]) == pytest.approx((lr, lr / 4))
    assert (model.judge_lr, model.maker_lr) == pytest.approx((lr, lr / 4))
    groups = ["Adam 0, param group 0", "Adam 1, param group 0"]
    assert callback.applied.keys() == {"self.judge_lr", "self.maker_lr", *groups}


def test_only_the_chosen_one_of_two_optimizers_is_changed(pl: Any) -> None:
    model = gan(pl)
    callback = LRRangeTest(a_hundredth, start_lr=1e-5, end_lr=0.3, num_steps=40, optimizer=1, monitor="maker_loss")
    trainer(pl, callbacks=[callback], max_epochs=1).fit(model, loader())
    judging, making = (one.param_groups[0] for one in model.trainer.optimizers)
    assert (judging["initial_lr"], making["initial_lr"]) == (4e-3, callback.result.lr)
    assert (model.judge_lr, model.maker_lr) == (4e-3, pytest.approx(callback.result.lr))


def test_an_attribute_that_another_optimizer_reads_too_is_left(pl: Any) -> None:
    class Sharing(classes(pl).Gan):
        def configure_optimizers(self) -> Any:
            judging = torch.optim.Adam(self.judge.parameters(), self.judge_lr)
            return judging, torch.optim.Adam(self.maker.parameters(), self.judge_lr)

    seed_all()
    model = Sharing()
    callback = LRRangeTest(a_hundredth, start_lr=1e-5, end_lr=0.3, num_steps=40, optimizer=0)
    trainer(pl, callbacks=[callback], max_epochs=1).fit(model, loader())
    assert model.judge_lr == 4e-3
    assert callback.applied.keys() == {"Adam 0, param group 0"}


def test_a_result_is_applied_to_a_module_before_its_fit(package: Any) -> None:
    model = plain(package)
    result = find_lr(trainer(package), model=model, train_dataloaders=loader(), **SWEEP)
    assert result.apply(model) == {"self.lr": result.lr}
    assert model.configure_optimizers().param_groups[0]["lr"] == result.lr


def test_a_module_without_an_attribute_for_its_rate_is_an_error_that_says_so(pl: Any) -> None:
    class Constant(classes(pl).Plain):
        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), 0.03)

    result = find_lr(trainer(pl), model=plain(pl), train_dataloaders=loader(), **SWEEP)
    with pytest.raises(
        RateNotInForce, match="its rate stays 0.03, whatever the module's attributes are. Have it read self.lr"
    ):
        result.apply(Constant())


def test_a_module_that_needs_its_trainer_is_an_error_that_names_the_callback(pl: Any) -> None:
    class Needy(classes(pl).Plain):
        def configure_optimizers(self) -> Any:
            optimizer = torch.optim.SGD(self.parameters(), self.lr)
            total = self.trainer.estimated_stepping_batches
            return [optimizer], [schedulers.OneCycleLR(optimizer, self.lr, total_steps=total)]

    seed_all()
    model = Needy()
    result = find_lr(trainer(pl), model=model, train_dataloaders=loader(), **SWEEP)
    with pytest.raises(TargetError, match="not attached to a `Trainer`.*LRRangeTest"):
        result.apply(model)
    with pytest.raises(OptionError, match="Leave scheduler= out"):
        result.apply(plain(pl), scheduler=object())


def test_where_param_groups_were_added_since_the_module_is_left_alone(pl: Any) -> None:
    class Growing(classes(pl).Plain):
        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.net[:1].parameters(), self.lr)

        def on_train_start(self) -> None:
            self.optimizers().add_param_group({"params": list(self.net[1:].parameters()), "lr": 0.05})

    seed_all()
    model = Growing()
    callback = fitted(pl, model)
    lr = callback.result.lr
    assert callback.applied == {"param group 0": lr, "param group 1": pytest.approx(5 * lr)}
    assert model.lr == 0.01
