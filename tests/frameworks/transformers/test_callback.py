"""The callback `LRRangeTest`: a range test when `train()` has begun, and the training goes on at its rate."""

import inspect
from typing import Any

import attrs
import pytest
from lrrange_transformers import LRRangeTest

import lrrange
from lrrange import NoSuggestion
from lrrange.errors import OptionError, TargetError
from lrrange.finder import Settings
from tests.frameworks.transformers.trainings import bert, logged, trained, trainer_of

SWEEP: dict[str, Any] = {"progress": False, "num_steps": 60, "start_lr": 1e-5, "end_lr": 1.0}


def with_callback(trainer: Any, **options: Any) -> LRRangeTest:
    callback = LRRangeTest(trainer, **(SWEEP | options))
    trainer.add_callback(callback)
    return callback


@pytest.mark.shows("transformers", "applied and proved")
def test_the_training_goes_on_as_if_it_had_been_given_the_rate() -> None:
    trainer = trainer_of(warmup_steps=4)
    callback = with_callback(trainer)
    found = trained(trainer)
    lr = callback.result.lr_for("linear", warmup=True).lr
    assert max(entry["learning_rate"] for entry in found) == lr == trainer.args.learning_rate
    assert callback.applied["trainer.optimizer, param group 0"] == 0.0  # the first rate of the warm-up
    assert callback.result.facts.train_steps == 20
    assert found == trained(trainer_of(warmup_steps=4, learning_rate=lr))


def test_it_finds_what_find_lr_finds_before_train() -> None:
    trainer = trainer_of(lr_scheduler_type="constant")
    callback = with_callback(trainer)
    trained(trainer)
    assert callback.result.curve.loss == lrrange.find_lr(trainer_of(), **SWEEP).curve.loss


def test_it_sweeps_from_the_weights_of_a_checkpoint_and_sets_the_rate_that_the_checkpoint_brought() -> None:
    trainer = trainer_of(save_strategy="steps", save_steps=10, lr_scheduler_type="constant")
    trained(trainer, 10)
    again = trainer_of(lr_scheduler_type="constant")
    again.args.output_dir = trainer.args.output_dir
    callback = with_callback(again)
    rates = [entry["learning_rate"] for entry in trained(again, 20, resume_from_checkpoint=True)]
    assert rates == [1e-3] * 10 + [callback.result.lr] * 10
    assert callback.result.facts.steps_taken == 10
    assert callback.result.facts.train_steps == 10


def test_without_apply_the_training_keeps_its_rate() -> None:
    trainer = trainer_of()
    callback = with_callback(trainer, apply=False)
    assert trained(trainer) == trained(trainer_of())
    assert callback.applied == {}
    assert callback.result.lr > 0


def test_it_takes_a_trainer_with_model_init() -> None:
    def make() -> Any:
        return trainer_of(given={"model_init": lambda: bert(seed=None)}, lr_scheduler_type="constant")

    trainer = make()
    callback = with_callback(trainer)
    found = trained(trainer)
    alone = make()
    alone.args.learning_rate = callback.result.lr
    assert found == trained(alone)


def test_a_second_train_runs_it_again() -> None:
    trainer = trainer_of(lr_scheduler_type="constant")
    callback = with_callback(trainer)
    trained(trainer, 5)
    first = callback.result
    trained(trainer, 5)
    assert callback.result is not first
    assert [entry["learning_rate"] for entry in logged(trainer)] == [callback.result.lr] * 5


def test_it_says_in_one_line_what_it_did(capfd: pytest.CaptureFixture[str]) -> None:
    trainer = trainer_of()
    callback = with_callback(trainer, progress=None)
    trained(trainer, 5)
    line = capfd.readouterr().err.splitlines()[-1]
    assert line.startswith(f"lrrange: lr {callback.result.lr:.2e}, set trainer.optimizer, param group 0")
    assert callback.result.lr_for("linear").reason in line


def test_a_refusal_ends_the_training_before_its_first_step() -> None:
    trainer = trainer_of()
    callback = with_callback(trainer, start_lr=1e-12, end_lr=1e-10)
    with pytest.raises(NoSuggestion):
        trainer.train()
    assert callback.result.refusal is not None
    assert trainer.state.global_step == 0


def test_mistakes_are_named() -> None:
    trainer = trainer_of()
    with pytest.raises(OptionError, match="neither True nor False"):
        LRRangeTest(trainer, apply=1)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="verify_steps"):
        LRRangeTest(trainer, verify_steps=-1)
    with pytest.raises(OptionError, match="No sweep has run yet|no sweep has run yet"):
        LRRangeTest(trainer).result  # noqa: B018  it raises
    with pytest.raises(TypeError, match="num_steps"):
        LRRangeTest(trainer, num_step=5)  # type: ignore[call-arg]
    other = trainer_of()
    other.add_callback(LRRangeTest(trainer, **SWEEP))
    with pytest.raises(TargetError, match="another Trainer"):
        other.train()


def test_its_options_are_those_of_find_lr() -> None:
    own = {"self", "trainer", "apply", "verify_steps", "restore"}
    of_find_lr = {field.name for field in attrs.fields(Settings)} - {"backend"}
    assert set(inspect.signature(LRRangeTest.__init__).parameters) - own == of_find_lr
