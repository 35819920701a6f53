"""One optimizer step of a sweep, under Lightning's automatic optimization and under manual optimization."""

import contextlib
import math
from collections.abc import Callable, Mapping
from typing import Any

import torch

from lrrange.errors import TargetError
from lrrange.sweep import MetricValue, Quantity
from lrrange_lightning.batches import Batches
from lrrange_lightning.compat import package_of
from lrrange_lightning.loss import LossReader, loss_of, mean_over_processes
from lrrange_lightning.silence import LoggedMetrics


class AutomaticStep:
    """A step of the only optimizer over `accumulate_grad_batches` micro-batches, taken as Lightning takes it.

    Args:
        trainer, module: of the fit.
        batches: to train on.
        logged: the metrics that the module logs; cleared before each micro-batch.
        monitor: see `LossReader`.
    """

    def __init__(
        self, trainer: Any, module: Any, batches: Batches, logged: LoggedMetrics, monitor: Quantity | None
    ) -> None:
        self._trainer = trainer
        self._module = module
        self._batches = batches
        self._logged = logged
        self._read = LossReader(trainer, logged, monitor)

    def __call__(self) -> list[float | MetricValue]:
        """Train one step. Return what is recorded of those micro-batches for which `training_step` returned a loss."""
        trainer, module = self._trainer, self._module
        count = trainer.accumulate_grad_batches
        self._recorded: list[float | MetricValue] = []
        self._finite = True
        for number in range(count):
            batch, arguments = self._batches.next()
            index = self._batches.index
            closure = self._closure(arguments, index, first=number == 0, last=number == count - 1)
            self._output: dict[str, Any] = {}
            with contextlib.suppress(_NoStep):
                if number == count - 1:
                    module.optimizer_step(trainer.current_epoch, index, module.optimizers(), closure)
                else:
                    with _without_synchronisation(trainer):
                        closure()
            module.on_train_batch_end(self._output, batch, index)
        return self._recorded

    def _closure(self, arguments: list[Any], index: int, first: bool, last: bool) -> Callable[[], torch.Tensor | None]:
        trainer, module, strategy = self._trainer, self._module, self._trainer.strategy
        optimizer, count = trainer.optimizers[0], trainer.accumulate_grad_batches
        calls = 0

        @torch.enable_grad()
        def closure() -> torch.Tensor | None:
            nonlocal calls
            calls += 1
            self._logged.clear()
            output = strategy.training_step(*arguments)
            if first:
                module.on_before_zero_grad(optimizer)
                module.optimizer_zero_grad(trainer.current_epoch, index, optimizer)
            loss = loss_of(output)
            if loss is None:
                self._check_single_process()
                if last and not (self._recorded and self._finite):
                    raise _NoStep
                return None
            part = loss / count  # a new tensor: the one that the module returned is not changed
            self._output = {**(output if isinstance(output, Mapping) else {}), "loss": part.detach()}
            # The mean decides, so that either all processes run backward or none does.
            mean = mean_over_processes(trainer, loss)
            if calls == 1:  # LBFGS and others call the closure several times in one step
                self._recorded.append(self._read(output, mean))
            self._finite &= math.isfinite(mean)
            if not self._finite:
                raise _NoStep
            strategy.backward(part, optimizer)
            detached: torch.Tensor = part.detach()
            return detached

        return closure

    def _check_single_process(self) -> None:
        if self._trainer.world_size > 1:
            raise TargetError(
                "training_step returned None in one of several processes, and the others would wait for it. Lightning "
                "does not allow this in a fit either: return a loss for every batch.",
            )


class ManualStep:
    """A call of a `training_step` that steps its optimizers itself. Args: see `AutomaticStep`."""

    def __init__(
        self, trainer: Any, module: Any, batches: Batches, logged: LoggedMetrics, monitor: Quantity | None
    ) -> None:
        self._strategy = trainer.strategy
        self._module = module
        self._batches = batches
        self._logged = logged
        self._read = LossReader(trainer, logged, monitor)

    def __call__(self) -> list[float | MetricValue]:
        """Call `training_step` once, and return its loss, or the metric and the loss."""
        batch, arguments = self._batches.next()
        self._logged.clear()
        output = self._strategy.training_step(*arguments)
        recorded = self._read(output)
        outputs = output if isinstance(output, Mapping) else {} if output is None else {"loss": output.detach()}
        self._module.on_train_batch_end(outputs, batch, self._batches.index)
        return [recorded]


class _NoStep(Exception):
    """Raised in an optimizer's closure, to leave the step before it has changed anything."""


def _without_synchronisation(trainer: Any) -> contextlib.AbstractContextManager[None]:
    """Keep the gradients of a micro-batch in their process; the last micro-batch synchronises them."""
    strategy = trainer.strategy
    if isinstance(strategy, package_of(trainer, "Trainer").strategies.ParallelStrategy):
        block: contextlib.AbstractContextManager[None] = strategy.block_backward_sync()
        return block
    return contextlib.nullcontext()
