"""Many sweeps at once: a grid of so many weight decays, its sweeps taken together over the same one after another."""

import gc
import time

import torch

import lrrange
from benchmarks.overhead.records import Record, machine, quiet, spread
from benchmarks.overhead.variants.bare_loops import END_LR, START_LR
from benchmarks.overhead.workloads import Job, build
from lrrange.finder.together import Parallel

COUNTS = (2, 8, 32, 128)

# Enough for `parallel="auto"` to measure some and go on; a usual sweep would take minutes at the larger counts.
_STEPS = 40


def measure_together(workload: str, counts: tuple[int, ...], repetitions: int) -> Record:
    """Both ways once a repetition, in alternating order, and what `parallel="auto"` decides."""
    return {
        "machine": {**machine(), "device": _device()},
        "steps": _STEPS,
        "repetitions": repetitions,
        "points": [_point(workload, count, repetitions) for count in counts],
    }


def _point(workload: str, count: int, repetitions: int) -> Record:
    _once(workload, min(count, 2), "vmap")  # imports, caches and the allocator, untimed
    pairs = []
    for repetition in range(repetitions):
        order = ("vmap", "off") if repetition % 2 else ("off", "vmap")
        took = {parallel: _once(workload, count, parallel)[0] for parallel in order}
        pairs.append(took["off"] / took["vmap"])
    grid = _once(workload, count, "vmap")[1]
    auto, decided = _once(workload, count, "auto")
    off, alone = _once(workload, count, "off")
    return {
        "count": count,
        "times_as_fast": spread(pairs),
        "forced": _said(grid),
        "auto": _said(decided),
        "auto_over_off": auto / off,
        "largest_difference": max(map(_difference, grid.cells, alone.cells)),
    }


def _once(workload: str, count: int, parallel: Parallel) -> tuple[float, lrrange.Grid]:
    def make(weight_decay: float) -> tuple[object, dict[str, object]]:
        job = build(workload, _STEPS)
        return job.model.to(_device()), _training(job, weight_decay)

    settings = {"weight_decay": [1e-4 * number / count for number in range(count)]}
    options = {"start_lr": START_LR, "end_lr": END_LR, "num_steps": _STEPS, "divergence": None, "verify_restore": False}
    with quiet():
        gc.collect()
        began = time.perf_counter()
        grid = lrrange.grid(make, settings, parallel=parallel, **options)
        return time.perf_counter() - began, grid


def _training(job: Job, weight_decay: float) -> dict[str, object]:
    optimizer = job.optimizer()
    for group in optimizer.param_groups:
        group["weight_decay"] = weight_decay
    return {"optimizer": optimizer, "loss_fn": job.criterion, "loader": job.loader}


def _said(grid: lrrange.Grid) -> str:
    return str(grid[0].result.provenance.details["parallel"][0])


def _difference(one: lrrange.GridCell, other: lrrange.GridCell) -> float:
    """The largest difference of two curves, in parts of the loss."""
    pairs = zip(one.result.curve.loss, other.result.curve.loss, strict=True)
    return max(abs(loss - another) / abs(another) for loss, another in pairs)


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"
