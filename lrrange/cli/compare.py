"""The command `lrrange compare`."""

import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import click

from lrrange.cli.completion import complete_factory, complete_policy
from lrrange.cli.factory import errors_in_one_line, find_factory
from lrrange.cli.help_pages import SectionedCommand
from lrrange.cli.output import (
    check_writable,
    json_option,
    print_json,
    print_rich,
    traceback_option,
    verbose_option,
    warn,
    write_all,
)
from lrrange.comparison.compare import compare as compare_runs
from lrrange.comparison.comparison import Comparison, dumps
from lrrange.comparison.policies import FROM_RANGE_TEST
from lrrange.comparison.table import page_of
from lrrange.errors import NoWinner
from lrrange.hookspecs import hookimpl
from lrrange.policy import Run
from lrrange.printable import printable
from lrrange.result import load as load_result

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(
    cls=SectionedCommand,
    sections={
        "Runs": ("policies", "steps", "repeats", "seed", "evaluate_every", "result"),
        "Processes": ("jobs", "retries"),
        "Files": ("path", "save_to", "plot_to"),
    },
    short_help="Train under several learning-rate policies.",
    examples=[
        "lrrange compare train:make --policy 1e-3 --policy found --steps 200",
        "lrrange compare lrrange_torch.demo:make_points --steps 200 --path runs.jsonl",
    ],
)
@click.argument("factory", metavar="MODULE:FACTORY", shell_complete=complete_factory)
@click.option(
    "--policy",
    "policies",
    multiple=True,
    metavar="P",
    shell_complete=complete_policy,
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
@click.option("--path", type=_FILE, help="Write each finished run to this file, and continue from the runs in it.")
@click.option("--save", "save_to", type=_FILE, help="Write the comparison to this file, as JSON.")
@click.option("--plot", "plot_to", type=_FILE, help="Plot losses and learning rates to this file.")
@click.option(
    "--progress/--no-progress", default=True, help="Show a progress bar, and a line per finished run.  [default: yes]"
)
@verbose_option
@traceback_option
@json_option
def compare(
    factory: str,
    policies: tuple[str, ...],
    jobs: int,
    result: str | None,
    path: Path | None,
    save_to: Path | None,
    plot_to: Path | None,
    progress: bool,
    verbose: bool,
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
    with errors_in_one_line(traceback=traceback):
        make_run = find_factory(factory)
        # Spawned, because a framework that has started its threads may not survive a fork.
        pool = nullcontext() if jobs == 1 else ProcessPoolExecutor(jobs, mp_context=get_context("spawn"))
        with pool as executor:
            comparison = compare_runs(
                make_run,
                policies or ("found", "clr", "one-cycle"),
                executor=executor,
                result=None if result is None else load_result(result),
                path=path,
                watchers=[_RunLines()] if progress and sys.stderr.isatty() else (),
                progress=None if progress and as_json else progress,
                **options,
            )
    writers: dict[Path | None, Callable[[Path], object]] = {
        save_to: comparison.save,
        plot_to: lambda path: comparison.plot(path=path),
    }
    try:
        if as_json:
            print_json(dumps(comparison))
        else:
            print_rich(page_of(comparison).as_rich(verbose=verbose))
    finally:  # also where nobody reads standard output any more
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
