"""Everything that is made to go wrong: a function for each, which prepares it and says what should reach the user."""

import errno
import importlib.metadata
import math
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any
from unittest import mock

import attrs
import torch

from lrrange import RangeTestResult, hookimpl, plugins
from lrrange.errors import SaveError
from tests.faults.trainings import Places

# Of a sweep of 20 steps.
FIRST, MIDDLE, LAST = 0, 10, 19


@attrs.define
class Case:
    """One fault in one training: what is done to it, and what should come of it.

    Args:
        places: of the training.
        watchers: of the sweep.
        plugin: registered during the sweep.
        workers: of the loader.
        options: more arguments of `find_lr`.
        during: around the sweep, and what is done with its result.
        then: done with the result.
        raises: the error that should reach the user: this very object, or one of a type and a text.
        note: what should have been noted on it.
    """

    places: Places
    watchers: list[object] = attrs.field(factory=list)
    plugin: object = None
    workers: int = 0
    options: dict[str, Any] = attrs.field(factory=dict)
    during: AbstractContextManager[Any] = attrs.field(factory=nullcontext)
    then: Callable[[RangeTestResult], object] = lambda result: result
    raises: BaseException | tuple[type[BaseException], str] | None = None
    note: str = ""

    def raise_at(self, place: str, call: int, error: BaseException) -> None:
        """Have this error raised there, and expect it."""
        self.raises = error
        self.places.arm(place, call, lambda: _raise(error))


def _raise(error: BaseException) -> float:
    raise error


def _raiser(hook: str, error: BaseException) -> Any:
    """A plug-in or watcher with one hook, which raises."""
    implementation = {
        "lrrange_adapt": lambda self, target: _raise(error),
        "lrrange_offer_heuristics": lambda self: _raise(error),
        "lrrange_started": lambda self, plan: _raise(error),
        "lrrange_advanced": lambda self, point: _raise(error) if point.step == MIDDLE else None,
        "lrrange_finished": lambda self, sweep: _raise(error),
    }[hook]
    return type("Raiser", (), {hook: hookimpl(implementation)})()


def exception_in_the_step(case: Case) -> None:
    case.raise_at("step", MIDDLE, ValueError("raised on purpose, in the step"))


def exception_in_the_first_step(case: Case) -> None:
    case.raise_at("step", FIRST, ValueError("raised on purpose, in the first step"))


def exception_in_the_loader(case: Case) -> None:
    case.raise_at("loader", MIDDLE, OSError(errno.EIO, "raised on purpose, in the loader"))


def exception_in_the_loss(case: Case) -> None:
    case.raise_at("loss", MIDDLE, ArithmeticError("raised on purpose, in the loss"))


