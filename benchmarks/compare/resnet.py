"""A small ResNet with SGD, as in Smith's paper, on MNIST: a factory for `lrrange compare`.

MNIST_ROOT is the folder where torchvision finds the images. The first 4,000, shrunk to 14 by 14, are trained on.
"""

import os

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torchvision.datasets import MNIST

WIDTHS = (8, 16, 32)
TRAINED_ON = 4000


class Block(nn.Module):
    """Two convolutions with a shortcut: He et al., "Deep Residual Learning for Image Recognition", 2016, figure 2."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.first_norm, self.second_norm = nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)
        self.shortcut = nn.Sequential()
        if (inputs, stride) != (outputs, 1):
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Add the output of the convolutions to the shortcut."""
        inner = self.second_norm(self.second(F.relu(self.first_norm(self.first(x)))))
        return F.relu(inner + self.shortcut(x))


def resnet() -> nn.Sequential:
    """Return one convolution and three stages of one block each."""
    inputs = (WIDTHS[0], *WIDTHS)
    return nn.Sequential(
        nn.Conv2d(1, WIDTHS[0], 3, padding=1, bias=False),
        nn.BatchNorm2d(WIDTHS[0]),
        nn.ReLU(),
        *(Block(inputs[i], width, stride=1 if i == 0 else 2) for i, width in enumerate(WIDTHS)),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(WIDTHS[-1], 10),
    )


def images(train: bool) -> TensorDataset:
    """Return all images as tensors, shrunk and standardised."""
    data = MNIST(os.environ.get("MNIST_ROOT", "data"), train=train, download=True)
    small = F.avg_pool2d(data.data.unsqueeze(1) / 255, 2)
    count = TRAINED_ON if train else len(small)
    return TensorDataset(((small - 0.13) / 0.27)[:count], data.targets[:count])


def make(seed: int = 0):
    """Return a model and its options for `lrrange.find_lr`, with the momentum and weight decay of the paper."""
    torch.manual_seed(seed)
    model = resnet()
    order = torch.Generator().manual_seed(seed)
    return model, {
        "optimizer": torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4),
        "loss_fn": nn.CrossEntropyLoss(),
        "loader": DataLoader(images(train=True), 64, shuffle=True, generator=order),
        "val_loader": DataLoader(images(train=False), 500),
        "end_lr": 100.0,
    }
