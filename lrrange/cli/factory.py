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

from lrrange.errors import LRRangeError
from lrrange.protocol.factories import split_made

# Packages whose frames only lead to the user's code, or are called from it. They are not where to look for the mistake.
_NOT_USER_CODE = ("lrrange", "importlib", "click", "pluggy")


class FactoryNotFound(click.ClickException):
    """MODULE:FACTORY as it was typed does not name a function: a mistake in the command."""

    exit_code = 2


class UserCodeError(click.ClickException):
    """An error in the user's own code, in one line, with the place that raised it."""

    exit_code = 1

    def __init__(self, error: Exception) -> None:
        self.kind = type(error).__name__
        self.where = _where(error)
        # The text of a syntax error repeats the place, its `msg` does not.
        self.text = " ".join(str(error.msg if isinstance(error, SyntaxError) else error).split())
        super().__init__(f"{self.kind}: {self.text} ({self.where})")


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
            raise FactoryNotFound(f"module {module_name!r} has no {path!r}.")
        value = getattr(value, part)
    if not callable(value):
        raise FactoryNotFound(f"{name} is of type {type(value).__name__}. Name a function that returns the target.")
    return value  # type: ignore[no-any-return]  # callable() says nothing about the type to mypy here


def call_factory(name: str, **arguments: Any) -> tuple[object, dict[str, Any]]:
    """Return the target that `MODULE:FACTORY` returns, and its options.

    Raises: FactoryNotFound; TargetError if it returns neither a target nor `(target, options)`. Errors of the user's
        code pass through.
    """
    return split_made(find_factory(name)(**arguments), name)


@contextlib.contextmanager
def errors_in_one_line(*, traceback: bool) -> Iterator[None]:
    """Turn an error of the user's code into a UserCodeError. With `traceback`, print its traceback first."""
    try:
        yield
    except Exception as error:
        if traceback:
            print_exc()
        if isinstance(error, (LRRangeError, click.ClickException)):
            raise
        raise UserCodeError(error) from error


def _where(error: Exception) -> str:
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    # The error may come from deep in a framework. The place to look is the last line of the user's own code.
    libraries = tuple(sysconfig.get_paths()[kind] + os.sep for kind in ("stdlib", "platstdlib", "purelib", "platlib"))
    places, own = [], []
    for frame, line in walk_tb(error.__traceback__):
        file = frame.f_code.co_filename
        places.append(f"{file}:{line}")
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        foreign = package in _NOT_USER_CODE or package.startswith("lrrange_") or file.startswith(("<", *libraries))
        if not foreign:
            own.append(places[-1])
    return (own or places)[-1]
