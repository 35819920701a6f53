"""Complete trainings of one task over a grid of peak rates, with every schedule."""

import math
import time
from typing import Any

import numpy as np
import torch

from benchmarks.quality.bank.generator import BANK, ORIGINS
from benchmarks.quality.bank.measuring import PER_DECADE
from benchmarks.quality.bank.store import BankStore
from benchmarks.quality.ground_truth import clipped_mean
from benchmarks.quality.regret import TaskRegret
from benchmarks.quality.schedules.shapes import SCHEDULES, scheduler
from benchmarks.quality.tasks.task import Task

SEEDS = (0, 1)

# Trainings of the bank whose best rates are inside their grids: 33 subjects, Adam and SGD kinds, 150 to 1,500 steps.
TASKS = (
    "mlp_digits-momentum-b8-150",
    "gaussian_likelihood-adamw-b64-500",
    "mlp_cancer-sgd-b8-700",
    "rows_of_digits-adam-b16-150",
    "mlp_mnist-momentum-b32-500",
    "cnn_digits-nadam-b16-150",
    "vae-adamw-b16-150",
    "fine_tuned_text-sgd-b4-150",
    "fine_tuned_upside_down-momentum-b16-400",
    "heavy_tails-adamw-b8-700",
    "diffusion_moons-sgd-b128-700-decay",
    "poisson-adam-b64-250",
    "mlp_digits-sgd-b32-400-clip",
    "unet_denoising-momentum-b32-150",
    "mlp_digits-adam-b32-500",
    "batch_norm_fashion-adamw-b64-150",
    "fine_tuned_new_head-adam-b8-150",
    "quantile-adam-b16-400",
    "mlp_mnist-sgd-b32-1500",
    "forecast-momentum-b16-400",
    "autoencoder-adamw-b16-1200-clip",
    "lstm_text-adamw-b16-250-clip",
    "batch_norm_digits-momentum-b32-1200-resumed",
    "mlp_wrong_labels-radam-b4-400",
    "unet_denoising-sgd-b8-150-clip",
    "resnet_groups_digits-momentum-b16-150",
    "rows_of_digits-nesterov-b16-250",
    "diffusion_digits-momentum-b256-150-decay",
    "flow-adamw-b256-150",
    "cnn_digits-sgd-b64-400-clip",
    "resnet_plain_fashion-momentum-b16-250-decay",
    "transformer_text-sgd-b8-250",
    "deep_tanh_digits-adam-b16-700",
    "fine_tuned_upside_down-adamw-b16-150",
    "triplet-adam_short-b64-250",
    "factorisation-adamw-b64-700",
    "unet_segmentation-momentum-b32-150",
    "gru_text-adamw-b4-150",
    "graph_digits-adam-ball-250",
    "batch_norm_cnn_fashion-adam-b64-150",
)

# The grid goes this many rates below the lower and above the higher of the bank's two best rates, and further while
# the best rate of a schedule is at its end.
_BELOW, _ABOVE, _MOST = 2, 2, 14
_BLOWN_UP = 1e6


def train(task: Task, name: str, lr: float, seed: int) -> tuple[float, float]:
    """Run one complete training, and return the validation loss before and after it: infinity if it diverged.

    As in the bank, a constant rate's loss is the mean of the last three checkpoints, ten steps apart; every schedule
    that ends low is judged by its last step.
    """
    problem = task.build(seed)
    first = problem.val_loss()
    optimizer = problem.optimizer(lr)
    made = scheduler(name, optimizer, lr, task.steps)
    last = task.steps - 1
    checkpoints = {last, last - 10, last - 20} if name == "constant" else {last}
    final = []
    for step, batch in zip(range(task.steps), problem.batches(), strict=False):
        value = problem.update(optimizer, batch)
        if not math.isfinite(value) or abs(value) > _BLOWN_UP * max(1.0, abs(first)):
            return first, math.inf
        if made:
            made.step()
        if step in checkpoints:
            final.append(problem.val_loss())
    mean = float(np.mean(final))
    return first, mean if math.isfinite(mean) else math.inf


class _Runs:
    """The final losses of one task by schedule, by the number of the rate `10 ** (number / PER_DECADE)`, by seed."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.initial: list[float] = []
        self.final: dict[str, dict[int, list[float]]] = {name: {} for name in SCHEDULES}

    def visit(self, number: int) -> None:
        for name, by_rate in self.final.items():
            runs = [train(self.task, name, 10 ** (number / PER_DECADE), seed) for seed in SEEDS]
            self.initial = [first for first, _ in runs]
            by_rate[number] = [final for _, final in runs]

    def best(self) -> set[int]:
        """Return the numbers of the best rates of all schedules."""

        def loss(by_rate: dict[int, list[float]], number: int) -> float:
            return clipped_mean(by_rate[number], self.initial)

        return {min(by_rate, key=lambda number: loss(by_rate, number)) for by_rate in self.final.values()}


def measure(name: str, bank: BankStore) -> dict[str, Any]:
    """Train a task of the bank over a grid with every schedule. None stands for an infinite loss."""
    runs, began = _Runs(BANK[name]), time.perf_counter()
    known = TaskRegret(name, bank)
    around = [round(PER_DECADE * math.log10(known.best_lr(protocol))) for protocol in ("constant", "onecycle")]
    low, high = min(around) - _BELOW, max(around) + _ABOVE
    for number in range(low, high + 1):
        runs.visit(number)
    while high - low + 1 < _MOST:
        if low in runs.best():
            low -= 1
            runs.visit(low)
        elif high in runs.best():
            high += 1
            runs.visit(high)
        else:
            break
    order = range(low, high + 1)
    losses = {
        schedule: [[_short(loss) for loss in by_rate[number]] for number in order]
        for schedule, by_rate in runs.final.items()
    }
    return {
        "task": name,
        "optimizer": ORIGINS[name].families["optimizer"],
        "steps": runs.task.steps,
        "seeds": SEEDS,
        "initial": [_short(loss) for loss in runs.initial],
        "constant_answer": bank.ground_truth(name)["constant_answer"],
        "lr": [float(f"{10 ** (number / PER_DECADE):.4g}") for number in order],
        "final": losses,
        "torch": str(torch.__version__),
        "seconds": round(time.perf_counter() - began, 1),
    }


def _short(value: float) -> float | None:
    return float(f"{value:.5g}") if math.isfinite(value) else None
