"""Options and output that the commands share: JSON, errors in one line, and the files they write."""

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from lrrange.errors import LRRangeError, SaveError
from lrrange.printable import printable
from lrrange.report.figures import check_plottable

# Key in the context's `meta` that records --json: the group reports the errors, and it does not see the option.
JSON = "lrrange.json"

Command = TypeVar("Command", bound=Callable[..., Any])


def json_option(command: Command) -> Command:
    """Add the option --json to a command."""
    return click.option(
        "--json", "as_json", is_flag=True, callback=_record, help="Print only a JSON document to standard output."
    )(command)


def traceback_option(command: Command) -> Command:
    """Add the option --traceback to a command."""
    return click.option("--traceback", is_flag=True, help="Print the traceback of an error in your code too.")(command)


def _record(ctx: click.Context, _: click.Parameter, value: bool) -> bool:
    ctx.meta[JSON] = value
    return value


def warn(message: str) -> None:
    """Print an error to standard error, in one line."""
    click.echo(f"Error: {printable(' '.join(message.split()))}", err=True)


@contextlib.contextmanager
def stdout_for_the_answer(as_json: bool) -> Iterator[None]:
    """With --json, send what the training prints to standard error, so that standard output holds only the answer."""
    with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
        yield


def check_writable(*, plot: Path | None, save: Path | None) -> None:
    """Check, before the training, that the files can be written after it.

    Raises: SaveError if a folder does not exist; OptionError or MissingExtra if the plot cannot be drawn.
    """
    for path in (plot, save):
        if path is not None and not path.parent.is_dir():
            raise SaveError(f"{path} cannot be written: there is no folder {path.parent}.", path=str(path))
    if plot is not None:
        check_plottable(plot)


def write_all(writers: Mapping[Path, Callable[[Path], object]], quiet: bool) -> bool:
    """Write every file that can be written, print its path, and return whether all were written.

    Args:
        writers: the function that writes each path.
        quiet: print the paths to standard error, because standard output holds a JSON document.
    """
    failures = 0
    for path, write in writers.items():
        try:
            write(path)
        except LRRangeError as error:
            failures += 1
            warn(str(error))
        else:
            click.echo(printable(f"Wrote {path}"), err=quiet)
    return not failures
