"""One test for each thing that Lightning's own finder gets wrong, on ours. (Lightning 2.6.6, tuner/lr_finder.py.)"""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from lrrange_lightning import LRRangeTest

from lrrange import find_lr
from lrrange.errors import LossError
from tests.backend_torch.rigs import seed_all
from tests.lightning.observing import files, of_training
from tests.lightning.trainings import classes, gan, loader, plain, trainer

SWEEP = {"start_lr": 1e-6, "end_lr": 10.0, "num_steps": 100}


def test_a_noisy_curve_is_read_per_decade_and_not_against_the_raw_rate(package: Any) -> None:
    """Theirs differentiates against the raw rate, so that a little noise at the lowest rates looks steepest."""

    class Noisy(classes(package).Plain):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            loss = super().training_step(batch, batch_idx)
            return loss + 0.15 * (torch.rand(1, generator=self.noise) - 0.5).item()

    seed_all()
    model = Noisy()
    model.noise = torch.Generator().manual_seed(8)
    result = find_lr(trainer(package), model=model, train_dataloaders=loader(), **SWEEP)
    rates, losses = torch.tensor(result.curve.lr), torch.tensor(result.curve.loss)
    theirs = rates[torch.gradient(losses, spacing=[rates])[0].argmin()].item()
    assert theirs < 1e-4
    assert 1e-3 < result.lr < 1.0


def test_the_losses_recorded_are_those_of_the_steps(package: Any) -> None:
    """Theirs records a running mean whose correction is off by one: its first value is half the loss."""
    model, losses = plain(package), []

    class Noting(type(model)):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            loss = super().training_step(batch, batch_idx)
            losses.append(loss.item())
            return loss

    seed_all()
    result = find_lr(trainer(package), model=Noting(), train_dataloaders=loader(), **SWEEP)
    assert list(result.curve.loss) == losses


def test_a_sweep_in_the_middle_of_a_training_runs_all_its_steps(package: Any) -> None:
    """Theirs compares the first smoothed loss with a best loss of 0, and ends at its first step."""
    callback = LRRangeTest(apply=False, at_epochs=(3,), divergence=None, **SWEEP)
    fitting = trainer(package, callbacks=[callback], max_epochs=4)
    fitting.fit(plain(package), loader())
    assert len(callback.results[3].curve) == 100
    assert fitting.global_step == 24


def test_with_a_scheduler_the_rate_holds(package: Any) -> None:
    """Theirs sets the rate of the groups, and the scheduler's next step puts it back around the old base."""

    class Scheduled(classes(package).Plain):
        def configure_optimizers(self) -> Any:
            optimizer = torch.optim.Adam(self.parameters(), self.lr)
            decay = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.99**step)
            return [optimizer], [{"scheduler": decay, "interval": "step"}]

    seed_all()
    model, callback = Scheduled(), LRRangeTest(**SWEEP)
    trainer(package, callbacks=[callback]).fit(model, loader())
    assert model.trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(callback.result.lr * 0.99**12)


def test_param_groups_keep_their_ratios_in_the_sweep_and_after_it(package: Any) -> None:
    """Theirs gives all groups one rate."""
    seen: set[float] = set()

    class Groups(classes(package).Plain):
        def configure_optimizers(self) -> Any:
            first, rest = self.net[0], self.net[1:]
            return torch.optim.Adam(
                [{"params": first.parameters(), "lr": self.lr / 10}, {"params": rest.parameters()}], self.lr
            )

        def on_before_optimizer_step(self, optimizer: Any) -> None:
            one, two = optimizer.param_groups
            seen.add(round(two["lr"] / one["lr"], 9))

    seed_all()
    callback = LRRangeTest(**SWEEP)
    trainer(package, callbacks=[callback]).fit(Groups(), loader())
    assert seen == {10.0}


def test_under_manual_optimization_the_rate_moves(package: Any) -> None:
    """Theirs never moves it, records whatever the losses do, and reports success."""
    rates: list[float] = []

    class Watched(classes(package).Gan):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            output = super().training_step(batch, batch_idx)
            rates.append(self.optimizers()[0].param_groups[0]["lr"])
            return output

    seed_all()
    result = find_lr(trainer(package), model=Watched(), train_dataloaders=loader(), divergence=None, **SWEEP)
    assert rates == list(result.curve.lr)
    assert (
        result.curve.loss
        != find_lr(
            trainer(package), model=gan(package), train_dataloaders=loader(), start_lr=1e-9, end_lr=1e-8, num_steps=100
        ).curve.loss
    )


def test_under_accumulation_the_mean_of_the_micro_batches_is_recorded(package: Any) -> None:
    """Theirs records the last one's loss, divided by their number."""
    losses: list[float] = []

    class Noting(classes(package).Plain):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            loss = super().training_step(batch, batch_idx)
            losses.append(loss.item())
            return loss

    seed_all()
    fitting = trainer(package, accumulate_grad_batches=3)
    result = find_lr(fitting, model=Noting(), train_dataloaders=loader(), start_lr=1e-5, end_lr=0.1, num_steps=20)
    assert result.curve.loss == pytest.approx([math.fsum(losses[i : i + 3]) / 3 for i in range(0, 60, 3)])


def test_an_exception_leaves_the_trainer_as_it_was(package: Any) -> None:
    """Theirs leaves its own callbacks, its dummy logger and its step limit in the trainer."""

    class Failing(classes(package).Plain):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            if batch_idx == 4:
                raise ZeroDivisionError("on purpose")
            return super().training_step(batch, batch_idx)

    seed_all()
    model, mine = Failing(), package.Callback()
    fitting = trainer(package, callbacks=[mine], max_steps=7, limit_val_batches=3)
    before = of_training(fitting, model)
    with pytest.raises(ZeroDivisionError):
        find_lr(fitting, model=model, train_dataloaders=loader(), **SWEEP)
    assert of_training(fitting, model) == before
    assert (fitting.callbacks, fitting.max_steps, fitting.limit_val_batches) == ([mine], 7, 3)


@pytest.mark.parametrize("fails", [False, True])
def test_no_file_is_written_at_any_moment_of_the_sweep(package: Any, tmp_path: Path, fails: bool) -> None:
    """Theirs saves `.lr_find_*.ckpt` into the user's folder, and leaves it there if the process dies."""
    folder = tmp_path / "root"
    folder.mkdir()
    seen: list[str] = []

    class Looking(classes(package).Plain):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            seen.extend(files(str(folder)) + files())
            if fails and len(self.seen) > 10:
                return None if self.trainer is None else torch.tensor([1.0, 2.0])
            return super().training_step(batch, batch_idx)

    seed_all()
    fitting = trainer(package, logger=True, enable_checkpointing=True, default_root_dir=folder)
    try:
        find_lr(fitting, model=Looking(), train_dataloaders=loader(), **SWEEP)
    except LossError:
        assert fails
    assert seen == files(str(folder)) == files() == []


def test_several_optimizers_are_swept_by_one_multiplier(package: Any) -> None:
    """Theirs accepts exactly one."""
    ratios: set[float] = set()

    class Watched(classes(package).Gan):
        def on_train_batch_end(self, *_: Any) -> None:
            judging, making = (one.param_groups[0]["lr"] for one in self.optimizers())
            ratios.add(round(judging / making, 9))

    seed_all()
    result = find_lr(trainer(package), model=Watched(), train_dataloaders=loader(), **SWEEP)
    assert ratios == {4.0}
    assert result.provenance.details["group_ratios"] == [1.0, 0.25]
