"""Measure peak memory, compared with the bare loop, and bytes written. Each run has a fresh process. Linux only."""

import gc
import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.overhead.records import Record, machine, silence, spread
from benchmarks.overhead.variants.registry import BASELINE, VARIANTS
from benchmarks.overhead.workloads import build

# Enough to include a snapshot, the memory of the steps themselves, and a restore.
STEPS = 12

_MIB = 2**20


def measure_memory(workload: str, variants: Sequence[str], repetitions: int) -> Record:
    """Run every variant in fresh processes, and return how much more memory each takes than the bare loop.

    The memory that a run takes is its peak resident memory, less the resident memory just before it.
    """
    runs: dict[str, list[Record]] = {name: [] for name in variants}
    for _ in range(repetitions):
        for name in variants:
            runs[name].append(_run_in_process(workload, name))
    failed = {name: run["error"] for name, rows in runs.items() for run in rows[:1] if "error" in run}
    bare = statistics.median(run["rise"] for run in runs[BASELINE])
    size, changed = runs[BASELINE][0]["parameters"], runs[BASELINE][0]["trained"]
    rows = {}
    for name in variants:
        if name in failed:
            continue
        rises = [run["rise"] - bare for run in runs[name]]
        rows[name] = {
            "over_bare_mib": spread([rise / _MIB for rise in rises]),
            "over_bare_in_parameters": statistics.median(rises) / size,
            "over_bare_in_trained": statistics.median(rises) / changed,
            "written_mib": statistics.median(run["written"] for run in runs[name]) / _MIB,
        }
    return {
        "machine": machine(),
        "steps": STEPS,
        "repetitions": repetitions,
        "parameters_mib": size / _MIB,
        "trained_mib": changed / _MIB,
        "failed": failed,
        "variants": rows,
    }


def _run_in_process(workload: str, variant: str) -> Record:
    command = [sys.executable, "-m", "benchmarks.overhead", "child", workload, variant]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    if process.returncode:
        return {"error": process.stderr.strip().splitlines()[-1]}
    return json.loads(process.stdout.strip().splitlines()[-1])


def measure_run(workload: str, variant: str, steps: int = STEPS) -> Record:
    """Run a variant once, and return in bytes how far memory rose and how much was written.

    The process must do nothing else.
    """
    with silence():
        VARIANTS[variant](build("tiny", steps))()  # not measured: late imports and buffers of first calls
        job = build(workload, steps)
        run = VARIANTS[variant](job)
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5")  # resets the peak to the present size
        resident, written = _status("VmRSS"), _written()
        run()
        peak, written = _status("VmHWM"), _written() - written
    return {
        "rise": peak - resident,
        "written": written,
        "parameters": sum(parameter.nbytes for parameter in job.model.parameters()),
        "trained": sum(parameter.nbytes for parameter in job.trained),
    }


def _status(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{key}:"))


def _written() -> int:
    lines = Path("/proc/self/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("wchar:"))
