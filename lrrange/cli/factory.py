"""`MODULE:FACTORY`: what the command line trains, named as an ASGI server names its application."""

import contextlib
import importlib
import os
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import click

from lrrange.errors import LRRangeError
from lrrange.protocol.factories import split_made

# Frames of these are the way to the user's code or the machinery under it, never the place to look.
_NOT_THE_USERS = ("lrrange", "importlib", "click", "pluggy")


class FactoryNotFound(click.ClickException):
    """What was typed as MODULE:FACTORY names nothing that can be called. It is a mistake in the command."""

    exit_code = 2


class UserCodeError(click.ClickException):
    """The user's own code raised; in one line, with the place where it did."""

    exit_code = 1

    def __init__(self, error: Exception) -> None:
        self.kind = type(error).__name__
        self.where = _where(error)
        # A syntax error's text repeats its place.
        self.text = " ".join(str(error.msg if isinstance(error, SyntaxError) else error).split())
        super().__init__(f"{self.kind}: {self.text} ({self.where})")


def find_factory(name: str) -> Callable[..., Any]:
    """The callable that `MODULE:FACTORY` names. The working directory is searched first.

    Raises: FactoryNotFound. What importing the module raises passes through.
    """
    module_name, colon, path = name.partition(":")
    if not (colon and module_name and path):
        raise FactoryNotFound(f"{name!r} is not MODULE:FACTORY, such as train:make for make() in train.py.")
    if module_name.endswith(".py") or os.sep in module_name:
        stem = module_name.removesuffix(".py").strip("./").replace(os.sep, ".")
        raise FactoryNotFound(f"{module_name!r} is a file, and a module's name is wanted. Try {stem}:{path}")
    if (here := os.getcwd()) not in sys.path:
        sys.path.insert(0, here)
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise  # the module is there, and one that it imports is not
        raise FactoryNotFound(
            f"there is no module {module_name!r} here ({here}) nor among the installed ones."
        ) from None
    for part in path.split("."):
        if not hasattr(found, part):
            raise FactoryNotFound(f"module {module_name!r} has no {path!r}.")
        found = getattr(found, part)
    if not callable(found):
        raise FactoryNotFound(f"{name} is of type {type(found).__name__}, and not a function that makes the target.")
    return found  # type: ignore[no-any-return]  # callable() says nothing about the type to mypy here


def call_factory(name: str, **arguments: Any) -> tuple[object, dict[str, Any]]:
    """The target that `MODULE:FACTORY` makes, and its options.

    Raises: FactoryNotFound; TargetError if it returns neither a target nor `(target, options)`. What the user's code
        raises passes through.
    """
    return split_made(find_factory(name)(**arguments), name)


@contextlib.contextmanager
def errors_in_one_line(*, full: bool) -> Iterator[None]:
    """Turn what the user's code raises into a UserCodeError; with `full`, print the traceback first."""
    try:
        yield
    except Exception as error:
        if full:
            traceback.print_exc()
        if isinstance(error, (LRRangeError, click.ClickException)):
            raise
        raise UserCodeError(error) from error


def _where(error: Exception) -> str:
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    # Deep in a framework is where it was raised, but the last line of the user's own is where to look.
    libraries = tuple(sysconfig.get_paths()[kind] + os.sep for kind in ("stdlib", "platstdlib", "purelib", "platlib"))
    places, own = [], []
    for frame, line in traceback.walk_tb(error.__traceback__):
        file = frame.f_code.co_filename
        places.append(f"{file}:{line}")
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        machinery = package in _NOT_THE_USERS or package.startswith("lrrange_") or file.startswith(("<", *libraries))
        if not machinery:
            own.append(places[-1])
    return (own or places)[-1]
