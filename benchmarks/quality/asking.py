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
from benchmarks.quality.tasks.task import Task

# The ground truth was measured with other seeds.
SEEDS = (10, 11, 12, 13, 14)


def ask(finder: str, tasks: Iterable[str], store: Store, seeds: Iterable[int] = SEEDS) -> list[Row]:
    """Run a finder on each task with each seed, and store one row for each."""
    rows = [suggest(finder, TASKS[task], seed) for task in tasks for seed in seeds]
    store.save_suggestions(finder, rows)
    return rows


def suggest(finder: str, task: Task, seed: int) -> Row:
    """Run a finder once. Return its suggestion, or its error, and what it cost."""
    metered, began = MeteredTask(task), time.perf_counter()
    answer, error = Answer.one_rate(None), None
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            answer = FINDERS[finder](metered, seed)
        if not (_usable(answer.lr) and _usable(answer.max_lr)):
            error = f"suggested lr={answer.lr}, max_lr={answer.max_lr}"
    except Exception as failure:
        error = f"{type(failure).__name__}: {failure}"[:200]
    rates = {
        key: float(value) if _usable(value) else None
        for key, value in attrs.asdict(answer).items()
        if key != "confident"
    }
    return {
        "task": task.name,
        "seed": seed,
        **rates,
        "confident": answer.confident,
        "error": error,
        **attrs.asdict(metered.cost),
        "seconds": round(time.perf_counter() - began, 3),
        "version": package_version(finder),
    }


def package_version(finder: str) -> str | None:
    """Return the name and the version of the package that a finder belongs to; None if it belongs to none."""
    package = PACKAGES.get(finder)
    return f"{package} {version(package)}" if package else None


def _usable(rate: float | None) -> bool:
    return rate is not None and math.isfinite(rate) and rate > 0
