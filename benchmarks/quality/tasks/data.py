"""The data that the tasks train on: small, real where possible, and always split in the same way."""

import functools
import os
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from benchmarks.quality.tasks.task import Batch
from lrrange.errors import NoData

DATA_ROOT = "LRRANGE_TEST_DATA"

Split = tuple[Batch, Batch]


def mnist() -> Split:
    """Return 8,000 standardised images of MNIST to train on, and 1,000 to validate."""
    x, y, val_x, val_y = _images("mnist-10k")
    x, val_x = (x - 0.1307) / 0.3081, (val_x - 0.1307) / 0.3081
    return (x, y), (val_x[:1000], val_y[:1000])


def _images(folder: str) -> tuple[torch.Tensor, ...]:
    return _read_images(os.environ.get(DATA_ROOT), folder)


@functools.cache
def _read_images(root: str | None, folder: str) -> tuple[torch.Tensor, ...]:
    raw = next(Path(root, folder).glob("*/raw"), None) if root else None
    if raw is None:
        raise NoData(
            f"there is no {folder}/*/raw under {root or 'any folder'}. Give --data-root, or set {DATA_ROOT}, to a "
            f"folder that has it; benchmarks/README.md says how.",
            root=root,
        )

    def part(prefix: str) -> Batch:
        x = torch.from_numpy(_idx(raw / f"{prefix}-images-idx3-ubyte").astype(np.float32) / 255).unsqueeze(1)
        return x, torch.from_numpy(_idx(raw / f"{prefix}-labels-idx1-ubyte").astype(np.int64))

    return *part("train"), *part("t10k")


def _idx(path: Path) -> np.ndarray:
    """Read an array from a file in MNIST's format: type, dimensions and bytes."""
    raw = path.read_bytes()
    dimensions = [int.from_bytes(raw[4 + 4 * i : 8 + 4 * i], "big") for i in range(raw[3])]
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(dimensions)


@functools.cache
def bundled(name: str) -> Split:
    """Return a data set of scikit-learn, standardised (the digits: scaled to 0 to 1), split 75 to 25."""
    from sklearn import datasets

    data = getattr(datasets, f"load_{name}")()
    order = np.random.RandomState(0).permutation(len(data.data))
    x, y = data.data[order], data.target[order]
    cut = int(0.75 * len(x))
    x = x / 16 if name == "digits" else (x - x[:cut].mean(0)) / x[:cut].std(0)
    x = torch.tensor(x, dtype=torch.float32)
    y = torch.tensor(y, dtype=torch.float32 if name == "diabetes" else torch.int64)
    return (x[:cut], y[:cut]), (x[cut:], y[cut:])


@functools.cache
def wave() -> Split:
    """Return points on a curve whose noise grows away from the middle."""
    g = torch.Generator().manual_seed(0)
    x = torch.rand(2500, 1, generator=g) * 2 - 1
    clean = torch.sin(4 * x) + 0.3 * torch.cos(9 * x)
    y = clean + (0.02 + 0.03 * x.abs()) * torch.randn(2500, 1, generator=g)
    return (x[:2000], y[:2000]), (x[2000:], y[2000:])


def noisy_digits() -> Split:
    """Return the digits with noise, and as targets the digits without it."""
    (x, _), (val_x, _) = bundled("digits")
    g = torch.Generator().manual_seed(0)
    noisy, noisy_val = (t + 0.3 * torch.randn(t.shape, generator=g) for t in (x, val_x))
    return (noisy, x), (noisy_val, val_x)


@functools.cache
def badly_scaled_digits() -> Split:
    """Return the digits, rotated, with scales from 10 down to 0.1."""
    (x, y), (val_x, val_y) = bundled("digits")
    g = torch.Generator().manual_seed(0)
    mean, rotation = x.mean(0), torch.linalg.qr(torch.randn(64, 64, generator=g))[0]
    scale = torch.logspace(1, -1, 64)
    return ((x - mean) @ rotation * scale, y), ((val_x - mean) @ rotation * scale, val_y)


def mislabelled_digits() -> Split:
    """Return the digits with three in ten of the training labels replaced by random ones."""
    (x, y), validation = bundled("digits")
    g = torch.Generator().manual_seed(0)
    wrong = torch.rand(len(y), generator=g) < 0.3
    return (x, torch.where(wrong, torch.randint(10, y.shape, generator=g), y)), validation


def small_mnist() -> Split:
    """Return MNIST at half its resolution."""
    (x, y), (val_x, val_y) = mnist()
    return (F.avg_pool2d(x, 2), y), (F.avg_pool2d(val_x, 2), val_y)


