"""Measure wall time, in units of the bare loop of the same repetition."""

import json
from collections.abc import Callable, Sequence

import click

from benchmarks.overhead.records import Record, machine, run_once, spread
from benchmarks.overhead.variants.registry import BASELINE
from benchmarks.overhead.workloads import build

# The variant that is the framework's own training loop without a sweep, by the variant that sweeps in it.
FIT_WITHOUT_SWEEP = {
    "lightning": "lightning_fit",
    "lrrange_lightning": "lightning_fit",
    "ignite": "ignite_run",
    "fastai": "fastai_fit",
}


def measure_time(workload: str, variants: Sequence[str], repetitions: int, steps: int) -> Record:
    """Run every variant once in each repetition, in alternating order, and return the ratios to the bare loop.

    A ratio divides by the bare loop of the same repetition, so that what slows the machine down for a while slows both.
    A variant that fails is recorded with its error.
    """
    failed: dict[str, str] = {}
    for name in variants:  # untimed: imports, caches and the allocator
        error = _error_of(lambda name=name: run_once(build(workload, steps), name))  # type: ignore[misc]
        if error is not None:
            failed[name] = error
    names = [name for name in variants if name not in failed]
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for repetition in range(repetitions):
        for name in names if repetition % 2 == 0 else names[::-1]:
            runs[name].append(run_once(build(workload, steps), name))
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
    except Exception as error:  # that another finder cannot run this workload is a result too
        lines = str(error).splitlines()
        return f"{type(error).__name__}: {lines[0] if lines else ''}"
    return None


def _ratios(name: str, runs: dict[str, list[dict[str, float]]]) -> Record:
    own, bare = runs[name], runs[BASELINE]
    bare_step = [run["steps"] / run["forwards"] for run in bare]
    ratios = {
        "forwards": own[0]["forwards"],
        "total": spread([run["total"] / base["total"] for run, base in zip(own, bare, strict=True)]),
        "a_step": spread([run["steps"] / run["forwards"] / step for run, step in zip(own, bare_step, strict=True)]),
        "before_in_steps": spread([run["before"] / step for run, step in zip(own, bare_step, strict=True)]),
        "after_in_steps": spread([run["after"] / step for run, step in zip(own, bare_step, strict=True)]),
    }
    fit = runs.get(FIT_WITHOUT_SWEEP.get(name, ""))
    if fit is not None:
        fit_step = [run["steps"] / run["forwards"] for run in fit]
        ratios["a_step_of_fit"] = spread(
            [run["steps"] / run["forwards"] / step for run, step in zip(own, fit_step, strict=True)]
        )
    return ratios


def medians_line(workload: str, record: Record) -> str:
    """Return the medians of a record as one line for the terminal."""
    medians = {name: round(row["total"]["median"], 3) for name, row in record["variants"].items()}
    return click.style(workload, bold=True) + f" {json.dumps(medians)} {record['failed'] or ''}"
