"""A training step that the user wrote."""

import functools
from collections.abc import Callable, Iterator, Sequence
from numbers import Real
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from lrrange.errors import TargetError
from lrrange_torch.accelerate import accelerate_state, unwrap
from lrrange_torch.deferred_loss import read_now
from lrrange_torch.distributed import processes_of
from lrrange_torch.optimizer.rate_control import RateControl
from lrrange_torch.snapshot.copy_on_write import why_not_lazy
from lrrange_torch.snapshot.copy_stores import CopyLocation
from lrrange_torch.snapshot.digest import digest_of
from lrrange_torch.snapshot.random_state import seed_everything
from lrrange_torch.snapshot.snapshot import Snapshot
from lrrange_torch.snapshot.snapshot_maker import SnapshotMaker

__all__ = ["OwnStep"]

# Number of calls of a user's step within which the optimizer must take a step. Accumulation, or a GradScaler that
# searches for its scale, may need several.
_PATIENCE = 25


class OwnStep:
    """The *own step*: a `TrainingStep` made of the user's `step()`, for GANs, closures, several inputs, no loader.

    Args:
        step: called once per rate without arguments; trains one step and returns its loss. `StopIteration` ends the
            sweep. If `restore` holds a model in DistributedDataParallel, or one sharded by `fully_shard`, all its
            processes sweep together, and read the mean of their losses.
        optimizer: one, or several that share one multiplier.
        restore: everything else that `step` changes: modules, schedulers, scalers, loaders (their random states),
            tensors, generators, containers of these, anything with a `state_dict`. Parameters in the optimizer and the
            global random states are restored in any case.
        snapshot: where all this is copied to; see `lrrange_torch.loader_step.LoaderStep`.

    Raises: TargetError for an optimizer without a rate; and, when the sweep begins, for something that cannot be
        restored.
    """

    def __init__(
        self,
        step: Callable[[], Any],
        optimizer: Optimizer | Sequence[Optimizer],
        restore: Any,
        snapshot: CopyLocation = "device",
    ) -> None:
        given = [optimizer] if isinstance(optimizer, Optimizer) else list(optimizer)
        self._rates = RateControl([unwrap(value, scaler="the step's own") for value in given])
        self._step = step
        self._restore = tuple(restore) if isinstance(restore, (list, tuple)) else (restore,)
        parameters = self._rates.parameters()
        self._processes = processes_of(self._restore, parameters)
        why_full = why_not_lazy_in(self._restore, parameters)
        self._snapshots = SnapshotMaker(self._rates.optimizers, why_full, snapshot)
        self._steps = 0

    def snapshot(self) -> Snapshot:
        """Keep everything that a step may change."""
        self._processes.reshard()
        state = self._snapshots.make()
        try:
            state.keep(list(self._rates.optimizers))
            state.keep(accelerate_state())
            for value in self._restore:
                state.keep_what_the_user_named(value)
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
        self._processes.reshard()
        self._snapshots.restore(state)

    def step(self, lr: float) -> Any:
        """Call the user's step once, at `lr`. Return its loss, on CUDA as a `DeferredLoss`."""
        self._rates.set(lr)
        loss = self._step()
        if isinstance(loss, torch.Tensor) and loss.numel() == 1:
            read = self._processes.reader(loss.device)
            loss = loss if read is read_now else read([loss], 1.0)
        elif isinstance(loss, Real):
            loss = self._processes.mean(functools.partial(float, loss))
        self._steps += 1
        if self._steps == _PATIENCE and self._rates.optimizer_steps == 0:
            raise TargetError(
                f"step() was called {self._steps} times and the optimizer given took no step, so no rate can change "
                f"anything. Give the optimizer that step() uses.",
            )
        return loss

    def seed(self, value: int) -> None:
        """Seed every random generator that lrrange knows of."""
        seed_everything(value, *self._restore)

    def set_momentum(self, value: float) -> bool:
        """Train the next steps at this momentum, in the groups that have one. Return whether any group has."""
        return self._rates.set_momentum(value)

    def bounds(self) -> dict[str, float]:
        """Return the highest rate to try as `end_lr`, if the first optimizer needs another one than most."""
        return self._rates.bounds()

    def digest(self) -> Iterator[tuple[str, Any]]:
        """Yield names with values or checksums of everything that a step is known to change."""
        return digest_of({"optimizer": list(self._rates.optimizers), "restore": self._restore})

    def report(self) -> dict[str, Any]:
        """Return versions, and facts about the sweeps."""
        return {
            "versions": {"torch": str(torch.__version__)},
            "form": "own step",
            "optimizer": ", ".join(type(optimizer).__name__ for optimizer in self._rates.optimizers),
            "group_ratios": list(self._rates.ratios),
            "optimizer_steps": self._rates.optimizer_steps,
            "processes": self._processes.size,
            **self._snapshots.report(),
        }


def why_not_lazy_in(restore: Sequence[Any], parameters: Sequence[torch.Tensor]) -> str | None:
    """Return why everything that a user's own step changes must be copied in full; None if a lazy snapshot will do."""
    modules = [value for value in restore if isinstance(value, nn.Module)]
    tensors = [*parameters, *(parameter for module in modules for parameter in module.parameters())]
    if any(tensor.is_cuda for tensor in tensors):
        return "the step is your own, and may replay a captured CUDA graph"
    return why_not_lazy(*modules)
