"""The schedules that are compared, each as a factor of the peak rate at every step of a training."""

import math
from collections.abc import Callable

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from benchmarks.quality.ground_truth import one_cycle

_FIRST_DROP, _SECOND_DROP, _DROP = 0.6, 0.85, 0.1


def _linear_decay(step: int, steps: int) -> float:
    return 1 - step / steps


def _warm_up_and_decay(warm_up: float) -> Callable[[int, int], float]:
    """Return the schedule of `transformers.get_linear_schedule_with_warmup`: a linear rise, then a linear decay."""

    def factor(step: int, steps: int) -> float:
        rise = max(1, round(warm_up * steps))
        return (step + 1) / rise if step < rise else (steps - step) / (steps - rise)

    return factor


def _cosine_decay(step: int, steps: int) -> float:
    return 0.5 * (1 + math.cos(math.pi * step / steps))


def _step_decay(step: int, steps: int) -> float:
    return _DROP ** ((step >= _FIRST_DROP * steps) + (step >= _SECOND_DROP * steps))


FACTORS: dict[str, Callable[[int, int], float]] = {
    "linear": _linear_decay,
    "warm-up 5 %, linear": _warm_up_and_decay(0.05),
    "warm-up 10 %, linear": _warm_up_and_decay(0.1),
    "cosine": _cosine_decay,
    "steps": _step_decay,
}

# Those that are compared with a constant rate and with one cycle.
DECAYS = tuple(FACTORS)
SCHEDULES = ("constant", "onecycle", *DECAYS)


def scheduler(name: str, optimizer: Optimizer, lr: float, steps: int) -> LRScheduler | None:
    """Return the scheduler of this name with this peak rate, for a training of so many steps; None for a constant."""
    if name == "constant":
        return None
    if name == "onecycle":
        return one_cycle(optimizer, lr, steps)
    return LambdaLR(optimizer, lambda step: FACTORS[name](min(step, steps - 1), steps))
