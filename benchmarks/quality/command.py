"""Judge learning-rate finders by grids of complete training runs."""

import difflib
import os
import time
from collections.abc import Sequence
from pathlib import Path

import click
import torch

from benchmarks.quality.asking import ask
from benchmarks.quality.bank.generator import BANK
from benchmarks.quality.bank.jobs import ask_missing, measure_missing
from benchmarks.quality.bank.store import BankStore
from benchmarks.quality.finders import FINDERS, PACKAGES
from benchmarks.quality.finders.lrrange_finders import UNSEEN
from benchmarks.quality.ground_truth import measure
from benchmarks.quality.recordings import record_held_out, record_sweeps
from benchmarks.quality.report.measurements import Measurements
from benchmarks.quality.report.page import write_page
from benchmarks.quality.report.tables import sections
from benchmarks.quality.store import RESULTS, Store
from benchmarks.quality.tasks.data import DATA_ROOT
from benchmarks.quality.tasks.registry import GROUPS, TASKS, group_of

# Names for several finders.
_SETS = {
    "ours": [name for name in FINDERS if name.startswith("lrrange") and not name.endswith(UNSEEN)],
    "unseen": [name for name in FINDERS if name.endswith(UNSEEN)],
    "peers": [name for name, package in PACKAGES.items() if package != "lrrange"],
}


def _known(task: str) -> str:
    if task in TASKS or task in BANK:
        return task
    close = ", ".join(difflib.get_close_matches(task, [*TASKS, *BANK]))
    raise click.BadParameter(f"no task is called {task!r}" + (f"; did you mean one of {close}?" if close else "."))


@click.command()
@click.option(
    "--finder",
    "finders",
    multiple=True,
    type=click.Choice([*_SETS, *FINDERS]),
    metavar="NAME",
    help='A finder to run, or "ours" or "peers" for all of these, or "unseen" for ours with rules fitted without the '
    "family of the training, which run on the bank alone. May be repeated.",
)
@click.option(
    "--task",
    "names",
    multiple=True,
    metavar="NAME",
    callback=lambda _, __, names: tuple(map(_known, names)),
    help="Only this task. May be repeated.",
)
@click.option("--group", type=click.Choice(GROUPS), help="Only the tasks of this group.")
@click.option("--bank", is_flag=True, help="The tasks of the bank, in place of the single tasks.")
@click.option("--ground-truth", is_flag=True, help="Measure the ground truth: minutes per task.")
@click.option("--record", is_flag=True, help="Record sweeps and held-out runs again: minutes per task.")
@click.option(
    "--again", is_flag=True, help="Run these finders on all of the bank again, not only where they have not run."
)
@click.option("--processes", default=1, show_default=True, help="The number of processes for the bank.")
@click.option("--tables", is_flag=True, help="Print the tables.")
@click.option(
    "--report",
    is_flag=True,
    help="Write docs/evidence/quality.md and its plots, and its parts of other pages, from the stored measurements.",
)
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
    bank: bool,
    ground_truth: bool,
    record: bool,
    again: bool,
    processes: int,
    tables: bool,
    report: bool,
    data_root: str | None,
    results: Path,
) -> None:
    """Judge learning-rate finders by grids of complete training runs."""
    torch.set_num_threads(1)
    if data_root:
        os.environ[DATA_ROOT] = data_root
    chosen = [name for finder in finders for name in _SETS.get(finder, [finder])]
    if bank:
        _run_on_bank(chosen, [name for name in names or BANK if name in BANK], ground_truth, again, processes, results)
    else:
        tasks = [name for name in names or TASKS if name in TASKS and group in (None, group_of(name))]
        _run_on_tasks(chosen, tasks, ground_truth, record, results)
    if tables:
        for name, text in sections(Measurements.read(results)).items():
            click.echo(f"## {name}\n\n{text}\n")
    if report:
        write_page(results)


def _run_on_tasks(
    finders: Sequence[str], tasks: Sequence[str], ground_truth: bool, record: bool, results: Path
) -> None:
    store = Store(results)
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


def _run_on_bank(
    finders: Sequence[str], tasks: Sequence[str], ground_truth: bool, again: bool, processes: int, results: Path
) -> None:
    store = BankStore(results)
    if ground_truth:
        for line in measure_missing(tasks, store, processes):
            click.echo(line)
    for finder in finders if again else ():
        store.forget_suggestions(finder)
    for line in ask_missing(finders, tasks, store, processes) if finders else ():
        click.echo(line)
