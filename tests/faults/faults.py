"""Every fault that is provoked. A function for each prepares it and states what should reach the user."""

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

from lrrange import RangeTestResult, Refusal, hookimpl, plugins
from lrrange.errors import SaveError
from tests.faults.trainings import Triggers

# Steps of a sweep that has 20.
FIRST, MIDDLE, LAST = 0, 10, 19


@attrs.define
class Case:
    """One fault in one training: how it is provoked, and what should reach the user.

    Args:
        triggers: provoke it inside the training.
        watchers: of the sweep.
        plugin: registered during the sweep; None for none.
        workers: number of worker processes of the loader.
        options: further arguments of `find_lr`.
        during: context around the sweep and `then`.
        then: called with the result.
        raises: what should reach the user: this very error, or any error of this type whose text matches this pattern;
            None for no error.
        note: text that a note on the error should contain.
    """

    triggers: Triggers
    watchers: list[object] = attrs.field(factory=list)
    plugin: object = None
    workers: int = 0
    options: dict[str, Any] = attrs.field(factory=dict)
    during: AbstractContextManager[Any] = attrs.field(factory=nullcontext)
    then: Callable[[RangeTestResult], object] = lambda result: result
    raises: BaseException | tuple[type[BaseException], str] | None = None
    note: str = ""

    def raise_at(self, location: str, call: int, error: BaseException) -> None:
        """Raise this error at the location, and expect it to reach the user."""
        self.raises = error
        self.triggers.arm(location, call, lambda: _raise(error))


def _raise(error: BaseException) -> float:
    raise error


def _raiser(hook: str, error: BaseException) -> Any:
    """Return a plug-in or watcher with one hook, which raises this error."""
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
    case.triggers.arm("step", MIDDLE, interrupt)


def sigterm_with_a_handler_that_exits(case: Case) -> None:
    exit_error = SystemExit(143)

    def terminate() -> float:
        before = signal.signal(signal.SIGTERM, lambda *_: _raise(exit_error))
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.signal(signal.SIGTERM, before)
        return 1.0

    case.raises = exit_error
    case.triggers.arm("step", MIDDLE, terminate)


def worker_dies(case: Case) -> None:
    case.workers = 2
    case.raises = (RuntimeError, r"DataLoader worker \(pid.*\) exited unexpectedly")
    case.triggers.worker_dies = True


def _loss_is(value: float, step: int) -> Callable[[Case], None]:
    return lambda case: case.triggers.arm("loss", step, lambda: value)


def _watcher_raises(hook: str) -> Callable[[Case], None]:
    def fault(case: Case) -> None:
        case.raises = LookupError(f"raised on purpose, in {hook}")
        case.watchers.append(_raiser(hook, case.raises))

    return fault


def watcher_raises_after_the_step(case: Case) -> None:
    exception_in_the_step(case)
    case.watchers.append(_raiser("lrrange_finished", LookupError("raised on purpose, in lrrange_finished")))
    case.note = "A watcher then raised in lrrange_finished: LookupError: raised on purpose"


def _plugin_raises(hook: str) -> Callable[[Case], None]:
    """Return the fault of a plug-in that is left out, because another can do the work. The result must say why."""

    def fault(case: Case) -> None:
        text = f"raised on purpose, in {hook}"

        def is_named(result: RangeTestResult) -> None:
            reasons = [answer.reason for answer in result.answers if isinstance(answer, Refusal)]
            assert text in str([result.provenance.details.get("set_aside"), *reasons])

        case.plugin = _raiser(hook, LookupError(text))
        case.then = is_named

    return fault


@contextmanager
def _broken_plugin_installed() -> Iterator[None]:
    broken = importlib.metadata.EntryPoint("broken", "a_module_that_does_not_exist", plugins.GROUP)
    installed = importlib.metadata.entry_points(group=plugins.GROUP)
    plugins._installed.cache_clear()
    try:
        with mock.patch("importlib.metadata.entry_points", return_value=(*installed, broken)):
            yield
    finally:
        plugins._installed.cache_clear()


def plugin_cannot_be_imported(case: Case) -> None:
    def check_set_aside(result: RangeTestResult) -> None:
        problem = {plugin.name: plugin.problem for plugin in plugins.list_plugins()}["broken"]
        assert "ModuleNotFoundError" in str(problem)

    case.during = _broken_plugin_installed()
    case.then = check_set_aside


def disk_full_while_copying(case: Case) -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    case.options = {"snapshot": "disk"}
    case.during = mock.patch("lrrange_torch.snapshot.copy_stores.CopiesOnDisk._write", side_effect=full)
    case.raises = (SaveError, "the snapshot could not be written to .*: No space left on device")


def _saving_fails(number: int, function: str) -> Callable[[Case], None]:
    def fault(case: Case) -> None:
        def save(result: RangeTestResult) -> None:
            # A failure must not destroy a result that was saved to the same path before.
            path = Path("result.json")
            result.save(path)
            before = path.read_bytes()
            failing = mock.Mock(side_effect=OSError(number, os.strerror(number)))
            try:
                with mock.patch(function, failing, create=True):
                    result.save(path)
            finally:
                assert path.read_bytes() == before
                path.unlink()

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
    "a callback raises in `lrrange_started`": _watcher_raises("lrrange_started"),
    "a callback raises in `lrrange_advanced`": _watcher_raises("lrrange_advanced"),
    "a callback raises in `lrrange_finished`": _watcher_raises("lrrange_finished"),
    "a callback raises in `lrrange_finished`, after the step did": watcher_raises_after_the_step,
    "a plug-in raises in `lrrange_adapt`, and is left out": _plugin_raises("lrrange_adapt"),
    "a plug-in raises in `lrrange_offer_heuristics`, and is left out": _plugin_raises("lrrange_offer_heuristics"),
    "a plug-in cannot be imported": plugin_cannot_be_imported,
    'disk full while copying, with `snapshot="disk"`': disk_full_while_copying,
    "disk full while saving the result": _saving_fails(errno.ENOSPC, "os.fsync"),
    "read-only disk while saving the result": _saving_fails(errno.EROFS, "lrrange.storage.atomic.open"),
}

# Faults that end the process at once: the signal, and further arguments of `find_lr`.
KILLS: dict[str, tuple[int, dict[str, Any]]] = {
    "SIGTERM, with Python's own handler": (signal.SIGTERM, {}),
    "SIGKILL": (signal.SIGKILL, {}),
    'SIGKILL, with `snapshot="disk"`': (signal.SIGKILL, {"snapshot": "disk"}),
}
