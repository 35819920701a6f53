"""Options and output that the commands share: JSON, errors in one line, and the files they write."""

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO, TypeVar

import attrs
import click
from rich.console import Console, RenderableType

from lrrange.errors import LRRangeError, SaveError
from lrrange.finder.main_process import is_main_process
from lrrange.printable import printable
from lrrange.report.plots.figures import check_plottable

Command = TypeVar("Command", bound=Callable[..., Any])


@attrs.define
class Output:
    """What a command prints to standard output: text, or one JSON document and nothing else.

    Attributes:
        json_stream: the stream of the JSON document; None without --json.
        printed: whether the document is printed.
        process: the only process that prints it, and not one that the training forks.
    """

    json_stream: TextIO | None = None
    printed: bool = False
    process: int = attrs.field(factory=os.getpid)

    def print_json(self, text: str) -> None:
        """Print the JSON document of this command. Do nothing if one is printed already."""
        if self.json_stream is None or self.printed or not is_main_process() or os.getpid() != self.process:
            return
        self.printed = True
        try:
            click.echo(text, file=self.json_stream, nl=not text.endswith("\n"))
        except OSError:  # a full disk, or a reader that has gone: what the stream still holds goes nowhere
            with contextlib.suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), self.json_stream.fileno())
            raise

    def print_error(self, kind: str, message: str, where: str | None = None) -> None:
        """Print an error as the JSON document, unless there is one with an answer already.

        Args:
            kind: the class of the error.
            message: what happened, and what to change.
            where: the line of the user's code that raised it, if it was raised there.
        """
        place = {} if where is None else {"where": where}
        self.print_json(json.dumps({"error": {"type": kind, "message": message, **place}}))


@contextlib.contextmanager
def open_output(as_json: bool, until_exit: bool) -> Iterator[Output]:
    """Give a command its output. With JSON, send everything else that is printed to standard error.

    That includes what the training prints from C, from other processes, and at exit.

    Args:
        as_json: whether --json was typed.
        until_exit: keep standard output for the document until the process ends, rather than until the block does.
    """
    if not as_json:
        yield Output()
        return
    stream, put_back = _take_stdout()
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield Output(stream)
    finally:
        if not until_exit:
            put_back()


def _take_stdout() -> tuple[TextIO, Callable[[], None]]:
    """Point file descriptor 1 at standard error, and return a stream to what it was and a function that puts it back.

    If `sys.stdout` is some other stream, as in a test or a notebook, return it, and leave the file descriptor alone.
    """
    stdout = sys.stdout
    try:
        is_file_descriptor = stdout.fileno() == 1
    except (AttributeError, OSError, ValueError):  # there is none: it is closed, or a stream without a file
        is_file_descriptor = False
    if not is_file_descriptor:
        return stdout, lambda: None
    stdout.flush()
    kept = os.dup(1)
    try:
        os.dup2(2, 1)
    except OSError:  # standard error is closed
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)

    def put_back() -> None:
        stdout.flush()
        os.dup2(kept, 1)

    return open(kept, "w", encoding="utf-8", closefd=False), put_back


def json_option(command: Command) -> Command:
    """Add the option --json to a command."""
    return click.option(
        "--json", "as_json", is_flag=True, callback=_typed, help="Print only a JSON document to standard output."
    )(command)


def _typed(ctx: click.Context, _: click.Parameter, value: bool) -> bool:
    # The group looks for --json before the command is parsed, and so finds it also where click takes it for a value.
    return value or ctx.ensure_object(Output).json_stream is not None


def verbose_option(command: Command) -> Command:
    """Add the option --verbose to a command."""
    return click.option("--verbose", "-v", is_flag=True, help="Also print how the answer came about.")(command)


def traceback_option(command: Command) -> Command:
    """Add the option --traceback to a command."""
    return click.option("--traceback", is_flag=True, help="Print the traceback of an error in your code too.")(command)


def print_json(text: str) -> None:
    """Print the JSON document of the running command."""
    click.get_current_context().ensure_object(Output).print_json(text)


def print_rich(shown: RenderableType) -> None:
    """Print what rich draws to standard output, without the spaces that fill its lines."""
    console = Console()
    with console.capture() as capture:
        console.print(shown)
    text = "\n".join(line.rstrip() for line in capture.get().splitlines())
    # Not printed by rich, which ends the program where nobody reads standard output any more; and to the stream itself,
    # because click would choose an encoding of its own.
    click.echo(text, file=sys.stdout, color=True)


def warn(message: str) -> None:
    """Print an error to standard error, in one line."""
    click.echo(f"Error: {printable(' '.join(message.split()))}", err=True)


def check_writable(*, plot: Path | None, save: Path | None) -> None:
    """Check, before the training, that the files can be written after it.

    Raises: SaveError if a folder does not exist or is read-only; OptionError or MissingExtra if the plot cannot be
        drawn.
    """
    for path in filter(None, (plot, save)):
        if not path.parent.is_dir():
            raise SaveError(f"{path} cannot be written: there is no folder {path.parent}.", path=str(path))
        special = path.exists() and not path.is_file()  # such as a pipe, into which the text is written
        if not os.access(path if special else path.parent, os.W_OK):
            raise SaveError(
                f"{path} cannot be written: no permission to write there. Give another path.", path=str(path)
            )
    if plot is not None:
        check_plottable(plot)


def write_all(writers: Mapping[Path | None, Callable[[Path], object]], quiet: bool) -> bool:
    """Write every file that can be written, then print their paths, and return whether all were written.

    Args:
        writers: the function that writes each path; None for a file that is not wanted.
        quiet: print the paths to standard error, because standard output holds a JSON document.
    """
    wanted = {path: write for path, write in writers.items() if path is not None}
    written = []
    for path, write in wanted.items():
        try:
            write(path)
        except LRRangeError as error:
            warn(str(error))
        else:
            written.append(path)
    for path in written:
        click.echo(printable(f"Wrote {path}"), err=quiet)
    return len(written) == len(wanted)