def fashion() -> Split:
    """Return 720 standardised images of Fashion-MNIST to train on, and 180 to validate."""
    x, y, val_x, val_y = _images("fashion-mnist-mini")
    return ((x - 0.286) / 0.353, y), ((val_x - 0.286) / 0.353, val_y)


def only(split: Split, classes: range) -> Split:
    """Return the examples of these classes, with labels that start at 0."""
    kept = [
        (x[wanted], y[wanted] - classes.start) for x, y in split for wanted in [torch.isin(y, torch.tensor(classes))]
    ]
    return kept[0], kept[1]


def plain_digits() -> Split:
    """Return the digits as their own targets."""
    (x, _), (val_x, _) = bundled("digits")
    return (x, x), (val_x, val_x)


def pairs_of_digits() -> Split:
    """Return two noisy views of each digit, of shape (2, 64). The target is the label, which is not used."""
    g = torch.Generator().manual_seed(0)

    def views(x: torch.Tensor, y: torch.Tensor) -> Batch:
        twice = x.unsqueeze(1).expand(-1, 2, -1)
        kept = torch.rand(twice.shape, generator=g) < 0.8
        return twice * kept + 0.2 * torch.randn(twice.shape, generator=g), y

    train, validation = bundled("digits")
    return views(*train), views(*validation)


_WINDOW = 32


@functools.cache
def text() -> tuple[Split, int]:
    """Return windows of 32 characters of English prose, the next character at each position, and the alphabet's size.

    The prose is scikit-learn's descriptions of its data sets. Every tenth stretch of 500 characters is for validation.
    """
    from sklearn import datasets

    names = ("breast_cancer", "diabetes", "digits", "iris", "linnerud", "wine")
    prose = "\n".join(getattr(datasets, f"load_{name}")().DESCR for name in names)
    alphabet = {character: i for i, character in enumerate(sorted(set(prose)))}
    codes = torch.tensor([alphabet[character] for character in prose])
    stretches = codes[: len(codes) // 500 * 500].view(-1, 500)
    for_validation = torch.arange(len(stretches)) % 10 == 9

    def windows(part: torch.Tensor, stride: int) -> Batch:
        windows_and_next = part.unfold(1, _WINDOW + 1, stride).reshape(-1, _WINDOW + 1)
        return windows_and_next[:, :-1].contiguous(), windows_and_next[:, 1:].contiguous()

    return (windows(stretches[~for_validation], 6), windows(stretches[for_validation], _WINDOW)), len(alphabet)


@functools.cache
def ratings() -> tuple[Split, int, int]:
    """Return synthetic ratings of 1 to 5 by 300 users of 200 items, of rank 4, with noise, and these two numbers."""
    users, items = 300, 200
    g = torch.Generator().manual_seed(0)
    taste = torch.randn(users, 4, generator=g) @ torch.randn(4, items, generator=g) / 2
    rated = torch.randperm(users * items, generator=g)[:12_000]
    x = torch.stack([rated // items, rated % items], 1)
    y = (3 + taste.flatten()[rated] + 0.3 * torch.randn(len(rated), generator=g)).clamp(1, 5).round()
    return ((x[:10_000], y[:10_000]), (x[10_000:], y[10_000:])), users, items


@functools.cache
def counts() -> Split:
    """Return synthetic counts whose rate depends on eight inputs."""
    g = torch.Generator().manual_seed(0)
    x = torch.randn(4000, 8, generator=g)
    log_rate = 0.5 + 0.6 * x[:, 0] - 0.4 * x[:, 1] + 0.3 * x[:, 2] * x[:, 3] + 0.2 * x[:, 4].abs()
    y = torch.poisson(log_rate.exp(), generator=g)[:, None]
    return (x[:3000], y[:3000]), (x[3000:], y[3000:])


@functools.cache
def series() -> Split:
    """Return windows of 48 values of a synthetic series and the 8 values that follow.

    The series has two seasons and autocorrelated noise.
    """
    g = torch.Generator().manual_seed(0)
    t = torch.arange(4000, dtype=torch.float32)
    noise = torch.randn(len(t), generator=g)
    for i in range(1, len(t)):
        noise[i] += 0.7 * noise[i - 1]
    values = torch.sin(t * 2 * torch.pi / 24) + 0.5 * torch.sin(t * 2 * torch.pi / 168) + 0.1 * noise
    windows = values.unfold(0, 56, 1)
    x, y = windows[:, None, :48].contiguous(), windows[:, 48:].contiguous()
    return (x[:3000], y[:3000]), (x[3056:], y[3056:])
