"""Signals that wait: they are handled between the steps of a sweep, or when everything is restored."""

import _thread
import contextlib
import inspect
import os
import signal
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, Literal, TypeVar

Handled = Literal["between steps", "at the end"]
Result = TypeVar("Result")

# Seconds that a signal waits for the end of a step. A step that takes longer, because it hangs for example, is
# interrupted in the middle, as it would be in an ordinary training.
_PATIENCE = 1.0

# How often the reminder looks whether a signal has waited that long, in seconds.
_INTERVAL = 0.25

# The functions of `signal` without their conversions to and from enumerations, which take ten times as long and catch a
# ValueError, as a handler may raise it. `signal` has them from there, and no longer says so (`__wrapped__`).
_handler_of: Callable[[int], Any] = sys.modules["_signal"].getsignal
_set_handler: Callable[[int, Any], Any] = sys.modules["_signal"].signal

# What handlers have raised in the present block, or in one around it.
_raised: list[BaseException] = []


def raised_by_a_signal(error: BaseException) -> bool:
    """Return whether the handler of a signal raised this error, or one that led to it, in the present block."""
    cause: BaseException | None = error
    while cause is not None and _raised:
        if any(cause is raised for raised in _raised):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


class Interrupts:
    """The signals of a block of code. Their handlers in Python are called when the block allows it.

    A handler may raise at any bytecode, also between the last step and the restore. While `handled` is `"at the end"`,
    no handler is called. While it is `"between steps"`, `deliver` calls the handlers of the signals that wait. The
    handler is called at once only for the second signal of a kind, or when the first has waited for a second, so that a
    step that hangs can be stopped. If a handler raises then, `handled` becomes `"at the end"`, so that nothing else
    interrupts the way to the restore.

    The first statement of the `finally` that restores is the assignment `interrupts.handled = "at the end"`. It must
    not be a call, because Python handles signals at the beginning of a function.

    Attributes:
        handled: when handlers are called.
        active: whether signals are held back. If not, all handlers are called when signals arrive.
    """

    def __init__(self) -> None:
        self.handled: Handled = "at the end"
        self.active = False
        self._process = os.getpid()
        self._main = _thread.get_ident() if threading.current_thread() is threading.main_thread() else None
        self._stand_ins: list[_StandIn] = []
        self._waiting: dict[_StandIn, float] = {}  # the first signal of each kind, and when it came
        self._outer: Interrupts | None = None
        # Of the thread that reminds. The lock is held while it checks that a signal still waits and sends it again.
        self._lock = _thread.allocate_lock()
        self._reminded: set[_StandIn] = set()
        self._has_reminder = False

    @property
    def forked(self) -> bool:
        """Whether this is another process, such as a data loader's worker. It takes no steps, and so holds nothing."""
        return os.getpid() != self._process

    def hold(self) -> None:
        """Hold back the signals whose handlers are functions in Python at present.

        Call it again before the restore, for handlers that the steps have installed, such as the one by which PyTorch
        learns that a data loader's worker has died.
        """
        if self._main is None:
            return  # only the main thread receives signals
        for number in range(1, signal.NSIG):
            handler = _handler_of(number)
            if not callable(handler):
                continue
            if isinstance(handler, _StandIn):
                outer = handler.interrupts()
                if outer is self:
                    continue
                self._outer = outer if outer is not None and outer.active else self._outer
            stand_in = _StandIn(self, number, handler)
            self._stand_ins.append(stand_in)
            _set_handler(number, stand_in)
        self.active = True  # only now: a handler that has raised before has interrupted nothing

    def deliver(self) -> None:
        """Call the handlers of the signals that wait, at the end of a step. Raises: what a handler raises."""
        self.handled = "at the end"
        if self._waiting:
            for stand_in in tuple(self._waiting):
                self._handle(stand_in)
        self.handled = "between steps"

    def release(self) -> None:
        """Call the handlers of the signals that still wait, and put all handlers back. Raises: what handlers raise."""
        self.handled = "at the end"
        try:
            self._handle_all()
        finally:
            try:
                self._put_back()
            finally:
                self.active = False
                self._handle_all()  # signals that came meanwhile
                if self._outer is None and self._main is not None:
                    _raised.clear()

    def receive(self, stand_in: "_StandIn") -> None:
        """Note a signal, or call its handler at once if that is due."""
        reminded = stand_in in self._reminded
        self._reminded.discard(stand_in)
        if stand_in in self._waiting:
            if self.handled == "between steps":
                # The first signal of two still waits: what a handler raises at once is lost where Python ignores
                # exceptions, as in the callback of a weak reference.
                (self._handle if reminded else self._call)(stand_in)
        elif not reminded:  # a reminder that comes too late is no further signal
            self._waiting[stand_in] = time.monotonic()
            if not self._has_reminder:
                self._start_reminder()

    def _handle(self, stand_in: "_StandIn") -> None:
        before, self.handled = self.handled, "at the end"
        with self._lock:
            self._waiting.pop(stand_in, None)
        self._call(stand_in)
        self.handled = before

    def _call(self, stand_in: "_StandIn") -> None:
        before, self.handled = self.handled, "at the end"
        try:
            stand_in.handler(stand_in.number, inspect.currentframe())
            if self._outer is not None and self._outer.handled == "between steps":
                self._outer.deliver()  # because that handler may have been a stand-in, which only noted the signal
        except BaseException as error:
            _raised.append(error)
            raise
        self.handled = before

    def _handle_all(self) -> None:
        """Call the handlers of all signals that wait, even after one that raises."""
        # Not an ExitStack: an error that passes through one is held by its own traceback, with what its frames hold.
        if self._waiting:
            try:
                self._handle(next(iter(self._waiting)))
            finally:
                self._handle_all()

    def _put_back(self) -> None:
        """Put every handler back, except where the block has installed another."""
        try:
            for stand_in in reversed(self._stand_ins):
                if _handler_of(stand_in.number) is stand_in:
                    _set_handler(stand_in.number, stand_in.handler)
        except BaseException:  # from a handler that is back already
            self._put_back()
            raise

    def _start_reminder(self) -> None:
        if self._main is None or sys.platform == "win32":  # where no signal can be sent to a thread
            return
        # Not a `threading.Thread`: starting one takes locks that the interrupted program may hold.
        with contextlib.suppress(RuntimeError):  # no further thread can be started
            _thread.start_new_thread(_remind, (weakref.ref(self),))
            self._has_reminder = True

    def remind(self) -> bool:
        """Send signals that have waited too long again. Return whether to go on."""
        with self._lock:
            for stand_in, since in list(self._waiting.items()):
                if self.handled == "between steps" and time.monotonic() - since >= _PATIENCE:
                    self._reminded.add(stand_in)
                    _send(self._main, stand_in.number)
        return self.active


