"""Small trainings of a Trainer, made from configurations alone, and what can be seen of them."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import nn
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    GPT2Config,
    GPT2LMHeadModel,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from lrrange.testing import Rig
from tests.backend_torch.observing import of_module, of_optimizer, of_random_states, plain

Batch = dict[str, torch.Tensor]

WORDS = 40

# Rates for a sweep of 20 steps that ends before it diverges.
RATES = {"start_lr": 1e-5, "end_lr": 3e-2}


def sentences(count: int = 64, words: int = 8) -> list[Batch]:
    """Return sentences whose label is whether most of their words have a high number."""
    generator = torch.Generator().manual_seed(1)
    data = []
    for _ in range(count):
        ids = torch.randint(5, WORDS, (words,), generator=generator)
        data.append({"input_ids": ids, "labels": (ids > WORDS // 2).float().mean().round().long()})
    return data


def texts(count: int = 64, words: int = 8) -> list[Batch]:
    """Return texts for a language model: each counts up by one or by two.

    Half of them have fewer labels, so that micro-batches differ in their tokens.
    """
    generator = torch.Generator().manual_seed(1)
    data = []
    for number in range(count):
        start, step = torch.randint(5, WORDS - 2 * words, (1,), generator=generator), 1 + number // 2 % 2
        ids = start + step * torch.arange(words)
        labels = ids.clone()
        labels[: number % 2 * words // 2] = -100
        data.append({"input_ids": ids, "labels": labels})
    return data


def bert(seed: int | None = 0, **config: Any) -> nn.Module:
    """Return a classifier. Without a seed, its weights are drawn from the present random state."""
    if seed is not None:
        torch.manual_seed(seed)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    return BertForSequenceClassification(
        BertConfig(vocab_size=WORDS, max_position_embeddings=16, **(sizes | config)),
    )


def gpt2(**config: Any) -> nn.Module:
    torch.manual_seed(0)
    sizes = {"n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 16}
    special = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2}
    return GPT2LMHeadModel(GPT2Config(vocab_size=WORDS, **(sizes | special | config)))


def arguments(*, args_kind: type[TrainingArguments] = TrainingArguments, **options: Any) -> Any:
    """Return the arguments of a quiet training of 20 steps that logs each of them, in a folder of its own."""
    given = {"max_steps": 20, "per_device_train_batch_size": 4, "logging_steps": 1, "learning_rate": 1e-3}
    given |= {"report_to": [], "save_strategy": "no", "disable_tqdm": True, "use_cpu": True, "seed": 0}
    return args_kind(output_dir=tempfile.mkdtemp(dir="."), **(given | options))


def trainer_of(
    model: nn.Module | None = None, data: Any = None, kind: type[Trainer] = Trainer, given: Any = None, **options: Any
) -> Any:
    """Return a Trainer.

    Args:
        model: the model; a BERT if None.
        data: training data; those for the model if None.
        kind: its class.
        given: arguments of the Trainer beside these.
        options: for its `TrainingArguments`.
    """
    given = given or {}
    if model is None and "model_init" not in given:
        model = bert()
    if data is None:
        data = texts() if isinstance(model, GPT2LMHeadModel) else sentences()
    trainer = kind(model=model, args=arguments(**options), train_dataset=data, **given)
    trainer.remove_callback(transformers.PrinterCallback)  # it prints each log
    return trainer


def logged(trainer: Any) -> list[dict[str, float]]:
    """Return what was logged of each step, without times."""
    steps = [entry for entry in trainer.state.log_history if "loss" in entry]
    return [{name: entry[name] for name in ("loss", "grad_norm", "learning_rate")} for entry in steps]


def trained(trainer: Any, steps: int = 20, **how: Any) -> list[dict[str, float]]:
    """Train this many steps, and return what was logged of each."""
    trainer.args.max_steps = steps
    trainer.train(**how)
    return logged(trainer)


def files(trainer: Any) -> list[tuple[str, int]]:
    """Return every file in the output folder, and in the folder of the test."""
    folders = [Path(trainer.args.output_dir), Path()]
    return sorted({(str(path), path.stat().st_size) for folder in folders for path in folder.rglob("*")})


def of_trainer(trainer: Any) -> dict[str, Any]:
    """Return everything about a Trainer that a sweep could change, as plain values, without lrrange's own restore."""
    handler, state = trainer.callback_handler, trainer.state
    return {
        "attributes": sorted(vars(trainer)),
        "objects": {name: id(value) for name, value in vars(trainer).items() if hasattr(value, "__dict__")},
        "model": of_module(trainer.model),
        "optimizer": None if trainer.optimizer is None else of_optimizer(trainer.optimizer),
        "scheduler": None if trainer.lr_scheduler is None else plain(trainer.lr_scheduler.state_dict()),
        "args": {name: repr(value) for name, value in vars(trainer.args).items()},
        "state": {name: repr(value) for name, value in vars(state).items()},
        "control": dict(vars(trainer.control)),
        "callbacks": [id(callback) for callback in handler.callbacks],
        "handler": {name: id(value) for name, value in vars(handler).items()},
        "accelerator": {
            name: [id(item) for item in value] if isinstance(value, list) else repr(value)
            for name, value in vars(trainer.accelerator).items()
            if name != "gradient_state"  # one for the process, with weak references to loaders of other tests
        },
        "in train": trainer.is_in_train,
        "random": of_random_states(),
        "files": files(trainer),
        "environment": dict(os.environ),
    }


def rig_of(make: Callable[[], Any], **sweep: Any) -> Rig:
    """Return a rig for the contract of backends."""
    trainer = make()

    def train(steps: int) -> list[float]:
        return [value for entry in trained(trainer, steps) for value in entry.values()]

    return Rig(target=trainer, observe=lambda: of_trainer(trainer), train=train, sweep=RATES | sweep)


class Forbidden(TrainerCallback):
    """A callback that no sweep may call."""

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("on_") and name != "on_init_end":
            raise AssertionError(f"the sweep has called {name} of a callback of the user's")
        return super().__getattribute__(name)
