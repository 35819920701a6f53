"""The training of `lrrange demo`, LeNet with Adam on small grey images, and a smaller one that needs only PyTorch.

Both are examples of a factory for `lrrange find`: try `lrrange find lrrange_torch.demo:make_points`.
"""

import contextlib
import sys
from typing import Any, Literal, get_args

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from lrrange.errors import MissingExtra, NoData, OptionError, UnknownName

__all__ = ["LeNet", "make", "make_points"]

_EXTRA = "Run: pip install 'lrrange[demo]'"

Data = Literal["digits", "mnist", "fashion-mnist"]


class LeNet(nn.Sequential):
    """LeNet-5 for square grey images: two convolutions with pooling, then three linear layers.

    Args:
        side: height and width of the images, at least 4.

    Source: LeCun et al., "Gradient-Based Learning Applied to Document Recognition", 1998, section II.B. It has the ReLU
        and maximum pooling with which it is taught today. The second convolution is padded too, because
        without padding an image of 8 by 8 pixels would shrink to nothing.
    """

    def __init__(self, side: int) -> None:
        super().__init__(
            nn.Conv2d(1, 6, kernel_size=5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 16, kernel_size=5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(16 * (side // 4) ** 2, 120),
            nn.ReLU(),
            nn.Linear(120, 84),
            nn.ReLU(),
            nn.Linear(84, 10),
        )


def make(
    data: Data = "digits", root: str | None = None, batch_size: int = 64, seed: int = 0
) -> tuple[LeNet, dict[str, Any]]:
    """Return a model and the options to sweep it with: `lrrange.find_lr(model, **options)`.

    Args:
        data: `"digits"` comes with scikit-learn. The others come with torchvision, and are downloaded if they are not
            in `root`.
        root: the folder in which torchvision keeps them.
        batch_size: images per step.
        seed: of the weights and of the order of the images. The global generators are not changed.
    Returns: LeNet, and its `optimizer`, `loss_fn` and `loader`.
    Raises: MissingExtra; NoData if the download fails; OptionError if `root` is needed and missing; UnknownName.
    """
    images, side = _images(data, root)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed % 2**64)  # torch.manual_seed would reach the GPUs too
        model = LeNet(side)
    order = torch.Generator().manual_seed(seed % 2**64)
    return model, {
        "optimizer": torch.optim.Adam(model.parameters()),
        "loss_fn": nn.CrossEntropyLoss(),
        "loader": DataLoader(images, batch_size=batch_size, shuffle=True, generator=order),
    }


def make_points(seed: int = 0) -> tuple[nn.Sequential, dict[str, Any]]:
    """Return a small network for points of two classes, and the options to sweep it with.

    Args:
        seed: of the points, the weights and the order of the points. The global generators are not changed.
    Returns: a network of two linear layers, and its `optimizer`, `loss_fn`, `loader` and `train_epochs`.
    """
    order = torch.Generator().manual_seed(seed % 2**64)
    points = torch.randn(2048, 20, generator=order)
    labels = (points[:, :10].sum(1) > points[:, 10:].sum(1)).long()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed % 2**64)
        model = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 2))
    return model, {
        "optimizer": torch.optim.Adam(model.parameters()),
        "loss_fn": nn.CrossEntropyLoss(),
        "loader": DataLoader(TensorDataset(points, labels), batch_size=64, shuffle=True, generator=order),
        "train_epochs": 10,
    }


def _images(data: str, root: str | None) -> tuple[Dataset[Any], int]:
    if data == "digits":
        return _digits(), 8
    if data not in get_args(Data):
        raise UnknownName(f"data={data!r} is not one of {', '.join(get_args(Data))}.", name=data)
    if root is None:
        raise OptionError(f"{data} is downloaded once and kept. Say where: root='DIR', or --root DIR.", data=data)
    return _torchvision(data, root), 28


def _digits() -> Dataset[Any]:
    try:
        from sklearn.datasets import load_digits
    except ModuleNotFoundError as error:
        raise MissingExtra(f"the digits come with scikit-learn. {_EXTRA}", extra="demo") from error
    digits = load_digits()
    pixels = torch.as_tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16
    return TensorDataset(pixels, torch.as_tensor(digits.target))


def _torchvision(data: str, root: str) -> Dataset[Any]:
    try:
        from torchvision import datasets, transforms
    except ModuleNotFoundError as error:
        raise MissingExtra(f"{data} is read by torchvision. {_EXTRA}", extra="demo") from error
    kind = datasets.MNIST if data == "mnist" else datasets.FashionMNIST
    try:
        # torchvision prints its progress to standard output, which is for results only.
        with contextlib.redirect_stdout(sys.stderr):
            images: Dataset[Any] = kind(root, train=True, download=True, transform=transforms.ToTensor())
    except (OSError, RuntimeError) as error:
        raise NoData(
            f"{data} is not in {root} and could not be downloaded there: {error} Check the network, or put its files "
            f"in {root}/{kind.__name__}/raw.",
            data=data,
            root=root,
        ) from error
    return images
