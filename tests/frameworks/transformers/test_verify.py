"""`result.verify(trainer)` and `VerifyRate`: the next `train()` uses the rate, or raises at the step that does not."""

from typing import Any

import pytest
import torch
from lrrange_transformers import VerifyRate
from transformers import TrainerCallback

import lrrange
from lrrange.errors import OptionError, RateNotInForce, TargetError
from tests.frameworks.transformers.test_apply import result
from tests.frameworks.transformers.trainings import bert, trained, trainer_of

__all__ = ["result"]


def test_it_watches_its_steps_and_then_leaves(result: lrrange.RangeTestResult) -> None:
    trainer = trainer_of(lr_scheduler_type="cosine", warmup_steps=2)
    callbacks = list(trainer.callback_handler.callbacks)
    result.apply(trainer)
    proof = result.verify(trainer, steps=4)
    assert not proof.proved
    trained(trainer, 8)
    assert proof.proved
    assert trainer.callback_handler.callbacks == callbacks
    assert all(not hooks for hooks in (trainer.optimizer.optimizer._optimizer_step_pre_hooks,))


def test_a_training_of_fewer_steps_is_proved_by_those(result: lrrange.RangeTestResult) -> None:
    trainer = trainer_of()
    result.apply(trainer)
    proof = result.verify(trainer)
    trained(trainer, 2)
    assert proof.proved


def test_a_rate_that_was_only_written_to_the_arguments_is_found_out(result: lrrange.RangeTestResult) -> None:
    trainer = trainer_of()
    trained(trainer, 2)
    trainer.args.learning_rate = result.lr_for("linear").lr
    result.verify(trainer)
    with pytest.raises(RateNotInForce, match=r"trains at lr=0\.001, .* where it makes the optimizer") as caught:
        trainer.train()
    assert caught.value.actual == pytest.approx(1e-3)


def test_a_checkpoint_that_brings_its_own_rate_is_found_out(result: lrrange.RangeTestResult) -> None:
    trainer = trainer_of(save_strategy="steps", save_steps=2)
    trained(trainer, 4)
    again = trainer_of()
    again.args.output_dir = trainer.args.output_dir
    result.apply(again)
    result.verify(again)
    with pytest.raises(RateNotInForce, match="nor where a checkpoint brings its own"):
        trained(again, 8, resume_from_checkpoint=True)


class Halving(TrainerCallback):
    def on_step_begin(self, _args: Any, state: Any, _control: Any, optimizer: Any = None, **_: Any) -> None:
        if state.global_step == 3:
            optimizer.param_groups[0]["lr"] /= 2


def test_a_callback_that_changes_the_rate_is_found_out_at_its_step(result: lrrange.RangeTestResult) -> None:
    trainer = trainer_of(given={"callbacks": [Halving()]}, lr_scheduler_type="constant")
    result.apply(trainer)
    result.verify(trainer)
    with pytest.raises(RateNotInForce, match="began with the right rate, and something has set another one since"):
        trainer.train()
    assert trainer.state.global_step == 3


def test_a_block_without_a_step_is_no_proof(result: lrrange.RangeTestResult) -> None:
    trainer = trainer_of()
    with pytest.raises(RateNotInForce, match="no step was taken"), result.verify(trainer):
        pass
    assert not any(isinstance(callback, VerifyRate) for callback in trainer.callback_handler.callbacks)


@pytest.mark.parametrize("lr", [1e-3, 2e-3])
def test_the_callback_takes_a_rate(lr: float) -> None:
    trainer = trainer_of(given={"callbacks": [VerifyRate(lr, steps=3)]})
    if lr == 1e-3:
        trained(trainer, 5)
        trained(trainer, 5)  # it watches each train()
    else:
        with pytest.raises(RateNotInForce):
            trained(trainer, 5)


def test_the_callback_takes_a_result(result: lrrange.RangeTestResult) -> None:
    trainer = trainer_of(given={"callbacks": [VerifyRate(result)]}, learning_rate=result.lr_for("linear").lr)
    trained(trainer, 5)


def test_the_rate_of_an_own_schedule_is_the_one_that_was_applied(result: lrrange.RangeTestResult) -> None:
    model = bert()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2)
    trainer = trainer_of(model, given={"optimizers": (optimizer, scheduler)})
    result.apply(trainer)
    with result.verify(trainer, steps=5):
        trained(trainer, 6)


def test_bad_arguments_are_refused(result: lrrange.RangeTestResult) -> None:
    trainer: Any = trainer_of()
    with pytest.raises(OptionError, match="neither a rate nor"):
        VerifyRate("fast")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="whole number of steps"):
        VerifyRate(1e-3, steps=0)
    with pytest.raises(OptionError, match="batches"):
        result.verify(trainer, batches=[])
    with pytest.raises(OptionError, match="Leave scheduler= out"):
        result.verify(trainer, scheduler=object())
    trainer.is_in_train = True
    with pytest.raises(TargetError, match="in the middle of train"):
        result.verify(trainer)
