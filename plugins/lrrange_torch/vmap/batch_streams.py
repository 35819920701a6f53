"""The batches of one run among several that draw from the same loader and the same random state."""

from collections import deque
from typing import Any

from lrrange_torch.batches import Batches
from lrrange_torch.objective import Objective
from lrrange_torch.snapshot.snapshot import Snapshot

# Batches drawn at a time: to change from one random state to another takes as long as drawing a small one.
AHEAD = 8


class Stream:
    """Batches as they come after a random state of their own.

    Args:
        loader: to draw from.
        objective: puts them on the model's device.
        alone: whether nobody else draws random numbers in between, and the state need not be changed.
    """

    def __init__(self, loader: Any, objective: Objective, alone: bool) -> None:
        self._loader = loader
        self._objective = objective
        self._alone = alone
        self._batches = Batches(loader)
        self._random = random_state(loader)
        self._drawn: deque[Any] = deque()
        self._error: Exception | None = None
        self.taken = 0

    def __next__(self) -> Any:
        """The next batch. Raises: whatever drawing it raises."""
        if not self._drawn:
            self._draw()
        if not self._drawn and self._error is not None:
            raise self._error
        self.taken += 1
        return self._drawn.popleft()

    def close(self) -> None:
        """Let go of the loader's iterator."""
        self._batches.close()

    def _draw(self) -> None:
        if not self._alone:
            self._random.restore()
        try:
            for _ in range(1 if self._alone else AHEAD):
                self._drawn.append(self._objective.checked(next(self._batches)))
        except Exception as error:  # of a batch that may never be wanted
            self._error = error
        if not self._alone:
            self._random = random_state(self._loader)


def random_state(loader: Any) -> Snapshot:
    """All that random batches are drawn from, as it is now."""
    state = Snapshot()
    state.keep_loader(loader)
    state.keep_random_state()
    return state
