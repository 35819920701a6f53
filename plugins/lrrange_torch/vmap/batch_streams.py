"""The batches of one run among several that draw from the same loader and the same random state."""

from collections import deque
from typing import Any

from lrrange.protocol import raised_by_a_signal
from lrrange_torch.endless_batches import Batches
from lrrange_torch.objective import Objective
from lrrange_torch.snapshot.snapshot import snapshot_of_random_state

# Number of batches drawn at a time: changing from one random state to another takes as long as drawing a small batch.
BATCHES_AHEAD = 8


class BatchStream:
    """The batches that a loader gives after a random state of this stream's own.

    Args:
        loader: to draw from.
        objective: moves batches to the model's device.
        alone: whether no other stream draws random numbers in between, so that the state need not be changed.

    Attributes:
        taken: number of batches returned so far.
    """

    def __init__(self, loader: Any, objective: Objective, alone: bool) -> None:
        self._loader = loader
        self._objective = objective
        self._alone = alone
        self._batches = Batches(loader)
        self._random = snapshot_of_random_state(loader)
        self._drawn: deque[Any] = deque()
        self._error: Exception | None = None
        self.taken = 0

    def __next__(self) -> Any:
        """Return the next batch. Raises: the error with which the loader failed to give it."""
        if not self._drawn:
            self._draw()
        if not self._drawn and self._error is not None:
            raise self._error
        self.taken += 1
        return self._drawn.popleft()

    def close(self) -> None:
        """Drop the loader's iterator."""
        self._batches.close()

    def _draw(self) -> None:
        if not self._alone:
            self._random.restore()
        try:
            for _ in range(1 if self._alone else BATCHES_AHEAD):
                self._drawn.append(self._objective.checked(next(self._batches)))
        except Exception as error:
            if isinstance(error, TimeoutError) or raised_by_a_signal(error):
                raise  # it is not of this batch
            self._error = error  # kept, as the run may never need this batch
        if not self._alone:
            self._random = snapshot_of_random_state(self._loader)
