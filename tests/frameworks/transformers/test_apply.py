"""`result.apply(trainer)`: the rate is set where `train()` reads it, or an error names the place."""

from typing import Any

import pytest
import torch
from transformers import Trainer
from transformers.trainer_utils import SchedulerType

import lrrange
from lrrange.errors import OptionError, RateNotInForce
from tests.frameworks.transformers.test_kinds_of_training import LayerWise
from tests.frameworks.transformers.trainings import RATES, bert, of_trainer, trained, trainer_of


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> lrrange.RangeTestResult:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("swept"))
        found = lrrange.find_lr(trainer_of(), progress=False, num_steps=60, start_lr=1e-5, end_lr=1.0)
    assert found.lr < found.lr_for("linear").lr < found.lr_for("one_cycle").lr
    return found


def rates(trainer: Any) -> list[float]:
    """Return the rates of a training of 4 steps."""
    return [entry["learning_rate"] for entry in trained(trainer, 4)]


@pytest.mark.shows("transformers", "applied and proved")
def test_the_arguments_get_the_rate_that_fits_their_schedule(result: lrrange.RangeTestResult) -> None:
    trainer = trainer_of()
    applied = result.apply(trainer)
    lr = result.lr_for("linear").lr
    assert applied == {"args.learning_rate": lr, "schedule": result.lr_for("linear").reason}
    with result.verify(trainer, steps=3) as proof:
        assert rates(trainer) == pytest.approx([lr, lr * 3 / 4, lr * 2 / 4, lr / 4])
    assert proof.proved


def test_a_constant_schedule_gets_the_constant_rate(result: lrrange.RangeTestResult) -> None:
    trainer = trainer_of(lr_scheduler_type="constant")
    assert result.apply(trainer)["args.learning_rate"] == result.lr
    assert rates(trainer) == [result.lr] * 4


@pytest.mark.parametrize("warmup", [{"warmup_steps": 2}, {"warmup_steps": 0}], ids=["climbs", "falls from the start"])
def test_a_schedule_that_climbs_first_gets_the_peak_of_a_cycle(warmup: dict, result: lrrange.RangeTestResult) -> None:
    climbs = bool(warmup["warmup_steps"])
    applied = result.apply(trainer_of(lr_scheduler_type="cosine", **warmup))
    assert applied["args.learning_rate"] == result.lr_for("cosine", warmup=climbs).lr
    assert (applied["args.learning_rate"] == result.range.max_lr) is climbs


@pytest.mark.parametrize("schedule", [kind.value for kind in SchedulerType])
def test_every_schedule_of_a_trainer_is_known(schedule: str, result: lrrange.RangeTestResult) -> None:
    assert result.lr_for(schedule).lr >= result.lr


def test_a_rate_of_the_users_is_set_as_it_is(result: lrrange.RangeTestResult) -> None:
    trainer = trainer_of()
    assert result.apply(trainer, lr=2e-4) == {"args.learning_rate": 2e-4}
    assert rates(trainer)[0] == 2e-4


def test_an_optimizer_that_was_made_before_gets_the_rate_too(result: lrrange.RangeTestResult) -> None:
    trainer = trainer_of()
    trained(trainer, 3)
    result.apply(trainer)
    lr = result.lr_for("linear").lr
    assert trainer.args.learning_rate == lr
    assert rates(trainer) == pytest.approx([lr, lr * 3 / 4, lr * 2 / 4, lr / 4])


def test_an_optimizer_of_the_users_gets_the_rate_with_its_schedule(result: lrrange.RangeTestResult) -> None:
    model = bert()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2)
    trainer = trainer_of(model, given={"optimizers": (optimizer, scheduler)})
    applied = result.apply(trainer)
    lr = result.lr_for(scheduler).lr
    assert applied["trainer.optimizer, param group 0"] == lr
    assert "args.learning_rate" not in applied
    assert rates(trainer) == pytest.approx([lr, lr, lr / 10, lr / 10])


