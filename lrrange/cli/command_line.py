"""The group of the commands: it reports every error in one line, with an exit code, and with --json as a document."""

import contextlib
import io
import signal
import sys
from collections.abc import Sequence
from traceback import print_exc
from typing import Any

import click

from lrrange.cli.factory import FactoryNotFound, UserCodeError
from lrrange.cli.help_pages import SectionedGroup
from lrrange.cli.output import Output, open_output, warn
from lrrange.cli.termination import Terminated, raised_on_sigterm
from lrrange.errors import LRRangeError
from lrrange.printable import described

_ISSUES = "https://github.com/lrrange/lrrange/issues"


class CommandLine(SectionedGroup):
    """A command group whose errors are one line on standard error, an exit code, and with --json one document."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command line, and exit with its code. Without `standalone_mode`, return the code."""
        # The words are searched, because a command line that cannot be parsed gets its document too.
        as_json = "--json" in (sys.argv[1:] if args is None else args)
        if isinstance(sys.stdout, io.TextIOWrapper):  # a name may have letters that the encoding does not
            sys.stdout.reconfigure(errors="backslashreplace")
        with open_output(as_json, until_exit=standalone_mode) as output:
            try:
                code = super().main(
                    args,
                    prog_name,
                    complete_var,
                    standalone_mode=False,
                    windows_expand_args=windows_expand_args,
                    obj=output,
                    **extra,
                )
            except Exception as error:
                code = _report(error, output)
        if standalone_mode:
            sys.exit(code)
        return code

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. Raises: _Stopped and _Exited, for what would end the process without a word."""
        try:
            with raised_on_sigterm():
                return super().invoke(ctx)
        except KeyboardInterrupt:
            raise _INTERRUPTED from None
        except Terminated:
            raise _Stopped("Terminated", "terminated", signal.SIGTERM) from None
        except SystemExit as error:
            raise _Exited(error) from error


class _Stopped(click.ClickException):
    def __init__(self, kind: str, what: str, number: int) -> None:
        super().__init__(f"{what}. Everything that a sweep changed was put back.")
        self.kind = kind
        self.code = 128 + number  # as a shell counts


_INTERRUPTED = _Stopped("KeyboardInterrupt", "interrupted", signal.SIGINT)


class _Exited(click.ClickException):
    exit_code = 1

    def __init__(self, error: SystemExit) -> None:
        super().__init__(
            f"your code called sys.exit({'' if error.code is None else repr(error.code)}) before there was an answer. "
            f'If a module runs a program when it is imported, put that under `if __name__ == "__main__":`.'
        )


def _report(error: Exception, output: Output) -> int:
    """Report an error on standard error and in the JSON document, and return the exit code."""
    if isinstance(error, click.Abort):  # which click makes of a Ctrl-C before the command runs
        error = _INTERRUPTED
    match error:
        case _Stopped():
            kind, message, code = error.kind, error.message, error.code
        case _Exited():
            kind, message, code = "SystemExit", error.message, error.exit_code
        case UserCodeError():
            output.print_error(error.kind, error.text, error.where)
            warn(error.message)
            return error.exit_code
        case FactoryNotFound():
            kind, message, code = "FactoryNotFound", error.message, error.exit_code
        case click.ClickException():
            output.print_error(type(error).__name__, error.format_message())
            error.show()
            return error.exit_code
        case LRRangeError():
            kind, message, code = type(error).__name__, str(error), 1
        case OSError():  # such as a full disk under standard output
            kind, message, code = type(error).__name__, str(error), 1
        case _:
            print_exc()
            kind, code = type(error).__name__, 1
            message = f"{described(error)}. This is a mistake in lrrange. Please report it, with these lines: {_ISSUES}"
    warn(message)
    with contextlib.suppress(OSError):  # the document may be what could not be written
        output.print_error(kind, message)
    return code
