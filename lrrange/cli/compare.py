"""The command `lrrange compare`."""

import sys
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from lrrange.cli.factory import errors_in_one_line, find_factory
from lrrange.cli.output import (
    check_writable,
    json_option,
    stdout_for_the_answer,
    traceback_option,
    warn,
    write_all,
)
from lrrange.comparison.compare import compare as compare_runs
from lrrange.comparison.comparison import Comparison, dumps
from lrrange.comparison.plot import save_plot
from lrrange.comparison.policies import FROM_RANGE_TEST
from lrrange.errors import NoWinner
from lrrange.hookspecs import hookimpl
from lrrange.policy import Run
from lrrange.printable import printable
from lrrange.result import load as load_result

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("factory", metavar="MODULE:FACTORY")
@click.option(
    "--policy",
    "policies",
    multiple=True,
    metavar="P",
    help=f"A learning rate, or one of {', '.join(FROM_RANGE_TEST)}. Repeat the option for each policy.  "
    "[default: found, clr, one-cycle]",
)
@click.option("--steps", type=int, default=1000, metavar="N", show_default=True, help="Training steps per run.")
@click.option("--repeats", type=int, default=3, metavar="N", show_default=True, help="Runs per policy.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the first repeat.")
@click.option("--evaluate-every", type=int, metavar="N", help="Steps between held-out losses.  [default: end only]")
@click.option("--jobs", type=int, default=1, metavar="N", show_default=True, help="Number of processes.")
@click.option("--retries", type=int, default=1, metavar="N", show_default=True, help="Retries of a run that fails.")
@click.option(
    "--result", type=click.Path(exists=True, dir_okay=False), help="Saved range test to use.  [default: run one]"
)
@click.option("--resume", type=_FILE, help="Write each finished run to this file, and continue from the runs in it.")
@click.option("--save", "save_to", type=_FILE, help="Write the comparison to this file, as JSON.")
@click.option("--plot", "plot_to", type=_FILE, help="Plot losses and learning rates to this file.")
@click.option("--no-progress", is_flag=True, help="Print no line per finished run.")
@traceback_option
@json_option
def compare(
    factory: str,
    policies: tuple[str, ...],
    jobs: int,
    result: str | None,
    resume: Path | None,
    save_to: Path | None,
    plot_to: Path | None,
    no_progress: bool,
    traceback: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Train under several learning-rate policies, and show which one reaches the lowest loss.

    FACTORY(seed=...) in MODULE returns what it returns for `lrrange find`, with weights and batch order drawn from the
    seed. If its options include held-out data (val_loader for PyTorch), runs are judged by their held-out loss.
    """
    check_writable(plot=plot_to, save=save_to)
    if jobs < 1:
        raise click.BadParameter(f"{jobs} is less than 1.", param_hint="--jobs")
    with stdout_for_the_answer(as_json), errors_in_one_line(traceback=traceback):
        make_run = find_factory(factory)
        # Spawned, because a framework that has started its threads may not survive a fork.
        pool = nullcontext() if jobs == 1 else ProcessPoolExecutor(jobs, mp_context=get_context("spawn"))
        with pool as executor:
            comparison = compare_runs(
                make_run,
                policies or ("found", "clr", "one-cycle"),
                executor=executor,
                result=None if result is None else load_result(result),
                path=resume,
                watchers=() if no_progress or not sys.stderr.isatty() else [_RunLines()],
                **options,
            )
    if as_json:
        click.echo(dumps(comparison), nl=False)
    else:
        Console().print(comparison)
    writers = {
        path: lambda path, write=write: write(comparison, path)
        for path, write in ((save_to, Comparison.save), (plot_to, save_plot))
        if path is not None
    }
    complete = write_all(writers, quiet=as_json)
    _end(comparison, complete)


def _end(comparison: Comparison, complete: bool) -> None:
    """Exit with code 1, with the reason, if there is no winner, a run failed, or a file could not be written."""
    try:
        if comparison.winner and comparison.failed:
            warn(f"{len(comparison.failed)} of {len(comparison.runs)} runs failed: {comparison.failed[0].error}")
    except NoWinner as reason:
        warn(str(reason))
        complete = False
    if comparison.failed or not complete:
        click.get_current_context().exit(1)


class _RunLines:
    """A watcher that prints one line per finished run to standard error."""

    @hookimpl
    def lrrange_compared(self, run: Run) -> None:
        """Print the final loss of a run, or why it has none."""
        outcome = run.error or ("diverged" if run.diverged else f"{run.final:.4g}")
        click.echo(printable(f"{run.policy}, seed {run.seed}: {outcome} ({run.wall_time:.3g} s)"), err=True)
