"""A base class for drivers of a loop that a framework owns: it guards the run as lrrange guards its own steps."""

import abc
from collections.abc import Callable
from typing import Any

from lrrange.protocol.blow_up import is_blow_up
from lrrange.protocol.guarded_run import run_guarded
from lrrange.protocol.interrupts import Interrupts
from lrrange.sweep.planned_steps import PlannedSteps


class LoopDriver(abc.ABC):
    """A `Driver` whose author writes three methods: `train`, `snapshot` and `restore`.

    lrrange does the rest, as it does for a `TrainingStep`: it seeds after the snapshot, resets the weights
    where `reset=` is given, ends the sweep as INTERRUPTED on Ctrl-C and as RAISED on an error that a high rate may have
    caused, and restores whatever happens. A `seed(value)` method is then like the one of a `TrainingStep`: it seeds at
    once.
    """

    @abc.abstractmethod
    def train(self, sweep: PlannedSteps) -> object:
        """Train each step at `sweep.lr` and tell `sweep` its loss, until `sweep.running` is false.

        If the data run out before that, call `sweep.close(StopReason.DATA_EXHAUSTED)`. The return value is not read.
        """

    @abc.abstractmethod
    def snapshot(self) -> Any:
        """Return everything that `train` may change, in a form that `restore` understands."""

    @abc.abstractmethod
    def restore(self, state: Any) -> None:
        """Put everything back exactly as it was at the snapshot."""

    def run(self, sweep: PlannedSteps) -> None:
        """Train the steps of `sweep`, and leave everything as it was, even after an error or Ctrl-C."""
        run_loop(self, sweep)


def run_loop(
    driver: LoopDriver,
    sweep: PlannedSteps,
    seed: int | None = None,
    reset: Callable[[], object] | None = None,
    is_blow_up: Callable[[Exception], bool] = is_blow_up,
) -> None:
    """Train the steps of `sweep` with a `LoopDriver`, and leave everything as it was.

    Args:
        driver: trains the steps.
        sweep: steps to train.
        seed: passed to the driver's `seed` method after the snapshot; None for none.
        reset: called after that; it makes other initial weights.
        is_blow_up: see `StepDriver`.
    """

    def train(_: Interrupts) -> None:
        try:
            driver.train(sweep)
        except Exception as error:
            if not (sweep.running and is_blow_up(error) and sweep.fail(error)):
                raise

    run_guarded(driver, train, sweep, seed, reset)
