"""`MODULE:FACTORY`: the function that makes what a command trains, written as for an ASGI server."""

import contextlib
import importlib
import os
import sys
import sysconfig
from collections.abc import Callable, Iterator
from traceback import print_exc, walk_tb
from typing import Any

import click

from lrrange.cli.termination import Terminated
from lrrange.errors import LRRangeError
from lrrange.printable import text_of
from lrrange.protocol.factories import check_factory, split_made
from lrrange.spelling import did_you_mean

# Packages whose frames only lead to the user's code, or are called from it. They are not where to look for the mistake.
_NOT_USER_CODE = ("lrrange", "importlib", "click", "pluggy")


class FactoryNotFound(click.ClickException):
    """MODULE:FACTORY as it was typed does not name a function: a mistake in the command."""

    exit_code = 2


class UserCodeError(click.ClickException):
    """An error in the user's own code, in one line, with the place that raised it."""

    exit_code = 1

    def __init__(self, error: BaseException) -> None:
        self.kind = type(error).__name__
        self.where = _where(error)
        # The text of a syntax error repeats the place, its `msg` does not.
        self.text = str(error.msg) if isinstance(error, SyntaxError) else text_of(error)
        line = f"{self.kind}: {self.text}" if self.text else self.kind
        if self.where is None or not self.text:
            self.text = line
        super().__init__(line if self.where is None else f"{line} ({self.where})")


def find_factory(name: str) -> Callable[..., Any]:
    """Return the function that `MODULE:FACTORY` names. The module is looked for in the working directory first.

    Raises: FactoryNotFound if there is none. Errors raised by the module's own import pass through.
    """
    module_name, colon, path = name.partition(":")
    if not (colon and module_name and path):
        raise FactoryNotFound(f"{name!r} is not MODULE:FACTORY, such as train:make for make() in train.py.")
    if module_name.endswith(".py") or os.sep in module_name:
        stem = module_name.removesuffix(".py").strip("./").replace(os.sep, ".")
        raise FactoryNotFound(f"{module_name!r} is a file, not the name of a module. Try {stem}:{path}")
    if (here := os.getcwd()) not in sys.path:
        sys.path.insert(0, here)
    try:
        value: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise  # the module exists, and one that it imports does not
        raise FactoryNotFound(f"there is no module {module_name!r} in {here}, and none is installed.") from None
    for part in path.split("."):
        if not hasattr(value, part):
            known = [name for name in dir(value) if not name.startswith("_")]
            raise FactoryNotFound(f"module {module_name!r} has no {path!r}.{did_you_mean(part, known)}")
        value = getattr(value, part)
    if not callable(value):
        raise FactoryNotFound(f"{name} is of type {type(value).__name__}. Name a function that returns the target.")
    return value  # type: ignore[no-any-return]  # callable() says nothing about the type to mypy here


def call_factory(name: str, **arguments: Any) -> tuple[object, dict[str, Any]]:
    """Return the target that `MODULE:FACTORY` returns, and its options.

    Raises: FactoryNotFound; TargetError if it returns neither a target nor `(target, options)`. Errors of the user's
        code pass through.
    """
    factory = find_factory(name)
    try:
        check_factory(factory, name, arguments)
    except LRRangeError as error:
        raise FactoryNotFound(str(error)) from None
    return split_made(factory(**arguments), name)


@contextlib.contextmanager
def errors_in_one_line(*, traceback: bool) -> Iterator[None]:
    """Turn an error of the user's code into a UserCodeError. With `traceback`, print its traceback first."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit, Terminated):
        raise
    except BaseException as error:  # some libraries have errors of their own that are no Exception
        if traceback:
            print_exc()
        if isinstance(error, (LRRangeError, click.ClickException)):
            raise
        raise UserCodeError(error) from error


def _where(error: BaseException) -> str | None:
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    # The error may come from deep in a framework. The place to look is the last line of the user's own code.
    libraries = tuple(sysconfig.get_paths()[kind] + os.sep for kind in ("stdlib", "platstdlib", "purelib", "platlib"))
    others: list[str] = []
    own: list[str] = []
    for frame, line in walk_tb(error.__traceback__):
        file = frame.f_code.co_filename
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if package in _NOT_USER_CODE or package.startswith("lrrange_"):
            continue
        (others if file.startswith(("<", *libraries)) else own).append(f"{file}:{line}")
    return next(reversed(own or others), None)
