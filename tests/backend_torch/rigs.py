"""Small real trainings of every kind the torch backend promises to leave alone, for `lrrange.testing`."""

import random
from collections.abc import Callable, Iterable
from typing import Any

import numpy
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from lrrange.testing import Rig
from tests.backend_torch.observing import of_module, of_optimizer, of_random_states, of_scheduler, plain


def seed_all() -> None:
    random.seed(1)
    numpy.random.seed(2)
    torch.manual_seed(3)


def data(inputs: int = 6, count: int = 96) -> TensorDataset:
    generator = torch.Generator().manual_seed(4)
    x = torch.randn(count, inputs, generator=generator)
    return TensorDataset(x, (2 * x[:, :1] - x[:, 1:2] + 0.1 * torch.randn(count, 1, generator=generator)))


def loader_of(dataset: Any, batch_size: int = 16, **options: Any) -> DataLoader:
    return DataLoader(
        dataset, batch_size=batch_size, shuffle=True, generator=torch.Generator().manual_seed(5), **options
    )


def rounds(loader: Iterable[Any]) -> Iterable[Any]:
    while True:
        yield from loader


def step_of(model: nn.Module, optimizer: Any, batches: Any) -> Callable[[], torch.Tensor]:
    """Return a step as a user writes it, on the next of these batches."""

    def step() -> torch.Tensor:
        optimizer.zero_grad()
        inputs, targets = next(batches)
        loss = F.mse_loss(model(inputs), targets)
        loss.backward()
        optimizer.step()
        return loss

    return step


def rig_of(
    model: nn.Module, optimizer: torch.optim.Optimizer, loader: DataLoader, loss: Callable[..., Any], **options: Any
) -> Rig:
    """A rig for a loader step, whose ordinary training is a loop as a user writes it."""
    scheduler, scaler = options.get("scheduler"), options.get("grad_scaler")
    whole = options.get("batch_form") == "whole"
    loss_of = loss if whole else lambda model, batch: loss(model(batch[0]), batch[1])

    def train(steps: int) -> list[float]:
        losses = []
        batches = rounds(loader)
        for _ in range(steps):
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=scaler is not None):
                value = loss_of(model, next(batches))
            if scaler is not None:
                scaler.scale(value).backward()
                scaler.step(optimizer)
                scaler.update()
            else:
                value.backward()
                optimizer.step()
            if scheduler is not None:
                scheduler.step()
            losses.append(float(value.detach()))
        return losses

    def observe() -> Any:
        return {
            "model": of_module(model),
            "optimizer": of_optimizer(optimizer),
            "scheduler": None if scheduler is None else of_scheduler(scheduler),
            "scaler": None if scaler is None else plain(scaler.state_dict()),
            "random": of_random_states(loader.generator),
        }

    return Rig(
        target=model,
        options={"optimizer": optimizer, "loss_fn": loss, "loader": loader, **options},
        observe=observe,
        train=train,
        sweep={"start_lr": 1e-5, "end_lr": 1.0},
    )


