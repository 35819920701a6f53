"""torch's schedulers, and users' own: by name, as the page shows them."""

import itertools
import math
import random
import threading
from functools import partial
from typing import Any

from torch.optim import Optimizer, lr_scheduler
from torch.optim.lr_scheduler import LRScheduler
from torch.optim.swa_utils import SWALR

from tests.schedulers.oracle import Row


def with_metric(scheduler: Any, step: int) -> None:
    """Step a scheduler with a metric that gets better, then no longer."""
    scheduler.step(1 / (step + 1) if step < 20 else 1.0)


def in_turn(optimizer: Optimizer) -> LRScheduler:
    parts = [
        lr_scheduler.LinearLR(optimizer, 0.1, total_iters=5),
        lr_scheduler.CosineAnnealingLR(optimizer, 50, eta_min=0.02),
    ]
    return lr_scheduler.SequentialLR(optimizer, parts, [5])


def in_turn_later_than_the_forecast(optimizer: Optimizer) -> LRScheduler:
    parts = [lr_scheduler.ConstantLR(optimizer, 0.5, 4000), lr_scheduler.CosineAnnealingLR(optimizer, 50, eta_min=0.02)]
    return lr_scheduler.SequentialLR(optimizer, parts, [5000])


def chained(optimizer: Optimizer) -> LRScheduler:
    parts = [
        lr_scheduler.ConstantLR(optimizer, 0.5, 30),
        lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 30, eta_min=0.01),
    ]
    return lr_scheduler.ChainedScheduler(parts, optimizer)


def counting(optimizer: Optimizer) -> LRScheduler:
    """A schedule that counts for itself, in a closure."""
    calls = itertools.count(1)
    return lr_scheduler.LambdaLR(optimizer, lambda _: 1 / math.sqrt(next(calls)))


def generator(optimizer: Optimizer) -> LRScheduler:
    values = (1 / (step + 1) for step in range(10**6))
    return lr_scheduler.LambdaLR(optimizer, lambda _: next(values))


COUNTED = [0]


def global_count(optimizer: Optimizer) -> LRScheduler:
    COUNTED[0] = 0

    def part(_: int) -> float:
        COUNTED[0] += 1
        return 1 / (1 + COUNTED[0])

    return lr_scheduler.LambdaLR(optimizer, part)


def drawn(optimizer: Optimizer) -> LRScheduler:
    random.seed(0)
    return lr_scheduler.LambdaLR(optimizer, lambda _: random.random())


TORCH: dict[str, Row] = {
    "LambdaLR, warm-up": Row(lambda o: lr_scheduler.LambdaLR(o, lambda step: min(1.0, (step + 1) / 30))),
    "LambdaLR, one for each group": Row(lambda o: lr_scheduler.LambdaLR(o, [lambda t: 0.9**t, lambda t: 0.95**t])),
    "MultiplicativeLR": Row(lambda o: lr_scheduler.MultiplicativeLR(o, lambda _: 0.97)),
    "StepLR": Row(lambda o: lr_scheduler.StepLR(o, 30)),
    "MultiStepLR": Row(lambda o: lr_scheduler.MultiStepLR(o, [10, 40])),
    "ConstantLR": Row(lambda o: lr_scheduler.ConstantLR(o, 0.1, 20)),
    "LinearLR": Row(lambda o: lr_scheduler.LinearLR(o, 0.01, total_iters=40)),
    "ExponentialLR": Row(lambda o: lr_scheduler.ExponentialLR(o, 0.97)),
    "SequentialLR": Row(in_turn),
    "SequentialLR, whose floor comes late": Row(in_turn_later_than_the_forecast),
    "CosineAnnealingLR": Row(lambda o: lr_scheduler.CosineAnnealingLR(o, 60)),
    "CosineAnnealingLR, eta_min": Row(lambda o: lr_scheduler.CosineAnnealingLR(o, 60, eta_min=0.05)),
    "ChainedScheduler": Row(chained),
    "ReduceLROnPlateau": Row(lambda o: lr_scheduler.ReduceLROnPlateau(o, patience=3), with_metric),
    "ReduceLROnPlateau, min_lr": Row(
        lambda o: lr_scheduler.ReduceLROnPlateau(o, factor=0.5, patience=3, min_lr=1e-3), with_metric
    ),
    "CyclicLR": Row(lambda o: lr_scheduler.CyclicLR(o, [0.5, 0.05], [1.0, 0.1], 7, mode="exp_range", gamma=0.99)),
    "CosineAnnealingWarmRestarts": Row(lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 10, 2, eta_min=0.01)),
    "OneCycleLR": Row(
        lambda o: lr_scheduler.OneCycleLR(
            o, [BASE_OF_ONE_CYCLE, BASE_OF_ONE_CYCLE / 10], total_steps=110, div_factor=25
        )
    ),
    "PolynomialLR": Row(lambda o: lr_scheduler.PolynomialLR(o, 50, 0.9)),
    "SWALR": Row(lambda o: SWALR(o, 0.05, anneal_epochs=30)),
}

