"""Data of the bank: what ships with scikit-learn, two folders of images, and some that are drawn from a formula."""

import functools

import numpy as np
import torch
import torch.nn.functional as F

from benchmarks.quality.tasks import data
from benchmarks.quality.tasks.task import Batch

Split = tuple[Batch, Batch]


def shrunk(kind: str, size: int = 8, count: int = 2000) -> Split:
    """Return images of `"mnist"` or `"fashion"` at 8 by 8, flattened and standardised."""
    (x, y), (val_x, val_y) = data.mnist() if kind == "mnist" else data.fashion()

    def small(images: torch.Tensor) -> torch.Tensor:
        return F.adaptive_avg_pool2d(images, size).flatten(1)

    return (small(x[:count]), y[:count]), (small(val_x[:500]), val_y[:500])


@functools.cache
def few_positives() -> Split:
    """Return the breast cancer data with one in twenty of the malignant cases kept."""
    (x, y), validation = data.bundled("breast_cancer")
    kept = (y == 1) | (torch.arange(len(y)) % 20 == 0)
    return (x[kept], y[kept].float()), (validation[0], validation[1].float())


def standardised_diabetes() -> Split:
    """Return the diabetes data with standardised targets."""
    (x, y), (val_x, val_y) = data.bundled("diabetes")
    return (x, (y - y.mean()) / y.std()), (val_x, (val_y - y.mean()) / y.std())


@functools.cache
def graph_of_digits() -> tuple[Split, torch.Tensor, torch.Tensor]:
    """Return node numbers and labels, features, and the normalised graph of the ten nearest neighbours of digits."""
    (x, y), (val_x, val_y) = ((x[:600], y[:600]) for x, y in data.bundled("digits"))
    features = torch.cat([x, val_x])
    nearest = torch.cdist(features, features).topk(11, largest=False).indices
    adjacency = torch.zeros(len(features), len(features))
    adjacency.scatter_(1, nearest, 1.0)
    adjacency = torch.maximum(adjacency, adjacency.T)
    scale = adjacency.sum(1).rsqrt()
    noisy = features + 0.5 * torch.randn(features.shape, generator=torch.Generator().manual_seed(0))
    nodes = torch.arange(len(features))
    return ((nodes[: len(x)], y), (nodes[len(x) :], val_y)), noisy, scale[:, None] * adjacency * scale


@functools.cache
def moons() -> Split:
    """Return points of two moons; the targets are not used."""
    from sklearn.datasets import make_moons

    x, _ = make_moons(3000, noise=0.06, random_state=0)
    points = torch.tensor((x - x.mean(0)) / x.std(0), dtype=torch.float32)
    return (points[:2400], points[:2400, 0]), (points[2400:], points[2400:, 0])


@functools.cache
def pixels() -> Split:
    """Return coordinates and brightness of one image, three quarters of the pixels to train on."""
    image = data.fashion()[0][0][3, 0]
    grid = torch.stack(torch.meshgrid(*[torch.linspace(-1, 1, 28)] * 2, indexing="ij"), -1).reshape(-1, 2)
    order = torch.randperm(len(grid), generator=torch.Generator().manual_seed(0))
    x, y = grid[order], image.flatten()[order]
    return (x[:588], y[:588]), (x[588:], y[588:])


@functools.cache
def sums() -> Split:
    """Return the adding problem: sequences of 20 numbers, two of them marked; the target is the sum of these two."""
    rng = np.random.RandomState(0)
    numbers, marks = rng.rand(2500, 20), np.zeros((2500, 20))
    for row in marks:
        row[rng.choice(20, 2, replace=False)] = 1
    x = torch.tensor(np.stack([numbers, marks], -1), dtype=torch.float32)
    y = (x[..., 0] * x[..., 1]).sum(1, keepdim=True)
    return (x[:2000], y[:2000]), (x[2000:], y[2000:])


@functools.cache
def heavy_tails() -> Split:
    """Return a regression on twelve inputs whose noise has the tails of Student's t with two degrees of freedom."""
    rng = np.random.RandomState(0)
    x = rng.randn(2500, 12)
    y = np.sin(x[:, 0]) + 0.5 * x[:, 1] * x[:, 2] + 0.3 * rng.standard_t(2, 2500)
    x, y = torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)[:, None]
    return (x[:2000], y[:2000]), (x[2000:], y[2000:])


def half_of_text(second: bool) -> tuple[Split, int]:
    """Return one half of the windows of prose, and the size of the alphabet."""
    ((x, y), validation), alphabet = data.text()
    cut = len(x) // 2
    return (((x[cut:], y[cut:]) if second else (x[:cut], y[:cut])), validation), alphabet


def upside_down(split: Split) -> Split:
    """Return flattened images with their pixels in the opposite order."""
    (x, y), (val_x, val_y) = split
    return (x.flip(1), y), (val_x.flip(1), val_y)
