"""The pretrained model: a small GPT-2 that has learnt the sources of the standard library here, and nothing else."""

import json
import math
import time
from pathlib import Path
from typing import Any

import attrs
import torch
from tokenizers import Tokenizer
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments
from transformers.trainer_utils import get_last_checkpoint

from benchmarks.fine_tuning import corpus

_EVALUATED_AT_ONCE = 32


@attrs.frozen(kw_only=True)
class Recipe:
    """The size of the model and the length of its pretraining.

    Args:
        vocabulary: number of tokens.
        width, layers, heads, length: of the GPT-2; its dropout of 0.1 stays as it is.
        steps, batch_size, lr: of the pretraining, by AdamW with a warm-up and a linear decay. The rate is a peak.
        held_out_blocks: blocks of text on which the language model is evaluated.
        most_blocks: the pretraining reads no more blocks than this; None for all.
    """

    vocabulary: int = 2048
    width: int = 128
    layers: int = 4
    heads: int = 4
    length: int = 128
    steps: int = 2400
    batch_size: int = 16
    lr: float = 2e-3
    held_out_blocks: int = 256
    most_blocks: int | None = None

    def untrained(self) -> GPT2LMHeadModel:
        """Return a model with random weights."""
        return GPT2LMHeadModel(
            GPT2Config(
                vocab_size=self.vocabulary,
                n_positions=self.length,
                n_embd=self.width,
                n_layer=self.layers,
                n_head=self.heads,
                bos_token_id=0,
                eos_token_id=0,
                pad_token_id=0,
            )
        )


@attrs.frozen(eq=False)
class Pretrained:
    """A pretrained model on disk, with its tokenizer and what it was trained on.

    Args:
        folder: of the model's `save_pretrained`, `tokenizer.json` and `about.json`.
    """

    folder: Path

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer."""
        return Tokenizer.from_file(str(self.folder / "tokenizer.json"))

    @property
    def about(self) -> dict[str, Any]:
        """The recipe, the losses on held-out text, and the time it took."""
        return json.loads((self.folder / "about.json").read_text())

    @property
    def recipe(self) -> Recipe:
        """The recipe."""
        return Recipe(**self.about["recipe"])

    def held_out(self) -> torch.Tensor:
        """Return text of the pretraining's domain that was never trained on, of shape (blocks, length)."""
        recipe = self.recipe
        texts = corpus.pretraining_texts(held_out=True)
        return corpus.blocks(self.tokenizer, texts, recipe.length, recipe.held_out_blocks)


def language_modelling(blocks: torch.Tensor) -> list[dict[str, torch.Tensor]]:
    """Return a data set for a causal language model, one example for each block of tokens."""
    return [{"input_ids": block, "labels": block} for block in blocks]


@torch.no_grad()
def language_loss(model: GPT2LMHeadModel, blocks: torch.Tensor) -> float:
    """Return the loss in nats per token, in evaluation mode."""
    model.eval()
    parts = [(len(part), model(input_ids=part, labels=part).loss.item()) for part in blocks.split(_EVALUATED_AT_ONCE)]
    return sum(count * loss for count, loss in parts) / len(blocks)


def unigram_loss(train: torch.Tensor, held_out: torch.Tensor, vocabulary: int) -> float:
    """Return the loss of a model that knows only how often each token comes, in nats per token."""
    counts = torch.bincount(train.flatten(), minlength=vocabulary) + 1
    return float(-(counts / counts.sum()).log()[held_out[:, 1:]].mean())


def pretrain(folder: Path, recipe: Recipe) -> Pretrained:
    """Pretrain a model, or return the one that is in the folder already. A training that was cut off goes on."""
    made = Pretrained(folder)
    if (folder / "about.json").exists():
        return made
    folder.mkdir(parents=True, exist_ok=True)
    texts = corpus.pretraining_texts(held_out=False)
    tokenizer = corpus.trained_tokenizer(texts, recipe.vocabulary)
    train = corpus.blocks(tokenizer, texts, recipe.length, recipe.most_blocks)
    unseen = corpus.pretraining_texts(held_out=True)
    held_out = corpus.blocks(tokenizer, unseen, recipe.length, recipe.held_out_blocks)
    torch.manual_seed(0)
    arguments = TrainingArguments(
        output_dir=str(folder / "checkpoints"),
        max_steps=recipe.steps,
        per_device_train_batch_size=recipe.batch_size,
        learning_rate=recipe.lr,
        warmup_steps=recipe.steps // 20,
        save_steps=400,
        save_total_limit=1,
        logging_steps=200,
        **quiet(),
    )
    trainer = Trainer(recipe.untrained(), arguments, train_dataset=language_modelling(train))
    began = time.perf_counter()
    trainer.train(resume_from_checkpoint=get_last_checkpoint(arguments.output_dir))
    seconds = time.perf_counter() - began
    trainer.model.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    loss = language_loss(trainer.model, held_out)
    unigram = unigram_loss(train, held_out, recipe.vocabulary)
    about = {
        "recipe": attrs.asdict(recipe),
        "parameters": trainer.model.num_parameters(),
        "characters": sum(map(len, texts)),
        "tokens": train.numel(),
        "tokens_seen": recipe.steps * recipe.batch_size * recipe.length,
        "held_out_loss": round(loss, 4),
        "held_out_perplexity": round(math.exp(loss), 2),
        "unigram_loss": round(unigram, 4),
        "unigram_perplexity": round(math.exp(unigram), 1),
        "seconds": round(seconds),
    }
    (folder / "about.json").write_text(json.dumps(about, indent=1) + "\n")
    return made


def quiet() -> dict[str, Any]:
    """Return options of `TrainingArguments`: one CPU, no reports and no progress bar."""
    return {"use_cpu": True, "report_to": "none", "disable_tqdm": True, "dataloader_pin_memory": False}
