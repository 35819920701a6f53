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
from lrrange.cli.output import check_writable, json_option, stdout_for_the_answer, warn, write_all
from lrrange.comparison.compare import compare as compare_runs
from lrrange.comparison.comparison import Comparison, dumps
from lrrange.comparison.plot import save_plot
from lrrange.comparison.policies import FROM_RANGE_TEST
from lrrange.errors import NoWinner
from lrrange.hookspecs import hookimpl
from lrrange.policy import Run
from lrrange.result import load as load_result

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("factory", metavar="MODULE:FACTORY")
@click.option(
    "--policy",
    "policies",
    multiple=True,
    metavar="P",
    help=f"A rate, or one of {', '.join(FROM_RANGE_TEST)}; give several.  [default: found, clr, one-cycle]",
)
@click.option("--steps", type=int, default=1000, metavar="N", show_default=True, help="Of each run.")
@click.option("--repeats", type=int, default=3, metavar="N", show_default=True, help="Runs under each policy.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the first repeat.")
@click.option("--evaluate-every", type=int, metavar="N", help="Steps between held-out losses.  [default: at the end]")
@click.option("--jobs", type=int, default=1, metavar="N", show_default=True, help="Processes to run in.")
@click.option("--retries", type=int, default=1, metavar="N", show_default=True, help="Of a run that fails.")
@click.option("--result", type=click.Path(exists=True, dir_okay=False), help="Of a range test that was saved.")
@click.option("--resume", type=_FILE, help="Write each run here when it is over, and go on from what is here.")
@click.option("--save", "save_to", type=_FILE, help="Write the comparison here, as JSON.")
@click.option("--plot", "plot_to", type=_FILE, help="Draw losses and rates here.")
@click.option("--no-progress", is_flag=True, help="No line for each run.")
@click.option("--traceback", "full", is_flag=True, help="Show where an error in your code came from.")
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
    full: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Train what FACTORY(seed=...) in MODULE returns under several policies, and say which ends lowest.

    FACTORY is as for `lrrange find`, and takes the seed of its weights and of the order of its data. With held-out data
    among its options (val_loader for PyTorch), runs are judged by the loss on them.
    """
    check_writable(plot=plot_to, save=save_to)
    if jobs < 1:
        raise click.BadParameter(f"{jobs} is under 1.", param_hint="--jobs")
    with stdout_for_the_answer(as_json), errors_in_one_line(full=full):
        make_run = find_factory(factory)
        # Not forked: a framework that has started its threads may not survive it.
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
    """Exit as the comparison deserves: one without a winner, or with runs that failed, is shown, and is a failure."""
    try:
        if comparison.winner and comparison.failed:
            warn(f"{len(comparison.failed)} of {len(comparison.runs)} runs failed: {comparison.failed[0].error}")
    except NoWinner as reason:
        warn(str(reason))
        complete = False
    if comparison.failed or not complete:
        click.get_current_context().exit(1)


class _RunLines:
    """A line for each run that is over, on standard error."""

    @hookimpl
    def lrrange_compared(self, run: Run) -> None:
        """Say how it ended."""
        how = run.error or ("diverged" if run.diverged else f"{run.final:.4g}")
        click.echo(f"{run.policy}, seed {run.seed}: {how} ({run.wall_time:.3g} s)", err=True)
