"""Small trainings in torch, at the top of a module so that other processes can import them."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def _data(count, seed):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(count, 6, generator=generator)
    return TensorDataset(inputs, (inputs.sum(1) > 0).long())


def _make(seed, optimizer):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 2))
    order = torch.Generator().manual_seed(seed)
    return model, {
        "optimizer": optimizer(model),
        "loss_fn": nn.CrossEntropyLoss(),
        "loader": DataLoader(_data(64, 0), 8, shuffle=True, generator=order),
        "val_loader": DataLoader(_data(32, 1), 32),
    }


def make(seed=0):
    return _make(seed, lambda model: torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9))


def make_adam(seed=0):
    return _make(seed, lambda model: torch.optim.Adam(model.parameters()))


def make_plain(seed=0):
    return _make(seed, lambda model: torch.optim.SGD(model.parameters(), lr=0.1))


def make_with_groups(seed=0):
    return _make(
        seed,
        lambda model: torch.optim.SGD(
            [{"params": model[0].parameters(), "momentum": 0.9}, {"params": model[3].parameters()}], lr=0.1
        ),
    )


def make_with_two_optimizers(seed=0):
    model, options = make(seed)
    first, last = model[0].parameters(), model[3].parameters()
    options["optimizer"] = [torch.optim.SGD(first, lr=0.1, momentum=0.9), torch.optim.AdamW(last, lr=0.001)]
    return model, options