# The first rate of a OneCycleLR is its base rate.
BASE_OF_ONE_CYCLE = 0.5 * 25


class Restarts(LRScheduler):
    """Cosine with warm-up and restarts between rates of its own, as it is copied from page to page."""

    def __init__(self, optimizer: Optimizer, cycle: int, max_lr: float, min_lr: float, gamma: float = 0.9) -> None:
        self.cycle_steps, self.warmup_steps, self.gamma = cycle, 5, gamma
        self.base_max_lr, self.max_lr, self.min_lr = max_lr, max_lr, min_lr
        self.cycle, self.step_in_cycle = 0, -1
        super().__init__(optimizer)
        self.base_lrs = [min_lr for _ in optimizer.param_groups]
        for group in optimizer.param_groups:
            group["lr"] = min_lr

    def get_lr(self) -> list[float]:
        if self.step_in_cycle < self.warmup_steps:
            part = max(0, self.step_in_cycle) / self.warmup_steps
        else:
            done = (self.step_in_cycle - self.warmup_steps) / (self.cycle_steps - self.warmup_steps)
            part = (1 + math.cos(math.pi * done)) / 2
        return [base + (self.max_lr - base) * part for base in self.base_lrs]

    def step(self, epoch: int | None = None) -> None:
        self.step_in_cycle += 1
        if self.step_in_cycle >= self.cycle_steps:
            self.cycle, self.step_in_cycle = self.cycle + 1, 0
        self.max_lr = self.base_max_lr * self.gamma**self.cycle
        self.last_epoch += 1
        for group, rate in zip(self.optimizer.param_groups, self.get_lr(), strict=True):
            group["lr"] = rate
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]


class NoLRScheduler:
    """A class of the user's own, with names of its own."""

    def __init__(self, optimizer: Optimizer, peak: float = 0.5, floor: float = 0.01, length: int = 60) -> None:
        self.optimizer, self.peak, self.floor, self.length, self.t = optimizer, peak, floor, length, 0

    def step(self) -> None:
        self.t += 1
        part = 0.5 * (1 + math.cos(math.pi * min(1.0, self.t / self.length)))
        for group in self.optimizer.param_groups:
            group["lr"] = self.floor + (self.peak - self.floor) * part


class Configured(NoLRScheduler):
    """The same, with its rates in a configuration, and an `lr_decay` that is no rate."""

    def __init__(self, optimizer: Optimizer) -> None:
        super().__init__(optimizer)
        self.config = {"lr": {"top": 0.5, "bottom": 0.02}, "lr_decay": 0.97, "lr_steps": [10, 20]}

    def step(self) -> None:
        self.t += 1
        top, bottom = self.config["lr"].values()
        decay = self.config["lr_decay"] ** self.t
        for group in self.optimizer.param_groups:
            group["lr"] = bottom + (top - bottom) * decay * (0.5 if self.t in self.config["lr_steps"] else 1.0)


class Absolute(LRScheduler):
    """Rates from a table: `base_lrs` is there and ignored."""

    def get_lr(self) -> list[float]:
        return [0.05 * 0.9**self.last_epoch for _ in self.optimizer.param_groups]


class ByEpoch(NoLRScheduler):
    """A `step` that must be told the epoch."""

    def step(self, epoch: int) -> None:
        self.t = epoch
        super().step()


class BaseValues(LRScheduler):
    """Another name for the base rates, as in timm."""

    def __init__(self, optimizer: Optimizer) -> None:
        self.base_values = [group["lr"] for group in optimizer.param_groups]
        super().__init__(optimizer)

    def get_lr(self) -> list[float]:
        return [value * 0.98**self.last_epoch for value in self.base_values]


class Warmed:
    """A warm-up around another scheduler, which it steps afterwards."""

    def __init__(self, optimizer: Optimizer, after: LRScheduler, steps: int = 10) -> None:
        self.optimizer, self.after, self.steps, self.t = optimizer, after, steps, 0
        self.starts = [group["lr"] for group in optimizer.param_groups]

    def step(self) -> None:
        self.t += 1
        if self.t > self.steps:
            self.after.step()
            return
        for group, start in zip(self.optimizer.param_groups, self.starts, strict=True):
            group["lr"] = start * self.t / self.steps


