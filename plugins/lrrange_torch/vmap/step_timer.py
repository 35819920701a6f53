"""The time that training on one batch takes, measured in the runs that are made anyway."""

import time

# Number of batches from which on a run is measured: the first ones take longer than the rest.
_ENOUGH = 10


class StepTimer:
    """A clock that is started and stopped with each run, and is given the number of batches taken so far.

    Attributes:
        seconds: seconds per batch in the latest run that was long enough; None if there was none.
    """

    def __init__(self) -> None:
        self.seconds: float | None = None
        self._began = 0.0
        self._batches: int | None = None

    def begin(self, batches: int) -> None:
        """Start the clock for a run."""
        self._began, self._batches = time.perf_counter(), batches

    def cancel(self) -> None:
        """Do not measure this run, whose steps are no training."""
        self._batches = None

    def end(self, batches: int) -> None:
        """Stop the clock, and measure the run if one was begun."""
        if self._batches is not None and batches - self._batches >= _ENOUGH:
            self.seconds = (time.perf_counter() - self._began) / (batches - self._batches)
        self._batches = None
