"""What all measurements share: one job run once, in quiet; spreads; where results are kept."""

import contextlib
import gc
import json
import logging
import os
import platform
import statistics
import time
import warnings
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from benchmarks.overhead.variants.registry import VARIANTS
from benchmarks.overhead.workloads import Job

RESULTS = Path(__file__).parent / "results"

Record = dict[str, Any]


def spread(values: Sequence[float]) -> Record:
    """Median, smallest and largest."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "n": len(values)}


def machine() -> Record:
    """What was measured on."""
    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "lrrange": version("lrrange"),
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
    }


def write(results: Path, name: str, record: Record) -> None:
    """Keep a record as JSON."""
    results.mkdir(parents=True, exist_ok=True)
    results.joinpath(f"{name}.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def read(results: Path, name: str) -> Record | None:
    """A record that was kept; None if there is none."""
    path = results / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Progress bars are drawn as by default, to a terminal that nobody watches."""
    logging.disable(logging.CRITICAL)
    try:
        with (
            open(os.devnull, "w") as null,
            contextlib.redirect_stdout(null),
            contextlib.redirect_stderr(null),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


def once(job: Job, variant: str) -> dict[str, float]:
    """Run one variant of a fresh job once, the garbage collector off.

    Returns: seconds in total, before the first forward pass, from the first to the last step, and after; the number of
        forward passes.
    """
    with quiet():
        run = VARIANTS[variant](job)
        gc.collect()
        gc.disable()
        try:
            began = time.perf_counter()
            run()
            ended = time.perf_counter()
        finally:
            gc.enable()
    starts = job.model.clock.starts
    stepping = (starts[-1] - starts[0]) * len(starts) / (len(starts) - 1)
    before = starts[0] - began
    return {
        "total": ended - began,
        "before": before,
        "steps": stepping,
        "after": ended - began - before - stepping,
        "forwards": float(len(starts)),
    }
