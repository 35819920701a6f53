"""Stand-ins for the loggers and callbacks of a Trainer in a sweep: a module can read them, and nothing is written.

A module may read `self.logger.log_dir` or look up a callback in `self.trainer.callbacks` in any of its hooks. So each
stand-in is an object of a subclass of the original's class, with copies of its attributes. What a property of the
logger computes and keeps, such as the number of the version, it keeps in the copy.
"""

import argparse
import datetime
import enum
import functools
import inspect
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePath
from typing import Any
from uuid import UUID

import torch

from lrrange_lightning.compat import import_from

_PLAIN = (
    *(str, bytes, int, float, complex, type(None), torch.Tensor),
    *(PurePath, UUID, datetime.date, datetime.time, datetime.timedelta, enum.Enum, argparse.Namespace),
)
_CONTAINERS = (dict, list, set, tuple, deque)

# Methods of a logger that begin so are taken to read. All its other public methods do nothing.
_READING = ("get_", "is_", "has_")

# Lightning calls these methods of a callback, and skips any other that is None.
_CALLED_WITHOUT_ASKING = ("state_dict", "load_state_dict", "on_save_checkpoint", "on_load_checkpoint")


class _StandIn:
    """The base class of all stand-ins."""


def stand_in_loggers(loggers: Sequence[Any], package: Any) -> list[Any]:
    """Return a stand-in for each logger of a Trainer of this Lightning package."""
    known: dict[int, Any] = {}
    return [_logger_like(logger, package, known) for logger in loggers]


def stand_in_callbacks(callbacks: Sequence[Any], package: Any) -> list[Any]:
    """Return a stand-in for each callback of a Trainer of this Lightning package."""
    return [_callback_like(callback, package) for callback in callbacks]


class Muted:
    """A stand-in for an experiment, or for something in it: plain values can be read, and everything else does nothing.

    Args:
        original: what it stands for; None if there is none yet.
        known: values to read, by name, where there is no original to read them from.
    """

    def __init__(self, original: object = None, **known: Any) -> None:
        vars(self).update(_original=original, _known=known)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if self._original is None:
            return self._known.get(name, Muted())
        value = getattr(self._original, name, self)
        return value if callable(value) and name.startswith(_READING) else _muted(value)

    def __setattr__(self, _name: str, _value: object) -> None:
        pass

    def __delattr__(self, _name: str) -> None:
        pass

    def __call__(self, *_: Any, **__: Any) -> "Muted":
        """Do nothing."""
        return Muted()

    def __getitem__(self, key: Any) -> Any:
        try:
            return _muted(self._original[key])
        except (TypeError, LookupError):  # it has no items, or not this one
            return Muted()

    def __setitem__(self, _key: object, _value: object) -> None:
        pass

    def __delitem__(self, _key: object) -> None:
        pass

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __bool__(self) -> bool:
        return True

    def __enter__(self) -> "Muted":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __str__(self) -> str:
        return ""

    def __fspath__(self) -> str:
        return ""


def _muted(value: Any) -> Any:
    return value if isinstance(value, _PLAIN) else Muted(value)


def _logger_like(logger: Any, package: Any, known: dict[int, Any]) -> Any:
    if isinstance(logger, _StandIn):
        return logger
    if id(logger) in known:
        return known[id(logger)]
    base = package.loggers.Logger
    made = known[id(logger)] = _object_of(_silent_logger_class, logger)
    if made is None:
        return import_from(package, "loggers.logger", "DummyLogger")()
    for name, value in vars(logger).items():
        if isinstance(value, base):  # a logger that passes on to another
            value = _logger_like(value, package, known)
        elif name == "_experiment" or not (name.startswith("_") or isinstance(value, (*_PLAIN, *_CONTAINERS))):
            value = None if value is None else Muted(value)
        vars(made)[name] = _copy_of(value)
    return made


def _callback_like(callback: Any, package: Any) -> Any:
    if isinstance(callback, _StandIn):
        return callback
    made = _object_of(functools.partial(_silent_callback_class, package), callback)
    if made is None:
        return package.Callback()
    vars(made).update({name: _copy_of(value) for name, value in vars(callback).items()})
    if isinstance(callback, package.callbacks.ProgressBar):
        vars(made)["_enabled"] = False  # `LightningModule.print` then prints without it
    return made


def _object_of(class_like: Callable[[type], type], original: Any) -> Any:
    """Return an object without attributes, of the class made for the original's; None if there can be no such class."""
    try:
        return object.__new__(class_like(type(original)))  # not called, because the `__init__` may write
    except TypeError:
        return None


@functools.cache
def _silent_logger_class(kind: type) -> type:
    methods = [name for name in dir(kind) if not name.startswith(("_", *_READING)) and _is_method(kind, name)]
    return _subclass(kind, {**dict.fromkeys(methods, do_nothing), "experiment": property(_experiment_of)})


@functools.cache
def _silent_callback_class(package: Any, kind: type) -> type:
    hooks = [name for name in dir(package.Callback) if not name.startswith("_") and _is_method(package.Callback, name)]
    own = [name for name in _CALLED_WITHOUT_ASKING if getattr(kind, name) is not getattr(package.Callback, name)]
    silent = {**dict.fromkeys(set(hooks) - set(_CALLED_WITHOUT_ASKING)), **dict.fromkeys(own, do_nothing)}
    if kind.setup is package.callbacks.ModelCheckpoint.setup:  # type: ignore[attr-defined]  # a callback has one
        silent["setup"] = _without_warnings(package.callbacks.ModelCheckpoint.setup)  # it finds `dirpath`, to be read
    return _subclass(kind, silent)


def _without_warnings(method: Callable[..., None]) -> Callable[..., None]:
    """Return a method whose warnings are left to the fit."""

    def quiet(*arguments: Any, **options: Any) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            method(*arguments, **options)

    return quiet


def _subclass(kind: type, attributes: dict[str, Any]) -> type:
    """Return a subclass of this name whose objects do nothing when they are deleted."""
    named = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, "__doc__": kind.__doc__}
    # `__del__` of the original may close its file.
    return type(kind)(kind.__name__, (_StandIn, kind), {**attributes, **named, "__del__": do_nothing})


def _is_method(kind: type, name: str) -> bool:
    value = inspect.getattr_static(kind, name)
    return isinstance(value, (staticmethod, classmethod)) or (callable(value) and not isinstance(value, type))


def _experiment_of(logger: Any) -> Any:
    experiment = vars(logger).get("_experiment", vars(logger).get("experiment"))
    if experiment is not None:
        return experiment
    log_dir = logger.log_dir
    return Muted(log_dir=log_dir, get_logdir=lambda: log_dir)


def _copy_of(value: Any) -> Any:
    """Return a copy of a container of Python's own, so that additions to it are forgotten; any other value itself."""
    return value.copy() if type(value) in (dict, list, set, deque) else value


def do_nothing(*_: Any, **__: Any) -> None:
    """Do nothing, in the place of a method that would write or report something."""