def out_of_memory(case: Case) -> None:
    case.raise_at("step", MIDDLE, torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."))


def ctrl_c(case: Case) -> None:
    def interrupt() -> float:
        signal.raise_signal(signal.SIGINT)
        return 1.0

    case.raises = (KeyboardInterrupt, "")
    case.places.arm("step", MIDDLE, interrupt)


def sigterm_with_a_handler_that_exits(case: Case) -> None:
    leaving = SystemExit(143)

    def terminate() -> float:
        before = signal.signal(signal.SIGTERM, lambda *_: _raise(leaving))
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.signal(signal.SIGTERM, before)
        return 1.0

    case.raises = leaving
    case.places.arm("step", MIDDLE, terminate)


def worker_dies(case: Case) -> None:
    case.workers = 2
    case.raises = (RuntimeError, r"DataLoader worker \(pid.*\) exited unexpectedly")
    case.places.worker_dies = True


def _loss_is(value: float, step: int) -> Callable[[Case], None]:
    return lambda case: case.places.arm("loss", step, lambda: value)


def _watcher_raises(hook: str) -> Callable[[Case], None]:
    def fault(case: Case) -> None:
        case.raises = LookupError(f"raised on purpose, in {hook}")
        case.watchers.append(_raiser(hook, case.raises))

    return fault


def watcher_raises_after_the_training_did(case: Case) -> None:
    exception_in_the_step(case)
    case.watchers.append(_raiser("lrrange_finished", LookupError("raised on purpose, in lrrange_finished")))
    case.note = "A watcher then raised in lrrange_finished: LookupError: raised on purpose"


def _plugin_raises(hook: str) -> Callable[[Case], None]:
    def fault(case: Case) -> None:
        case.raises = LookupError(f"raised on purpose, in {hook}")
        case.plugin = _raiser(hook, case.raises)

    return fault


@contextmanager
def _broken_plugin_installed() -> Iterator[None]:
    broken = importlib.metadata.EntryPoint("broken", "a_module_that_does_not_exist", plugins.GROUP)
    found = importlib.metadata.entry_points(group=plugins.GROUP)
    plugins._installed.cache_clear()
    try:
        with mock.patch("importlib.metadata.entry_points", return_value=(*found, broken)):
            yield
    finally:
        plugins._installed.cache_clear()


def plugin_cannot_be_imported(case: Case) -> None:
    def is_set_aside(result: RangeTestResult) -> None:
        problem = {plugin.name: plugin.problem for plugin in plugins.list_plugins()}["broken"]
        assert "ModuleNotFoundError" in str(problem)

    case.during = _broken_plugin_installed()
    case.then = is_set_aside


def disk_full_while_copying(case: Case) -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    case.options = {"snapshot": "disk"}
    case.during = mock.patch("lrrange_torch.snapshot.copy_stores.CopiesOnDisk._write", side_effect=full)
    case.raises = (SaveError, "the snapshot could not be written to .*: No space left on device")


def _saving_fails(number: int, function: str) -> Callable[[Case], None]:
    def fault(case: Case) -> None:
        def save(result: RangeTestResult) -> None:
            # Where a result is already, that a failure must not take away.
            kept = Path("result.json")
            result.save(kept)
            before = kept.read_bytes()
            failing = mock.Mock(side_effect=OSError(number, os.strerror(number)))
            try:
                with mock.patch(function, failing, create=True):
                    result.save(kept)
            finally:
                assert kept.read_bytes() == before
                kept.unlink()

        case.then = save
        case.raises = (SaveError, f"could not be written to result.json: {os.strerror(number)}")

    return fault


FAULTS: dict[str, Callable[[Case], None]] = {
    "exception in the first step": exception_in_the_first_step,
    "exception in the step": exception_in_the_step,
    "exception in the loader": exception_in_the_loader,
    "exception in the loss": exception_in_the_loss,
    "a worker of `DataLoader(num_workers=2)` dies": worker_dies,
    "`torch.OutOfMemoryError` in the step": out_of_memory,
    "Ctrl-C in the step": ctrl_c,
    "SIGTERM, with a handler that raises `SystemExit`": sigterm_with_a_handler_that_exits,
    "NaN at the first step": _loss_is(math.nan, FIRST),
    "NaN at a middle step": _loss_is(math.nan, MIDDLE),
    "NaN at the last step": _loss_is(math.nan, LAST),
    "inf at the first step": _loss_is(math.inf, FIRST),
    "inf at a middle step": _loss_is(math.inf, MIDDLE),
    "inf at the last step": _loss_is(math.inf, LAST),
    "a watcher raises in `lrrange_started`": _watcher_raises("lrrange_started"),
    "a watcher raises in `lrrange_advanced`": _watcher_raises("lrrange_advanced"),
    "a watcher raises in `lrrange_finished`": _watcher_raises("lrrange_finished"),
    "a watcher raises in `lrrange_finished`, after the step did": watcher_raises_after_the_training_did,
    "a plug-in raises in `lrrange_adapt`": _plugin_raises("lrrange_adapt"),
    "a plug-in raises in `lrrange_offer_heuristics`": _plugin_raises("lrrange_offer_heuristics"),
    "a plug-in cannot be imported": plugin_cannot_be_imported,
    'disk full while copying, with `snapshot="disk"`': disk_full_while_copying,
    "disk full while saving the result": _saving_fails(errno.ENOSPC, "os.fsync"),
    "read-only disk while saving the result": _saving_fails(errno.EROFS, "lrrange.storage.atomic.open"),
}

# Those that leave the faulty process no moment to do anything: the signal, and more arguments of `find_lr`.
KILLS: dict[str, tuple[int, dict[str, Any]]] = {
    "SIGTERM, with Python's own handler": (signal.SIGTERM, {}),
    "SIGKILL": (signal.SIGKILL, {}),
    'SIGKILL, with `snapshot="disk"`': (signal.SIGKILL, {"snapshot": "disk"}),
}
