"""Trainers of TRL and adapters of PEFT, by the Trainer's plug-in as it is."""

from collections.abc import Callable
from typing import Any

import pytest
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import PreTrainedTokenizerFast
from trl import DPOConfig, DPOTrainer, GRPOConfig, GRPOTrainer, SFTConfig, SFTTrainer

import lrrange
from lrrange import testing
from lrrange.errors import TargetError
from tests.frameworks.transformers.trainings import (
    RATES,
    WORDS,
    Forbidden,
    arguments,
    gpt2,
    of_trainer,
    rig_of,
    texts,
    trained,
    trainer_of,
)

LORA = LoraConfig(r=4, target_modules=["c_attn", "c_fc", "c_proj"], fan_in_fan_out=True)


def tokenizer() -> Any:
    words = {"<s>": 0, "</s>": 1, "<pad>": 2} | {f"w{number}": number for number in range(3, WORDS)}
    inside = Tokenizer(WordLevel(words, unk_token="<pad>"))
    inside.pre_tokenizer = Whitespace()
    special = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<pad>"}
    return PreTrainedTokenizerFast(tokenizer_object=inside, **special)


def sayings(count: int = 40) -> list[str]:
    return [" ".join(f"w{int(word)}" for word in item["input_ids"]) for item in texts(count)]


def sft(**given: Any) -> Any:
    data = Dataset.from_list([{"text": saying} for saying in sayings()])
    options = {"max_length": 16} | given.pop("options", {})
    trainer = SFTTrainer(
        model=gpt2(n_embd=32),
        args=arguments(args_kind=SFTConfig, **options),
        train_dataset=data,
        eval_dataset=data.select(range(8)),
        processing_class=tokenizer(),
        **given,
    )
    return quiet(trainer)


def sft_with_lora() -> Any:
    return sft(peft_config=LORA, options={"per_device_train_batch_size": 16})


def dpo() -> Any:
    """The right continuation, and one that is always the same."""
    words = [saying.split(" ") for saying in sayings()]
    pairs = [{"prompt": " ".join(each[:4]), "chosen": " " + " ".join(each[4:])} for each in words]
    data = Dataset.from_list([pair | {"rejected": " w5 w6"} for pair in pairs])
    arguments_ = arguments(args_kind=DPOConfig, max_length=16)
    trainer = DPOTrainer(
        model=gpt2(), ref_model=gpt2(), args=arguments_, train_dataset=data, processing_class=tokenizer()
    )
    return quiet(trainer)


def quiet(trainer: Any) -> Any:
    from transformers import PrinterCallback

    trainer.remove_callback(PrinterCallback)
    return trainer


def lora() -> Any:
    return trainer_of(get_peft_model(gpt2(n_embd=32), LORA), texts(), per_device_train_batch_size=16)


def find(trainer: Any, **options: Any) -> lrrange.RangeTestResult:
    return lrrange.find_lr(trainer, **{"progress": False, "num_steps": 20, **RATES, **options})


@pytest.mark.shows("TRL", "exact")
@pytest.mark.shows("PEFT", "exact")
@pytest.mark.parametrize("make", [sft, sft_with_lora, dpo, lora])
def test_train_after_a_sweep_equals_train_without_one(make: Callable[[], Any]) -> None:
    expected = trained(make(), 10)
    trainer = make()
    trainer.add_callback(Forbidden)
    before, metrics = of_trainer(trainer), str(getattr(trainer, "_metrics", None))
    result = find(trainer)
    assert result.provenance.details["not_kept"] == {}
    assert of_trainer(trainer) == before
    assert str(getattr(trainer, "_metrics", None)) == metrics
    trainer.remove_callback(Forbidden)
    assert trained(trainer, 10) == expected


@pytest.mark.shows("TRL", "finds")
@pytest.mark.parametrize("make", [sft, dpo])
def test_a_trainer_of_trl_gets_a_rate(make: Callable[[], Any]) -> None:
    result = lrrange.find_lr(make(), progress=False, num_steps=60, start_lr=1e-5, end_lr=1.0)
    assert 1e-5 < result.lr < 1.0
    assert result.facts.train_steps == 20


@pytest.mark.shows("PEFT", "finds")
def test_an_adapter_gets_a_rate_and_only_its_weights_are_copied() -> None:
    whole = find(trainer_of(gpt2(n_embd=128), texts()))
    adapter = find(trainer_of(get_peft_model(gpt2(n_embd=128), LORA), texts()), num_steps=60, end_lr=1.0)
    assert 1e-5 < adapter.lr < 1.0
    assert adapter.provenance.details["copied_bytes"] * 4 < whole.provenance.details["copied_bytes"]


@pytest.mark.shows("TRL", "applied and proved")
@pytest.mark.shows("PEFT", "applied and proved")
@pytest.mark.parametrize("make", [sft_with_lora, dpo, lora])
def test_the_rate_is_applied_and_proved(make: Callable[[], Any]) -> None:
    trainer = make()
    result = lrrange.find_lr(trainer, progress=False, num_steps=100, start_lr=1e-5, end_lr=1.0)
    applied = result.apply(trainer)
    with result.verify(trainer, steps=3) as proof:
        steps = trained(trainer, 4)
    assert proof.proved
    assert steps[0]["learning_rate"] == applied["args.learning_rate"] == result.lr_for("linear").lr


@pytest.mark.shows("TRL", "confirm")
@pytest.mark.shows("PEFT", "confirm")
@pytest.mark.shows("TRL", "repeats")
@pytest.mark.shows("PEFT", "repeats")
def test_repeats_and_a_confirmation_on_held_out_data_leave_no_trace() -> None:
    trainer = sft_with_lora()
    before, metrics = of_trainer(trainer), str(trainer._metrics)
    result = find(trainer, num_steps=60, end_lr=1.0, repeats=2, seed=1, confirm=True, confirm_steps=90)
    assert len(result.sweeps) == 2
    assert result.confirmation is not None
    assert result.confirmation.held_out
    assert of_trainer(trainer) == before
    assert str(trainer._metrics) == metrics


@pytest.mark.shows("TRL", "refuses")
def test_a_loss_that_is_about_zero_in_the_mean_is_refused() -> None:
    data = Dataset.from_list([{"prompt": "w5 w6"}] * 8)
    trainer = GRPOTrainer(
        model=gpt2(),
        reward_funcs=lambda completions, **_: [float(len(text)) for text in completions],
        args=arguments(args_kind=GRPOConfig, num_generations=2, max_completion_length=4),
        train_dataset=data,
        processing_class=tokenizer(),
    )
    with pytest.raises(TargetError, match="the loss of a GRPOTrainer is about zero in the mean"):
        find(trainer)


@pytest.mark.shows("PEFT", "refuses")
def test_an_adapter_that_is_not_trainable_is_refused() -> None:
    adapter = LoraConfig(r=2, target_modules=["c_attn"], fan_in_fan_out=True, inference_mode=True)
    with pytest.raises(TargetError, match="is_trainable=True"):
        find(trainer_of(get_peft_model(gpt2(), adapter), texts()))


@pytest.mark.parametrize("check", testing.CHECKS, ids=lambda check: check.__name__)
def test_supervised_fine_tuning_of_an_adapter_keeps_the_contract(check: Callable[[testing.MakeRig], None]) -> None:
    check(lambda: rig_of(sft_with_lora))
