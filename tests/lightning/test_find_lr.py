"""The options of `find_lr(trainer, ...)`, the states that a training may be in, and what is refused."""

import math
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from lrrange_lightning.driver import TrainerDriver

from lrrange import find_lr
from lrrange.errors import LossError, OptionError, SweepStateError, TargetError
from lrrange.sweep.plan import ConstantPlan
from tests.lightning.finding import changed, find
from tests.lightning.observing import of_training
from tests.lightning.rigs import automatic, manual_gan, with_a_data_module
from tests.lightning.test_steps import Constant
from tests.lightning.trainings import classes, gan, loader, plain, trainer, validated


def test_the_result_says_how_it_was_found(package: Any) -> None:
    result = find(package, plain(package), trainer=trainer(package, precision="bf16-mixed", accumulate_grad_batches=2))
    assert result.provenance.backend == "lightning"
    assert result.provenance.versions[package.__name__] == package.__version__
    details = result.provenance.details
    assert (details["optimizer"], details["precision"], details["accumulate"]) == ("Adam", "bf16-mixed", 2)
    assert (details["strategy"], details["processes"], details["reads"]) == ("SingleDeviceStrategy", 1, "loss")


def test_a_seed_repeats_a_sweep_and_other_seeds_give_others(pl: Any) -> None:
    one, again, other = (find(pl, plain(pl), seed=seed).curve.loss for seed in (1, 1, 2))
    assert one == again != other
    assert len({sweep.loss for sweep in find(pl, plain(pl), repeats=3).sweeps}) == 3


def test_a_seed_is_for_the_next_sweep_only(pl: Any) -> None:
    def losses_of(driver: TrainerDriver) -> list[float]:
        sweep = Constant(ConstantPlan(lr=1e-3, num_steps=4))
        driver.run(sweep)
        return [point.loss for point in sweep.points]

    driver = TrainerDriver(trainer(pl), plain(pl), loader())
    unseeded = losses_of(driver)
    driver.seed(3)
    assert losses_of(driver) != unseeded == losses_of(driver)


def test_a_module_with_a_loader_of_its_own_needs_none(pl: Any) -> None:
    model = changed(pl, train_dataloader=lambda self: loader())
    assert len(find(pl, model, train_dataloaders=None).curve) > 10


def test_the_hooks_of_module_and_data_module_are_those_of_a_fit(pl: Any) -> None:
    heard: list[str] = []

    class Hooks:
        """Not a list, because lists of the data module are put back after the sweep."""

        def append(self, what: str) -> None:
            heard.append(what)

    def hook(name: str) -> Any:
        return lambda self, *_: heard.append(name)

    before = ["on_fit_start", "on_train_start", "on_train_epoch_start"]
    forward = ["on_train_batch_start", "on_before_zero_grad", "on_before_backward", "on_after_backward"]
    batch = [*forward, "on_before_optimizer_step", "on_train_batch_end"]
    model = changed(pl, **{name: hook(name) for name in (*before, *batch)}, validation_step=lambda *_: None)
    datamodule = classes(pl).Data()
    datamodule.calls = Hooks()
    find(pl, model, train_dataloaders=None, datamodule=datamodule, num_steps=3, trainer=trainer(pl))
    data_hooks = ["prepare_data", "setup TrainerFn.FITTING"]
    assert heard == [
        *data_hooks,
        "on_fit_start",
        "train_dataloader",
        *before[1:],
        *batch * 3,
        "teardown TrainerFn.FITTING",
    ]


def test_confirmation_by_the_validation_of_the_fit(package: Any) -> None:
    model = validated(package)
    val = {"val_dataloaders": loader(64, shuffle=False)}
    before = of_training(fitting := trainer(package), model)
    result = find(
        package,
        model,
        trainer=fitting,
        heuristic=lambda _: 0.01,
        confirm=True,
        confirm_steps=90,
        val_monitor="val_loss",
        **val,
    )
    assert result.confirmation.held_out
    assert of_training(fitting, model) == before


def test_without_val_monitor_a_confirmation_goes_by_the_training_loss(pl: Any) -> None:
    model = validated(pl)
    val = {"val_dataloaders": loader(64, shuffle=False)}
    before = of_training(fitting := trainer(pl), model)
    result = find(pl, model, trainer=fitting, heuristic=lambda _: 0.01, confirm=True, confirm_steps=90, **val)
    assert not result.confirmation.held_out
    assert math.isfinite(result.confirmation.best.loss)
    assert of_training(fitting, model) == before


