"""Trainings with Accelerate, in both forms, for `lrrange.testing` and the tests of rates."""

from collections.abc import Callable
from typing import Any

import torch
from accelerate import Accelerator
from lrrange_torch import batches
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from lrrange.testing import Rig
from tests.backend_torch.observing import of_module, of_optimizer, of_random_states, of_scheduler
from tests.backend_torch.rigs import data, seed_all

MakeAccelerator = Callable[..., Accelerator]

SWEEP = {"start_lr": 1e-5, "end_lr": 1.0}


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Dropout(0.1), nn.Linear(16, 1))


def warm_up(optimizer: Any) -> torch.optim.lr_scheduler.LambdaLR:
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / 4))


def on_the_inner_one(accelerator: Accelerator, optimizer: torch.optim.Optimizer) -> tuple[Any, Any]:
    return accelerator.prepare(optimizer, warm_up(optimizer))


def on_the_prepared_one(accelerator: Accelerator, optimizer: torch.optim.Optimizer) -> tuple[Any, Any]:
    prepared = accelerator.prepare(optimizer)
    return prepared, accelerator.prepare(warm_up(prepared))


def on_the_prepared_one_and_not_prepared(accelerator: Accelerator, optimizer: torch.optim.Optimizer) -> Any:
    """As the Trainer of transformers 5 does."""
    prepared = accelerator.prepare(optimizer)
    return prepared, warm_up(prepared)


ORDERS = (on_the_inner_one, on_the_prepared_one, on_the_prepared_one_and_not_prepared)


class Loop:
    """A training loop as a user writes it, on objects that Accelerate has prepared."""

    def __init__(
        self, accelerator: Accelerator, order: Callable[..., Any] = on_the_inner_one, count: int = 100, lr: float = 0.01
    ) -> None:
        seed_all()
        self.accelerator = accelerator
        self.made = network()
        self.inner = torch.optim.AdamW(self.made.parameters(), lr)
        # Of 100 examples, the last batch of a pass is smaller, and a pass has 7.
        self.loader = accelerator.prepare(DataLoader(data(count=count), batch_size=16, shuffle=True))
        self.model = accelerator.prepare(self.made)
        self.optimizer, self.scheduler = order(accelerator, self.inner)
        self.batches = batches(self.loader)
        self.rates: list[float] = []  # of every step of the optimizer
        self.inner.register_step_pre_hook(lambda optimizer, *_: self.rates.append(optimizer.param_groups[0]["lr"]))

    def step(self) -> torch.Tensor:
        """Train on one micro-batch."""
        inputs, targets = next(self.batches)
        with self.accelerator.accumulate(self.model):
            loss = F.mse_loss(self.model(inputs), targets)
            self.accelerator.backward(loss)
            if self.accelerator.sync_gradients:
                self.accelerator.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            if self.accelerator.sync_gradients:
                self.scheduler.step()
            self.optimizer.zero_grad()
        return loss

    def train(self, calls: int) -> list[float]:
        """Return the losses of so many micro-batches, and the rates of the steps of the optimizer."""
        before = len(self.rates)
        return [self.step().item() for _ in range(calls)] + self.rates[before:]

    def observe(self) -> Any:
        scheduler = getattr(self.scheduler, "scheduler", self.scheduler)
        return {
            "model": of_module(self.made),
            "optimizer": of_optimizer(self.inner),
            "scheduler": of_scheduler(scheduler),
            "random": of_random_states(),
            "accelerator": {"step": self.accelerator.step, "gradients": str(vars(self.accelerator.gradient_state))},
            "sync": self.accelerator.sync_gradients,
            "taken": self.batches.taken,
        }

    def as_own_step(self) -> Rig:
        """The loop's own step, which takes one micro-batch a call, with the accelerator to put back."""
        return Rig(
            target=self.step,
            options={"optimizer": self.optimizer, "restore": self.accelerator},
            observe=self.observe,
            train=self.train,
            sweep=SWEEP,
        )

    def as_prepared_objects(self) -> Rig:
        """The model and the rest, all prepared: lrrange takes the steps."""
        return Rig(
            target=self.model,
            options={
                "optimizer": self.optimizer,
                "loss_fn": nn.MSELoss(),
                "loader": self.loader,
                "scheduler": self.scheduler,
                "accumulate": self.accelerator.gradient_accumulation_steps,
                "clip_norm": 1.0,
            },
            observe=self.observe,
            train=self.train,
            sweep=SWEEP,
        )


FORMS: dict[str, Callable[[Loop], Rig]] = {"own step": Loop.as_own_step, "prepared objects": Loop.as_prepared_objects}
