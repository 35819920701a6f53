"""The long jobs of the bank, on several processes: complete runs of each task, and finders on each task.

Both can be interrupted and started again: what is stored is not done again.
"""

import json
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed

import numpy as np
import torch

from benchmarks.quality.asking import suggest
from benchmarks.quality.bank.generator import BANK
from benchmarks.quality.bank.measuring import measure
from benchmarks.quality.bank.store import BankStore
from benchmarks.quality.store import Row

# Fewer than on the other tasks, because there are many more tasks.
SEEDS = (10, 11, 12)


def measure_missing(tasks: Iterable[str], store: BankStore, processes: int = 1) -> Iterator[str]:
    """Measure the tasks that have no ground truth yet. Yield a line about each for the terminal."""
    store.folder.mkdir(parents=True, exist_ok=True)
    missing = sorted(set(tasks) - set(store.measured()))
    jobs = {name: (_measure_and_store, name, store) for name in missing}
    for done, (name, result) in enumerate(_in_processes(jobs, processes), 1):
        yield f"{done} of {len(missing)}: {name}: {result}"


def _measure_and_store(name: str, store: BankStore) -> str:
    measured, arrays = measure(name)
    np.savez_compressed(store.folder / f"{name}.npz", **arrays)
    (store.folder / f"{name}.json").write_text(json.dumps(measured) + "\n")
    lrs = measured["lr"]
    return f"{len(lrs)} rates from {lrs[0]:.1e} to {lrs[-1]:.1e}, {measured['seconds']} s"


def ask_missing(finders: Sequence[str], tasks: Iterable[str], store: BankStore, processes: int = 1) -> Iterator[str]:
    """Run finders on the tasks on which they have not run yet. Yield a line about each task for the terminal."""
    asked = {finder: {row["task"] for row in store.suggestions(finder)} for finder in finders}
    missing = {task: [finder for finder in finders if task not in asked[finder]] for task in tasks}
    jobs = {task: (_ask, names, task) for task, names in missing.items() if names}
    for done, (task, result) in enumerate(_in_processes(jobs, processes), 1):
        if isinstance(result, BaseException):
            yield f"{done} of {len(jobs)}: {task}: {result}"
            continue
        for finder, rows in result.items():
            store.save_suggestions(finder, rows)
        errors = sum(row["error"] is not None for rows in result.values() for row in rows)
        yield f"{done} of {len(jobs)}: {task}: {len(result)} finders, {errors} without an answer"


def _ask(finders: Sequence[str], task: str) -> dict[str, list[Row]]:
    """Run all finders on one task in one process, so that finders that read the same sweep share it."""
    return {finder: [suggest(finder, BANK[task], seed) for seed in SEEDS] for finder in finders}


def _in_processes(jobs: dict[str, tuple[Callable[..., object], ...]], processes: int) -> Iterator[tuple[str, object]]:
    """Run jobs in an order that mixes all kinds of tasks. Yield the name of each, and its result or its error."""
    order = list(jobs)
    random.Random(0).shuffle(order)
    if processes == 1:
        for name in order:
            job, *arguments = jobs[name]
            yield name, job(*arguments)
        return
    with ProcessPoolExecutor(processes, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        names = {pool.submit(*jobs[name]): name for name in order}
        for job in as_completed(names):
            yield names[job], job.exception() or job.result()
