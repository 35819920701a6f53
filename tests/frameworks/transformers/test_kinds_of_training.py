"""Every kind of training: the losses of a sweep are its own, and the `train()` that follows is equal to the bit."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch.utils.data import DataLoader, IterableDataset
from transformers import EarlyStoppingCallback, Trainer, TrainingArguments

import lrrange
from tests.frameworks.transformers.trainings import (
    RATES,
    Forbidden,
    bert,
    files,
    gpt2,
    of_trainer,
    sentences,
    texts,
    trained,
    trainer_of,
)


def evaluating_and_saving() -> Any:
    """Callbacks, evaluations, checkpoints, and the best model loaded at the end."""
    return trainer_of(
        given={"eval_dataset": sentences(16), "callbacks": [EarlyStoppingCallback(5)]},
        eval_strategy="steps",
        save_strategy="steps",
        eval_steps=5,
        save_steps=5,
        eval_on_start=True,
        load_best_model_at_end=True,
        save_total_limit=1,
    )


class Stream(IterableDataset):
    """Ten batches without a length, which begin again in each epoch."""

    def __iter__(self) -> Iterator[Any]:
        yield from sentences(40)


def streaming() -> Any:
    return trainer_of(data=Stream())


def with_workers() -> Any:
    return trainer_of(dataloader_num_workers=1, dataloader_persistent_workers=True)


def checkpointing() -> Any:
    name = "activation_checkpointing"  # since transformers 5.2x
    return trainer_of(**{name if name in vars(TrainingArguments) else "gradient_checkpointing": True})


def noisy() -> Any:
    return trainer_of(gpt2(), neftune_noise_alpha=5.0)


class Focal(Trainer):
    """A loss, a step and a loader of the user's own, which count."""

    calls = 0
    batches = 0

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        labels = inputs.pop("labels")
        outputs = model(**inputs)
        chance = outputs.logits.softmax(-1).gather(1, labels[:, None])
        loss = -((1 - chance) * chance.log()).mean()
        return (loss, outputs) if return_outputs else loss

    def training_step(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        if self.calls % 3 == 0:
            self.model.classifier.weight.data.mul_(0.999)
        return super().training_step(*args, **kwargs)

    def get_train_dataloader(self) -> Any:
        def collate(items: Any) -> Any:
            self.batches += 1
            noise = torch.randint(5, 10, ()) * 0
            return {name: torch.stack([item[name] for item in items]) + noise for name in items[0]}

        return DataLoader(self.train_dataset, batch_size=4, shuffle=True, collate_fn=collate)


def subclassed() -> Any:
    return trainer_of(kind=Focal, gradient_accumulation_steps=2)


class LayerWise(Trainer):
    """Each layer at a tenth of the rate of the next."""

    def create_optimizer(self, *_: Any) -> Any:
        if self.optimizer is None:
            groups = [
                {"params": [*self.model.bert.parameters()], "lr": self.args.learning_rate / 10},
                {"params": [*self.model.classifier.parameters()], "lr": self.args.learning_rate},
            ]
            self.optimizer = torch.optim.AdamW(groups)
        return self.optimizer


def layer_wise() -> Any:
    return trainer_of(kind=LayerWise)


def schedule_free() -> Any:
    return trainer_of(optim="schedule_free_adamw", lr_scheduler_type="constant")


def adafactor() -> Any:
    return trainer_of(optim="adafactor")


def with_its_own_optimizer_and_schedule() -> Any:
    model = bert()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 5)
    return trainer_of(model, given={"optimizers": (optimizer, scheduler)})


def on_plateaus() -> Any:
    return trainer_of(
        given={"eval_dataset": sentences(16)},
        lr_scheduler_type="reduce_lr_on_plateau",
        eval_strategy="steps",
        eval_steps=2,
    )


def lora() -> Any:
    adapter = LoraConfig(r=2, target_modules=["c_attn"], fan_in_fan_out=True)
    return trainer_of(get_peft_model(gpt2(), adapter), texts())


KINDS = [
    *(evaluating_and_saving, streaming, with_workers, checkpointing, noisy, subclassed, layer_wise),
    *(schedule_free, adafactor, with_its_own_optimizer_and_schedule, on_plateaus, lora),
]


def find(trainer: Any, **options: Any) -> lrrange.RangeTestResult:
    return lrrange.find_lr(trainer, **{"progress": False, "num_steps": 25, **RATES, **options})


@pytest.mark.shows("transformers", "exact")
@pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__)
def test_train_after_a_sweep_equals_train_without_one(make: Callable[[], Any]) -> None:
    alone = make()
    expected = trained(alone)
    trainer = make()
    trainer.add_callback(Forbidden)
    before = of_trainer(trainer)
    result = find(trainer)
    assert len(result.curve) == 25
    assert result.provenance.details["not_kept"] == {}
    assert of_trainer(trainer) == before
    trainer.remove_callback(Forbidden)
    assert trained(trainer) == expected
    assert len(files(trainer)) == len(files(alone))


@pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__)
def test_a_second_train_after_a_sweep_equals_one_without(make: Callable[[], Any]) -> None:
    alone = make()
    trained(alone, 5)
    expected = trained(alone, 10)
    trainer = make()
    trained(trainer, 5)
    before = of_trainer(trainer)
    result = find(trainer)
    assert of_trainer(trainer) == before
    assert result.facts.steps_taken != 0
    assert trained(trainer, 10) == expected
