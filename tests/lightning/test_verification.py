"""The verification of a rate over the first steps of a fit, and each way in which a rate may not be in force."""

from typing import Any

import pytest
import torch
from lrrange_lightning import LRRangeTest, VerifyRate

from lrrange import find_lr
from lrrange.errors import RateNotInForce
from tests.backend_torch.rigs import seed_all
from tests.lightning.trainings import classes, loader, plain, trainer

SWEEP = {"start_lr": 1e-5, "end_lr": 10.0, "num_steps": 80}


def reading(package: Any, read: Any) -> Any:
    class Reading(classes(package).Plain):
        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), read(self))

    seed_all()
    return Reading()


def fit(package: Any, model: Any, *callbacks: Any) -> pytest.ExceptionInfo[RateNotInForce]:
    with pytest.raises(RateNotInForce) as error:
        trainer(package, callbacks=list(callbacks)).fit(model, loader())
    return error


def test_the_bug_of_the_article_the_rate_written_to_hparams_and_read_from_the_module(package: Any) -> None:
    model = reading(package, lambda m: m.lr)
    model.hparams.lr = 0.0363
    error = fit(package, model, VerifyRate(0.0363))
    assert str(error.value) == (
        "param group 0 trains at lr=0.01, not at 0.0363. 0.0363 was written to self.hparams.lr, but "
        "configure_optimizers reads self.lr. Write it to self.lr, or have configure_optimizers read self.hparams.lr."
    )
    assert (error.value.written, error.value.read) == (("self.hparams.lr",), ("self.lr",))
    assert (error.value.wanted, error.value.actual) == (0.0363, 0.01)
    assert model.trainer.global_step == 0


def test_the_bug_of_the_article_the_other_way_round(package: Any) -> None:
    model = reading(package, lambda m: m.hparams.lr)
    model.lr = 0.0363
    error = fit(package, model, VerifyRate(0.0363))
    assert "written to self.lr, but configure_optimizers reads self.hparams.lr. Write it to self.hparams.lr" in str(
        error.value
    )


def test_the_error_is_complete_when_it_is_raised_and_nothing_changes_it_on_its_way(package: Any) -> None:
    """Every callback is given it, in the order of the Trainer's list."""

    class Noting(package.Callback):
        def on_exception(self, trainer: Any, module: Any, exception: BaseException) -> None:
            errors.append((exception, exception.args, dict(vars(exception))))

    errors: list[Any] = []
    model = reading(package, lambda m: m.lr)
    model.hparams.lr = 0.0363
    error = fit(package, model, Noting(), VerifyRate(0.0363), Noting())
    assert errors[0] == errors[1] == (error.value, error.value.args, vars(error.value))
    assert (
        vars(error.value).items()
        >= {
            "group": "param group 0",
            "wanted": 0.0363,
            "actual": 0.01,
            "written": ("self.hparams.lr",),
            "read": ("self.lr",),
        }.items()
    )
    assert error.value.__cause__ is error.value.__context__ is None


def test_a_rate_that_was_written_nowhere(pl: Any) -> None:
    error = fit(pl, reading(pl, lambda m: m.lr), VerifyRate(0.0363))
    assert "reads self.lr, and no number of the module is 0.0363. Write it to self.lr." in str(error.value)


def test_a_rate_that_is_a_constant_in_configure_optimizers(pl: Any) -> None:
    model = reading(pl, lambda m: 0.02)
    model.lr = 0.0363
    error = fit(pl, model, VerifyRate(0.0363))
    assert (
        "self.lr holds 0.0363, but configure_optimizers reads no number of the module: it gives the same rates"
        in str(error.value)
    )


def test_another_callback_that_sets_the_rate_is_caught_at_the_next_step(pl: Any) -> None:
    class Meddling(pl.Callback):
        def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, batch_idx: int) -> None:
            if batch_idx == 3:
                trainer.optimizers[0].param_groups[0]["lr"] = 0.5

    model = plain(pl)
    error = fit(pl, model, LRRangeTest(**SWEEP), Meddling())
    assert error.value.actual == 0.5
    assert "reads self.lr, which holds" in str(error.value)
    assert "so something sets the rate later in the fit" in str(error.value)
    assert model.trainer.global_step == 3


def test_a_warm_up_written_into_the_module_is_caught_in_the_sweep_or_in_the_fit(pl: Any) -> None:
    class Warming(classes(pl).Plain):
        def optimizer_step(self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Any = None) -> None:
            for group in optimizer.param_groups:
                group["lr"] = self.lr * min(1.0, (self.trainer.global_step + 1) / 10)
            optimizer.step(closure=optimizer_closure)

    seed_all()
    error = fit(pl, Warming(), LRRangeTest(**SWEEP))
    assert "Take warm-up and LR schedules out of the step for the sweep" in str(error.value)


def test_a_rate_changed_inside_the_step_is_caught_in_the_sweep(pl: Any) -> None:
    class Changing(classes(pl).Plain):
        def on_before_optimizer_step(self, optimizer: Any) -> None:
            optimizer.param_groups[0]["lr"] = 0.123

    seed_all()
    error = fit(pl, Changing(), LRRangeTest(**SWEEP))
    assert error.value.actual == 0.123


