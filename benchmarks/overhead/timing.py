"""Wall time, in units of the bare loop of the same repetition."""

import json
from collections.abc import Callable, Sequence

import click

from benchmarks.overhead.records import Record, machine, once, spread
from benchmarks.overhead.variants.registry import BASELINE
from benchmarks.overhead.workloads import build

# Of whose own loop, without a sweep, a variant is a multiple.
FIT_OF = {
    "lightning": "lightning_fit",
    "lrrange_lightning": "lightning_fit",
    "ignite": "ignite_run",
    "fastai": "fastai_fit",
}


def measure_time(workload: str, variants: Sequence[str], repetitions: int, steps: int) -> Record:
    """Every variant once a repetition, in alternating order.

    A ratio divides by the bare loop of the same repetition, so that what slows the machine down for a while slows both.
    A variant that fails is noted with its error.
    """
    failed: dict[str, str] = {}
    for name in variants:  # imports, caches and the allocator, untimed
        error = _error_of(lambda name=name: once(build(workload, steps), name))  # type: ignore[misc]
        if error is not None:
            failed[name] = error
    names = [name for name in variants if name not in failed]
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for repetition in range(repetitions):
        for name in names if repetition % 2 == 0 else names[::-1]:
            runs[name].append(once(build(workload, steps), name))
    return {
        "machine": machine(),
        "steps": steps,
        "repetitions": repetitions,
        "failed": failed,
        "variants": {name: _ratios(name, runs) for name in names},
    }


def _error_of(call: Callable[[], object]) -> str | None:
    try:
        call()
    except Exception as error:  # a peer that cannot do it is a result
        lines = str(error).splitlines()
        return f"{type(error).__name__}: {lines[0] if lines else ''}"
    return None


def _ratios(name: str, runs: dict[str, list[dict[str, float]]]) -> Record:
    mine, bare = runs[name], runs[BASELINE]
    a_step = [run["steps"] / run["forwards"] for run in bare]
    ratios = {
        "forwards": mine[0]["forwards"],
        "total": spread([run["total"] / base["total"] for run, base in zip(mine, bare, strict=True)]),
        "a_step": spread([run["steps"] / run["forwards"] / step for run, step in zip(mine, a_step, strict=True)]),
        "before_in_steps": spread([run["before"] / step for run, step in zip(mine, a_step, strict=True)]),
        "after_in_steps": spread([run["after"] / step for run, step in zip(mine, a_step, strict=True)]),
    }
    fit = runs.get(FIT_OF.get(name, ""))
    if fit is not None:
        own = [run["steps"] / run["forwards"] for run in fit]
        ratios["a_step_of_fit"] = spread(
            [run["steps"] / run["forwards"] / step for run, step in zip(mine, own, strict=True)]
        )
    return ratios


def summary(workload: str, record: Record) -> str:
    """One line, for the terminal."""
    medians = {name: round(row["total"]["median"], 3) for name, row in record["variants"].items()}
    return click.style(workload, bold=True) + f" {json.dumps(medians)} {record['failed'] or ''}"
