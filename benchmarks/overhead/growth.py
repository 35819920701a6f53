"""Measure how the cost of a sweep grows with its steps, the parameters and the param groups."""

import statistics
from collections.abc import Callable

import torch
from torch import nn

from benchmarks.overhead.records import Record, machine, run_once, spread
from benchmarks.overhead.variants.registry import BASELINE
from benchmarks.overhead.workloads import Job, TimedModel, mlp, random_batches, repeated, sgd, tiny

SWEEP = "lrrange_torch"

STEPS = (50, 100, 200, 400, 800, 1600)
PARAMETERS = (10**4, 10**5, 10**6, 10**7, 10**8)
GROUPS = (1, 2, 5, 10, 20, 50, 100, 200)

# The length of a sweep. Models from this size on take fewer steps, because the cost is also given in bare steps.
_USUAL_STEPS, _FEW_STEPS = 100, 20
_LARGE = 10**7


def _job_with_parameters(count: int) -> Job:
    """Return a job whose model is an MLP of about `count` parameters."""
    # Of the weights and biases of h hidden units, roughly: 64 h + h * h / 3 + 10 h / 3, and h + h / 3 + 10.
    hidden = int((-75 + (75**2 + 4 * count / 3) ** 0.5) / (2 / 3))
    steps = _USUAL_STEPS if count < _LARGE else _FEW_STEPS
    return Job(
        model=TimedModel(mlp(64, hidden)),
        criterion=nn.CrossEntropyLoss(),
        make_optimizer=sgd(),
        loader=repeated(random_batches(64, 32), steps),
        steps=steps,
    )


def _job_with_groups(count: int) -> Job:
    """Return a job whose model has `count` small layers, each in a param group of its own."""
    layers = [nn.Linear(64, 10), *(nn.Linear(10, 10) for _ in range(count - 1))]
    return Job(
        model=TimedModel(nn.Sequential(*layers)),
        criterion=nn.CrossEntropyLoss(),
        make_optimizer=lambda _: torch.optim.SGD(
            [{"params": list(layer.parameters()), "lr": 1e-7} for layer in layers], momentum=0.9
        ),
        loader=repeated(random_batches(64, 32), _USUAL_STEPS),
        steps=_USUAL_STEPS,
    )


AXES: dict[str, tuple[tuple[int, ...], Callable[[int], Job]]] = {
    "steps": (STEPS, tiny),
    "parameters": (PARAMETERS, _job_with_parameters),
    "groups": (GROUPS, _job_with_groups),
}


def measure_growth(axis: str, repetitions: int, largest: float) -> Record:
    """Measure the sweep and the bare loop in turn, at each size up to `largest`, and return their ratios."""
    sizes, make = AXES[axis]
    return {
        "machine": machine(),
        "repetitions": repetitions,
        "points": [_point(size, make, repetitions) for size in sizes if size <= largest],
    }


def _point(size: int, make: Callable[[int], Job], repetitions: int) -> Record:
    def run(variant: str) -> dict[str, float]:
        torch.manual_seed(0)
        return run_once(make(size), variant)

    run(BASELINE), run(SWEEP)
    pairs = [(run(BASELINE), run(SWEEP)) for _ in range(repetitions)]
    return {
        "size": size,
        "steps": pairs[0][0]["forwards"],
        "bare_step_ms": 1000 * statistics.median(bare["total"] / bare["forwards"] for bare, _ in pairs),
        "ratio": spread([sweep["total"] / bare["total"] for bare, sweep in pairs]),
        "extra_in_steps": spread([(sweep["total"] / bare["total"] - 1) * bare["forwards"] for bare, sweep in pairs]),
    }
