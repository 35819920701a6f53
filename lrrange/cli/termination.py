"""SIGTERM as an exception, so that a command that is told to end puts everything back first, as after Ctrl-C."""

import contextlib
import os
import signal
from collections.abc import Iterator
from types import FrameType


class Terminated(BaseException):
    """SIGTERM, as `timeout`, a job scheduler or `kill` send it."""


@contextlib.contextmanager
def raised_on_sigterm() -> Iterator[None]:
    """Raise Terminated in the block on SIGTERM, unless the program has a handler of its own for it."""
    process = os.getpid()

    def end(number: int, _: FrameType | None) -> None:
        if os.getpid() == process:
            raise Terminated
        # A worker that was forked in the block, which its parent ends in this way, dies as it would without this.
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    try:
        before = signal.getsignal(signal.SIGTERM)
        if before is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, end)
    except ValueError:  # only the main thread may set handlers
        before = None
    try:
        yield
    finally:
        if before is signal.SIG_DFL and signal.getsignal(signal.SIGTERM) is end:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
