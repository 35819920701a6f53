"""What the lines of the mistakes name: a small training of PyTorch, and one of Lightning."""

from typing import Any

import lightning.pytorch
import lrrange_lightning
import lrrange_torch
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import lrrange


class Net(nn.Sequential):
    """A small model."""

    def __init__(self) -> None:
        super().__init__(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))


class Output:
    """What a model returns that is no tensor."""

    def __init__(self, loss: Any, logits: Any) -> None:
        self.loss, self.logits = loss, logits


class Returns(Net):
    """A model that returns its loss, None, and its logits in an object of this kind."""

    def __init__(self, kind: Any) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, inputs: Any) -> Any:
        outputs = super().forward(inputs)
        if self.kind is dict:
            return {"loss": None, "logits": outputs}
        return (outputs, None) if self.kind is tuple else self.kind(None, outputs)


class Module(lightning.pytorch.LightningModule):
    """The same model for a Trainer."""

    def __init__(self) -> None:
        super().__init__()
        self.net, self.lr = Net(), 1e-3

    def training_step(self, batch: Any) -> Any:
        return nn.functional.mse_loss(self.net(batch[0]), batch[1])

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=self.lr)


class Data(lightning.pytorch.LightningDataModule):
    """Its data."""

    def train_dataloader(self) -> Any:
        return loader_of()


def loader_of() -> Any:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(64, 4, generator=generator)
    return DataLoader(TensorDataset(inputs, inputs.sum(1, keepdim=True)), batch_size=16)


def foreign(module: str, name: str) -> object:
    """Return an object of a class of another library, by its names alone."""
    return type(name, (), {"__module__": module})()


def workplace() -> dict[str, Any]:
    """Return what a user has at hand, by name."""
    torch.manual_seed(0)
    model, module = Net(), Module()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loader, loss_fn = loader_of(), nn.MSELoss()
    inputs, targets = loader.dataset.tensors
    good = {"optimizer": optimizer, "loss_fn": loss_fn, "loader": loader}

    def step() -> Any:
        optimizer.zero_grad()
        loss = loss_fn(model(inputs), targets)
        loss.backward()
        optimizer.step()
        return loss

    return {
        "torch": torch,
        "DataLoader": DataLoader,
        "lrrange": lrrange,
        "lrrange_torch": lrrange_torch,
        "lrrange_lightning": lrrange_lightning,
        "find_lr": lrrange.find_lr,
        "load": lrrange.load,
        "grid": lrrange.grid,
        "compare": lrrange.compare,
        "verify": lrrange_torch.verify,
        "LRRangeTest": lrrange_lightning.LRRangeTest,
        "VerifyRate": lrrange_lightning.VerifyRate,
        "Net": Net,
        "Returns": Returns,
        "Output": Output,
        "model": model,
        "module": module,
        "trainer": trainer(),
        "datamodule": Data(),
        "optimizer": optimizer,
        "optimizer_of_another": torch.optim.SGD(Net().parameters(), lr=0.1),
        "scheduler": torch.optim.lr_scheduler.StepLR(optimizer, 10),
        "loss_fn": loss_fn,
        "loader": loader,
        "dataset": loader.dataset,
        "inputs": inputs,
        "targets": targets,
        "step": step,
        "good": good,
        "but": lambda name: {option: value for option, value in good.items() if option != name},
        "make": lambda momentum: (model, good),
        "make_run": lambda seed: (model, good),
        "foreign": foreign,
    }


def trainer() -> Any:
    """Return a Trainer that writes nothing."""
    return lightning.pytorch.Trainer(
        accelerator="cpu",
        max_epochs=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
