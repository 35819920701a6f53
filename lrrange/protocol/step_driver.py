"""The driver of a `TrainingStep`: snapshot, steps, and restore whatever happens."""

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import attrs

from lrrange.protocol.blow_up import is_blow_up
from lrrange.protocol.guarded_run import run_guarded
from lrrange.protocol.interrupts import Interrupts, raised_by_a_signal
from lrrange.protocol.optional import DeferredLoss
from lrrange.protocol.training_step import TrainingStep
from lrrange.quantity import MetricValue
from lrrange.sweep.pace import MOST_LATE
from lrrange.sweep.planned_steps import PlannedSteps, StopReason


@attrs.frozen
class StepDriver:
    """A driver that takes the steps of a `TrainingStep` and puts everything back.

    Signals are handled between the steps, or when everything is restored; see `deferred_interrupts`.

    Args:
        target: the training step.
        seed: passed to the target's `seed` method after the snapshot; None for none.
        reset: called after that; it makes other initial weights.
        is_blow_up: returns whether the training may have raised an error because its rate is too high. Such an error
            ends the steps if `PlannedSteps.fail` accepts it.
    """

    target: TrainingStep
    seed: int | None = None
    reset: Callable[[], object] | None = None
    is_blow_up: Callable[[Exception], bool] = is_blow_up

    def run(self, sweep: PlannedSteps) -> None:
        """Take the steps of `sweep`, and leave `target` as it was, even after an error or Ctrl-C."""
        run_guarded(self.target, partial(self._take_steps, sweep), sweep, self.seed, self.reset)

    def _take_steps(self, sweep: PlannedSteps, interrupts: Interrupts) -> None:
        pending: deque[Any] = deque()  # losses that the sweep does not have yet
        deferred: dict[type, bool] = {}  # by type of loss, because checking a protocol takes longer than a short step
        taken, exhausted = 0, False
        step, tell, deliver = self.target.step, sweep.tell, interrupts.deliver
        while sweep.running:
            if not exhausted and taken < sweep.plan.num_steps:
                try:
                    loss = step(sweep.plan.lr_at(taken))
                    taken += 1
                except StopIteration as error:
                    if raised_by_a_signal(error):
                        raise
                    exhausted = True
                except Exception as error:
                    if not self.is_blow_up(error) or not _fail(sweep, error, pending):
                        raise
                    break
                else:
                    pending.append(loss)
                deliver()
            if not pending:
                sweep.close(StopReason.DATA_EXHAUSTED)
                continue
            steps_late = 0 if type(pending[0]) is float else _steps_late(pending[0], deferred)
            # The training must not be further when a loss is told after which it is evaluated.
            if steps_late and (exhausted or taken == sweep.plan.num_steps or sweep.is_evaluated_after(taken)):
                steps_late = 0
            while len(pending) > steps_late and sweep.running:
                tell(pending.popleft())


def _steps_late(loss: Any, deferred: dict[type, bool]) -> int:
    """Return by how many steps the sweep gets this loss, or metric, later. `deferred` has what is known of its type."""
    number: Any = loss.value if isinstance(loss, MetricValue) else loss
    if type(number) not in deferred:
        deferred[type(number)] = isinstance(number, DeferredLoss)
    return min(number.steps_late, MOST_LATE) if deferred[type(number)] else 0


def _fail(sweep: PlannedSteps, error: Exception, pending: deque[Any]) -> bool:
    """End the sweep by this error, after the losses of the steps before it. Return whether it accepts the error."""
    while pending and sweep.running:
        sweep.tell(pending.popleft())
    return not sweep.running or sweep.fail(error)  # of a sweep that has ended, later steps do not count
