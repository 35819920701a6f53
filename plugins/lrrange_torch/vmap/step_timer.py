"""How long a batch takes to train on, seen from the runs that were made anyway."""

import time

# Fewer batches say little: the first ones take longer.
_ENOUGH = 10


class Pace:
    """Told when a run begins and ends, and how many batches were taken until then.

    Attributes:
        seconds: for each batch in the last run of enough of them; None if there was none.
    """

    def __init__(self) -> None:
        self.seconds: float | None = None
        self._began = 0.0
        self._batches: int | None = None

    def begin(self, batches: int) -> None:
        """A run begins."""
        self._began, self._batches = time.perf_counter(), batches

    def end(self, batches: int) -> None:
        """The run is over, if one began."""
        if self._batches is not None and batches - self._batches >= _ENOUGH:
            self.seconds = (time.perf_counter() - self._began) / (batches - self._batches)
        self._batches = None
