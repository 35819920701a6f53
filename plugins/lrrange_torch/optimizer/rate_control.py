"""The learning rate of a training step: set before the step, and checked when the optimizer uses it."""

import contextlib
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import torch
from torch.optim import Optimizer

from lrrange.errors import RateNotInForce
from lrrange_torch.optimizer.argument import optimizers_of
from lrrange_torch.optimizer.modes import OptimizerModes
from lrrange_torch.optimizer.momentum import GroupMomenta
from lrrange_torch.optimizer.rates import GroupRates
from lrrange_torch.optimizer.step_hooks import SweepMark, before_each_step, can_be_hooked
from lrrange_torch.same_rate import same_rate
from lrrange_torch.snapshot.snapshot import Snapshot
from lrrange_torch.wrappers import wrapped_in


class RateControl:
    """Control of the rates of several optimizers: one multiplier for all, checked at every `optimizer.step()`.

    Optimizers inside them (see `wrapped_in`) are watched too. Where such an optimizer has param groups of its own for
    the same parameters, its rates are compared with those that were set outside.

    Args:
        optimizers: whose rates to set.

    Attributes:
        optimizers: the same, as a tuple.
        ratios: for each param group, its part of the rate that `set` is given.
        bases: the base rates of each optimizer's param groups, as the user gave them.
        steps_watched: the number of steps that were watched, those of optimizers inside others included.

    Raises: OptionError for a value that is not an optimizer; TargetError for an optimizer without a rate to set.
    """

    def __init__(self, optimizers: Iterable[Optimizer]) -> None:
        self._rates = GroupRates(optimizers_of(optimizers))
        self.optimizers = self._rates.optimizers
        self.ratios = self._rates.ratios
        self.bases = self._rates.bases
        self._momenta = GroupMomenta(self.optimizers)
        # Each optimizer, and those inside it.
        self._families = [
            (optimizer, *(inside for _, inside in wrapped_in(optimizer))) for optimizer in self.optimizers
        ]
        members = [member for family in self._families for member in family]
        self._members = list({id(member): member for member in members}.values())
        self._steps = dict.fromkeys(map(id, self._members), 0)
        self._modes = OptimizerModes(self._members)
        self._lr = 0.0
        self._hooks: list[Any] = []
        self.steps_watched = 0

    @property
    def hooked(self) -> list[Optimizer]:
        """The optimizers, and those inside them, that call hooks on their steps."""
        return [member for member in self._members if can_be_hooked(member)]

    @property
    def on_device(self) -> bool:
        """Whether a rate is a tensor on a device, where a captured CUDA graph may read it."""
        rates = [group["lr"] for optimizer in self.optimizers for group in optimizer.param_groups]
        return any(isinstance(rate, torch.Tensor) and rate.device.type != "cpu" for rate in rates)

    @property
    def optimizer_steps(self) -> int:
        """The number of steps that the optimizers took while they were watched. A wrapper and its inside take one."""
        return sum(max(self._steps[id(member)] for member in family) for family in self._families)

    @property
    def names(self) -> str:
        """The classes of the optimizers."""
        return ", ".join(type(optimizer).__name__ for optimizer in self.optimizers)

    def set(self, lr: float) -> None:
        """Train the next step at `lr`."""
        self._lr = lr
        self._rates.set(lr)

    def set_momentum(self, value: float) -> bool:
        """Train the next steps at this momentum, in the groups that have one. Return whether any group has."""
        return self._momenta.set(value)

    def bounds(self) -> dict[str, float]:
        """Return the bounds of a sweep if an optimizer needs others than most."""
        return self._rates.bounds()

    def parameters(self) -> list[torch.Tensor]:
        """Return all parameters of the optimizers."""
        groups = (group for optimizer in self.optimizers for group in optimizer.param_groups)
        return [parameter for group in groups for parameter in group["params"]]

    def watch(self, state: Snapshot) -> None:
        """Register hooks on the optimizers' steps: those of `state`, and the check of the rates.

        Optimizers that have a training mode are put into it.

        Call it once `state` has kept the optimizers: restoring them then also puts their tables of hooks back.
        """
        self._hooks.append(SweepMark(self._members))
        self._hooks += state.watch()
        own_groups = dict(self._own_groups())
        for member in self._members:
            self._hooks.append(before_each_step(member, partial(self._before_step, id(member))))
            if own_groups.get(id(member)):
                self._hooks.append(before_each_step(member, partial(self._check_inside, own_groups[id(member)])))
        self._modes.train()

    def unwatch(self) -> None:
        """Remove the hooks."""
        for hook in reversed(self._hooks):
            hook.remove()
        self._hooks.clear()

    @contextlib.contextmanager
    def evaluating(self) -> Iterator[None]:
        """Put optimizers that have an evaluation mode into it for the block, if they are being watched."""
        with self._modes.evaluating() if self._hooks else contextlib.nullcontext():
            yield

    def _before_step(self, member: int, *_: Any) -> None:
        self.steps_watched += 1
        self._steps[member] += 1
        self._rates.check(self._lr)

    def _own_groups(self) -> Iterator[tuple[int, list[tuple[dict[str, Any], int]]]]:
        """Yield the param groups that an optimizer inside another has for itself, with the groups set in their place.

        Such an optimizer is given by its id, and the groups by their place in `ratios`.
        """
        groups = [group for optimizer in self.optimizers for group in optimizer.param_groups]
        controlled = set(map(id, groups))
        group_of = {id(parameter): place for place, group in enumerate(groups) for parameter in group["params"]}
        for member in self._members:
            yield (
                id(member),
                [
                    (group, place)
                    for group in member.param_groups
                    if id(group) not in controlled
                    for place in {group_of[id(parameter)] for parameter in group["params"] if id(parameter) in group_of}
                ],
            )

    def _check_inside(self, groups: list[tuple[dict[str, Any], int]], optimizer: Optimizer, *_: Any) -> None:
        for group, place in groups:
            wanted, actual = self._lr * self.ratios[place], float(group["lr"])
            if not same_rate(wanted, actual):
                kind = type(optimizer).__name__
                raise RateNotInForce(
                    f"the {self.names} was set to lr={wanted:.6g}, and the {kind} inside it trains the same parameters "
                    f"at {actual:.6g}: it has param groups of its own. Give the {kind} as optimizer=, in a step of "
                    f"your own.",
                    group=kind,
                    wanted=wanted,
                    actual=actual,
                )
