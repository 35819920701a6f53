"""One training step: gradients of the mean loss over the micro-batches, clipping, loss scaling, and the updates."""

import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, SupportsFloat

import torch
from torch import nn
from torch.optim import Optimizer

from lrrange.errors import OptionError
from lrrange.sweep import MetricValue
from lrrange_torch.deferred_loss import PendingLoss
from lrrange_torch.distributed import Processes
from lrrange_torch.objective import Objective
from lrrange_torch.optimizer.rate_control import RateControl
from lrrange_torch.wrappers import wrapped_in

# What an optimizer needs a closure for: to compute the gradients of its step, as LBFGS does, or to compute them once
# more at other weights, when they have been computed before the step, as SAM does.
ClosureUse = Literal["for gradients", "after gradients"] | None


class GradientStep:
    """The steps of some optimizers on the gradients of an objective.

    Where losses are read in their own step, a loss that is not finite does not move the weights.

    Args:
        objective: computes the loss of a batch.
        rates: the control of the optimizers' rates, which counts their steps.
        processes: the processes that train together.
        scaler: an enabled GradScaler, or None.
        clip_norm: largest total norm of the gradients of all optimizers, or None.
        accumulate: micro-batches per step. One is on the device at a time, unless the optimizer takes a closure.

    Attributes:
        own_zero_grad: whether the `zero_grad` of an optimizer is not PyTorch's own.
        deferred: whether losses are read some steps late.
        skipped: number of steps in which not all weights were moved.

    Raises: OptionError for an optimizer that cannot be used with a GradScaler, or with other optimizers.
    """

    def __init__(
        self,
        objective: Objective,
        rates: RateControl,
        processes: Processes,
        scaler: torch.amp.GradScaler | None,
        clip_norm: float | None,
        accumulate: int,
    ) -> None:
        self.optimizers = rates.optimizers
        self._closure_use: ClosureUse = next(filter(None, map(closure_use_of, self.optimizers)), None)
        own = [_has_own_zero_grad(optimizer) for optimizer in self.optimizers]
        self.own_zero_grad = any(own)
        self._zeroing = list(zip(self.optimizers, own, strict=True))
        self.objective = objective
        self.scaler = scaler
        self.clip_norm = clip_norm
        self.read = processes.reader(objective.device)
        self.deferred = self.read is PendingLoss
        self.skipped = 0
        self._has_updated = False
        self._accumulate = accumulate
        self._rates = rates
        self._processes = processes
        if self.takes_closure:
            self._check_closure_possible()

    @property
    def takes_closure(self) -> bool:
        """Whether the optimizer evaluates the loss itself, as LBFGS and SAM do."""
        return self._closure_use is not None

    def take(self, next_batch: Callable[[], Any]) -> SupportsFloat:
        """Take one step on the micro-batches that `next_batch` returns. Return what is recorded of it."""
        if self.takes_closure:
            return self._closure_step([next_batch() for _ in range(self._accumulate)])
        first: list[Any] = []  # the batch of the first update, which may have to be taken again with a closure

        def remembered() -> Any:
            first.append(next_batch())
            return first[-1]

        # Of several micro-batches, no more than one may be alive.
        remembers = not self._has_updated and self._accumulate == 1
        _, recorded = self._backward(remembered if remembers else next_batch)
        if not self._may_move(recorded):
            self.skipped += 1
            return recorded
        try:
            self._update()
        except Exception as error:
            # The signature of its step may have `closure=None` all the same. Nothing says so before the first step.
            if self._has_updated or not _asks_for_closure(error):
                raise
            self._closure_use = "after gradients"
            self._check_closure_possible(error)
            return self._closure_step(first) if remembers else self.take(next_batch)
        self._has_updated = True
        return recorded

    def evaluate(self, next_batch: Callable[[], Any]) -> SupportsFloat:
        """Return what is recorded of the micro-batches of a step, without taking the step."""
        losses, values = [], []
        for _ in range(self._accumulate):
            loss, value = self.objective(next_batch(), training=False)
            losses.append(loss.detach())
            values.append(value)
            del loss  # with its graph, which must be gone before the next batch is drawn
        return self.objective.recorded(losses, values, self.read)

    def _check_closure_possible(self, error: Exception | None = None) -> None:
        kind = next((type(o).__name__ for o in self.optimizers if closure_use_of(o)), self._rates.names)
        if self.scaler is not None:
            raise OptionError(f"a {kind} cannot be used with a GradScaler. Leave grad_scaler out.") from error
        if len(self.optimizers) > 1:
            raise OptionError(
                f"{self._rates.names}: a {kind} evaluates the loss itself, in the middle of its step, so it cannot "
                f"step in turn with others. Write a step of your own.",
            ) from error

    def _closure_step(self, batches: Sequence[Any]) -> SupportsFloat:
        evaluated: list[tuple[list[torch.Tensor], SupportsFloat]] = []

        def closure() -> torch.Tensor:
            with torch.enable_grad():
                evaluated.append(self._backward(iter(batches).__next__))
            self._clip()
            return torch.stack(evaluated[-1][0]).mean()

        if self._closure_use == "after gradients":
            closure()
            if not self._may_move(evaluated[0][1]):
                self.skipped += 1
                return evaluated[0][1]
        (optimizer,) = self.optimizers
        optimizer.step(closure)  # type: ignore[arg-type]  # torch says float, and its own closures give tensors
        return evaluated[0][1]

    def _may_move(self, recorded: SupportsFloat) -> bool:
        return self.deferred or math.isfinite(recorded.loss if isinstance(recorded, MetricValue) else recorded)

    def _update(self) -> None:
        if self.scaler is None:
            self._clip()
            for optimizer in self.optimizers:
                optimizer.step()
            return
        if self.clip_norm is not None:
            for optimizer in self.optimizers:
                self.scaler.unscale_(optimizer)
            self._clip()
        before = self._rates.optimizer_steps
        for optimizer in self.optimizers:
            self.scaler.step(optimizer)
        self.scaler.update()
        self.skipped += self._rates.optimizer_steps - before < len(self.optimizers)

    def _clip(self) -> None:
        if self.clip_norm is not None:
            nn.utils.clip_grad_norm_(self._rates.parameters(), self.clip_norm)

    def _backward(self, next_batch: Callable[[], Any]) -> tuple[list[torch.Tensor], SupportsFloat]:
        """Compute the gradients of the mean loss. Return the losses, and what is recorded."""
        self._drop_gradients()
        losses, values = [], []
        for _ in range(self._accumulate):
            # No name for the batch: it must be gone before the next one is drawn.
            loss, value = self._processes.together(self.objective, next_batch())
            part = loss if self._accumulate == 1 else loss / self._accumulate
            (part if self.scaler is None else self.scaler.scale(part)).backward()  # type: ignore[no-untyped-call]
            losses.append(value if self.objective.quantity is None else loss.detach())
            values.append(value)
            del loss, part
        return losses, self.objective.recorded(losses, values, self.read)

    def _drop_gradients(self) -> None:
        for optimizer, own in self._zeroing:
            if own:
                optimizer.zero_grad()
                continue
            # PyTorch's own `zero_grad` does this too, within a profiler range that takes longer than all the rest.
            for group in optimizer.param_groups:
                for parameter in group["params"]:
                    parameter.grad = None


def closure_use_of(optimizer: Optimizer) -> ClosureUse:
    """Return how the optimizer's step uses a closure that evaluates the loss again; None if it needs none.

    Also for an optimizer around one that needs a closure, which its own step only passes on.
    """
    for member in (optimizer, *(inside for _, inside in wrapped_in(optimizer))):
        if all(callable(getattr(member, name, None)) for name in ("first_step", "second_step")):
            return "after gradients"
        closure = inspect.signature(member.step).parameters.get("closure")
        if closure is not None and closure.default is inspect.Parameter.empty:
            return "for gradients"
    return None


def _asks_for_closure(error: Exception) -> bool:
    """Return whether a step without a closure failed because it wants one."""
    text = str(error)
    return "closure" in text.lower() or (isinstance(error, TypeError) and "'NoneType' object is not callable" in text)


def _has_own_zero_grad(optimizer: Optimizer) -> bool:
    return type(optimizer).zero_grad is not Optimizer.zero_grad or "zero_grad" in vars(optimizer)