class Busy(nn.Module):
    """A module that changes everything a forward pass can change."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 8)
        self.norm = nn.BatchNorm1d(8)
        self.dropout = nn.Dropout(0.2)
        self.second = nn.Linear(8, 8)
        self.second.weight = nn.Parameter(torch.randn(8, 8) / 3)
        self.tied = nn.Linear(8, 8)
        self.tied.weight = self.second.weight
        self.last = nn.Linear(8, 1)
        self.register_buffer("counted", torch.zeros(1), persistent=False)
        self.register_buffer("reassigned", torch.zeros(2))
        self.calls = 0
        self.history: list[float] = []
        self.cache: dict[str, torch.Tensor] = {"mean": torch.zeros(8)}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        self.counted += 1
        self.reassigned = self.reassigned * 0.9 + x.detach().mean()
        hidden = self.dropout(torch.relu(self.norm(self.first(x))))
        self.history.append(float(hidden.detach().mean()))
        self.cache["mean"].mul_(0.9).add_(hidden.detach().mean(0))
        if random.random() < 0.5:
            hidden = hidden + float(numpy.random.rand()) * 0.01
        return self.last(self.tied(self.second(hidden)))


class DataSwapper(torch.optim.Optimizer):
    """An optimizer that puts new memory under its parameters, as some older ones do."""

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float) -> None:
        super().__init__(parameters, {"lr": lr})
        self.counter = [0]

    def step(self, closure: Any = None) -> None:
        self.counter[0] += 1
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.data = parameter.data - group["lr"] * parameter.grad


def busy_with_groups_and_scheduler() -> Rig:
    seed_all()
    model = Busy()
    model.norm.eval()  # a frozen batch norm must stay in eval mode, and be so afterwards
    groups = [
        {"params": list(model.first.parameters()), "lr": 1e-2, "name": "first"},
        {"params": [p for name, p in model.named_parameters() if not name.startswith("first")], "lr": 1e-3},
    ]
    optimizer = torch.optim.AdamW(groups)
    scheduler = torch.optim.lr_scheduler.SequentialLR(
        optimizer,
        [
            torch.optim.lr_scheduler.LinearLR(optimizer, 0.1, total_iters=5),
            torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 30),
        ],
        milestones=[5],
    )
    return rig_of(model, optimizer, loader_of(data()), nn.MSELoss(), scheduler=scheduler)


def in_eval_mode() -> Rig:
    seed_all()
    model = Busy().eval()
    return rig_of(model, torch.optim.SGD(model.parameters(), 0.01, momentum=0.9), loader_of(data()), nn.MSELoss())


def swapped_data() -> Rig:
    seed_all()
    model = Busy()
    return rig_of(model, DataSwapper(model.parameters(), 0.01), loader_of(data()), nn.MSELoss())


def bfloat16_parameters() -> Rig:
    seed_all()
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 1)).bfloat16()

    def loss(model: nn.Module, batch: Any) -> torch.Tensor:
        return F.mse_loss(model(batch[0].bfloat16()).float(), batch[1])

    return rig_of(model, torch.optim.Adam(model.parameters(), 0.01), loader_of(data()), loss, batch_form="whole")


def scaled_and_clipped() -> Rig:
    seed_all()
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 1))
    return rig_of(
        model,
        torch.optim.Adam(model.parameters(), 0.01),
        loader_of(data()),
        nn.MSELoss(),
        grad_scaler=torch.amp.GradScaler("cpu", init_scale=256.0, growth_interval=4),
        autocast=torch.bfloat16,
        accumulate=2,
        clip_norm=1.0,
    )


def sparse_embedding() -> Rig:
    seed_all()
    model = nn.Sequential(nn.EmbeddingBag(50, 4, sparse=True, mode="sum"))
    words = torch.randint(0, 50, (96, 5), generator=torch.Generator().manual_seed(6))
    dataset = TensorDataset(words, words.float().mean(1, keepdim=True).expand(-1, 4) / 25)
    optimizer = torch.optim.SparseAdam(model.parameters(), 0.01)
    return rig_of(model, optimizer, loader_of(dataset), nn.MSELoss())


def lbfgs_by_loader_step() -> Rig:
    seed_all()
    model = nn.Linear(6, 1)
    optimizer = torch.optim.LBFGS(model.parameters(), 0.1, max_iter=3)
    loader = loader_of(data())
    rig = rig_of(model, optimizer, loader, nn.MSELoss())

    def train(steps: int) -> list[float]:
        batches, losses = rounds(loader), []
        for _ in range(steps):
            batch = next(batches)

            def closure(batch: Any = batch) -> torch.Tensor:
                optimizer.zero_grad()
                loss = F.mse_loss(model(batch[0]), batch[1])
                loss.backward()
                return loss

            losses.append(optimizer.step(closure).item())
        return losses

    return Rig(target=model, options=rig.options, observe=rig.observe, train=train, sweep=rig.sweep)


def _own_step_rig(
    step: Callable[[], Any], modules: dict[str, nn.Module], optimizers: list[torch.optim.Optimizer], *restore: Any
) -> Rig:
    def observe() -> Any:
        return {
            "modules": {name: of_module(module) for name, module in modules.items()},
            "optimizers": [of_optimizer(optimizer) for optimizer in optimizers],
            "random": of_random_states(*(one for one in restore if isinstance(one, torch.Generator))),
            "restore": [plain(one) for one in restore if isinstance(one, (torch.Tensor, dict, list))],
        }

    return Rig(
        target=step,
        options={"optimizer": optimizers, "restore": (*modules.values(), *restore)},
        observe=observe,
        train=lambda steps: [step().item() for _ in range(steps)],
        sweep={"start_lr": 1e-5, "end_lr": 0.1},
    )


def gan_by_own_step() -> Rig:
    """Two optimizers at 4:1, two networks, left-over gradients, a generator and counters of the user's own."""
    seed_all()
    maker = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 2))
    judge = nn.Sequential(nn.Linear(2, 8), nn.LeakyReLU(0.2), nn.Dropout(0.1), nn.Linear(8, 1))
    judging = torch.optim.Adam(judge.parameters(), 4e-3, betas=(0.5, 0.9))
    making = torch.optim.Adam(maker.parameters(), 1e-3, betas=(0.5, 0.9))
    noise = torch.Generator().manual_seed(7)
    average = torch.zeros(1)
    counts = {"steps": 0}

    def step() -> torch.Tensor:
        counts["steps"] += 1
        real = torch.randn(16, 2) * 0.5 + 2.0
        fake = maker(torch.randn(16, 2, generator=noise))
        judging.zero_grad(set_to_none=False)
        loss = F.softplus(-judge(real)).mean() + F.softplus(judge(fake.detach())).mean()
        loss.backward()
        judging.step()
        making.zero_grad(set_to_none=False)
        F.softplus(-judge(fake)).mean().backward()
        making.step()
        average.mul_(0.9).add_(0.1 * loss.detach())
        return loss

    return _own_step_rig(step, {"maker": maker, "judge": judge}, [judging, making], noise, average, counts)


def lbfgs_by_own_step() -> Rig:
    seed_all()
    model = nn.Linear(6, 1)
    optimizer = torch.optim.LBFGS(model.parameters(), 0.1, max_iter=3, line_search_fn=None)
    x, y = data().tensors

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = F.mse_loss(model(x), y)
        loss.backward()
        return loss

    return _own_step_rig(lambda: optimizer.step(closure), {"model": model}, [optimizer])


RIGS: tuple[Callable[[], Rig], ...] = (
    busy_with_groups_and_scheduler,
    in_eval_mode,
    swapped_data,
    bfloat16_parameters,
    scaled_and_clipped,
    sparse_embedding,
    lbfgs_by_loader_step,
    gan_by_own_step,
    lbfgs_by_own_step,
)
