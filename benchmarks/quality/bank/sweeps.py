"""Default sweeps of the bank's trainings, as `find_lr` takes them, with the losses of the initial weights beside them.

    $ python -m benchmarks.quality.bank.sweeps --processes 2

The rates are not stored: a sweep gives out the same rates for the same losses.
"""

import math
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import click
import numpy as np
import torch

from benchmarks.quality.bank.generator import BANK, ORIGINS, STEPS_BEFORE, Origin
from benchmarks.quality.bank.measuring import SWEEP_SEEDS, forward
from benchmarks.quality.bank.store import BankStore
from benchmarks.quality.replays import told
from benchmarks.quality.store import RESULTS
from lrrange import Sweep
from lrrange.finder.plan_defaults import further_up, may_go_further_up, plan_for

# Losses beyond this are not told from infinite ones.
_EXPLODED = 1e30


def highest_of(origin: Origin) -> float | None:
    """Return the rate above which an optimizer's own cap makes all rates equal; None without a cap."""
    if origin.recipe.kind != "adafactor":
        return None
    return 1 / math.sqrt((STEPS_BEFORE if origin.resumed else 0) + 1)


def default_sweep(origin: Origin) -> Sweep:
    """Return the sweep that `find_lr` takes of a training, ready to begin."""
    highest = highest_of(origin)
    bounds = {} if highest is None else {"highest_lr": highest}
    extends = may_go_further_up(bounds)
    plan = plan_for(None, None, None, "exponential", bounds)
    sweep = Sweep(plan, extend=lambda curve: further_up(sweep.plan, curve) if extends else None)
    return sweep


def replay(losses: Iterable[float], origin: Origin) -> Sweep:
    """Return the default sweep that was told these losses."""
    return told(default_sweep(origin), losses)


def take(name: str, seed: int) -> tuple[list[float], list[float]]:
    """Take a default sweep. Return its losses, and those of the initial weights on the same batches."""
    sweep, problem = default_sweep(ORIGINS[name]), BANK[name].build(seed)
    optimizer = problem.optimizer(sweep.lr)
    for batch in problem.batches():
        for group in optimizer.param_groups:
            group["lr"] = sweep.lr
        loss = problem.update(optimizer, batch)
        # As it is stored, so that the same losses are told again.
        if not sweep.tell(float(np.float32(loss)) if abs(loss) < _EXPLODED else math.nan):
            break
    again = BANK[name].build(seed)
    again.optimizer(sweep.points[0].lr)
    baseline = [forward(again, batch) for batch, _ in zip(again.batches(), sweep.points, strict=False)]
    return [point.loss for point in sweep.points], baseline


def _all_of(name: str) -> np.ndarray:
    pairs = [take(name, seed) for seed in SWEEP_SEEDS]
    longest = max(len(losses) for losses, _ in pairs)
    stored = np.full((2, len(pairs), longest), np.nan, np.float32)
    for index, pair in enumerate(pairs):
        for kind, losses in enumerate(pair):
            stored[kind, index, : len(losses)] = losses
    return stored


@click.command()
@click.option("--processes", default=1, show_default=True)
@click.option("--results", type=click.Path(path_type=Path), default=RESULTS, help="The folder of measurements.")
def main(processes: int, results: Path) -> None:
    """Take the default sweeps of all trainings of the bank, and store their losses."""
    store, began = BankStore(results), time.perf_counter()
    tasks = store.measured()
    with ProcessPoolExecutor(processes, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        stored = dict(zip(tasks, pool.map(_all_of, tasks, chunksize=4), strict=True))
    store.save_default_sweeps(stored)
    steps = np.mean([np.isfinite(arrays[0]).sum(axis=-1).mean() for arrays in stored.values()])
    click.echo(f"{len(stored)} trainings, {steps:.1f} steps a sweep, in {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