def test_a_schedule_that_can_be_anything_gets_the_constant_rate(result: lrrange.RangeTestResult) -> None:
    model = bert()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: 1.0)
    applied = result.apply(trainer_of(model, given={"optimizers": (optimizer, scheduler)}))
    assert applied["trainer.optimizer, param group 0"] == result.lr
    assert "LambdaLR" in applied["schedule"]


def test_the_keyword_arguments_of_an_optimizer_get_the_rate(result: lrrange.RangeTestResult) -> None:
    trainer = trainer_of(given={"optimizer_cls_and_kwargs": (torch.optim.SGD, {"lr": 0.05})})
    lr = result.lr_for("linear").lr
    assert result.apply(trainer)['optimizer_cls_and_kwargs[1]["lr"]'] == lr
    assert trainer.args.learning_rate == 1e-3
    assert rates(trainer)[0] == lr


def test_rates_of_layers_keep_their_ratios(result: lrrange.RangeTestResult) -> None:
    trainer = trainer_of(kind=LayerWise, lr_scheduler_type="constant")
    found = lrrange.find_lr(trainer, progress=False, num_steps=30, **RATES)
    assert found.provenance.details["group_ratios"] == pytest.approx([1.0, 10.0])
    result.apply(trainer)
    trained(trainer, 1)
    assert [group["lr"] for group in trainer.optimizer.param_groups] == pytest.approx([result.lr, 10 * result.lr])


class Constant(Trainer):
    """An optimizer that reads nothing."""

    def create_optimizer(self, *_: Any) -> Any:
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.07)
        return self.optimizer


class PartlyConstant(Trainer):
    def create_optimizer(self, *_: Any) -> Any:
        groups = [{"params": [*self.model.bert.parameters()], "lr": self.args.learning_rate}]
        self.optimizer = torch.optim.SGD([*groups, {"params": [*self.model.classifier.parameters()], "lr": 0.1}])
        return self.optimizer


@pytest.mark.parametrize(
    ("options", "place"),
    [
        ({"kind": Constant}, "Constant.create_optimizer"),
        ({"kind": PartlyConstant}, "PartlyConstant.create_optimizer"),
        ({"given": {"optimizer_cls_and_kwargs": (torch.optim.Adam, {})}}, "optimizer_cls_and_kwargs"),
    ],
)
def test_a_place_that_cannot_be_set_is_named_and_nothing_is_changed(
    options: Any, place: str, result: lrrange.RangeTestResult
) -> None:
    trainer = trainer_of(**options)
    before = of_trainer(trainer)
    with pytest.raises(RateNotInForce, match=place) as caught:
        result.apply(trainer)
    assert caught.value.read == (place,)
    assert of_trainer(trainer) == before


def test_an_optimizer_that_a_subclass_makes_again_is_not_taken_for_the_one_that_trains(
    result: lrrange.RangeTestResult,
) -> None:
    trainer = trainer_of(kind=Constant)
    trained(trainer, 2)
    with pytest.raises(RateNotInForce, match=r"Constant\.create_optimizer"):
        result.apply(trainer)


def test_model_init_reads_the_arguments_again(result: lrrange.RangeTestResult) -> None:
    trainer = trainer_of(given={"model_init": lambda: bert(seed=None)}, lr_scheduler_type="constant")
    trained(trainer, 2)
    assert result.apply(trainer)["args.learning_rate"] == result.lr
    assert rates(trainer) == [result.lr] * 4


def test_a_scheduler_is_refused(result: lrrange.RangeTestResult) -> None:
    with pytest.raises(OptionError, match="Leave scheduler= out"):
        result.apply(trainer_of(), scheduler=object())


def test_an_apply_leaves_the_training_as_it_was(result: lrrange.RangeTestResult) -> None:
    expected = trained(trainer_of(learning_rate=result.lr, lr_scheduler_type="constant"))
    trainer = trainer_of(lr_scheduler_type="constant")
    result.apply(trainer)
    assert trained(trainer) == expected