class _StandIn:
    """A signal handler that is installed in place of the user's.

    It refers to its `Interrupts` only weakly. Should it stay installed, it calls the user's handler as soon as the
    block is over.
    """

    def __init__(self, interrupts: Interrupts, number: int, handler: Callable[[int, FrameType | None], Any]) -> None:
        self.interrupts = weakref.ref(interrupts)
        self.number = number
        self.handler = handler

    def __call__(self, number: int, frame: FrameType | None) -> None:
        interrupts = self.interrupts()
        if interrupts is None or not interrupts.active or interrupts.forked:
            self.handler(number, frame)
        else:
            interrupts.receive(self)


def _remind(reference: "weakref.ref[Interrupts]") -> None:
    """Remind the main thread of signals that wait, until the block is over. Runs in a thread of its own."""
    going = True
    while going:
        time.sleep(_INTERVAL)
        interrupts = reference()
        going = interrupts is not None and interrupts.remind()
        del interrupts


def _send(thread: int | None, number: int) -> None:
    if thread is not None and sys.platform != "win32":
        signal.pthread_kill(thread, number)


def between_steps(action: Callable[[], Result]) -> Result:
    """Return what `action` returns. Until then, signals are handled between the steps that it takes, and at its end.

    `find_lr` calls this once around all of its sweeps, and each sweep has its own `deferred_interrupts` inside. It is a
    function and no context manager, because a signal could still be handled on the way from a block to its `__exit__`.
    """
    interrupts = Interrupts()
    try:
        interrupts.hold()
        interrupts.deliver()
        return action()
    finally:
        interrupts.handled = "at the end"
        interrupts.release()


@contextlib.contextmanager
def deferred_interrupts() -> Iterator[Interrupts]:
    """Hold signals back until the block is done, so that an error from their handlers cannot leave half a restore.

    An impatient user's second Ctrl-C is such a signal. So is the one by which PyTorch learns that a data loader's
    worker has died: its handler raises wherever the program is. Of several signals of one kind, the handler is called
    for the first.

    A block that takes steps calls `deliver` after each, and the handlers are called there:

        with deferred_interrupts() as interrupts:
            state = snapshot()
            try:
                for lr in rates:
                    step(lr)
                    interrupts.deliver()
            finally:
                interrupts.handled = "at the end"
                restore(state)
    """
    interrupts = Interrupts()
    try:
        interrupts.hold()
        yield interrupts
    finally:
        interrupts.release()
