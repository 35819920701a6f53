"""One optimizer step: gradients of the mean loss over the micro-batches, clipping, loss scaling, and the update."""

import inspect
import math
from collections.abc import Sequence
from typing import Any, SupportsFloat

import torch
from torch import nn
from torch.optim import Optimizer

from lrrange.errors import OptionError
from lrrange_torch.deferred_loss import PendingLoss
from lrrange_torch.distributed import Processes
from lrrange_torch.objective import Objective
from lrrange_torch.optimizer.rate_control import RateControl


class GradientStep:
    """The steps of one optimizer on the gradients of an objective.

    Where losses are read in their own step, a loss that is not finite does not move the weights.

    Args:
        objective: computes the loss of a batch.
        rates: the control of the optimizer's rate, which counts its steps.
        processes: the processes that train together.
        scaler: an enabled GradScaler, or None.
        clip_norm: largest total norm of the gradients, or None.

    Attributes:
        takes_closure: whether the optimizer evaluates the loss itself, several times a step, as LBFGS does.
        own_zero_grad: whether the optimizer's `zero_grad` is not PyTorch's own.
        deferred: whether losses are read some steps late.
        skipped: number of steps in which the weights were not moved.

    Raises: OptionError for an optimizer that cannot be used with a GradScaler.
    """

    def __init__(
        self,
        objective: Objective,
        rates: RateControl,
        processes: Processes,
        scaler: torch.amp.GradScaler | None,
        clip_norm: float | None,
    ) -> None:
        (optimizer,) = rates.optimizers
        closure = inspect.signature(optimizer.step).parameters.get("closure")
        self.takes_closure = closure is not None and closure.default is inspect.Parameter.empty
        if self.takes_closure and scaler is not None:
            raise OptionError(f"a {type(optimizer).__name__} cannot be used with a GradScaler. Leave grad_scaler out.")
        self.own_zero_grad = type(optimizer).zero_grad is not Optimizer.zero_grad or "zero_grad" in vars(optimizer)
        self.objective = objective
        self.optimizer = optimizer
        self.scaler = scaler
        self.clip_norm = clip_norm
        self.read = processes.reader(objective.device)
        self.deferred = self.read is PendingLoss
        self.skipped = 0
        self._rates = rates
        self._processes = processes

    def take(self, batches: Sequence[Any]) -> SupportsFloat:
        """Take one step on these micro-batches. Return the mean of their recorded values."""
        if self.takes_closure:
            return self._closure_step(batches)
        losses, recorded = self._backward(batches)
        if self.deferred or math.isfinite(self._mean_loss(losses, recorded)):
            self._update()
        else:
            self.skipped += 1
        return recorded

    def _closure_step(self, batches: Sequence[Any]) -> SupportsFloat:
        first: list[SupportsFloat] = []

        def closure() -> torch.Tensor:
            losses, recorded = self._backward(batches)
            first.append(recorded)
            return torch.stack(losses).mean()

        self.optimizer.step(closure)  # type: ignore[arg-type]  # torch says float, and its own closures give tensors
        return first[0]

    def _update(self) -> None:
        if self.clip_norm is not None:
            if self.scaler is not None:
                self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self._rates.parameters(), self.clip_norm)
        if self.scaler is None:
            self.optimizer.step()
            return
        before = self._rates.optimizer_steps
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.skipped += self._rates.optimizer_steps == before

    def _backward(self, batches: Sequence[Any]) -> tuple[list[torch.Tensor], SupportsFloat]:
        """Compute the gradients of the mean loss. Return the losses, and the mean of the recorded values."""
        self._drop_gradients()
        losses, recorded = [], []
        for batch in batches:
            loss, value = self._processes.together(self.objective, batch)
            part = loss if len(batches) == 1 else loss / len(batches)
            (part if self.scaler is None else self.scaler.scale(part)).backward()  # type: ignore[no-untyped-call]
            losses.append(value if self.objective.records_loss else loss.detach())
            recorded.append(value)
        return losses, self.read(recorded, self.objective.sign / len(recorded))

    def _mean_loss(self, losses: Sequence[torch.Tensor], recorded: SupportsFloat) -> float:
        if self.objective.records_loss:
            return float(recorded)  # which is the mean loss, and has been read already
        return self._processes.mean(lambda: sum(map(float, losses)) / len(losses))

    def _drop_gradients(self) -> None:
        if self.own_zero_grad:
            self.optimizer.zero_grad()
            return
        # PyTorch's own `zero_grad` does this too, within a profiler range that takes longer than all the rest of it.
        for group in self.optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = None
