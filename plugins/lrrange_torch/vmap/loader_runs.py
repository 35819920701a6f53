"""The runs of a `LoaderStep`, which can be taken side by side: its part of `lrrange.protocol.Replicates`."""

import math
from collections.abc import Callable, Iterable
from typing import Any

from torch import nn

from lrrange import StopReason, Sweep
from lrrange.protocol import StepDriver
from lrrange.sweep import PlannedSteps, SweepPlan
from lrrange_torch.distributed import Processes
from lrrange_torch.endless_batches import Batches
from lrrange_torch.gradient_step import GradientStep
from lrrange_torch.vmap.eligibility import TrainingSetup
from lrrange_torch.vmap.runs import Replica, SeedableStep, why_alone
from lrrange_torch.vmap.step_timer import StepTimer

# Number of batches that are enough for `StepTimer`.
_BATCHES_TO_TIME = 10


class LoaderRuns:
    """The runs of one loader step.

    Args:
        step: the loader step itself.
        model, loader, accumulate: as the user gave them.
        ratios: for each param group, its part of the rate.
        batches, gradients, processes: parts of the step. Batches and skipped steps of runs that are taken side by side
            are added to their counts.
        timer: measures the step's runs.
        reads_validation: whether a step records a validation loss.
        evaluates: whether the step has held-out data.
    """

    def __init__(
        self,
        step: SeedableStep,
        *,
        model: nn.Module,
        loader: Iterable[Any],
        accumulate: int,
        ratios: tuple[float, ...],
        batches: Batches[Any],
        gradients: GradientStep,
        processes: Processes,
        timer: StepTimer,
        reads_validation: bool,
        evaluates: bool,
    ) -> None:
        obstacles = {
            "it is trained in several processes": processes.size > 1,
            "there are several optimizers": len(gradients.optimizers) > 1,
            f"{type(gradients.optimizers[0]).__name__} evaluates the loss itself": gradients.takes_closure,
            "a GradScaler skips steps": gradients.scaler is not None,
            "the optimizer's zero_grad is its own": gradients.own_zero_grad,
            "the loader cannot start again": batches.one_shot,
            "validation losses are read": reads_validation,
        }
        self.step = step
        self.setup = TrainingSetup(
            model=model,
            optimizer=gradients.optimizers[0],
            loader=loader,
            objective=gradients.objective,
            ratios=ratios,
            accumulate=accumulate,
            clip_norm=gradients.clip_norm,
            evaluates=evaluates,
            obstacle=next((obstacle for obstacle, applies in obstacles.items() if applies), None),
        )
        self._batches = batches
        self._gradients = gradients
        self._timer = timer

    def why_alone(self, count: int, measure: bool) -> str | None:
        """Return why `count` runs cannot be taken side by side, as far as is known without a step; None if they can.

        With `measure`, also return a reason if it would not pay.
        """
        return why_alone(self.setup, count, measure)

    def replica(self, sweep: Sweep, seed: int | None, reset: Callable[[], object] | None) -> Replica:
        """Return one run of several that may be taken side by side."""
        return Replica(self, sweep, seed, reset)

    def seconds_a_step(self, lr: float) -> float | None:
        """Return how long a step takes by itself, as measured in the runs so far; None if the data run out.

        If none was long enough, some steps are taken at this rate, measured and undone.
        """
        if self._timer.seconds is None:
            num_steps = _BATCHES_TO_TIME // self.setup.accumulate + 1
            steps = PlannedSteps(SweepPlan(start_lr=lr, end_lr=2 * lr, num_steps=num_steps), non_finite_limit=num_steps)
            StepDriver(self.step).run(steps)
            if steps.stop_reason is StopReason.DATA_EXHAUSTED:
                return None
        return (self._timer.seconds or math.inf) * self.setup.accumulate

    def count(self, batches: int, skipped: int) -> None:
        """Add batches and skipped steps of runs that were taken side by side to what the step reports."""
        self._batches.taken += batches
        self._gradients.skipped += skipped
