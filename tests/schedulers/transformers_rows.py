"""The schedulers that transformers' Trainer can be told to use, by name."""

from typing import Any

from torch.optim import Optimizer
from transformers import get_scheduler
from transformers.trainer_utils import SchedulerType

from tests.schedulers.oracle import Row
from tests.schedulers.rows import with_metric

_OPTIONS: dict[str, dict[str, Any]] = {
    "cosine_with_restarts": {"num_cycles": 3},
    "polynomial": {"lr_end": 1e-4, "power": 0.9},
    "reduce_lr_on_plateau": {"patience": 3, "min_lr": 1e-4},
    "cosine_with_min_lr": {"min_lr": 1e-3},
    "cosine_warmup_with_min_lr": {"min_lr": 1e-3, "warmup_lr_rate": 0.01},
    "warmup_stable_decay": {"num_decay_steps": 20, "min_lr_ratio": 0.01},
    "greedy": {"patience": 3, "min_lr": 1e-3, "max_lr": 1.0},
}


def row(name: str) -> Row:
    """Return the scheduler of this name, over 110 steps."""

    def make(optimizer: Optimizer) -> Any:
        options = {"num_training_steps": 110, "scheduler_specific_kwargs": dict(_OPTIONS.get(name, {}))}
        return get_scheduler(name, optimizer, num_warmup_steps=10, **options)

    return Row(make, with_metric) if name in ("reduce_lr_on_plateau", "greedy") else Row(make)


TRANSFORMERS = {kind.value: row(kind.value) for kind in SchedulerType}
