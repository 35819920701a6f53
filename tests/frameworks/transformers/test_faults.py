"""Whatever ends a sweep, the Trainer is as it was, and its next `train()` is the one without a sweep."""

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
from torch.utils.data import Dataset
from transformers import Trainer, TrainerCallback

import lrrange
from lrrange.errors import RateNotInForce
from tests.frameworks.transformers.trainings import RATES, bert, of_trainer, sentences, trained, trainer_of


class Failing(Trainer):
    """A Trainer that fails in its n-th step, where `fail` is set."""

    fail: Callable[[], None] | None = None
    at = 5

    def compute_loss(self, *args: Any, **kwargs: Any) -> Any:
        if self.fail is not None and self.state.global_step == self.at:
            self.fail()
        return super().compute_loss(*args, **kwargs)


def raises(error: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def find(trainer: Any, **options: Any) -> lrrange.RangeTestResult:
    return lrrange.find_lr(trainer, **{"progress": False, "num_steps": 20, **RATES, **options})


@pytest.mark.parametrize("at", [0, 5])
@pytest.mark.parametrize(
    ("fail", "expected"),
    [(raises(OSError("the disk is full")), OSError), (interrupt, KeyboardInterrupt)],
    ids=["error", "Ctrl-C"],
)
def test_an_error_in_the_loss_and_ctrl_c_leave_no_trace(
    fail: Callable[[], None], expected: type[BaseException], at: int
) -> None:
    alone = trainer_of(kind=Failing)
    trained(alone, 3)
    expected_losses = trained(alone, 10)
    trainer = trainer_of(kind=Failing)
    trained(trainer, 3)
    trainer.at = at
    trainer.fail = fail
    before = of_trainer(trainer)
    with pytest.raises(expected):
        find(trainer)
    assert of_trainer(trainer) == before
    trainer.fail = None
    assert trained(trainer, 10) == expected_losses


def test_an_error_at_a_high_rate_ends_the_sweep_and_keeps_its_points() -> None:
    trainer = trainer_of(kind=Failing, data=sentences(256), per_device_train_batch_size=16)
    trainer.at, trainer.fail = 75, raises(RuntimeError("svd did not converge"))
    result = find(trainer, num_steps=100, end_lr=1.0)
    assert result.stop_reason.name == "RAISED"
    assert len(result.curve) == 75


class Breaking(Dataset[Any]):
    """Data of which a part cannot be read."""

    broken = False

    def __init__(self) -> None:
        self.items = sentences(64)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Any:
        if self.broken and index == 7:
            raise RuntimeError("item 7 cannot be read")
        return self.items[index]


def test_an_error_of_the_data_is_not_taken_for_one_of_a_high_rate() -> None:
    data = Breaking()
    trainer = trainer_of(data=data)
    before = of_trainer(trainer)
    data.broken = True
    with pytest.raises(RuntimeError, match="item 7 cannot be read"):
        find(trainer, num_steps=30)
    assert of_trainer(trainer) == before


class BreakingEvaluation(Trainer):
    def evaluation_loop(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError("the metric is broken")


def test_an_evaluation_that_raises_leaves_no_trace() -> None:
    trainer = trainer_of(kind=BreakingEvaluation, given={"eval_dataset": sentences(8)})
    before = of_trainer(trainer)
    with pytest.raises(RuntimeError, match="the metric is broken"):
        find(trainer, num_steps=40, end_lr=0.3, confirm=True, confirm_steps=90)
    assert of_trainer(trainer) == before


def test_an_optimizer_that_cannot_be_made_raises_its_own_error() -> None:
    class Unmakeable(Trainer):
        def create_optimizer(self, *_: Any) -> Any:
            raise LookupError("no such optimizer")

    trainer = trainer_of(kind=Unmakeable)
    before = of_trainer(trainer)
    with pytest.raises(LookupError, match="no such optimizer"):
        find(trainer)
    assert of_trainer(trainer) == before


def test_losses_that_are_not_finite_end_the_sweep() -> None:
    class Exploding(Trainer):
        def compute_loss(self, *args: Any, **kwargs: Any) -> Any:
            loss = super().compute_loss(*args, **kwargs)
            return loss * float("nan") if self.state.global_step >= 15 else loss

    trainer = trainer_of(kind=Exploding)
    before = of_trainer(trainer)
    result = find(trainer)
    assert of_trainer(trainer) == before
    assert result.stop_reason.name == "NON_FINITE"


def test_a_training_step_that_sets_the_rate_itself_is_found_out() -> None:
    class OwnRate(Trainer):
        def training_step(self, *args: Any, **kwargs: Any) -> Any:
            self.optimizer.param_groups[0]["lr"] = 1e-3
            return super().training_step(*args, **kwargs)

    with pytest.raises(RateNotInForce):
        find(trainer_of(kind=OwnRate))


def test_a_training_step_that_reads_how_far_it_has_come_reads_the_plan_of_the_arguments() -> None:
    seen = []

    class Curriculum(Trainer):
        def training_step(self, *args: Any, **kwargs: Any) -> Any:
            seen.append((self.state.global_step, self.state.max_steps))
            return super().training_step(*args, **kwargs)

    find(trainer_of(kind=Curriculum))
    assert seen == [(step, 20) for step in range(20)]


def test_a_sweep_in_the_callback_of_another_leaves_train_alone() -> None:
    """A user may call `find_lr` in a callback; it is refused, and the training that runs is not disturbed."""
    errors = []

    class Asking(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            try:
                find(trainer)
            except lrrange.LRRangeError as error:
                errors.append(str(error))

    trainer = trainer_of(given={"callbacks": [Asking()]})
    assert trained(trainer, 3) == trained(trainer_of(), 3)
    assert len(errors) == 3
    assert "use the callback lrrange_transformers.LRRangeTest" in errors[0]


def test_shared_weights_and_frozen_layers_come_back() -> None:
    model: Any = bert(num_hidden_layers=2)
    model.bert.encoder.layer[1].attention = model.bert.encoder.layer[0].attention
    for parameter in model.bert.embeddings.parameters():
        parameter.requires_grad_(False)
    trainer = trainer_of(model)
    before = of_trainer(trainer)
    find(trainer)
    assert of_trainer(trainer) == before
