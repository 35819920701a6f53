"""The driver of a `TrainingStep`: snapshot, steps, and restore whatever happens."""

from collections import deque
from collections.abc import Callable
from typing import Any, cast

import attrs

from lrrange.protocol.interrupts import deferred_interrupts
from lrrange.protocol.optional import DeferredLoss, Seedable
from lrrange.protocol.training_step import TrainingStep
from lrrange.sweep.planned_steps import PlannedSteps, StopReason


@attrs.frozen
class StepDriver:
    """A driver that takes the steps of a `TrainingStep` and puts everything back.

    Args:
        target: the training step.
        seed: passed to the target's `seed` method after the snapshot; None for none.
        reset: called after that; it makes other initial weights.
    """

    target: TrainingStep
    seed: int | None = None
    reset: Callable[[], object] | None = None

    def run(self, sweep: PlannedSteps) -> None:
        """Take the steps of `sweep`, and leave `target` as it was, even after an error or Ctrl-C."""
        state = self.target.snapshot()
        try:
            if self.seed is not None:
                cast(Seedable, self.target).seed(self.seed)  # `find_lr` has checked that it has one
            if self.reset is not None:
                self.reset()
            self._take_steps(sweep)
        except KeyboardInterrupt:
            if sweep.running:
                sweep.close(StopReason.INTERRUPTED)
            raise
        finally:
            with deferred_interrupts():
                self.target.restore(state)

    def _take_steps(self, sweep: PlannedSteps) -> None:
        pending: deque[Any] = deque()  # losses that the sweep does not have yet
        deferred: dict[type, bool] = {}  # by type of loss, because checking a protocol takes longer than a short step
        taken, exhausted = 0, False
        step, tell = self.target.step, sweep.tell
        while sweep.running:
            if not exhausted and taken < sweep.plan.num_steps:
                try:
                    loss = step(sweep.plan.lr_at(taken))
                    taken += 1
                except StopIteration:
                    exhausted = True
                else:
                    pending.append(loss)
                    if type(loss) not in deferred:
                        deferred[type(loss)] = isinstance(loss, DeferredLoss)
            if not pending:
                sweep.close(StopReason.DATA_EXHAUSTED)
                continue
            steps_late = pending[0].steps_late if deferred[type(pending[0])] else 0
            if exhausted or taken == sweep.plan.num_steps or len(pending) > steps_late:
                tell(pending.popleft())
