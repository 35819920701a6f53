"""Run finders on tasks, and keep what they suggest and what it cost."""

import contextlib
import io
import math
import time
from collections.abc import Iterable
from importlib.metadata import version

import attrs

from benchmarks.quality.finders import FINDERS, PACKAGES, Answer, MeteredTask
from benchmarks.quality.store import Row, Store
from benchmarks.quality.tasks.registry import TASKS

# None of the seeds that the ground truth was measured with.
SEEDS = (10, 11, 12, 13, 14)


def run(name: str, tasks: Iterable[str], store: Store, seeds: Iterable[int] = SEEDS) -> list[Row]:
    """Ask a finder about each task and seed, and keep the rows."""
    package = PACKAGES.get(name)
    known = f"{package} {version(package)}" if package else None
    rows = [_ask(name, task, seed) | {"version": known} for task in tasks for seed in seeds]
    store.save_suggestions(name, rows)
    return rows


def _ask(name: str, task_name: str, seed: int) -> Row:
    task, began = MeteredTask(TASKS[task_name]), time.perf_counter()
    answer, error = Answer.one_rate(None), None
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            answer = FINDERS[name](task, seed)
        if not (_usable(answer.lr) and _usable(answer.max_lr)):
            error = f"suggested lr={answer.lr}, max_lr={answer.max_lr}"
    except Exception as raised:
        error = f"{type(raised).__name__}: {raised}"[:200]
    rates = {key: float(value) if _usable(value) else None for key, value in attrs.asdict(answer).items()}
    seconds = round(time.perf_counter() - began, 3)
    return {"task": task_name, "seed": seed, **rates, "error": error, **attrs.asdict(task.cost), "seconds": seconds}


def _usable(rate: float | None) -> bool:
    return rate is not None and math.isfinite(rate) and rate > 0
