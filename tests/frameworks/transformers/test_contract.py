"""The contract of backends, for each kind of training that a Trainer does."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from transformers import Seq2SeqTrainer, Seq2SeqTrainingArguments, T5Config, T5ForConditionalGeneration

from lrrange import testing
from tests.frameworks.transformers.trainings import WORDS, bert, gpt2, rig_of, texts, trainer_of


def classifier() -> Any:
    """BERT with dropout."""
    return trainer_of()


def accumulating() -> Any:
    """Two micro-batches of different numbers of tokens, in bfloat16, with a warm-up, clipping and label smoothing."""
    return trainer_of(
        gpt2(),
        per_device_train_batch_size=2,
        gradient_accumulation_steps=2,
        bf16=True,
        warmup_steps=5,
        max_grad_norm=0.5,
        label_smoothing_factor=0.1,
    )


def translating() -> Any:
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=WORDS, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2, decoder_start_token_id=0
    )
    model = T5ForConditionalGeneration(config)
    return trainer_of(model, texts(), Seq2SeqTrainer, args_kind=Seq2SeqTrainingArguments)


def from_model_init() -> Any:
    return trainer_of(given={"model_init": lambda: bert(seed=None)}, lr_scheduler_type="constant")


@pytest.mark.parametrize("make", [classifier, accumulating, translating, from_model_init])
@pytest.mark.parametrize("check", testing.CHECKS, ids=lambda check: check.__name__)
def test_a_trainer_keeps_the_contract(check: Callable[[testing.MakeRig], None], make: Callable[[], Any]) -> None:
    check(lambda: rig_of(make))
