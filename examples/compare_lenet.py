"""LeNet with Adam on MNIST: a factory for `lrrange compare examples.compare_lenet:make`.

Run the command in the parent folder. MNIST_ROOT is the folder where torchvision finds the images, or downloads them to.
"""

import os

import torch
from lrrange_torch.demo import LeNet
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torchvision.datasets import MNIST


def images(train: bool) -> TensorDataset:
    """Return all images as tensors. To read them one by one would take longer than to train on them."""
    data = MNIST(os.environ.get("MNIST_ROOT", "data"), train=train, download=True)
    return TensorDataset(data.data.unsqueeze(1) / 255, data.targets)


def make(seed: int = 0, batch_size: int = 64):
    """Return a model and its options. The seed sets the weights and the order of the batches."""
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
