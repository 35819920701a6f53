"""Peak memory over the bare loop's, and bytes written: a fresh process each, on Linux."""

import gc
import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.overhead.records import Record, machine, quiet, spread
from benchmarks.overhead.variants.registry import BASELINE, VARIANTS
from benchmarks.overhead.workloads import build

# Enough to see a snapshot, the steps' own memory and a restore.
STEPS = 12

_MIB = 2**20


def measure_memory(workload: str, variants: Sequence[str], repetitions: int) -> Record:
    """The largest resident size during a sweep, over that just before, and less than that the bare loop's."""
    runs: dict[str, list[Record]] = {name: [] for name in variants}
    for _ in range(repetitions):
        for name in variants:
            runs[name].append(_in_a_process(workload, name))
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


def _in_a_process(workload: str, variant: str) -> Record:
    command = [sys.executable, "-m", "benchmarks.overhead", "child", workload, variant]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"error": done.stderr.strip().splitlines()[-1]}
    return json.loads(done.stdout.strip().splitlines()[-1])


def one_run(workload: str, variant: str, steps: int = STEPS) -> Record:
    """What one run takes, in bytes, in a process that does nothing else."""
    with quiet():
        VARIANTS[variant](build("tiny", steps))()  # late imports and first-call buffers
        job = build(workload, steps)
        run = VARIANTS[variant](job)
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5")  # sets the high-water mark to the present size
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
