"""A training step that the user wrote."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from lrrange.errors import TargetError
from lrrange.sweep import MetricValue, mean_recorded
from lrrange_torch.accelerate import accelerate_state, with_prepared
from lrrange_torch.checked_step import CheckedStep
from lrrange_torch.deferred_loss import read_now
from lrrange_torch.optimizer.argument import optimizers_of
from lrrange_torch.optimizer.facts import facts_of
from lrrange_torch.optimizer.rate_control import RateControl
from lrrange_torch.random_state import seed_everything
from lrrange_torch.snapshot.copy_on_write import why_not_lazy
from lrrange_torch.snapshot.copy_stores import CopyLocation
from lrrange_torch.snapshot.digest import digest_of
from lrrange_torch.snapshot.snapshot import Snapshot
from lrrange_torch.snapshot.snapshot_maker import SnapshotMaker

__all__ = ["OwnStep"]

# Number of calls of a user's step within which the optimizer must take its first step: more micro-batches than anybody
# accumulates. And the number of calls that are waited for it later, beyond the most that it took so far: a GradScaler
# halves its scale in each.
_PATIENCE = 256
_SKIPPED_CALLS = 25


class OwnStep:
    """The *own step*: a `TrainingStep` made of the user's `step()`, for GANs, closures, several inputs, no loader.

    Args:
        step: called without arguments; trains one step and returns its loss, one number, or a
            `lrrange.sweep.MetricValue`, to read the advice from a metric. `StopIteration` ends the
            sweep, except where the forward pass of a module or a dataset raises it, which is an error. If the step's
            variables or `restore` hold a model in DistributedDataParallel, or one sharded by `fully_shard`, all its
            processes sweep together, and read the mean of their losses.
        optimizer: one, or several that share one multiplier.
        restore: everything else that `step` changes: modules, schedulers, scalers, loaders (their random states),
            tensors, generators, containers of these, anything with a `state_dict`; an `Accelerator` for all that it
            has prepared. Parameters in the optimizer and the global random states are restored in any case.
        snapshot: where all this is copied to; see `lrrange_torch.loader_step.LoaderStep`.

    A rate is in force until an optimizer has taken a step, usually one call. If `step` takes one micro-batch and the
    optimizer steps in every fourth call, as under `Accelerator.accumulate`, a rate gets four calls, and the mean of
    their losses is recorded. The same holds for calls in which a GradScaler skips the step, until one does not. No call
    follows one whose loss is not finite, except while micro-batches are known to be missing. Of several optimizers, one
    that steps is enough.

    Raises: TargetError for an optimizer without a rate; and, when the sweep begins, for something that cannot be
        restored.
    """

    proves_rate = True  # at every `optimizer.step()`

    def __init__(
        self,
        step: Callable[[], Any],
        optimizer: Optimizer | Sequence[Optimizer],
        restore: Any,
        snapshot: CopyLocation = "device",
    ) -> None:
        self._rates = RateControl(optimizers_of(optimizer, scaler="the step's own"))
        self._restore = tuple(restore) if isinstance(restore, (list, tuple)) else (restore,)
        parameters = self._rates.parameters()
        self._step = CheckedStep(step, self._restore, parameters)
        why_full = why_not_lazy_in(with_prepared(self._restore), parameters)
        self._snapshots = SnapshotMaker(self._rates.hooked, why_full, snapshot)
        self._most_calls = 1
        self._patience = _PATIENCE

    def snapshot(self) -> Snapshot:
        """Keep everything that a step may change."""
        self._step.processes.reshard()
        state = self._snapshots.make()
        try:
            for name, holder in self._holders().items():
                state.keep(holder, name)
            for value in self._restore:
                state.keep_what_the_user_named(value)
            # Last, because the step's variables may hold the data too.
            state.keep(self._step.function, "step")
            state.keep_random_state()
            self._rates.watch(state)
        except BaseException:
            self._rates.unwatch()
            state.restore()
            raise
        return state

    def restore(self, state: Snapshot) -> None:
        """Put everything back."""
        self._rates.unwatch()
        self._step.processes.reshard()
        self._snapshots.restore(state)

    def step(self, lr: float) -> Any:
        """Call the user's step at `lr` until an optimizer has taken a step. Return the mean of the losses.

        Returns: the loss, on CUDA as a `DeferredLoss`.
        Raises: LossError for a loss that is not one number; TargetError if the optimizers never take a step.
        """
        self._rates.set(lr)
        before = self._rates.steps_watched
        losses = [self._step()]
        while self._rates.steps_watched == before and self._calls_again(losses):
            losses.append(self._step())
        if self._rates.steps_watched > before:
            self._most_calls = max(self._most_calls, len(losses))
            self._patience = self._most_calls + _SKIPPED_CALLS
        return mean_recorded(losses, self._step.mean)

    def _calls_again(self, losses: Sequence[Any]) -> bool:
        """Return whether to call the user's step again, after calls that moved no optimizer."""
        calls = len(losses)
        if self._rates.steps_watched == 0 and self._rates.on_device:
            return False  # a captured CUDA graph calls no hooks, so there may have been a step
        if calls < min(self._most_calls, self._patience):
            return True
        last = losses[-1]
        if isinstance(last, MetricValue) and last.loss is not None:
            last = last.loss
        if not math.isfinite(read_now([last], 1.0)):
            return False  # many steps skip their update then, and a GradScaler always does
        if calls < self._patience:
            return True
        if self._rates.steps_watched == 0:
            raise TargetError(
                f"step() was called {calls} times at one rate and the optimizer given took no step, so no rate can "
                f"change anything. Give the optimizer that step() uses.",
            )
        self._patience = 1  # until an optimizer takes a step again
        return False

    def is_blow_up(self, _: Exception) -> bool:
        """Return whether a rate that is too high may have caused this error: of one process, as far as is known."""
        return self._step.processes.size == 1

    def seed(self, value: int) -> None:
        """Seed every random generator that lrrange knows of."""
        seed_everything(value, *with_prepared(self._restore))

    def set_momentum(self, value: float) -> bool:
        """Train the next steps at this momentum, in the groups that have one. Return whether any group has."""
        return self._rates.set_momentum(value)

    def bounds(self) -> dict[str, float]:
        """Return the bounds of a sweep if an optimizer needs others than most."""
        return self._rates.bounds()

    def facts(self) -> dict[str, Any]:
        """Return what the optimizers tell about the training."""
        return facts_of(self._rates.optimizers)

    def digest(self) -> Iterator[tuple[str, Any]]:
        """Yield names with values or checksums of everything that a step is known to change."""
        return digest_of(self._holders() | {"restore": self._restore, "step": self._step.function})

    def _holders(self) -> dict[str, Any]:
        return {"optimizer": list(self._rates.optimizers), "accelerate": accelerate_state()}

    def report(self) -> dict[str, Any]:
        """Return versions, and facts about the sweeps."""
        return {
            "versions": {"torch": str(torch.__version__)},
            "form": "own step",
            "optimizer": self._rates.names,
            "group_ratios": list(self._rates.ratios),
            "group_rates": self._rates.bases,
            "calls": self._step.calls,
            "optimizer_steps": self._rates.optimizer_steps,
            "processes": self._step.processes.size,
            **self._snapshots.report(),
        }


def why_not_lazy_in(restore: Sequence[Any], parameters: Sequence[torch.Tensor]) -> str | None:
    """Return why everything that a user's own step changes must be copied in full; None if a lazy snapshot will do."""
    modules = [value for value in restore if isinstance(value, nn.Module)]
    tensors = [*parameters, *(parameter for module in modules for parameter in module.parameters())]
    if any(tensor.is_cuda for tensor in tensors):
        return "the step is your own, and may replay a captured CUDA graph"
    return why_not_lazy(*modules)
