"""Small trainings for either Lightning package, the same at each call."""

import functools
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from tests.backend_torch.rigs import seed_all


def data(count: int = 48) -> TensorDataset:
    generator = torch.Generator().manual_seed(4)
    x = torch.randn(count, 6, generator=generator)
    return TensorDataset(x, 2 * x[:, :1] - x[:, 1:2] + 0.1 * torch.randn(count, 1, generator=generator))


def loader(count: int = 192, batch_size: int = 32, shuffle: bool = True, **options: Any) -> DataLoader:
    return DataLoader(data(count), batch_size, shuffle=shuffle, **options)


def trainer(package: Any, **changes: Any) -> Any:
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    options = {"accelerator": "cpu", "max_epochs": 2, "enable_model_summary": False, "log_every_n_steps": 1, **quiet}
    return package.Trainer(**{**options, **changes})


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Dropout(0.1), nn.Tanh(), nn.Linear(8, 1))


@functools.cache
def classes(package: Any) -> Any:
    """Return the classes of the modules and the data module, for this Lightning package."""

    class Plain(package.LightningModule):
        """Reads its rate from `self.lr`."""

        def __init__(self, lr: float = 0.01, **extra: Any) -> None:
            super().__init__()
            self.save_hyperparameters()
            self.lr = lr
            self.net = network()
            self.seen: list[float] = []

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            loss = F.mse_loss(self.net(batch[0]), batch[1])
            self.seen.append(float(batch[0].sum()))
            self.log("loss", loss, on_step=True, on_epoch=True, prog_bar=True)
            return loss

        def configure_optimizers(self) -> Any:
            return torch.optim.Adam(self.parameters(), self.lr)

    class Validated(Plain):
        """The same, with validation."""

        def validation_step(self, batch: Any, batch_idx: int) -> None:
            self.log("val_loss", F.mse_loss(self.net(batch[0]), batch[1]))

    class Gan(package.LightningModule):
        """Two networks, two optimizers at 4:1, both stepped by hand."""

        def __init__(self) -> None:
            super().__init__()
            self.automatic_optimization = False
            self.maker_lr, self.judge_lr = 1e-3, 4e-3
            self.maker = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 6))
            self.judge = nn.Sequential(nn.Linear(6, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1))

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            judging, making = self.optimizers()
            fake = self.maker(torch.randn(len(batch[0]), 2))
            judging.zero_grad()
            judge_loss = F.softplus(-self.judge(batch[0])).mean() + F.softplus(self.judge(fake.detach())).mean()
            self.manual_backward(judge_loss)
            judging.step()
            making.zero_grad()
            maker_loss = F.softplus(-self.judge(fake)).mean()
            self.manual_backward(maker_loss)
            making.step()
            self.log_dict({"judge_loss": judge_loss, "maker_loss": maker_loss})
            for scheduler in self.lr_schedulers() or []:
                scheduler.step()
            return {"loss": judge_loss}

        def configure_optimizers(self) -> Any:
            judging = torch.optim.Adam(self.judge.parameters(), self.judge_lr, betas=(0.5, 0.9))
            making = torch.optim.Adam(self.maker.parameters(), self.maker_lr, betas=(0.5, 0.9))
            decay = torch.optim.lr_scheduler.ExponentialLR
            return [judging, making], [decay(judging, 0.9), decay(making, 0.9)]

    class Data(package.LightningDataModule):
        """Records the calls of its hooks, and splits its data at random when it is set up."""

        def __init__(self, workers: int = 0, shuffle: bool = True) -> None:
            super().__init__()
            self.workers = workers
            self.shuffle = shuffle
            self.calls: list[str] = []

        def prepare_data(self) -> None:
            self.calls.append("prepare_data")

        def setup(self, stage: str) -> None:
            self.calls.append(f"setup {stage}")
            if not hasattr(self, "parts"):
                self.parts = torch.utils.data.random_split(data(256), [192, 64])

        def train_dataloader(self) -> DataLoader:
            self.calls.append("train_dataloader")
            return DataLoader(
                self.parts[0], 32, shuffle=self.shuffle, num_workers=self.workers, persistent_workers=self.workers > 0
            )

        def val_dataloader(self) -> DataLoader:
            self.calls.append("val_dataloader")
            return DataLoader(self.parts[1], 32)

        def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
            return [batch[0] + 0.5, batch[1]]

        def teardown(self, stage: str) -> None:
            self.calls.append(f"teardown {stage}")

    return type("Classes", (), {"Plain": Plain, "Validated": Validated, "Gan": Gan, "Data": Data})


def plain(package: Any, **options: Any) -> Any:
    seed_all()
    return classes(package).Plain(**options)


def wide(package: Any, **attributes: Any) -> Any:
    """Return a module with a layer that is large enough for copy-on-write, of a class with these attributes."""
    seed_all()
    model = type("Wide", (classes(package).Plain,), attributes)()
    model.net = nn.Sequential(nn.Linear(6, 160), nn.Tanh(), nn.Linear(160, 160), nn.Tanh(), nn.Linear(160, 1))
    return model


def validated(package: Any) -> Any:
    seed_all()
    return classes(package).Validated()


def gan(package: Any) -> Any:
    seed_all()
    return classes(package).Gan()
