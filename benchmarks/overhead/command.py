"""Measure what a sweep costs on top of its training steps."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import torch

from benchmarks.overhead.growth import AXES, measure_growth
from benchmarks.overhead.imports import measure_imports
from benchmarks.overhead.many_sweeps import COUNTS, measure_together
from benchmarks.overhead.memory import measure_memory, measure_run
from benchmarks.overhead.page import PAGE, write_page
from benchmarks.overhead.records import RESULTS, write
from benchmarks.overhead.timing import measure_time, medians_line
from benchmarks.overhead.variants.registry import BASELINE, VARIANTS, VERIFYING
from benchmarks.overhead.workloads import WORKLOADS

_results = click.option(
    "--results", type=click.Path(path_type=Path), default=RESULTS, help="The folder of measurements."
)
_workloads = click.option("--workload", "workloads", multiple=True, type=click.Choice(list(WORKLOADS)))
_steps = click.option("--steps", type=click.IntRange(min=3), default=100, show_default=True)
_variants = click.option("--variant", "variants", multiple=True, type=click.Choice(list(VARIANTS)))


def _repetitions(default: int) -> Callable[[Any], Any]:
    return click.option("--repetitions", type=click.IntRange(min=1), default=default, show_default=True)


@click.group(help=__doc__)
def main() -> None:
    """Run every measurement on one thread."""
    torch.set_num_threads(1)


def _with_baseline(variants: tuple[str, ...]) -> list[str]:
    return list(dict.fromkeys((BASELINE, *(variants or VARIANTS))))


@main.command("time")
@_workloads
@_variants
@_repetitions(15)
@_steps
@_results
def time_(workloads: tuple[str, ...], variants: tuple[str, ...], repetitions: int, steps: int, results: Path) -> None:
    """Measure wall time against the bare loop, in alternating order. Run it on an idle machine."""
    for workload in workloads or WORKLOADS:
        began = time.perf_counter()
        record = measure_time(workload, _with_baseline(variants), repetitions, steps)
        write(results, f"time-{workload}", record)
        click.echo(f"{medians_line(workload, record)} in {time.perf_counter() - began:.0f} s")


@main.command()
@_workloads
@_repetitions(15)
@_steps
@_results
def verify(workloads: tuple[str, ...], repetitions: int, steps: int, results: Path) -> None:
    """Measure what `verify_restore=True` adds to a sweep, against the bare loop. Run it on an idle machine."""
    for workload in workloads or WORKLOADS:
        record = measure_time(workload, _with_baseline(VERIFYING), repetitions, steps)
        write(results, f"verify-{workload}", record)
        click.echo(medians_line(workload, record))


@main.command()
@_workloads
@_variants
@_repetitions(3)
@_results
def memory(workloads: tuple[str, ...], variants: tuple[str, ...], repetitions: int, results: Path) -> None:
    """Measure peak memory against the bare loop, and bytes written. Linux only."""
    for workload in workloads or WORKLOADS:
        record = measure_memory(workload, _with_baseline(variants), repetitions)
        write(results, f"memory-{workload}", record)
        rows = {name: round(row["over_bare_mib"]["median"], 1) for name, row in record["variants"].items()}
        click.echo(f"{workload} {json.dumps(rows)} {record['failed'] or ''}")


@main.command()
@_repetitions(15)
@_results
def imports(repetitions: int, results: Path) -> None:
    """Measure import times, in units of `import torch`."""
    record = measure_imports(repetitions)
    write(results, "imports", record)
    medians = {name: round(ratio["median"], 3) for name, ratio in record["in_imports_of_torch"].items()}
    click.echo(f"{json.dumps(medians)} {record['failed'] or ''}")


@main.command()
@click.option("--axis", "axes", multiple=True, type=click.Choice(list(AXES)))
@click.option("--largest", type=float, default=float("inf"), help="The largest size to measure.")
@_repetitions(7)
@_results
def growth(axes: tuple[str, ...], largest: float, repetitions: int, results: Path) -> None:
    """Measure how the cost of a sweep grows with its steps, the parameters and the param groups."""
    for axis in axes or AXES:
        record = measure_growth(axis, repetitions, largest)
        write(results, f"growth-{axis}", record)
        medians = {point["size"]: round(point["ratio"]["median"], 3) for point in record["points"]}
        click.echo(f"{axis} {json.dumps(medians)}")


@main.command()
@_workloads
@click.option(
    "--count",
    "counts",
    multiple=True,
    type=click.IntRange(min=2),
    help="Sweeps in a grid. May be repeated.",
)
@_repetitions(5)
@_results
def together(workloads: tuple[str, ...], counts: tuple[int, ...], repetitions: int, results: Path) -> None:
    """Measure the sweeps of a grid, run together and one by one. On a GPU if there is one."""
    for workload in workloads or ("tiny", "lenet", "transformer"):
        record = measure_together(workload, counts or COUNTS, repetitions)
        name = f"together-{record['machine']['device']}-{workload}"
        write(results, name, record)
        click.echo(f"{name} {json.dumps({point['count']: point['times_as_fast'] for point in record['points']})}")


@main.command()
@click.option("--page", type=click.Path(path_type=Path), default=PAGE, help="The page to fill.")
@_results
def table(page: Path, results: Path) -> None:
    """Fill the tables and the plot of docs/evidence/overhead.md from the measurements."""
    write_page(results, page)


@main.command(hidden=True)
@click.argument("workload", type=click.Choice(list(WORKLOADS)))
@click.argument("variant", type=click.Choice(list(VARIANTS)))
def child(workload: str, variant: str) -> None:
    """Measure the memory of one run, in a process of its own. `memory` calls it."""
    click.echo(json.dumps(measure_run(workload, variant)))
