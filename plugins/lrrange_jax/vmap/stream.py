"""The batches of one run among several that draw from the same loader and the same random states."""

from collections import deque
from typing import Any

from lrrange_jax.batches import Batches
from lrrange_jax.host_state import HostState

# Number of batches drawn at a time: to change from one random state to another takes as long as to draw some.
_AHEAD = 8


class BatchStream:
    """The batches that a loader gives after random states of this stream's own.

    Args:
        batches: of this stream alone.
        step: the user's step, whose generators are part of the states.
        alone: whether no other stream draws in between, so that the states need not be changed.
    """

    def __init__(self, batches: Batches, step: Any, alone: bool) -> None:
        self._batches = batches
        self._step = step
        self._alone = alone
        self._host = self._state()
        self._drawn: deque[Any] = deque()
        self._ended: Exception | None = None

    @property
    def taken(self) -> int:
        """Number of batches returned so far."""
        return self._batches.taken - len(self._drawn)

    def __next__(self) -> Any:
        """Return the next batch. Raises: the error with which the loader failed to give it."""
        if not self._drawn:
            self._draw()
        if not self._drawn and self._ended is not None:
            raise self._ended
        return self._drawn.popleft()

    def _draw(self) -> None:
        if not self._alone:
            self._host.restore()
        try:
            for _ in range(1 if self._alone else _AHEAD):
                self._drawn.append(next(self._batches))
        except Exception as error:
            self._ended = error  # kept, as the run may never need this batch
        if not self._alone:
            self._host = self._state()

    def _state(self) -> HostState:
        return HostState(self._batches.source, self._step)
