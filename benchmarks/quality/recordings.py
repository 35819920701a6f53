"""Record raw sweeps and runs, to study heuristics and confirmation without training anything."""

import math
from typing import Any

import numpy as np

from benchmarks.quality.asking import SEEDS
from benchmarks.quality.replays import told
from benchmarks.quality.store import Store
from benchmarks.quality.tasks.registry import TASKS
from benchmarks.quality.tasks.task import Problem
from lrrange import Curve, Sweep, SweepPlan

START_LR, END_LR = 1e-7, 10.0

# The number of sweeps of each length. They start from the same weights and differ in the order of their batches.
REPEATS = {50: 3, 100: 5, 200: 3, 400: 1}

# The held-out part is evaluated before the first step and after every 25th.
EVERY = 25
_HELD_OUT_SEEDS = SEEDS[:3]
_HELD_OUT_STEPS = 400


def record_sweeps(task: str, store: Store) -> None:
    """Record the batch losses of a task's sweeps, not smoothed, each before its update, as a finder sees them.

    A sweep ends at the first loss that is not finite. Nothing else stops it.
    """
    sweeps = {
        str(steps): {
            str(seed): [_sweep(TASKS[task].build(seed), steps, repeat) for repeat in range(repeats)] for seed in SEEDS
        }
        for steps, repeats in REPEATS.items()
    }
    store.save_sweeps(task, {"start_lr": START_LR, "end_lr": END_LR, "sweeps": sweeps})


def _sweep(problem: Problem, steps: int, repeat: int) -> list[float]:
    optimizer = problem.optimizer(START_LR)
    losses = []
    for step, batch in zip(range(steps), problem.batches(repeat), strict=False):
        for group in optimizer.param_groups:
            group["lr"] = START_LR * (END_LR / START_LR) ** (step / (steps - 1))
        loss = problem.update(optimizer, batch)
        if not math.isfinite(loss):
            break
        losses.append(float(f"{loss:.6g}"))
    return losses


def replay(recorded: dict[str, Any], seed: int, steps: int, repeat: int = 0, **settings: Any) -> Curve:
    """Return the curve that `find_lr` would have measured in a recorded sweep, with its early stop and smoothing.

    Args:
        recorded: the return value of `Store.sweeps(task)`.
        seed, steps, repeat: which of the recorded sweeps.
        settings: options of the sweep, such as `smoothing=` or `divergence=`.
    """
    plan = SweepPlan(start_lr=recorded["start_lr"], end_lr=recorded["end_lr"], num_steps=steps)
    return told(Sweep(plan, **settings), recorded["sweeps"][str(steps)][str(seed)][repeat]).curve


def record_held_out(task: str, store: Store) -> None:
    """Record a run at each constant rate of the ground truth, on the training set without its held-out part.

    The stored arrays are `lrs`, `seeds`, `loss` (training loss by rate, seed and step), and `held_out` (loss on the
    held-out part by rate, seed and every 25th step).
    """
    lrs = store.ground_truth(task)["lr"]
    runs = [[_run(task, lr, seed) for seed in _HELD_OUT_SEEDS] for lr in lrs]
    loss = np.array([[run[0] for run in of_rate] for of_rate in runs], np.float32)
    held_out = np.array([[run[1] for run in of_rate] for of_rate in runs], np.float32)
    store.save_held_out(task, lrs=np.array(lrs), seeds=np.array(_HELD_OUT_SEEDS), loss=loss, held_out=held_out)


def _run(task: str, lr: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    problem, held_out_batch = TASKS[task].build(seed).hold_out()
    steps = min(TASKS[task].steps, _HELD_OUT_STEPS)
    loss, held_out = np.full(steps, np.nan), np.full(steps // EVERY + 1, np.nan)
    held_out[0] = problem.evaluate(*held_out_batch)
    optimizer = problem.optimizer(lr)
    for step, batch in zip(range(steps), problem.batches(), strict=False):
        loss[step] = problem.update(optimizer, batch)
        if not math.isfinite(loss[step]):
            break
        if (step + 1) % EVERY == 0:
            held_out[(step + 1) // EVERY] = problem.evaluate(*held_out_batch)
    return loss, held_out