def test_the_held_out_loss_is_what_the_fit_would_log(pl: Any) -> None:
    data = {"train_dataloaders": loader(shuffle=False), "val_dataloaders": loader(64, shuffle=False)}
    model = validated(pl)
    driver = TrainerDriver(trainer(pl), model, val_monitor="val_loss", **data)
    found: list[float] = []
    sweep = Constant(ConstantPlan(lr=1e-9, num_steps=6), on_advance=lambda point: found.append(driver.evaluate()))
    driver.run(sweep)
    model.lr = 1e-9
    fitting = trainer(pl, max_epochs=1)
    fitting.fit(model, **data)
    assert found[-1] == pytest.approx(float(fitting.callback_metrics["val_loss"]), rel=1e-6)


@pytest.mark.parametrize("val_monitor", [None, "val_loss"])
def test_outside_of_a_sweep_there_is_no_held_out_loss(pl: Any, val_monitor: str | None) -> None:
    driver = TrainerDriver(trainer(pl), validated(pl), val_monitor=val_monitor)
    if val_monitor is None:
        assert driver.evaluate() is None
    else:
        with pytest.raises(SweepStateError, match="Call evaluate\\(\\) while one is running"):
            driver.evaluate()


def test_without_val_monitor_there_is_no_held_out_loss_in_a_sweep(pl: Any) -> None:
    data = {"train_dataloaders": loader(), "val_dataloaders": loader(64, shuffle=False)}
    driver = TrainerDriver(trainer(pl), validated(pl), **data)
    losses: list[float | None] = []
    driver.run(Constant(ConstantPlan(lr=1e-3, num_steps=2), on_advance=lambda point: losses.append(driver.evaluate())))
    assert losses == [None, None]


@pytest.mark.filterwarnings("ignore:You defined a `validation_step` but have no `val_dataloader`")
def test_validation_that_logs_something_else_is_an_error_that_names_it(pl: Any) -> None:
    val = {"val_dataloaders": loader(64, shuffle=False), "confirm": True, "confirm_steps": 90, "num_steps": 100}
    with pytest.raises(LossError, match="did not log val_monitor='accuracy'. It logs 'val_loss'"):
        find(pl, validated(pl), val_monitor="accuracy", **val)
    with pytest.raises(OptionError, match="needs a validation_step and val_dataloaders"):
        find(pl, validated(pl), val_monitor="val_loss")


def test_a_trainer_that_has_finished_can_be_swept_and_then_trained_on(package: Any) -> None:
    model, fitting = plain(package), trainer(package)
    fitting.fit(model, loader())
    before = of_training(fitting, model)
    result = find(package, model, trainer=fitting)
    assert len(result.curve) > 10
    assert of_training(fitting, model) == before
    assert fitting.current_epoch == 2
    fitting.fit_loop.max_epochs = 3
    fitting.fit(model, loader())
    assert fitting.global_step == 18


def test_a_sweep_from_a_checkpoint_starts_from_its_weights_and_its_optimizer(pl: Any, tmp_path: Path) -> None:
    model, fitting = plain(pl), trainer(pl, enable_checkpointing=True, default_root_dir=tmp_path, max_epochs=20)
    fitting.fit(model, loader())
    path = tmp_path / "trained.ckpt"
    fitting.save_checkpoint(path)
    fresh = plain(pl)
    result = find(pl, fresh, ckpt_path=path, trainer=trainer(pl, max_epochs=20))
    assert result.curve.loss[0] < 0.5 * find(pl, plain(pl)).curve.loss[0]
    assert all(torch.equal(*pair) for pair in zip(fresh.parameters(), plain(pl).parameters(), strict=True))

    def states(path: Any) -> list[int]:
        seen: list[int] = []

        def noting(self: Any, *_: Any) -> None:
            seen.append(len(self.optimizers().state))

        find(pl, changed(pl, on_train_epoch_start=noting), ckpt_path=path)
        return seen

    assert (states(path), states(None)) == ([6], [0])


@pytest.mark.parametrize("where", ["best", "last"])
def test_a_checkpoint_that_the_trainer_would_have_to_look_for_is_refused(pl: Any, where: str) -> None:
    with pytest.raises(OptionError, match=f"ckpt_path='{where}'.*Give the path"):
        find(pl, plain(pl), ckpt_path=where)


