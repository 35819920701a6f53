"""Run a variant once, and keep measurements as JSON records."""

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
    """Return median, smallest and largest value."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "n": len(values)}


def machine() -> Record:
    """Return the versions, threads, cores and load of the present machine."""
    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "lrrange": version("lrrange"),
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
    }


def write(results: Path, name: str, record: Record) -> None:
    """Write a record as JSON."""
    results.mkdir(parents=True, exist_ok=True)
    results.joinpath(f"{name}.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def read(results: Path, name: str) -> Record | None:
    """Return the record of that name; None if there is none."""
    path = results / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Discard output, logs and warnings. Progress bars are drawn as by default, but to the null device."""
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


def run_once(job: Job, variant: str) -> dict[str, float]:
    """Run a variant on a fresh job, with the garbage collector off.

    Returns: seconds in total, before the first forward pass, in the steps, and after the last step; and the number of
        forward passes.
    """
    with silence():
        run = VARIANTS[variant](job)
        gc.collect()
        gc.disable()
        try:
            began = time.perf_counter()
            run()
            ended = time.perf_counter()
        finally:
            gc.enable()
    starts = job.model.starts()
    stepping = (starts[-1] - starts[0]) * len(starts) / (len(starts) - 1)
    before = starts[0] - began
    return {
        "total": ended - began,
        "before": before,
        "steps": stepping,
        "after": ended - began - before - stepping,
        "forwards": float(len(starts)),
    }
