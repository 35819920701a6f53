"""Where a command's answer goes: standard output, for people or as JSON, and files."""

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from lrrange.errors import LRRangeError, SaveError
from lrrange.report.figures import check_plottable

# Where a click context remembers that --json was given: errors are reported by the group, which never sees the option.
JSON = "lrrange.json"

Command = TypeVar("Command", bound=Callable[..., Any])


def json_option(command: Command) -> Command:
    """The option --json."""
    return click.option(
        "--json", "as_json", is_flag=True, callback=_remember, help="One JSON document on standard output, alone."
    )(command)


def _remember(ctx: click.Context, _: click.Parameter, value: bool) -> bool:
    ctx.meta[JSON] = value
    return value


def warn(message: str) -> None:
    """One line on standard error."""
    click.echo(f"Error: {' '.join(message.split())}", err=True)


@contextlib.contextmanager
def stdout_for_the_answer(alone: bool) -> Iterator[None]:
    """Training code prints where it likes; with --json, to standard error."""
    with contextlib.redirect_stdout(sys.stderr) if alone else contextlib.nullcontext():
        yield


def check_writable(*, plot: Path | None, save: Path | None) -> None:
    """Raise what is certain to fail after the training, before it."""
    for path in (plot, save):
        if path is not None and not path.parent.is_dir():
            raise SaveError(f"{path} cannot be written: there is no folder {path.parent}.", path=str(path))
    if plot is not None:
        check_plottable(plot)


def write_all(writers: Mapping[Path, Callable[[Path], object]], quiet: bool) -> bool:
    """Write what can be written, and say so; return whether that was everything."""
    failures = 0
    for path, write in writers.items():
        try:
            write(path)
        except LRRangeError as error:
            failures += 1
            warn(str(error))
        else:
            click.echo(f"Wrote {path}", err=quiet)
    return not failures
