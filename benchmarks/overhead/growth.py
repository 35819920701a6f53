"""How what a sweep costs grows: with its steps, with the parameters, with the param groups."""

import statistics
from collections.abc import Callable

import torch
from torch import nn

from benchmarks.overhead.records import Record, machine, once, spread
from benchmarks.overhead.variants.registry import BASELINE
from benchmarks.overhead.workloads import Job, Timed, classified, from_memory, mlp, sgd, tiny

SWEEP = "lrrange_torch"

STEPS = (50, 100, 200, 400, 800, 1600)
PARAMETERS = (10**4, 10**5, 10**6, 10**7, 10**8)
GROUPS = (1, 2, 5, 10, 20, 50, 100, 200)

# A sweep's usual length, and a shorter one where a step takes long: what is extra is measured in steps.
_USUAL, _SHORT = 100, 20
_LARGE = 10**7


def _of_parameters(count: int) -> Job:
    """An MLP of about so many parameters."""
    hidden = int((-75 + (75**2 + 4 * count / 3) ** 0.5) / (2 / 3))  # 64 w + w * w / 3 + 10 w / 3, and biases
    steps = _USUAL if count < _LARGE else _SHORT
    return Job(
        model=Timed(mlp(64, hidden)),
        criterion=nn.CrossEntropyLoss(),
        make_optimizer=sgd(),
        loader=from_memory(classified(64, 32), steps),
        steps=steps,
    )


def _of_groups(count: int) -> Job:
    """So many small layers, each a param group."""
    layers = [nn.Linear(64, 10), *(nn.Linear(10, 10) for _ in range(count - 1))]
    return Job(
        model=Timed(nn.Sequential(*layers)),
        criterion=nn.CrossEntropyLoss(),
        make_optimizer=lambda _: torch.optim.SGD(
            [{"params": list(layer.parameters()), "lr": 1e-7} for layer in layers], momentum=0.9
        ),
        loader=from_memory(classified(64, 32), _USUAL),
        steps=_USUAL,
    )


AXES: dict[str, tuple[tuple[int, ...], Callable[[int], Job]]] = {
    "steps": (STEPS, tiny),
    "parameters": (PARAMETERS, _of_parameters),
    "groups": (GROUPS, _of_groups),
}


def measure_growth(axis: str, repetitions: int, largest: float) -> Record:
    """The sweep over the bare loop, interleaved, at each size up to `largest`."""
    sizes, make = AXES[axis]
    return {
        "machine": machine(),
        "repetitions": repetitions,
        "points": [_point(size, make, repetitions) for size in sizes if size <= largest],
    }


def _point(size: int, make: Callable[[int], Job], repetitions: int) -> Record:
    def run(variant: str) -> dict[str, float]:
        torch.manual_seed(0)
        return once(make(size), variant)

    run(BASELINE), run(SWEEP)
    pairs = [(run(BASELINE), run(SWEEP)) for _ in range(repetitions)]
    return {
        "size": size,
        "steps": pairs[0][0]["forwards"],
        "bare_step_ms": 1000 * statistics.median(bare["total"] / bare["forwards"] for bare, _ in pairs),
        "ratio": spread([sweep["total"] / bare["total"] for bare, sweep in pairs]),
        "extra_in_steps": spread([(sweep["total"] / bare["total"] - 1) * bare["forwards"] for bare, sweep in pairs]),
    }
