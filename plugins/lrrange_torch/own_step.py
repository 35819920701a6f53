"""Form B: training steps that the user wrote."""

import functools
from collections.abc import Callable, Iterator, Sequence
from numbers import Real
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from lrrange.errors import TargetError
from lrrange_torch.accelerate import accelerate_state, unprepared
from lrrange_torch.deferred_loss import read_now
from lrrange_torch.distributed import processes_of
from lrrange_torch.optimizer.rate_control import Optimizing
from lrrange_torch.snapshot.copy_on_write import LazySnapshot, why_not_lazy
from lrrange_torch.snapshot.copy_stores import Place, check_place, copies_in
from lrrange_torch.snapshot.digest import digest_of
from lrrange_torch.snapshot.snapshot import Snapshot, seed_everything

# Steps that a user's own step may take without the optimizer moving (accumulation, a GradScaler finding its scale).
_PATIENCE = 25


class OwnStep(Optimizing):
    """Form B: a `TrainingStep` made of the user's own `step()`, for GANs, closures, AMP, several inputs, no loader.

    Args:
        step: called once per rate without arguments; trains one step and returns its loss. `StopIteration` ends the
            sweep. Where `restore` holds a model in DistributedDataParallel, or one sharded by `fully_shard`, all its
            processes sweep together, and read the mean of their losses.
        optimizer: one, or several that share one multiplier.
        restore: everything else that `step` changes: modules, schedulers, scalers, loaders (their random states),
            tensors, generators, containers of these, anything with a `state_dict`. Parameters in the optimizer and the
            global random states are restored in any case.
        snapshot: where it is copied to; see `lrrange_torch.loader_step.LoaderStep`.
    Raises: TargetError for an optimizer without a rate; when the sweep begins, for something that cannot be restored.
    """

    def __init__(
        self,
        step: Callable[[], Any],
        optimizer: Optimizer | Sequence[Optimizer],
        restore: Any,
        snapshot: Place = "device",
    ) -> None:
        given = [optimizer] if isinstance(optimizer, Optimizer) else list(optimizer)
        optimizers = [unprepared(one, scaler="the step's own") for one in given]
        super().__init__(optimizers)
        self._step = step
        self._restore = tuple(restore) if isinstance(restore, (list, tuple)) else (restore,)
        parameters = [parameter for one in optimizers for group in one.param_groups for parameter in group["params"]]
        self._processes = processes_of(self._restore, parameters)
        self._steps = 0
        self._not_lazy = why_not_lazy_in(self._restore, parameters)
        check_place(snapshot)
        self._place = snapshot
        self._copied_bytes = 0

    def snapshot(self) -> Snapshot:
        """Keep everything."""
        self._processes.reshard()
        copies = copies_in(self._place)
        state = LazySnapshot(self._rates.optimizers, copies) if self._not_lazy is None else Snapshot(copies)
        try:
            state.keep(list(self._rates.optimizers))
            state.keep(accelerate_state())
            for one in self._restore:
                state.keep_what_the_user_named(one)
            state.keep_random_state()
            self._watch(state)
        except BaseException:
            self._unwatch()
            state.restore()
            raise
        return state

    def restore(self, state: Snapshot) -> None:
        """Put everything back."""
        self._unwatch()
        self._processes.reshard()
        self._copied_bytes = state.copied_bytes
        state.restore()

    def digest(self) -> Iterator[tuple[str, Any]]:
        """Values and checksums of all that a step is known to change."""
        return digest_of({"optimizer": list(self._rates.optimizers), "restore": self._restore})

    def seed(self, value: int) -> None:
        """Seed every generator that lrrange was told of."""
        seed_everything(value, *self._restore)

    def step(self, lr: float) -> Any:
        """One call of the user's step at `lr`."""
        self._set(lr)
        loss = self._step()
        if isinstance(loss, torch.Tensor) and loss.numel() == 1:
            read = self._processes.reader(loss.device)
            loss = loss if read is read_now else read([loss], 1.0)
        elif isinstance(loss, Real):
            loss = self._processes.mean(functools.partial(float, loss))
        self._steps += 1
        if self._steps == _PATIENCE and self._optimizer_steps == 0:
            raise TargetError(
                f"step() was called {self._steps} times and the optimizer given took no step, so no rate can change "
                f"anything. Give the optimizer that step() uses.",
            )
        return loss

    def report(self) -> dict[str, Any]:
        """Versions, and what happened besides the losses."""
        return {
            "versions": self._versions(),
            "form": "own step",
            "optimizer": ", ".join(type(one).__name__ for one in self._rates.optimizers),
            "group_ratios": list(self._rates.ratios),
            "optimizer_steps": self._optimizer_steps,
            "processes": self._processes.size,
            "snapshot": "lazy" if self._not_lazy is None else f"full: {self._not_lazy}",
            "copied_bytes": self._copied_bytes,
            "copied_to": self._place,
        }


def why_not_lazy_in(restore: Sequence[Any], parameters: Sequence[torch.Tensor]) -> str | None:
    """Why a step of the user's own must be copied in full; None if it need not."""
    modules = [one for one in restore if isinstance(one, nn.Module)]
    tensors = [*parameters, *(parameter for module in modules for parameter in module.parameters())]
    if any(tensor.is_cuda for tensor in tensors):
        return "the step is your own, and may replay a captured CUDA graph"
    return why_not_lazy(*modules)
