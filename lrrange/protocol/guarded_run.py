"""A run between a snapshot and its restore: whatever ends it, everything is put back."""

from collections.abc import Callable
from typing import Any, Protocol, cast

from lrrange.protocol.interrupts import Interrupts, deferred_interrupts
from lrrange.protocol.optional import Seedable
from lrrange.sweep.planned_steps import PlannedSteps, StopReason


class Restorable(Protocol):
    """What a `TrainingStep` and a `LoopDriver` have in common."""

    def snapshot(self) -> Any:
        """Return everything that the steps may change."""

    def restore(self, state: Any) -> None:
        """Put everything back as it was at the snapshot."""


def run_guarded(
    target: Restorable,
    take_steps: Callable[[Interrupts], object],
    sweep: PlannedSteps,
    seed: int | None,
    reset: Callable[[], object] | None,
) -> None:
    """Take the steps of `sweep`, and leave `target` as it was, even after an error or Ctrl-C.

    Args:
        target: what the steps change.
        take_steps: takes the steps. It is given the signals, to deliver them between the steps.
        sweep: the steps. It ends as INTERRUPTED on Ctrl-C.
        seed: passed to the target's `seed` method after the snapshot; None for none.
        reset: called after that; it makes other initial weights.
    """
    with deferred_interrupts() as interrupts:
        state = target.snapshot()
        try:
            interrupts.deliver()
            if seed is not None:
                cast(Seedable, target).seed(seed)  # `find_lr` has checked that it has one
            if reset is not None:
                reset()
            take_steps(interrupts)
        except KeyboardInterrupt:
            if sweep.running:
                sweep.close(StopReason.INTERRUPTED)
            raise
        finally:
            interrupts.handled = "at the end"
            try:
                interrupts.hold()
            finally:
                target.restore(state)
