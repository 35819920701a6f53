"""The downstream tasks, and the `transformers.Trainer` that a user would write for each."""

import functools
from collections.abc import Callable
from pathlib import Path

import attrs
import torch
from tokenizers import Tokenizer
from transformers import (
    GPT2ForSequenceClassification,
    GPT2LMHeadModel,
    PreTrainedModel,
    Trainer,
    TrainingArguments,
    default_data_collator,
)

from benchmarks.fine_tuning import corpus
from benchmarks.fine_tuning.pretrained import Pretrained, language_modelling, quiet

Examples = list[dict[str, torch.Tensor]]

# Tokens of a snippet that is classified.
_SNIPPET = 64

# Snippets of each package for validation, and for the test.
_KEPT = 60

# Blocks of text for validation and for the test together, about.
_BLOCKS = 100

_EVALUATED_AT_ONCE = 32

# The part of the steps in which the rate rises, a common choice in fine-tuning. The linear decay is the Trainer's own.
WARM_UP = 0.1


@attrs.frozen(eq=False, kw_only=True)
class Data:
    """The examples of a task.

    Args:
        train: to train on.
        validation: what a user has for choices: the Trainer's `eval_dataset`.
        test: what the rates are judged by, and nothing else.
    """

    train: Examples
    validation: Examples
    test: Examples


@attrs.frozen(eq=False, kw_only=True)
class Task:
    """A fine-tuning that a user might have.

    Args:
        name, about: for the page.
        labels: number of classes; None for language modelling.
        steps, batch_size: of the training.
        read: returns the data, from a tokenizer and the length of a block of the language model.
    """

    name: str
    about: str
    labels: int | None
    steps: int
    batch_size: int
    read: Callable[[Tokenizer, int], Data]

    def model(self, pretrained: Pretrained, seed: int, *, fresh: bool = False) -> PreTrainedModel:
        """Return the pretrained model, with a new head if the task has classes; with `fresh`, random weights."""
        kind = GPT2LMHeadModel if self.labels is None else GPT2ForSequenceClassification
        more = {} if self.labels is None else {"num_labels": self.labels}
        torch.manual_seed(seed)
        model = kind.from_pretrained(pretrained.folder, **more)
        if fresh:
            torch.manual_seed(seed)
            model = kind(model.config)
        return model

    def trainer(self, model: PreTrainedModel, data: Data, *, lr: float, seed: int, folder: Path) -> Trainer:
        """Return the Trainer: AdamW, a warm-up and a linear decay to zero, clipping at 1, all of them its defaults."""
        arguments = TrainingArguments(
            output_dir=str(folder),
            max_steps=self.steps,
            per_device_train_batch_size=self.batch_size,
            per_device_eval_batch_size=_EVALUATED_AT_ONCE,
            learning_rate=lr,
            warmup_steps=round(WARM_UP * self.steps),
            seed=seed,
            save_strategy="no",
            logging_strategy="no",
            **quiet(),
        )
        return Trainer(model, arguments, train_dataset=data.train, eval_dataset=data.validation)


@torch.no_grad()
def mean_loss(model: PreTrainedModel, examples: Examples) -> float:
    """Return the loss in nats, per example or per token, in evaluation mode."""
    model.eval()
    total = 0.0
    for at in range(0, len(examples), _EVALUATED_AT_ONCE):
        part = examples[at : at + _EVALUATED_AT_ONCE]
        total += len(part) * model(**default_data_collator(part)).loss.item()
    return total / len(examples)


@torch.no_grad()
def accuracy(model: PreTrainedModel, examples: Examples) -> float:
    """Return the part of the examples whose class the model names."""
    model.eval()
    right = 0
    for at in range(0, len(examples), _EVALUATED_AT_ONCE):
        batch = default_data_collator(examples[at : at + _EVALUATED_AT_ONCE])
        right += int((model(input_ids=batch["input_ids"]).logits.argmax(-1) == batch["labels"]).sum())
    return right / len(examples)


def as_language_model(model: PreTrainedModel) -> GPT2LMHeadModel:
    """Return the language model that is left in a fine-tuned one. A classifier's tokens are its output layer again."""
    if isinstance(model, GPT2LMHeadModel):
        return model
    language_model = GPT2LMHeadModel(model.config)
    language_model.transformer = model.transformer
    language_model.lm_head.weight = model.transformer.wte.weight
    return language_model


def snippets(each: int, tokenizer: Tokenizer, _: int, *, length: int = _SNIPPET) -> Data:
    """Return snippets of source code, each with the number of the package that it is from.

    Args:
        each: snippets of a package to train on. `_KEPT` are for validation, and as many for the test.
        length: of a snippet, in tokens.
    """
    parts: dict[str, Examples] = {"train": [], "validation": [], "test": []}
    for label, package in enumerate(corpus.CLASSES):
        random = torch.Generator().manual_seed(label)
        train = corpus.blocks(tokenizer, corpus.package_texts(package, held_out=False), length)
        unseen = corpus.blocks(tokenizer, corpus.package_texts(package, held_out=True), length)
        order = torch.randperm(len(unseen), generator=random)
        chosen = {
            "train": train[torch.randperm(len(train), generator=random)[:each]],
            "validation": unseen[order[:_KEPT]],
            "test": unseen[order[_KEPT : 2 * _KEPT]],
        }
        for part, snippets in chosen.items():
            parts[part] += [{"input_ids": snippet, "labels": torch.tensor(label)} for snippet in snippets]
    return Data(**parts)


def _language(count: int, texts: Callable[..., list[str]], tokenizer: Tokenizer, length: int) -> Data:
    """Return blocks of text.

    Args:
        count: blocks to train on.
        texts: returns the text, called with `held_out=`.
    """
    train = corpus.blocks(tokenizer, texts(held_out=False), length)
    unseen = corpus.blocks(tokenizer, texts(held_out=True), length)
    unseen = unseen[:: max(1, len(unseen) // _BLOCKS)]
    return Data(
        train=language_modelling(train[torch.randperm(len(train), generator=torch.Generator().manual_seed(0))[:count]]),
        validation=language_modelling(unseen[::2]),
        test=language_modelling(unseen[1::2]),
    )


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task(
            name="packages",
            about="which of four packages a snippet of 64 tokens is from; 800 snippets",
            labels=len(corpus.CLASSES),
            steps=120,
            batch_size=8,
            read=functools.partial(snippets, 200),
        ),
        Task(
            name="few",
            about="the same with 96 snippets, eight passes",
            labels=len(corpus.CLASSES),
            steps=96,
            batch_size=8,
            read=functools.partial(snippets, 24),
        ),
        Task(
            name="reference",
            about="language modelling of Python's language reference; 160 blocks of 128 tokens",
            labels=None,
            steps=100,
            batch_size=4,
            read=functools.partial(_language, 160, corpus.reference_texts),
        ),
        Task(
            name="tkinter",
            about="language modelling of one package; 48 blocks of 128 tokens, eight passes",
            labels=None,
            steps=96,
            batch_size=4,
            read=functools.partial(_language, 48, functools.partial(corpus.package_texts, "tkinter")),
        ),
    )
}
