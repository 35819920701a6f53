"""What every training step on a torch optimizer shares: rates set, and checked when the optimizer uses them."""

from collections.abc import Sequence
from typing import Any

import torch
from torch.optim import Optimizer

from lrrange.errors import OptionError
from lrrange_torch.optimizer.momentum import GroupMomenta
from lrrange_torch.optimizer.rates import GroupRates
from lrrange_torch.snapshot.copy_on_write import LazySnapshot
from lrrange_torch.snapshot.snapshot import Snapshot


class Optimizing:
    """One multiplier over some optimizers, and an ear at their steps.

    Args:
        optimizers: to set the rates of.

    Raises: OptionError if one is no optimizer; TargetError if it has no rate to set.
    """

    def __init__(self, optimizers: Sequence[Optimizer]) -> None:
        for one in optimizers:
            if not isinstance(one, Optimizer):
                raise OptionError(
                    f"optimizer is a {type(one).__name__}, not a torch.optim.Optimizer. Make it with the model's "
                    f"parameters first.",
                )
        self._rates = GroupRates(optimizers)
        self._momenta = GroupMomenta(optimizers)
        self._lr = 0.0
        self._optimizer_steps = 0
        self._hooks: list[Any] = []

    def _watch(self, state: Snapshot) -> None:
        """Hear of each optimizer step. After the snapshot, which thus puts the hooks' tables back as well."""
        if isinstance(state, LazySnapshot):
            self._hooks += state.watch()
        for optimizer in self._rates.optimizers:
            self._hooks.append(optimizer.register_step_pre_hook(self._about_to_step))

    def _unwatch(self) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()

    def _about_to_step(self, *_: Any) -> None:
        self._optimizer_steps += 1
        self._rates.check(self._lr)

    def _set(self, lr: float) -> None:
        self._lr = lr
        self._rates.set(lr)

    def set_momentum(self, value: float) -> bool:
        """Train the next steps at this momentum, in the groups that have one. Returns: whether there is any."""
        return self._momenta.set(value)

    def bounds(self) -> dict[str, float]:
        """Rates between which the first optimizer learns nothing and blows up, where they are unusual."""
        kind = type(self._rates.optimizers[0]).__name__
        return {"end_lr": 1e3} if kind == "Adadelta" else {}

    def _versions(self) -> dict[str, str]:
        return {"torch": str(torch.__version__)}
