"""Ask finders for learning rates, and keep what they suggest and what it cost."""

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

# The ground truth was measured with other seeds.
SEEDS = (10, 11, 12, 13, 14)


def ask(finder: str, tasks: Iterable[str], store: Store, seeds: Iterable[int] = SEEDS) -> list[Row]:
    """Run a finder on each task with each seed, and store one row for each."""
    package = PACKAGES.get(finder)
    package_version = f"{package} {version(package)}" if package else None
    rows = [_row(finder, task, seed) | {"version": package_version} for task in tasks for seed in seeds]
    store.save_suggestions(finder, rows)
    return rows


def _row(finder: str, task_name: str, seed: int) -> Row:
    task, began = MeteredTask(TASKS[task_name]), time.perf_counter()
    answer, error = Answer.one_rate(None), None
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            answer = FINDERS[finder](task, seed)
        if not (_usable(answer.lr) and _usable(answer.max_lr)):
            error = f"suggested lr={answer.lr}, max_lr={answer.max_lr}"
    except Exception as failure:
        error = f"{type(failure).__name__}: {failure}"[:200]
    rates = {key: float(value) if _usable(value) else None for key, value in attrs.asdict(answer).items()}
    seconds = round(time.perf_counter() - began, 3)
    return {"task": task_name, "seed": seed, **rates, "error": error, **attrs.asdict(task.cost), "seconds": seconds}


def _usable(rate: float | None) -> bool:
    return rate is not None and math.isfinite(rate) and rate > 0
