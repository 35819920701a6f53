"""Ground truth: the validation loss that each learning rate leads to, from a grid of complete training runs.

Each task is trained at a grid of rates, four per decade, with three seeds and two protocols:

- `constant`: the whole budget at that rate. The validation loss is the mean of the last three checkpoints, ten steps
  apart.
- `onecycle`: torch's `OneCycleLR` with that `max_lr` and its defaults. The validation loss is measured after the last
  step.

The grid starts at the task's default rate and grows in both directions, until a rate improves the loss by less than 5 %
of the best improvement (downwards one such rate, upwards three in a row), or until 1e-6 or 1e2. A run whose loss is no
longer finite, or exceeds a million times its start, has an infinite loss.
"""

import math
import time
from collections.abc import Callable
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch.optim import Optimizer

from benchmarks.quality.store import Store
from benchmarks.quality.tasks.registry import TASKS, group_of
from benchmarks.quality.tasks.task import Task

Protocol = Literal["constant", "onecycle"]

PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)

SEEDS = (0, 1, 2)
_PER_DECADE = 4
_LOWEST, _HIGHEST = -6 * _PER_DECADE, 2 * _PER_DECADE

# An improvement below this fraction of the best one is negligible. This many such rates in a row end the grid upwards.
_NEGLIGIBLE = 0.05
_IDLE_RATES = 3

_BLOWN_UP = 1e6


def measure(name: str, store: Store) -> str:
    """Measure a task's ground truth, store it, and return a line about it for the terminal."""
    task, began = TASKS[name], time.perf_counter()
    grid = _Grid(task)
    explore(grid.visit, task.default_lr, _PER_DECADE, range(_LOWEST, _HIGHEST + 1), _IDLE_RATES)
    measured = grid.as_json() | {"seconds": round(time.perf_counter() - began, 1), "torch": str(torch.__version__)}
    store.save_ground_truth(name, measured, grid.trajectories())
    store.save_constant_answers(group_of(name), {name: constant_answer(task)})
    lrs = measured["lr"]
    return f"{name}: {len(lrs)} rates from {lrs[0]:.1e} to {lrs[-1]:.1e}, {measured['seconds']} s"


def explore(visit: Callable[[int], float], default_lr: float, per_decade: int, numbers: range, idle_rates: int) -> None:
    """Visit the rates `10 ** (k / per_decade)` upwards and then downwards from the default, until they improve nothing.

    Args:
        visit: trains at the rate of a number, and returns the improvement of the validation loss.
        default_lr: where to start.
        per_decade: rates per decade.
        numbers: of all rates that may be visited.
        idle_rates: this many rates in a row with a negligible improvement end the grid upwards.
    """
    start = round(per_decade * math.log10(default_lr))
    best, idle = visit(start), 0
    for k in range(start + 1, numbers.stop):
        gain = visit(k)
        best = max(best, gain)
        idle = idle + 1 if gain < _NEGLIGIBLE * best else 0
        if idle == idle_rates:
            break
    for k in range(start - 1, numbers.start - 1, -1):
        gain = visit(k)
        best = max(best, gain)
        if gain < _NEGLIGIBLE * best:
            break


class _Grid:
    """The runs of one task. Rate number `k` is `10 ** (k / 4)`."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._final: dict[int, dict[Protocol, list[float]]] = {}
        self._curves: dict[int, list[np.ndarray]] = {}
        self._initial: list[float] = []

    def visit(self, k: int) -> float:
        """Train at rate number `k` with both protocols, and return the larger improvement of the validation loss."""
        self._final[k] = {}
        for protocol in PROTOCOLS:
            runs = [train(self._task, 10 ** (k / _PER_DECADE), seed, protocol) for seed in SEEDS]
            self._initial = [initial for initial, _, _ in runs]
            self._final[k][protocol] = [final for _, final, _ in runs]
            if protocol == "constant":
                self._curves[k] = [curve for _, _, curve in runs]
        start = float(np.mean(self._initial))
        return max(start - clipped_mean(self._final[k][protocol], self._initial) for protocol in PROTOCOLS)

    def as_json(self) -> dict[str, Any]:
        """Return the task and its losses by rate, as plain values. None stands for an infinite loss."""
        task, order = self._task, sorted(self._final)
        losses = {
            protocol: [[loss if math.isfinite(loss) else None for loss in self._final[k][protocol]] for k in order]
            for protocol in PROTOCOLS
        }
        return {
            "task": task.name,
            "about": task.about,
            "steps": task.steps,
            "default_lr": task.default_lr,
            "seeds": SEEDS,
            "initial": self._initial,
            "lr": [10 ** (k / _PER_DECADE) for k in order],
            **losses,
        }

    def trajectories(self) -> np.ndarray:
        """Return the training losses of the constant runs, of shape (rates, seeds, steps)."""
        return np.array([self._curves[k] for k in sorted(self._curves)], np.float32)


def train(task: Task, lr: float, seed: int, protocol: Protocol) -> tuple[float, float, np.ndarray]:
    """Run one complete training, and return the validation loss before and after it, and each step's training loss."""
    problem = task.build(seed)
    first = problem.val_loss()
    optimizer = problem.optimizer(lr)
    schedule = one_cycle(optimizer, lr, task.steps) if protocol == "onecycle" else None
    last = task.steps - 1
    checkpoints = {last} if schedule else {last, last - 10, last - 20}
    curve = np.full(task.steps, np.nan, np.float32)
    final = []
    for step, batch in zip(range(task.steps), problem.batches(), strict=False):
        curve[step] = value = problem.update(optimizer, batch)
        if not math.isfinite(value) or abs(value) > _BLOWN_UP * max(1.0, abs(first)):
            return first, math.inf, curve
        if schedule:
            schedule.step()
        if step in checkpoints:
            final.append(problem.val_loss())
    mean = float(np.mean(final))
    return first, mean if math.isfinite(mean) else math.inf, curve


def one_cycle(optimizer: Optimizer, lr: float, steps: int) -> torch.optim.lr_scheduler.OneCycleLR:
    """Return torch's `OneCycleLR` with its defaults, for all groups of the optimizer."""
    group = optimizer.param_groups[0]
    # torch would switch momentum on in optimizers that were built without it, such as SGD and RMSprop.
    cycle = "betas" in group or group.get("momentum", 0) > 0
    return torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=lr, total_steps=steps, cycle_momentum=cycle)


def clipped_mean(final: list[float], initial: list[float]) -> float:
    """Return the mean over the seeds. A run that ends worse than it began counts with its initial loss."""
    return float(np.mean([min(f, s) if math.isfinite(f) else s for f, s in zip(final, initial, strict=True)]))


def constant_answer(task: Task) -> float:
    """Return the validation loss of the best output that ignores the input, which a dead network can still reach."""
    problem = task.build(0)
    x, y = problem.train[torch.arange(min(4000, len(problem.train)))]
    with torch.no_grad():
        shape = problem.model(x[:8]).shape
    # Not exactly zero, because a normalised output has no gradient there.
    answer = (1e-3 * torch.randn(shape[-1:] if len(shape) > 1 else ())).requires_grad_()
    optimizer = torch.optim.LBFGS([answer], max_iter=300, line_search_fn="strong_wolfe")

    def loss(target: torch.Tensor) -> torch.Tensor:
        return problem.criterion(answer.expand(len(target), *shape[1:]), target)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        value = loss(y)
        value.backward()
        return value

    optimizer.step(closure)
    with torch.no_grad():
        return float(loss(problem.val_y))
