"""Time a grid of many sweeps: run together by `parallel="vmap"`, and one after another."""

import gc
import time

import torch

import lrrange
from benchmarks.overhead.records import Record, machine, silence, spread
from benchmarks.overhead.variants.bare_loops import END_LR, START_LR
from benchmarks.overhead.workloads import Job, build
from lrrange.finder.together import Parallel

COUNTS = (2, 8, 32, 128)

# Long enough for `parallel="auto"` to measure a few steps and decide. A usual sweep would take minutes at the larger
# counts.
_STEPS = 40


def measure_together(workload: str, counts: tuple[int, ...], repetitions: int) -> Record:
    """Run grids of these sizes together and one by one, and return how many times as fast they are together.

    Each repetition runs both, in alternating order. The record also has what `parallel="auto"` decides.
    """
    return {
        "machine": {**machine(), "device": _device()},
        "steps": _STEPS,
        "repetitions": repetitions,
        "points": [_point(workload, count, repetitions) for count in counts],
    }


def _point(workload: str, count: int, repetitions: int) -> Record:
    _time_grid(workload, min(count, 2), "vmap")  # untimed: imports, caches and the allocator
    speed_ups = []
    for repetition in range(repetitions):
        order = ("vmap", "off") if repetition % 2 else ("off", "vmap")
        seconds = {parallel: _time_grid(workload, count, parallel)[0] for parallel in order}
        speed_ups.append(seconds["off"] / seconds["vmap"])
    together = _time_grid(workload, count, "vmap")[1]
    auto_seconds, auto = _time_grid(workload, count, "auto")
    alone_seconds, alone = _time_grid(workload, count, "off")
    return {
        "count": count,
        "times_as_fast": spread(speed_ups),
        "forced": _parallel_note(together),
        "auto": _parallel_note(auto),
        "auto_over_off": auto_seconds / alone_seconds,
        "largest_difference": max(map(_difference, together.cells, alone.cells)),
    }


def _time_grid(workload: str, count: int, parallel: Parallel) -> tuple[float, lrrange.Grid]:
    def make(weight_decay: float) -> tuple[object, dict[str, object]]:
        job = build(workload, _STEPS)
        return job.model.to(_device()), _training(job, weight_decay)

    settings = {"weight_decay": [1e-4 * number / count for number in range(count)]}
    options = {"start_lr": START_LR, "end_lr": END_LR, "num_steps": _STEPS, "divergence": None, "verify_restore": False}
    with silence():
        gc.collect()
        began = time.perf_counter()
        grid = lrrange.grid(make, settings, parallel=parallel, **options)
        return time.perf_counter() - began, grid


def _training(job: Job, weight_decay: float) -> dict[str, object]:
    optimizer = job.optimizer()
    for group in optimizer.param_groups:
        group["weight_decay"] = weight_decay
    return {"optimizer": optimizer, "loss_fn": job.criterion, "loader": job.loader}


def _parallel_note(grid: lrrange.Grid) -> str:
    """Return how the sweeps were run, and if one by one, why."""
    return str(grid[0].result.provenance.details["parallel"][0])


def _difference(cell: lrrange.GridCell, other: lrrange.GridCell) -> float:
    """Return the largest relative difference between the losses of two sweeps."""
    pairs = zip(cell.result.curve.loss, other.result.curve.loss, strict=True)
    return max(abs(loss - other_loss) / abs(other_loss) for loss, other_loss in pairs)


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"