def test_an_optimizer_that_never_reads_its_rate_is_caught_at_the_end_of_the_verification(pl: Any) -> None:
    class Deaf(torch.optim.SGD):
        def step(self, closure: Any = None) -> Any:
            return closure()

    class Trained(classes(pl).Plain):
        def configure_optimizers(self) -> Any:
            return Deaf(self.parameters(), self.lr)

    seed_all()
    error = fit(pl, Trained(), VerifyRate(0.01, steps=4))
    assert "never read lr of param group 0 in 4 steps" in str(error.value)


def test_a_rate_in_force_is_verified_and_the_fit_goes_on(package: Any) -> None:
    model = plain(package)
    model.lr = 0.0363
    fitting = trainer(package, callbacks=[VerifyRate(0.0363, steps=5)])
    fitting.fit(model, loader())
    assert fitting.global_step == 12


def test_a_fit_that_is_shorter_than_the_verification_is_verified_too(pl: Any) -> None:
    model = reading(pl, lambda m: m.lr)
    fitting = trainer(pl, callbacks=[VerifyRate(0.01, steps=500)])
    fitting.fit(model, loader())
    assert fitting.global_step == 12
    assert not fitting.optimizers[0]._optimizer_step_pre_hooks  # nothing is watching any more


def test_a_fit_that_never_steps_the_optimizer_verifies_nothing(pl: Any) -> None:
    class Idle(classes(pl).Gan):
        def training_step(self, batch: Any, batch_idx: int) -> None: ...

    seed_all()
    error = fit(pl, Idle(), VerifyRate(4e-3))
    assert "took no step while it was watched" in str(error.value)


def finetuned(package: Any) -> Any:
    class Finetuned(classes(package).Plain):
        def __init__(self) -> None:
            super().__init__()
            self.backbone, self.head = torch.nn.Linear(6, 8), torch.nn.Linear(8, 1)

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            return torch.nn.functional.mse_loss(self.head(self.backbone(batch[0])), batch[1])

        def configure_optimizers(self) -> Any:
            return torch.optim.Adam(self.head.parameters(), self.lr)

    seed_all()
    return Finetuned()


def unfreezing(package: Any, epoch: int) -> Any:
    return package.callbacks.BackboneFinetuning(epoch, lambda _: 1.5, should_align=False, train_bn=False)


def test_a_group_that_a_callback_adds_while_the_rate_is_verified_is_left_to_it(package: Any) -> None:
    fitting = trainer(package, callbacks=[VerifyRate(0.01), unfreezing(package, 1)], max_epochs=4)
    fitting.fit(finetuned(package), loader())
    assert len(fitting.optimizers[0].param_groups) == 2
    assert fitting.global_step == 24


def test_a_callback_that_sets_the_rate_of_the_group_it_added_is_named(package: Any) -> None:
    model = finetuned(package)
    callbacks = [unfreezing(package, 1), LRRangeTest(**SWEEP, at_epochs=(1,))]
    with pytest.raises(RateNotInForce, match="param group 1 trains at lr=") as error:
        trainer(package, callbacks=callbacks, max_epochs=4).fit(model, loader())
    assert "BackboneFinetuning added it, and sets its rate at the start of each epoch" in str(error.value)
    assert "backbone_initial_lr=" in str(error.value)
    assert "Write it to" not in str(error.value)


def test_the_advice_to_end_the_verification_with_the_epoch_works(pl: Any) -> None:
    callbacks = [unfreezing(pl, 1), LRRangeTest(**SWEEP, at_epochs=(1,), verify_steps=6)]
    fitting = trainer(pl, callbacks=callbacks, max_epochs=4)
    fitting.fit(finetuned(pl), loader())
    assert fitting.global_step == 24


def test_a_group_that_something_else_added_is_not_blamed_on_the_module(pl: Any) -> None:
    class Adding(pl.Callback):
        def on_train_start(self, trainer: Any, module: Any) -> None:
            trainer.optimizers[0].add_param_group({"params": module.backbone.parameters(), "lr": 0.1})

        def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, batch_idx: int) -> None:
            trainer.optimizers[0].param_groups[1]["lr"] = 0.2

    error = fit(pl, finetuned(pl), Adding(), VerifyRate(0.01))
    assert "Whatever added it sets its rate" in str(error.value)


def test_the_peak_of_a_one_cycle_schedule_that_apply_has_set_is_in_force(pl: Any) -> None:
    class OneCycle(classes(pl).Plain):
        def configure_optimizers(self) -> Any:
            optimizer = torch.optim.SGD(self.parameters(), self.lr)
            scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3 * self.lr, total_steps=100)
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    seed_all()
    model = OneCycle()
    result = find_lr(trainer(pl), model=model, train_dataloaders=loader(), **SWEEP)
    result.apply(model)
    assert model.lr == pytest.approx(result.lr / 3)
    trainer(pl, callbacks=[VerifyRate(result)]).fit(model, loader())
    with pytest.raises(RateNotInForce):
        trainer(pl, callbacks=[VerifyRate(2 * result.lr)]).fit(OneCycle(), loader())
