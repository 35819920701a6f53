"""The text: what ships with Python itself. Sources of the standard library, and the language reference of `help()`."""

import pydoc_data.topics
import sysconfig
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

# The packages whose snippets are told apart in fine-tuning.
CLASSES = ("asyncio", "email", "tkinter", "unittest")

# Packages that the pretraining never sees: those, and others like them.
PACKAGES = (*CLASSES, "http", "logging", "multiprocessing", "xml")

# Tests, tables of codes, vendored tools and the language reference are no part of the pretraining either.
_LEFT_OUT = (
    "site-packages",
    "test",
    "tests",
    "idle_test",
    "lib2to3",
    "idlelib",
    "turtledemo",
    "encodings",
    "pydoc_data",
)

_HELD_OUT = 10
_PASSAGE = 40


def _sources(packages: Iterable[str] | None = None) -> Iterator[tuple[str, str]]:
    """Yield the path and the text of modules of the standard library: of these packages, or of all others."""
    root = Path(sysconfig.get_paths()["stdlib"])
    others = (path.name for path in root.iterdir() if path.name not in (*PACKAGES, *_LEFT_OUT))
    for name in sorted(others if packages is None else packages):
        files = [root / name] if name.endswith(".py") else (root / name).rglob("*.py")
        for path in sorted(files):
            parts = path.relative_to(root).parts
            if not set(parts) & set(_LEFT_OUT):
                yield "/".join(parts), path.read_text("utf-8", errors="replace")


def is_held_out(path: str) -> bool:
    """Return whether this file is in the tenth that is never trained on."""
    return zlib.crc32(path.encode()) % _HELD_OUT == 0


def pretraining_texts(*, held_out: bool) -> list[str]:
    """Return the modules of the standard library outside `PACKAGES`."""
    return [text for path, text in _sources() if is_held_out(path) is held_out]


def package_texts(package: str, *, held_out: bool) -> list[str]:
    """Return the modules of one of the `PACKAGES`. Every other file, in the order of their checksums, is held out."""
    files = sorted(_sources([package]), key=lambda file: zlib.crc32(file[0].encode()))
    return [text for number, (_, text) in enumerate(files) if (number % 2 == 1) is held_out]


def reference_texts(*, held_out: bool) -> list[str]:
    """Return Python's language reference, as `help()` shows it, in passages of `_PASSAGE` paragraphs.

    Its chapters repeat each other in part, so a paragraph counts only where it comes first.
    """
    topics = pydoc_data.topics.topics
    paragraphs = [*dict.fromkeys(part for name in sorted(topics) for part in topics[name].split("\n\n"))]
    passages = ["\n\n".join(paragraphs[at : at + _PASSAGE]) for at in range(0, len(paragraphs), _PASSAGE)]
    return [text for number, text in enumerate(passages) if is_held_out(f"passage {number}") is held_out]


def trained_tokenizer(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """Return a byte-level BPE tokenizer, learnt from these texts. Token 0 ends a text and fills up a batch."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=["<|end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def blocks(tokenizer: Tokenizer, texts: Iterable[str], length: int, most: int | None = None) -> torch.Tensor:
    """Return the tokens of these texts, one after another, of shape (blocks, length). The rest is dropped."""
    tokens: list[int] = []
    for text in texts:
        tokens += [*tokenizer.encode(text).ids, 0]
        if most is not None and len(tokens) >= most * length:
            break
    count = len(tokens) // length if most is None else min(most, len(tokens) // length)
    return torch.tensor(tokens[: count * length]).view(count, length)