class Multiplied(Warmed):
    """A warm-up up to a multiple of the base rate, which it gives to the scheduler after it."""

    def __init__(self, optimizer: Optimizer, after: LRScheduler, multiplier: float = 8.0) -> None:
        super().__init__(optimizer, after)
        self.multiplier, self.base_lrs, self._last_lr = multiplier, list(self.starts), list(self.starts)

    def step(self) -> None:
        self.t += 1
        if self.t == self.steps:
            self.after.base_lrs = [self.multiplier * base for base in self.base_lrs]
        if self.t >= self.steps:
            self.after.step()
        part = 1 + (self.multiplier - 1) * min(1.0, self.t / self.steps)
        for group, base in zip(self.optimizer.param_groups, self.base_lrs, strict=True):
            group["lr"] = group["lr"] if self.t >= self.steps else base * part
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]


class Deeper:
    """A schedule that holds its optimizer only in another one, whose class nobody knows."""

    def __init__(self, optimizer: Optimizer) -> None:
        self.schedulers = {"main": NoLRScheduler(optimizer)}

    def step(self) -> None:
        self.schedulers["main"].step()


class Noisy(LRScheduler):
    """Noise around a schedule with a floor, as timm's schedulers have it on request."""

    def __init__(self, optimizer: Optimizer) -> None:
        self.floor = 0.001
        super().__init__(optimizer)

    def get_lr(self) -> list[float]:
        noise = random.Random(self.last_epoch).uniform(0.5, 1.5) if self.last_epoch else 1.0
        return [self.floor + (base - self.floor) * noise for base in self.base_lrs]


class NoStep(NoLRScheduler):
    step = None  # type: ignore[assignment]

    def update(self) -> None:
        super().step()


class StepsTheOptimizer(NoLRScheduler):
    """The rates of the Annotated Transformer, whose schedule wraps the optimizer."""

    def step(self) -> None:
        self.t += 1
        for group in self.optimizer.param_groups:
            group["lr"] = 512**-0.5 * min(self.t**-0.5, self.t * 20**-1.5)
        self.optimizer.step()
        self.optimizer.zero_grad()


def with_trainer(optimizer: Optimizer) -> LRScheduler:
    """A schedule that asks its trainer, who holds everything."""

    class Trainer:
        def __init__(self) -> None:
            self.total = 80
            self.lock = threading.Lock()
            self.everything = [[number] for number in range(30_000)]

    trainer = Trainer()
    return lr_scheduler.LambdaLR(optimizer, lambda step: max(0.0, 1 - step / trainer.total))


def absolute_closure(optimizer: Optimizer) -> NoLRScheduler:
    class Table(NoLRScheduler):
        def step(self) -> None:
            self.t += 1
            for group in self.optimizer.param_groups:
                group["lr"] = table(self.t)

    def table(step: int, first: float = 0.3) -> float:
        return first / step

    return Table(optimizer)


class HalfAbsolute(LRScheduler):
    """A floor that is written into the code."""

    def get_lr(self) -> list[float]:
        return [max(base * 0.9**self.last_epoch, 0.01) for base in self.base_lrs]


OWN: dict[str, Row] = {
    "cosine with restarts, `max_lr` and `min_lr`": Row(partial(Restarts, cycle=30, max_lr=0.5, min_lr=0.001)),
    "no `LRScheduler`, with `peak` and `floor`": Row(NoLRScheduler),
    "rates in a configuration": Row(Configured),
    "`step(epoch)`": Row(ByEpoch, lambda scheduler, step: scheduler.step(step)),
    "`base_values`": Row(BaseValues),
    "a warm-up around a `CosineAnnealingLR`": Row(
        lambda o: Warmed(o, lr_scheduler.CosineAnnealingLR(o, 60, eta_min=0.02))
    ),
    "a warm-up to eight times the base rate": Row(lambda o: Multiplied(o, lr_scheduler.StepLR(o, 20, 0.5))),
    "around another of the user's own": Row(Deeper),
    "noise": Row(Noisy),
    "a `LambdaLR` that counts in a closure": Row(counting),
    "a `LambdaLR` that reads from its trainer": Row(with_trainer),
    "a `LambdaLR` that draws random numbers": Row(drawn),
    "a subclass that ignores `base_lrs`": Row(Absolute, raises="takes that rate from where it cannot be changed"),
    "a schedule that steps the optimizer": Row(
        StepsTheOptimizer, raises="takes that rate from where it cannot be changed"
    ),
    "`update()` in place of `step()`": Row(
        NoStep, lambda scheduler, _: scheduler.update(), raises="it has no method `step`"
    ),
    "a floor in the code": Row(HalfAbsolute, raises="takes that rate from where it cannot be changed"),
    "rates from a closure": Row(absolute_closure, raises="takes that rate from where it cannot be changed"),
    "a `LambdaLR` that reads a generator": Row(generator, raises="it cannot be copied"),
    "a `LambdaLR` that counts in a global variable": Row(
        global_count, raises="it sets other rates when the same steps are taken again"
    ),
}
