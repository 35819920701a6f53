"""Momentum, wherever a torch optimizer keeps it: `momentum` in SGD and RMSprop, the first of `betas` in Adam."""

from collections.abc import Sequence
from typing import Any

import torch
from torch.optim import Optimizer

from lrrange_torch.optimizer.rates import groups_of, set_rate


def momentum_of(group: dict[str, Any]) -> float:
    """Return a param group's momentum; 0 if it has none."""
    momentum = group["betas"][0] if group.get("betas") else group.get("momentum", 0.0)
    return float(momentum or 0.0)


def set_momentum(group: dict[str, Any], momentum: float) -> None:
    """Set a param group's momentum, in place where it is a tensor."""
    if not group.get("betas"):
        set_rate(group, "momentum", momentum)
    elif isinstance(group["betas"][0], torch.Tensor):
        group["betas"][0].fill_(momentum)
    else:
        group["betas"] = (momentum, *group["betas"][1:])


class GroupMomenta:
    """One momentum for all param groups of several optimizers: the largest is set to it, the others in proportion.

    Args:
        optimizers: groups without momentum stay without.
    """

    def __init__(self, optimizers: Sequence[Optimizer]) -> None:
        self._optimizers = tuple(optimizers)
        momenta = [momentum_of(group) for _, group in groups_of(self._optimizers)]
        self._ratios = [momentum / (max(momenta) or 1.0) for momentum in momenta]

    def set(self, momentum: float) -> bool:
        """Train the next step at this momentum. Return whether any group has one to set."""
        for (_, group), ratio in zip(groups_of(self._optimizers), self._ratios, strict=True):
            if ratio > 0:
                set_momentum(group, momentum * ratio)
        return any(self._ratios)
