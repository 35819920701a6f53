"""The learning rates in an optimizer's param groups: name them, set them, and check that they are still set."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch.optim import Optimizer

from lrrange.errors import RateNotInForce, TargetError
from lrrange_torch.same_rate import same_rate
from lrrange_torch.scheduler.search import applies_lr_scale


def groups_of(optimizers: Sequence[Optimizer]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each param group, after the name that errors give it."""
    for number, optimizer in enumerate(optimizers):
        which = f"{type(optimizer).__name__} {number}, " if len(optimizers) > 1 else ""
        for index, group in enumerate(optimizer.param_groups):
            yield f"{which}param group {index}" + (f" ({group['name']})" if "name" in group else ""), group


def base_rate(group: Mapping[str, Any]) -> float:
    """Return a param group's own rate: the one from which an attached scheduler starts, else the present one."""
    return float(group["initial_lr"] if "initial_lr" in group else group["lr"])


def set_rate(group: dict[str, Any], key: str, lr: float) -> None:
    """Set one field, in place where it is a tensor (`capturable` optimizers and captured graphs read that memory)."""
    if isinstance(group[key], torch.Tensor):
        group[key].fill_(lr)
    else:
        group[key] = lr


def steps_of(optimizer: Optimizer) -> float:
    """Return the number of steps that an optimizer has taken, where it counts them for its parameters."""
    return max((float(state["step"]) for state in optimizer.state.values() if "step" in state), default=0.0)


class GroupRates:
    """One rate for all param groups of several optimizers: the first group trains at it, the others in proportion.

    Args:
        optimizers: whose groups' present rates give the proportions. Groups at rate 0 stay there; the reference is the
            first group that has a rate. If all are at 0, all get the same. Where a scheduler multiplies the rates by
            an `lr_scale` of their groups (layer decay in timm), this counts, too: a group at `lr_scale` 1 trains at
            the rate.

    Attributes:
        optimizers: the same, as a tuple.
        ratios: for each param group, its part of the rate that `set` is given.
        bases: the base rate of each param group, by optimizer, as the user gave it.

    Raises: TargetError if a group has no rate that can be set.
    """

    def __init__(self, optimizers: Sequence[Optimizer]) -> None:
        self.optimizers = tuple(optimizers)
        for name, group in groups_of(self.optimizers):
            if not isinstance(group.get("lr"), (int, float, torch.Tensor)):
                raise TargetError(
                    f"{name} has lr={group.get('lr')!r}, so there is no rate to sweep. Make the optimizer with a "
                    f"number as lr.",
                    lr=group.get("lr"),
                )
            if isinstance(group["lr"], torch.Tensor) and not (
                group["lr"].is_floating_point() and group["lr"].numel() == 1
            ):
                raise TargetError(
                    f"{name} has its rate in a tensor of {group['lr'].dtype} and shape {tuple(group['lr'].shape)}, "
                    f"which cannot hold a rate such as 0.001. Make the optimizer with a number, or with "
                    f"torch.tensor(1e-3), as lr.",
                    lr=group["lr"],
                )
        self.bases = [[base_rate(group) for group in optimizer.param_groups] for optimizer in self.optimizers]
        rates = [rate for bases in self.bases for rate in bases]
        if not rates:
            raise TargetError("the optimizer has no param groups, so there is nothing to train.")
        self.reference = next((rate for rate in rates if rate > 0), None)
        self._written: list[tuple[Any, int | None]] = []
        self._base_ratios = [1.0 if self.reference is None else rate / self.reference for rate in rates]
        scales = [scale for optimizer in self.optimizers for scale in _lr_scales(optimizer)]
        self.ratios = tuple([ratio * scale for ratio, scale in zip(self._base_ratios, scales, strict=True)])

    def wanted(self, lr: float) -> tuple[float, ...]:
        """Return the rate at which each group trains when the reference group's base rate is `lr`."""
        return tuple([lr * ratio for ratio in self.ratios])

    def wanted_bases(self, lr: float) -> tuple[float, ...]:
        """Return the base rate of each group when the reference group's is `lr`: without any `lr_scale`."""
        return tuple([lr * ratio for ratio in self._base_ratios])

    def set(self, lr: float) -> None:
        """Train the next step at `lr`."""
        groups = self._groups()
        for group, ratio in zip(groups, self.ratios, strict=False):  # `check` finds a group that is new or gone
            set_rate(group, "lr", lr * ratio)
        self._written = [(group["lr"], _version(group["lr"])) for group in groups]

    def bounds(self) -> dict[str, float]:
        """Return the bounds of a sweep if an optimizer needs others than most. See `SuggestsBounds`."""
        owners = [optimizer for optimizer in self.optimizers for _ in optimizer.param_groups]
        caps = [
            1 / (math.sqrt(steps_of(optimizer) + 1) * ratio)
            for optimizer, ratio in zip(owners, self.ratios, strict=True)
            if type(optimizer) is torch.optim.Adafactor and ratio > 0
        ]
        if caps:  # in each step it trains at 1 / sqrt(its number) where its rate is higher
            return {"highest_lr": min(caps)}
        return {"end_lr": 1e3} if type(self.optimizers[0]).__name__ == "Adadelta" else {}

    def check(self, lr: float) -> None:
        """Raise RateNotInForce if a group is at another rate than `set(lr)` gave it, or is new."""
        groups = self._groups()
        if len(groups) != len(self.ratios):
            raise RateNotInForce(
                f"the sweep began with {len(self.ratios)} param groups, and the training step has made them "
                f"{len(groups)}: no rate of the sweep is in force there. Call add_param_group before the sweep, or "
                f"sweep without it.",
            )
        for group, (written, version) in zip(groups, self._written, strict=True):
            # Reading a tensor's value would wait for its device. It is enough that nothing has written to the tensor.
            if group["lr"] is not written or _version(written) != version:
                self._compare(lr)
                return

    def _groups(self) -> list[dict[str, Any]]:
        return [group for optimizer in self.optimizers for group in optimizer.param_groups]

    def _compare(self, lr: float) -> None:
        for (name, group), wanted in zip(groups_of(self.optimizers), self.wanted(lr), strict=True):
            actual = float(group["lr"])
            if not same_rate(wanted, actual):
                raise RateNotInForce(
                    f"the sweep set {name} to lr={wanted:.6g}, and at optimizer.step() it is {actual:.6g}: something "
                    f"in the training step sets it. Take warm-up and LR schedules out of the step for the sweep.",
                    group=name,
                    wanted=wanted,
                    actual=actual,
                )


def _lr_scales(optimizer: Optimizer) -> list[float]:
    """Return the `lr_scale` by which each group's rate will be multiplied; 1 where nothing multiplies it."""
    groups = optimizer.param_groups
    scales = [float(group.get("lr_scale", 1.0)) for group in groups]
    if all(scale == 1.0 for scale in scales) or not applies_lr_scale(optimizer):
        return [1.0] * len(groups)
    if len(groups) > 1 and len(set(scales)) > 1:
        bare = [base_rate(group) / scale for group, scale in zip(groups, scales, strict=True) if scale]
        if all(same_rate(rate, bare[0]) for rate in bare):
            return [1.0] * len(groups)  # the rates that the optimizer was made with are scaled already
    return scales


def _version(rate: Any) -> int | None:
    """Return the number of writes to a rate that is a tensor; None for any other."""
    return rate._version if isinstance(rate, torch.Tensor) else None
