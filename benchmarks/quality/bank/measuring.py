"""Measure a task of the bank: its ground truth, the sweeps that advice is read from, and short runs at each rate.

The ground truth is that of `benchmarks.quality.ground_truth`, with three rates a decade and two seeds. A run at a
constant rate is evaluated at several budgets on its way, so one grid shows how the best constant rate moves with the
budget.
"""

import math
import time
from collections.abc import Iterator
from typing import Any

import attrs
import numpy as np
import torch

from benchmarks.quality.bank.generator import BANK, ORIGINS
from benchmarks.quality.ground_truth import clipped_mean, constant_answer, explore, one_cycle
from benchmarks.quality.tasks.task import Batch, Problem, Task

PER_DECADE = 3
_LOWEST, _HIGHEST = -7 * PER_DECADE, 2 * PER_DECADE
SEEDS = (0, 1)
SWEEP_SEEDS = (0, 1, 10, 11, 12, 13, 14)
SHORTEST = 150

# A short run is kept as the mean losses of blocks of this many steps.
BLOCK, TRIAL_STEPS = 8, 648

# Sweeps are taken in even steps, as with `num_steps=200`, and two decades beyond the default end.
START_LR, END_LR, STEPS, FURTHER = 1e-7, 10.0, 200, 50

_IDLE_RATES, _BLOWN_UP = 2, 1e6


def budgets_of(steps: int) -> list[int]:
    """Return the budgets at which constant runs are evaluated: the task's own, and each half of it from 150 on."""
    budgets = [steps]
    while budgets[-1] // 2 >= SHORTEST:
        budgets.append(budgets[-1] // 2)
    return budgets[::-1]


@attrs.define
class _Run:
    initial: float
    final: dict[int, float]
    losses: np.ndarray


def _train(task: Task, lr: float, seed: int, *, cyclical: bool) -> _Run:
    problem = task.build(seed)
    first = problem.val_loss()
    optimizer = problem.optimizer(lr)
    schedule = one_cycle(optimizer, lr, task.steps) if cyclical else None
    budgets = [task.steps] if cyclical else budgets_of(task.steps)
    checkpoints = {b - 1: b for b in budgets} if cyclical else {b - 1 - d: b for b in budgets for d in (0, 10, 20)}
    losses, found = np.full(task.steps, np.nan), {b: [] for b in budgets}
    for step, batch in zip(range(task.steps), problem.batches(), strict=False):
        losses[step] = value = problem.update(optimizer, batch)
        if not math.isfinite(value) or abs(value) > _BLOWN_UP * max(1.0, abs(first)):
            break
        if schedule:
            schedule.step()
        if step in checkpoints:
            found[checkpoints[step]].append(problem.val_loss())
    expected = 1 if cyclical else 3
    final = {
        b: float(np.mean(v)) if len(v) == expected and np.isfinite(v).all() else math.inf for b, v in found.items()
    }
    return _Run(first, final, losses)


class _Grid:
    """The complete runs of one task. Rate number `k` is `10 ** (k / PER_DECADE)`."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.constant: dict[int, list[_Run]] = {}
        self.cyclical: dict[int, list[_Run]] = {}

    def visit(self, k: int) -> float:
        """Train at rate number `k`, and return the largest improvement of the validation loss."""
        lr, gains = 10 ** (k / PER_DECADE), []
        for runs, cyclical in ((self.constant, False), (self.cyclical, True)):
            runs[k] = [_train(self.task, lr, seed, cyclical=cyclical) for seed in SEEDS]
            self.initial = [run.initial for run in runs[k]]
            start = float(np.mean(self.initial))
            gains += [
                start - clipped_mean([run.final[budget] for run in runs[k]], self.initial)
                for budget in runs[k][0].final
            ]
        return max(gains)

    def as_json(self) -> dict[str, Any]:
        """Return the losses by rate and seed. None stands for an infinite loss."""
        order = sorted(self.constant)

        def finals(runs: dict[int, list[_Run]], budget: int) -> list[list[float | None]]:
            return [[_short(run.final[budget]) for run in runs[k]] for k in order]

        return {
            "task": self.task.name,
            "families": ORIGINS[self.task.name].families,
            "steps": self.task.steps,
            "default_lr": self.task.default_lr,
            "seeds": SEEDS,
            "initial": [_short(value) for value in self.initial],
            "lr": [float(f"{10 ** (k / PER_DECADE):.4g}") for k in order],
            "constant": {str(b): finals(self.constant, b) for b in budgets_of(self.task.steps)},
            "onecycle": finals(self.cyclical, self.task.steps),
        }

    def trials(self) -> np.ndarray:
        """Return mean training losses of blocks of the first steps of the constant runs, of (rates, seeds, blocks)."""
        steps = min(self.task.steps, TRIAL_STEPS) // BLOCK * BLOCK
        runs = [
            [run.losses[:steps].reshape(-1, BLOCK).mean(1) for run in self.constant[k]] for k in sorted(self.constant)
        ]
        with np.errstate(over="ignore"):
            return np.array(runs).astype(np.float32)


def _short(value: float) -> float | None:
    return float(f"{value:.5g}") if math.isfinite(value) else None


def _rates(steps: int) -> Iterator[float]:
    return (START_LR * (END_LR / START_LR) ** (step / (STEPS - 1)) for step in range(steps))


def _sweep(problem: Problem, steps: int, *, update: bool) -> np.ndarray:
    """Return the losses of a sweep; without updates, those of the initial weights on the same batches."""
    optimizer = problem.optimizer(START_LR)
    losses = np.full(steps, np.nan)
    for step, (lr, batch) in enumerate(zip(_rates(steps), problem.batches(), strict=False)):
        for group in optimizer.param_groups:
            group["lr"] = lr
        losses[step] = problem.update(optimizer, batch) if update else forward(problem, batch)
        if not abs(losses[step]) < 1e30:
            losses[step] = np.nan
            break
    return losses


@torch.no_grad()
def forward(problem: Problem, batch: Batch) -> float:
    """Return the loss of a batch without a step."""
    x, y = batch
    return float(problem.criterion(problem.model(x), y))


def measure(name: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Measure a task. Return its ground truth, and arrays of sweeps and short runs.

    The arrays: `loss` and `baseline` of the sweeps, of shape (seeds, steps), NaN after a loss that is not finite;
    `trials`, of shape (rates, seeds, blocks).
    """
    task, began = BANK[name], time.perf_counter()
    grid = _Grid(task)
    explore(grid.visit, task.default_lr, PER_DECADE, range(_LOWEST, _HIGHEST + 1), _IDLE_RATES)
    sweeps = {
        kind: np.array([_sweep(task.build(seed), STEPS + FURTHER, update=update) for seed in SWEEP_SEEDS], np.float32)
        for kind, update in (("loss", True), ("baseline", False))
    }
    answer = None
    if ORIGINS[name].subject.ignores_input:
        answer = _short(constant_answer(task))
    measured = {
        **grid.as_json(),
        "constant_answer": answer,
        "torch": str(torch.__version__),
        "seconds": round(time.perf_counter() - began, 1),
    }
    return measured, {**sweeps, "trials": grid.trials()}
