"""Signals that wait until a restore is complete, so that they cannot interrupt it."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any


@contextlib.contextmanager
def deferred_interrupts() -> Iterator[None]:
    """Hold signals back until the block is done, so that an error from their handlers cannot leave half a restore.

    An impatient user's second Ctrl-C is such a signal. So is the one by which PyTorch learns that a data loader's
    worker has died: its handler raises wherever the program is.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread receives signals
        return
    waiting: dict[int, Any] = {}  # the first of each kind: one Ctrl-C is enough
    handled: dict[int, Callable[[int, Any], Any]] = {
        number: handler for number in signal.valid_signals() if callable(handler := signal.getsignal(number))
    }
    for number in handled:
        signal.signal(number, lambda received, frame: waiting.setdefault(received, frame))
    try:
        yield
    finally:
        for number, handler in handled.items():
            signal.signal(number, handler)
        with contextlib.ExitStack() as handling:  # calls every handler, even after one that raises
            for received, frame in reversed(waiting.items()):
                handling.callback(handled[received], received, frame)