def test_what_the_user_names_is_put_back_too(pl: Any) -> None:
    memory = [1.0]

    def remembering(self: Any, batch: Any, batch_idx: int) -> Any:
        memory.append(2.0)
        return classes(pl).Plain.training_step(self, batch, batch_idx)

    find(pl, changed(pl, training_step=remembering), restore=[memory])
    assert memory == [1.0]


@pytest.mark.parametrize("index", [2, -1, True, "maker"])
def test_an_optimizer_that_there_is_not_is_an_error_that_lists_them(pl: Any, index: Any) -> None:
    with pytest.raises(
        OptionError, match=r"is not an index of the optimizers from configure_optimizers: 0 \(Adam\), 1 \(Adam\)"
    ):
        find(pl, gan(pl), optimizer=index)


@pytest.mark.filterwarnings("ignore:`LightningModule.configure_optimizers` returned `None`")
def test_a_module_without_an_optimizer_is_an_error(pl: Any) -> None:
    with pytest.raises(TargetError, match="configure_optimizers returned None"):
        find(pl, changed(pl, configure_optimizers=lambda self: None))


FORMS: dict[str, Any] = {
    "optimizer": lambda o, s: o,
    "list": lambda o, s: [o],
    "two lists": lambda o, s: ([o], [s]),
    "dict": lambda o, s: {"optimizer": o},
    "dict with scheduler": lambda o, s: {"optimizer": o, "lr_scheduler": s},
    "configuration": lambda o, s: {
        "optimizer": o,
        "lr_scheduler": {"scheduler": s, "interval": "step", "frequency": 2},
    },
    "tuple of dicts": lambda o, s: ({"optimizer": o, "lr_scheduler": {"scheduler": s, "name": "decay"}},),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_configure_optimizers_gives_the_same_curve(pl: Any, form: str) -> None:
    def configured(self: Any) -> Any:
        optimizer = torch.optim.Adam(self.parameters(), self.lr)
        return FORMS[form](optimizer, torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5))

    model = changed(pl, configure_optimizers=configured)
    result = find(pl, model)
    assert result.curve == find(pl, plain(pl)).curve
    assert result.apply(model) == {"self.lr": result.lr}


def test_a_module_of_the_other_package_is_refused() -> None:
    import lightning.pytorch
    import pytorch_lightning

    model = plain(lightning.pytorch)
    with pytest.raises(OptionError, match="pytorch_lightning.Trainer trains a pytorch_lightning.LightningModule"):
        find(pytorch_lightning, model)


def test_a_fit_that_is_under_way_is_referred_to_the_callback(pl: Any) -> None:
    class Asking(pl.Callback):
        def on_train_start(self, trainer: Any, module: Any) -> None:
            find_lr(trainer, model=module)

    with pytest.raises(TargetError, match="in the middle of a fit.*LRRangeTest"):
        trainer(pl, callbacks=[Asking()]).fit(plain(pl), loader())


@pytest.mark.parametrize("strategy", ["fsdp", "deepspeed", "model_parallel"])
def test_a_strategy_that_spreads_the_module_is_refused_before_the_first_step(pl: Any, strategy: str) -> None:
    kinds = {
        "fsdp": pl.strategies.FSDPStrategy,
        "deepspeed": pl.strategies.DeepSpeedStrategy,
        "model_parallel": pl.strategies.ModelParallelStrategy,
    }
    fitting = trainer(pl)
    fitting._accelerator_connector.strategy = object.__new__(kinds[strategy])  # none of them runs without a GPU
    with pytest.raises(TargetError, match=f"{kinds[strategy].__name__} spreads the module over devices"):
        find(pl, plain(pl), trainer=fitting)


def test_a_step_that_draws_its_own_batches_is_refused(pl: Any) -> None:
    with pytest.raises(TargetError, match="dataloader_iter"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            find(pl, changed(pl, training_step=lambda self, dataloader_iter: None))


def test_callbacks_of_the_module_are_not_called_in_the_sweep(pl: Any) -> None:
    class Loud(pl.Callback):
        def setup(self, *_: Any, **__: Any) -> None:
            raise AssertionError("a callback was called in the sweep")

    find(pl, changed(pl, configure_callbacks=lambda self: [Loud()]))


@pytest.mark.parametrize("make", [automatic, manual_gan, with_a_data_module], ids=lambda make: make.__name__)
def test_a_restore_can_be_verified(package: Any, make: Any) -> None:
    result = make(package).find(verify_restore=True)
    assert result.provenance.details["restore_verified"] is True
