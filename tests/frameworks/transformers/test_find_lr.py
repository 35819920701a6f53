"""What `find_lr(trainer)` reads, which facts it knows, and how repeats, seeds, resets and held-out data go in."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch.utils.data import IterableDataset

import lrrange
from lrrange.errors import NoData, OptionError, TargetError
from tests.frameworks.transformers.trainings import (
    RATES,
    Forbidden,
    bert,
    gpt2,
    of_trainer,
    sentences,
    texts,
    trained,
    trainer_of,
)


def find(trainer: Any, **options: Any) -> lrrange.RangeTestResult:
    return lrrange.find_lr(trainer, **{"progress": False, "num_steps": 20, **RATES, **options})


@pytest.mark.shows("transformers", "finds")
def test_the_rate_lies_where_training_learns_fastest() -> None:
    trainer = trainer_of(data=sentences(256), per_device_train_batch_size=16)
    result = lrrange.find_lr(trainer, progress=False, num_steps=100)
    assert 1e-4 < result.lr < 1e-1
    assert result.provenance.backend == "transformers"
    assert set(result.provenance.versions) >= {"torch", "transformers"}


def test_the_losses_are_those_that_the_trainer_logs() -> None:
    options = {"gradient_accumulation_steps": 4, "per_device_train_batch_size": 2, "lr_scheduler_type": "constant"}
    expected = trained(trainer_of(gpt2(), learning_rate=1e-4, **options))
    result = find(trainer_of(gpt2(), **options), start_lr=1e-4, end_lr=1.0001e-4)
    assert result.curve.loss[:3] == pytest.approx([entry["loss"] for entry in expected[:3]], rel=1e-3)


def test_the_facts_are_those_of_the_arguments() -> None:
    facts = find(trainer_of(weight_decay=0.01, adam_beta1=0.8)).facts
    assert (facts.optimizer, facts.momentum, facts.weight_decay) == ("adam", 0.8, 0.01)
    assert (facts.steps_taken, facts.train_steps) == (0, 20)


@pytest.mark.parametrize("accumulate", [1, 3])
def test_the_number_of_steps_follows_from_the_epochs(accumulate: int) -> None:
    trainer = trainer_of(max_steps=-1, num_train_epochs=2.5, gradient_accumulation_steps=accumulate)
    planned = find(trainer).facts.train_steps
    trainer.train()
    assert planned == trainer.state.global_step == trainer.state.max_steps


def test_a_checkpoint_is_swept_from_without_loading_it(tmp_path: Any) -> None:
    trainer = trainer_of(save_strategy="steps", save_steps=10)
    trained(trainer, 10)
    trainer.args.max_steps = 20
    fresh = trainer_of(max_steps=20)
    before = of_trainer(fresh)
    result = find(fresh, resume_from_checkpoint=f"{trainer.args.output_dir}/checkpoint-10")
    assert of_trainer(fresh) == before
    assert (result.facts.steps_taken, result.facts.train_steps) == (10, 10)
    assert result.curve.loss[0] != find(fresh).curve.loss[0]


@pytest.mark.shows("transformers", "repeats")
def test_repeats_see_the_data_in_other_orders() -> None:
    trainer = trainer_of()
    before = of_trainer(trainer)
    result = find(trainer, repeats=3, seed=5)
    assert of_trainer(trainer) == before
    losses = [sweep.curve.loss if hasattr(sweep, "curve") else sweep.loss for sweep in result.sweeps]
    assert len(losses) == 3
    assert losses[0] != losses[1] != losses[2]
    assert find(trainer, seed=5).curve.loss == losses[0]


def test_a_seed_moves_data_that_have_a_seed_of_their_own() -> None:
    trainer = trainer_of(data_seed=7)
    assert find(trainer, seed=1).curve.loss != find(trainer, seed=2).curve.loss


def test_repeats_of_model_init_have_other_weights() -> None:
    weights = []

    def make() -> Any:
        model = bert(seed=None)
        weights.append(model.classifier.weight[0, 0].item())
        return model

    trainer = trainer_of(given={"model_init": make})
    find(trainer, repeats=2, seed=1)
    assert len(set(weights)) == 3  # those of the Trainer itself, and those of each seed


def test_a_reset_makes_other_weights() -> None:
    trainer = trainer_of()

    def reset() -> None:
        trainer.model.classifier.weight.data.normal_()

    before = of_trainer(trainer)
    result = find(trainer, repeats=2, seed=1, reset=reset)
    assert of_trainer(trainer) == before
    assert result.curve.loss != find(trainer, repeats=2, seed=1).curve.loss


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.shows("transformers", "confirm")
def test_trials_are_judged_by_the_eval_dataset(several: bool) -> None:
    held_out = sentences(24)[16:]
    calls = []
    given = {"eval_dataset": {"first": held_out, "second": held_out} if several else held_out}
    trainer = trainer_of(given=given | {"compute_metrics": calls.append}, data=sentences(16))
    trainer.add_callback(Forbidden)
    before = of_trainer(trainer)
    result = find(trainer, num_steps=40, end_lr=0.3, confirm=True, confirm_steps=90)
    assert of_trainer(trainer) == before
    assert result.confirmation is not None
    assert result.confirmation.held_out
    assert calls == []


def test_several_eval_datasets_count_by_their_mean() -> None:
    found = {}
    for name, given in {"one": sentences(8), "two": {"a": sentences(8), "b": sentences(8)}}.items():
        trainer = trainer_of(given={"eval_dataset": given})
        result = find(trainer, num_steps=40, end_lr=0.3, confirm=True, confirm_steps=90)
        assert result.confirmation is not None
        found[name] = [trial.loss for trial in result.confirmation.trials]
    assert found["one"] == pytest.approx(found["two"])


def test_without_an_eval_dataset_trials_are_judged_by_their_training() -> None:
    result = find(trainer_of(), num_steps=40, end_lr=0.3, confirm=True, confirm_steps=90)
    assert result.confirmation is not None
    assert not result.confirmation.held_out


def test_an_eval_dataset_without_labels_is_named() -> None:
    unlabelled = [{"input_ids": item["input_ids"]} for item in sentences(8)]
    trainer = trainer_of(given={"eval_dataset": unlabelled})
    before = of_trainer(trainer)
    with pytest.raises(TargetError, match="gives no eval_loss"):
        find(trainer, num_steps=40, end_lr=0.3, confirm=True, confirm_steps=90)
    assert of_trainer(trainer) == before


def test_the_evaluation_moves_no_random_number_of_the_training() -> None:
    trainer = trainer_of(given={"eval_dataset": sentences(8)})
    alone = trainer_of()
    with_data, without = (
        find(one, num_steps=40, end_lr=0.3, confirm=True, confirm_steps=90) for one in (trainer, alone)
    )
    assert with_data.curve.loss == without.curve.loss


class Once(IterableDataset[Any]):
    """Data that are gone once they are read."""

    def __init__(self, count: int) -> None:
        self.left = sentences(count)

    def __iter__(self) -> Iterator[Any]:
        while self.left:
            yield self.left.pop()


def test_data_that_run_out_end_the_sweep() -> None:
    trainer = trainer_of(data=Once(48))
    trainer.state.best_model_checkpoint = "kept"
    result = find(trainer)
    assert result.stop_reason.name == "DATA_EXHAUSTED"
    assert len(result.curve) == 12


def test_data_without_a_batch_are_an_error() -> None:
    with pytest.raises(NoData, match="gives no batch"):
        find(trainer_of(data=Once(0)))


def test_restore_names_what_the_trainer_does_not_hold() -> None:
    counts = torch.zeros(2)

    class Counting(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inside = bert()

        def forward(self, num_items_in_batch: Any = None, **inputs: Any) -> Any:
            counts.add_(1)
            return self.inside(**inputs)

    trainer = trainer_of(Counting(), remove_unused_columns=False)
    find(trainer, restore=counts)
    assert counts.sum() == 0


def test_the_restore_can_be_verified() -> None:
    result = find(trainer_of(given={"eval_dataset": sentences(8)}), verify_restore=True)
    assert result.provenance.details["restore_verified"] is True


@pytest.mark.parametrize("option", ["optimizer", "loss_fn", "monitor", "epochs", "num_step"])
def test_an_option_that_the_trainer_has_is_refused_with_the_reason(option: str) -> None:
    with pytest.raises(OptionError, match=option):
        find(trainer_of(), **{option: 1})


def test_a_text_model_is_swept_with_its_tokens_counted() -> None:
    trainer = trainer_of(gpt2(), texts(), include_num_input_tokens_seen="all")
    find(trainer)
    assert trainer.state.num_input_tokens_seen == 0
