"""A training step that the user wrote, with a rate that a function of the user's sets."""

from collections.abc import Callable, Iterator
from typing import Any

import torch

from lrrange.errors import OptionError
from lrrange.sweep import mean_recorded
from lrrange_torch.accelerate import accelerate_state, with_prepared
from lrrange_torch.checked_step import CheckedStep
from lrrange_torch.random_state import seed_everything
from lrrange_torch.snapshot.copy_stores import CopyLocation
from lrrange_torch.snapshot.digest import digest_of
from lrrange_torch.snapshot.snapshot import Snapshot
from lrrange_torch.snapshot.snapshot_maker import SnapshotMaker

__all__ = ["OwnRateStep"]

_WHY_FULL = "the optimizer is none of PyTorch's, and calls no hooks before its steps"


class OwnRateStep:
    """The *own step* with `set_lr`: for optimizers that are none of PyTorch's, such as fastai's.

    Args:
        step: as for `lrrange_torch.own_step.OwnStep`. Each call trains one whole step of the optimizer.
        set_lr: called with the rate before each step. Where there are several groups, it keeps their ratios.
        restore: everything that `step` and `set_lr` change, the model and the optimizer included; see `OwnStep`.
        snapshot: where all this is copied to; see `lrrange_torch.loader_step.LoaderStep`.

    Such an optimizer cannot be watched. So lrrange takes the first steps again after the sweep, at another rate, and
    raises RateNotInForce if that changes no loss.
    """

    def __init__(
        self, step: Callable[[], Any], set_lr: Callable[[float], Any], restore: Any, snapshot: CopyLocation = "device"
    ) -> None:
        if not callable(set_lr):
            raise OptionError(
                f"set_lr={set_lr!r} cannot be called. Give a function of the rate, such as "
                f"lambda lr: optimizer.set_hyper('lr', lr)."
            )
        self._restore = tuple(restore) if isinstance(restore, (list, tuple)) else (restore,)
        self._step = CheckedStep(step, self._restore)
        self._set_lr = set_lr
        self._snapshots = SnapshotMaker([], _WHY_FULL, snapshot)

    def snapshot(self) -> Snapshot:
        """Keep everything that a step may change."""
        self._step.processes.reshard()
        state = self._snapshots.make()
        try:
            for value in self._restore:
                state.keep_what_the_user_named(value)
            for name, value in self._found().items():
                state.keep(value, name)
            state.keep_random_state()
        except BaseException:
            state.restore()
            raise
        return state

    def restore(self, state: Snapshot) -> None:
        """Put everything back."""
        self._step.processes.reshard()
        self._snapshots.restore(state)

    def step(self, lr: float) -> Any:
        """Call the user's step at `lr`. Return its loss, on CUDA as a `DeferredLoss`."""
        self._set_lr(lr)
        return mean_recorded([self._step()], self._step.mean)

    def is_blow_up(self, _: Exception) -> bool:
        """Return whether a rate that is too high may have caused this error: of one process, as far as is known."""
        return self._step.processes.size == 1

    def seed(self, value: int) -> None:
        """Seed every random generator that lrrange knows of."""
        seed_everything(value, *with_prepared(self._restore))

    def digest(self) -> Iterator[tuple[str, Any]]:
        """Yield names with values or checksums of everything that a step is known to change."""
        return digest_of({"restore": self._restore} | self._found())

    def report(self) -> dict[str, Any]:
        """Return versions, and facts about the sweeps."""
        return {
            "versions": {"torch": str(torch.__version__)},
            "form": "own step with set_lr",
            "calls": self._step.calls,
            "processes": self._step.processes.size,
            **self._snapshots.report(),
        }

    def _found(self) -> dict[str, Any]:
        return {"step": self._step.function, "set_lr": self._set_lr, "accelerate": accelerate_state()}
