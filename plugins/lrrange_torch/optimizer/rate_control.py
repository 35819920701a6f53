"""The learning rate of a training step: set before the step, and checked when the optimizer uses it."""

from collections.abc import Sequence
from typing import Any

import torch
from torch.optim import Optimizer

from lrrange.errors import OptionError
from lrrange_torch.optimizer.momentum import GroupMomenta
from lrrange_torch.optimizer.rates import GroupRates
from lrrange_torch.snapshot.snapshot import Snapshot


class RateControl:
    """Control of the rates of several optimizers: one multiplier for all, checked at every `optimizer.step()`.

    Args:
        optimizers: whose rates to set.

    Attributes:
        optimizers: the same, as a tuple.
        ratios: for each param group, its part of the rate that `set` is given.
        optimizer_steps: the number of steps that the optimizers took while they were watched.

    Raises: OptionError for a value that is not an optimizer; TargetError for an optimizer without a rate to set.
    """

    def __init__(self, optimizers: Sequence[Optimizer]) -> None:
        for optimizer in optimizers:
            if not isinstance(optimizer, Optimizer):
                raise OptionError(
                    f"optimizer is a {type(optimizer).__name__}, not a torch.optim.Optimizer. Make it with the model's "
                    f"parameters first.",
                )
        self._rates = GroupRates(optimizers)
        self._momenta = GroupMomenta(optimizers)
        self._lr = 0.0
        self._hooks: list[Any] = []
        self.optimizers = self._rates.optimizers
        self.ratios = self._rates.ratios
        self.optimizer_steps = 0

    def set(self, lr: float) -> None:
        """Train the next step at `lr`."""
        self._lr = lr
        self._rates.set(lr)

    def set_momentum(self, value: float) -> bool:
        """Train the next steps at this momentum, in the groups that have one. Return whether any group has."""
        return self._momenta.set(value)

    def bounds(self) -> dict[str, float]:
        """Return the highest rate to try as `end_lr`, if the first optimizer needs another one than most."""
        return self._rates.bounds()

    def parameters(self) -> list[torch.Tensor]:
        """Return all parameters of the optimizers."""
        groups = (group for optimizer in self.optimizers for group in optimizer.param_groups)
        return [parameter for group in groups for parameter in group["params"]]

    def watch(self, state: Snapshot) -> None:
        """Register hooks on the optimizers' steps: those of `state`, and the check of the rates.

        Call it once `state` has kept the optimizers: restoring them then also puts their tables of hooks back.
        """
        self._hooks += state.watch()
        for optimizer in self.optimizers:
            self._hooks.append(optimizer.register_step_pre_hook(self._before_step))

    def unwatch(self) -> None:
        """Remove the hooks."""
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()

    def _before_step(self, *_: Any) -> None:
        self.optimizer_steps += 1
        self._rates.check(self._lr)
