"""Judge learning-rate finders by grids of complete training runs."""

import os
import time
from pathlib import Path

import click
import torch

from benchmarks.quality.asking import ask
from benchmarks.quality.finders import FINDERS
from benchmarks.quality.ground_truth import measure
from benchmarks.quality.recordings import record_held_out, record_sweeps
from benchmarks.quality.report.measurements import Measurements
from benchmarks.quality.report.page import write_page
from benchmarks.quality.report.tables import sections
from benchmarks.quality.store import RESULTS, Store
from benchmarks.quality.tasks.data import DATA_ROOT
from benchmarks.quality.tasks.registry import GROUPS, TASKS, group_of


@click.command()
@click.option(
    "--finder", "finders", multiple=True, type=click.Choice(list(FINDERS)), help="A finder to run. May be repeated."
)
@click.option("--task", "names", multiple=True, type=click.Choice(list(TASKS)), help="Only this task. May be repeated.")
@click.option("--group", type=click.Choice(GROUPS), help="Only the tasks of this group.")
@click.option("--ground-truth", is_flag=True, help="Measure the ground truth again: minutes per task.")
@click.option("--record", is_flag=True, help="Record sweeps and held-out runs again: minutes per task.")
@click.option("--tables", is_flag=True, help="Print the tables.")
@click.option("--report", is_flag=True, help="Write docs/quality.md and its plots from the stored measurements.")
@click.option(
    "--data-root",
    type=click.Path(exists=True, file_okay=False),
    help=f"The folder of images. Default: ${DATA_ROOT}.",
)
@click.option("--results", type=click.Path(path_type=Path), default=RESULTS, help="The folder of measurements.")
def main(
    finders: tuple[str, ...],
    names: tuple[str, ...],
    group: str | None,
    ground_truth: bool,
    record: bool,
    tables: bool,
    report: bool,
    data_root: str | None,
    results: Path,
) -> None:
    """Judge learning-rate finders by grids of complete training runs."""
    torch.set_num_threads(1)
    if data_root:
        os.environ[DATA_ROOT] = data_root
    store = Store(results)
    tasks = [name for name in names or TASKS if group in (None, group_of(name))]
    for task in tasks if ground_truth else ():
        click.echo(measure(task, store))
    for task in tasks if record else ():
        record_sweeps(task, store)
        record_held_out(task, store)
        click.echo(f"recorded {task}")
    for name in finders:
        began = time.perf_counter()
        ask(name, tasks, store)
        click.echo(f"ran {name} in {time.perf_counter() - began:.0f} s")
    if tables:
        for name, text in sections(Measurements.read(store)).items():
            click.echo(f"## {name}\n\n{text}\n")
    if report:
        write_page(store)
