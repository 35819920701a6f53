"""LeNet with Adam on MNIST, for `lrrange compare examples.compare_lenet:make`, run from the folder above this one.

The environment variable MNIST_ROOT names the folder that holds the data set, or that torchvision downloads it to.
"""

import os

import torch
from lrrange_torch.demo import LeNet
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torchvision.datasets import MNIST


def images(train: bool) -> TensorDataset:
    """Load all images at once, because reading them one by one would take longer than training on them."""
    data = MNIST(os.environ.get("MNIST_ROOT", "data"), train=train, download=True)
    return TensorDataset(data.data.unsqueeze(1) / 255, data.targets)


def make(seed: int = 0, batch_size: int = 64):
    """Make a training whose weights and order of batches depend only on the seed."""
    torch.manual_seed(seed)
    model = LeNet(side=28)
    return model, {
        "optimizer": torch.optim.Adam(model.parameters()),
        "loss_fn": nn.CrossEntropyLoss(),
        "loader": DataLoader(
            images(train=True), batch_size, shuffle=True, generator=torch.Generator().manual_seed(seed)
        ),
        "val_loader": DataLoader(images(train=False), 500),
    }


if __name__ == "__main__":
    import lrrange

    comparison = lrrange.compare(make, ["1e-4", "found", "clr", "one-cycle"], steps=600, path="compare_lenet.jsonl")
    print(comparison.headline)
    print(comparison.verdict)
