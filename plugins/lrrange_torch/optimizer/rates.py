"""The learning rates in an optimizer's param groups: name them, set them, and check that they are still set."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch.optim import Optimizer

from lrrange.errors import RateNotInForce, TargetError


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


def same_rate(wanted: float, actual: float) -> bool:
    """Return whether two rates are equal up to the rounding of float32."""
    return math.isclose(wanted, actual, rel_tol=1e-6, abs_tol=0.0)


class GroupRates:
    """One rate for all param groups of several optimizers: the first group trains at it, the others in proportion.

    Args:
        optimizers: whose groups' present rates give the proportions. Groups at rate 0 stay there; the reference is the
            first group that has a rate. If all are at 0, all get the same.
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
        rates = [base_rate(group) for _, group in groups_of(self.optimizers)]
        if not rates:
            raise TargetError("the optimizer has no param groups, so there is nothing to train.")
        reference = next((rate for rate in rates if rate > 0), None)
        self._written: list[tuple[Any, int | None]] = []
        self.ratios = tuple(1.0 if reference is None else rate / reference for rate in rates)

    def wanted(self, lr: float) -> tuple[float, ...]:
        """Return the rate of each group when the reference group's is `lr`."""
        return tuple([lr * ratio for ratio in self.ratios])

    def set(self, lr: float) -> None:
        """Train the next step at `lr`."""
        self._written = []
        for group, ratio in zip(self._groups(), self.ratios, strict=True):
            set_rate(group, "lr", lr * ratio)
            self._written.append((group["lr"], _version(group["lr"])))

    def bounds(self) -> dict[str, float]:
        """Return the highest rate to try as `end_lr`, if the first optimizer needs another one than most."""
        return {"end_lr": 1e3} if type(self.optimizers[0]).__name__ == "Adadelta" else {}

    def check(self, lr: float) -> None:
        """Raise RateNotInForce if a group is at another rate than `set(lr)` gave it."""
        for group, (written, version) in zip(self._groups(), self._written, strict=True):
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


def _version(rate: Any) -> int | None:
    """Return the number of writes to a rate that is a tensor; None for any other."""
    return rate._version if isinstance(rate, torch.Tensor) else None
