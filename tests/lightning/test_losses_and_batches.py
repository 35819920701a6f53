"""Losses and batches that are missing, odd or not finite: what the sweep makes of them, and what it refuses."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, IterableDataset

from lrrange import StopReason
from lrrange.errors import LossError, NoData, OptionError, TargetError
from tests.backend_torch.rigs import seed_all
from tests.lightning.finding import changed, find
from tests.lightning.trainings import classes, data, gan, loader, plain, trainer


class Once:
    """A loader that cannot start again."""

    def __init__(self, batches: int) -> None:
        self.batches = iter(list(loader(batches * 32)))

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return next(self.batches)


def test_a_loader_that_cannot_start_again_ends_the_sweep(pl: Any) -> None:
    result = find(pl, plain(pl), train_dataloaders=Once(15))
    assert result.stop_reason is StopReason.DATA_EXHAUSTED
    assert 10 < len(result.curve) <= 15


@pytest.mark.parametrize("limit", [{"limit_train_batches": 0}, {}])
def test_no_batches_are_an_error(pl: Any, limit: dict[str, Any]) -> None:
    class Empty(IterableDataset[Any]):
        def __iter__(self) -> Iterator[Any]:
            return iter(())

    data = loader() if limit else DataLoader(Empty(), 8)
    with pytest.raises(NoData, match="no batch|no training batches"):
        find(pl, plain(pl), train_dataloaders=data, trainer=trainer(pl, **limit))


def test_a_batch_for_which_training_step_returns_none_is_skipped(pl: Any) -> None:
    def skipping(self: Any, batch: Any, batch_idx: int) -> Any:
        return None if batch_idx % 2 else classes(pl).Plain.training_step(self, batch, batch_idx)

    result = find(pl, changed(pl, training_step=skipping), trainer=trainer(pl, accumulate_grad_batches=2))
    assert len(result.curve.finite) == len(result.curve)
    assert result.provenance.details["skipped_steps"] == 0


@pytest.mark.filterwarnings("ignore:`training_step` returned `None`")
def test_a_training_step_that_returns_nothing_at_all_is_an_error(pl: Any) -> None:
    with pytest.raises(TargetError, match="returned None 25 times in a row"):
        find(pl, changed(pl, training_step=lambda self, batch, batch_idx: None))


def test_a_loss_that_is_nan_now_and_then_is_a_gap_and_moves_nothing(pl: Any) -> None:
    def nan_at_times(self: Any, batch: Any, batch_idx: int) -> Any:
        loss = classes(pl).Plain.training_step(self, batch, batch_idx)
        return loss * float("nan") if batch_idx == 3 else loss

    result = find(pl, changed(pl, training_step=nan_at_times), end_lr=0.1)
    gaps = len(result.curve) - len(result.curve.finite)
    assert (len(result.curve), gaps) == (40, 7)  # one in each epoch that began
    assert result.provenance.details["skipped_steps"] == gaps


def test_a_batch_that_is_none_or_an_epoch_that_is_cut_short_goes_by(pl: Any) -> None:
    batches = list(loader())
    seen: list[int] = []

    class WithGaps:
        def __iter__(self) -> Iterator[Any]:
            return iter([None, *batches])

    def cutting(self: Any, batch: Any, batch_idx: int) -> int | None:
        seen.append(batch_idx)
        return -1 if batch_idx == 2 else None

    find(pl, changed(pl, on_train_batch_start=cutting), train_dataloaders=WithGaps(), num_steps=6)
    assert seen == [0, 1, 2] * 2 + [0, 1]


def test_a_metric_that_training_step_logs_can_be_read_instead(pl: Any) -> None:
    result = find(pl, gan(pl), monitor="maker_loss", end_lr=0.1)
    other = find(pl, gan(pl), monitor="judge_loss", end_lr=0.1)
    assert result.curve.loss != other.curve.loss == find(pl, gan(pl), end_lr=0.1).curve.loss
    assert result.provenance.details["reads"] == "maker_loss"


def test_a_logged_accuracy_rises_under_its_name_and_the_loss_is_recorded_beside_it(pl: Any) -> None:
    class Classifier(classes(pl).Plain):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            loss = super().training_step(batch, batch_idx)
            self.log("train_acc", torch.exp(-loss.detach()))
            return {"loss": loss}

    def found(**options: Any) -> Any:
        seed_all()
        fitting = trainer(pl, accumulate_grad_batches=2)
        return find(pl, Classifier(), trainer=fitting, divergence=None, end_lr=1.0, **options)

    result, plain = found(monitor="train_acc", monitor_mode="max"), found()
    assert result.curve.names == ("train_acc", "loss")
    assert all(0 < value <= 1 for value in result.curve.values)
    assert result.curve.loss == tuple(-value for value in result.curve.values)
    assert result.read_from("loss").curve.loss == pytest.approx(plain.curve.loss)
    assert result.provenance.details["reads"] == "train_acc"
    with pytest.raises(OptionError, match="monitor_mode='best'"):
        found(monitor="train_acc", monitor_mode="best")


def test_a_manual_step_that_returns_no_loss_has_its_metric_alone(pl: Any) -> None:
    class Silent(classes(pl).Gan):
        def training_step(self, batch: Any, batch_idx: int) -> None:
            super().training_step(batch, batch_idx)

    assert find(pl, Silent(), monitor="maker_loss", end_lr=0.1).curve.names == ("maker_loss",)
    assert find(pl, gan(pl), monitor="maker_loss", end_lr=0.1).curve.names == ("maker_loss", "loss")


def test_a_step_that_gives_no_loss_is_an_error_that_names_what_it_logs(pl: Any) -> None:
    class Silent(classes(pl).Gan):
        def training_step(self, batch: Any, batch_idx: int) -> None:
            super().training_step(batch, batch_idx)

    with pytest.raises(LossError, match="returned no loss.*it logs 'judge_loss', 'maker_loss'"):
        find(pl, Silent())
    assert len(find(pl, Silent(), monitor="maker_loss", end_lr=0.1).curve) > 10
    with pytest.raises(LossError, match="did not log 'generator_loss'"):
        find(pl, plain(pl), monitor="generator_loss")


def test_a_loss_of_several_numbers_is_an_error(pl: Any) -> None:
    def several(self: Any, batch: Any, batch_idx: int) -> Any:
        return (self.net(batch[0]) - batch[1]) ** 2

    with pytest.raises(LossError, match=r"shape \(32, 1\)"):
        find(pl, changed(pl, training_step=several))


def test_a_user_who_accumulates_by_hand_gets_one_rate_for_each_optimizer_step(pl: Any) -> None:
    class Accumulating(classes(pl).Plain):
        def __init__(self) -> None:
            super().__init__()
            self.automatic_optimization = False

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            loss = super().training_step(batch, batch_idx)
            self.manual_backward(loss / 3)
            losses.append(loss.item())
            if (batch_idx + 1) % 3 == 0:
                self.optimizers().step()
                self.optimizers().zero_grad()
            return loss

    losses: list[float] = []
    seed_all()
    result = find(pl, Accumulating(), num_steps=20, end_lr=0.1)
    assert result.curve.loss == pytest.approx([sum(losses[i : i + 3]) / 3 for i in range(0, 60, 3)])


def test_an_optimizer_that_never_steps_is_an_error(pl: Any) -> None:
    class OneSided(classes(pl).Gan):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            loss = self.judge(batch[0]).mean()
            self.manual_backward(loss)
            self.optimizers()[0].step()
            return loss

    with pytest.raises(TargetError, match="25 times and the optimizer to sweep took no step.*optimizer=0, 1"):
        find(pl, OneSided(), optimizer=1)
    assert len(find(pl, OneSided(), optimizer=0, divergence=None).curve) == 40


def test_data_of_a_stream_that_keeps_its_place_are_not_used_up(pl: Any) -> None:
    class Place(IterableDataset[Any]):
        def __init__(self) -> None:
            self.place = 0

        def __iter__(self) -> Iterator[Any]:
            items = data(320)
            while self.place < len(items):
                self.place += 1
                yield items[self.place - 1]

    stream = Place()
    find(pl, plain(pl), train_dataloaders=DataLoader(stream, 16), num_steps=10)
    assert stream.place == 0


def test_a_module_that_refuses_every_batch_is_an_error(pl: Any) -> None:
    with pytest.raises(TargetError, match="25 batches in a row were None, or refused by"):
        find(pl, changed(pl, on_train_batch_start=lambda *_: -1))


def test_a_metric_object_that_is_logged_as_it_is_can_be_read(pl: Any) -> None:
    from torchmetrics import MeanMetric

    class Measuring(classes(pl).Plain):
        def __init__(self) -> None:
            super().__init__()
            self.mean = MeanMetric()

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            self.mean.reset()
            self.mean.update(torch.tensor(float(self.trainer.num_training_batches + batch_idx)))
            self.log("batch", self.mean)
            return super().training_step(batch, batch_idx)

    seed_all()
    assert find(pl, Measuring(), monitor="batch", num_steps=8, divergence=None).curve.loss == (*range(6, 12), 6, 7)


@pytest.mark.filterwarnings("ignore:`training_step` returned `None`")
def test_none_of_several_processes_may_skip_a_batch(pl: Any) -> None:
    fitting = trainer(pl)
    fitting.strategy.world_size = 2  # the second does not exist
    with pytest.raises(TargetError, match="returned None in one of several processes"):
        find(pl, changed(pl, training_step=lambda self, batch, batch_idx: None), trainer=fitting)
