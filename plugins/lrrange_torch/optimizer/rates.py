"""Setting an optimizer's learning rate, in every place where it lives."""

import gc
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lrrange.errors import OptionError, RateNotInForce, TargetError

# Attributes in which torch's schedulers keep rates, one per param group, and the param-group fields that do.
_SCHEDULER_RATES = ("base_lrs", "max_lrs", "_last_lr")
_GROUP_RATES = ("max_lr", "min_lr")


def groups_of(optimizers: Sequence[Optimizer]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each param group with what to call it in an error."""
    for number, optimizer in enumerate(optimizers):
        which = f"{type(optimizer).__name__} {number}, " if len(optimizers) > 1 else ""
        for index, group in enumerate(optimizer.param_groups):
            yield f"{which}param group {index}" + (f" ({group['name']})" if "name" in group else ""), group


def base_rate(group: Mapping[str, Any]) -> float:
    """A param group's own rate: the one that an attached scheduler starts from, else the present one."""
    return float(group["initial_lr"] if "initial_lr" in group else group["lr"])


def set_rate(group: dict[str, Any], key: str, lr: float) -> None:
    """Set one field, in place where it is a tensor (`capturable` optimizers and captured graphs read that memory)."""
    if isinstance(group[key], torch.Tensor):
        group[key].fill_(lr)
    else:
        group[key] = lr


class GroupRates:
    """One multiplier over all param groups of some optimizers: a rate for the first group, the others in proportion.

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
        """The rate of each group if the reference group's is `lr`."""
        return tuple([lr * ratio for ratio in self.ratios])

    def set(self, lr: float) -> None:
        """Train the next step at `lr`."""
        self._written = []
        for group, ratio in zip(self._groups(), self.ratios, strict=True):
            set_rate(group, "lr", lr * ratio)
            self._written.append((group["lr"], _version(group["lr"])))

    def check(self, lr: float) -> None:
        """Raise RateNotInForce if a group is at another rate than `set(lr)` gave it."""
        for group, (written, version) in zip(self._groups(), self._written, strict=True):
            # To read a tensor's value would wait for its device; that nobody wrote to it since says as much.
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
    """How often a rate that is a tensor was written to."""
    return rate._version if isinstance(rate, torch.Tensor) else None


def same_rate(wanted: float, actual: float) -> bool:
    """Whether two rates differ by no more than float32 rounds."""
    return math.isclose(wanted, actual, rel_tol=1e-6, abs_tol=0.0)


def attached_schedulers(optimizer: Optimizer) -> list[LRScheduler]:
    """Every living scheduler that drives this optimizer. Torch keeps no list of them, so the collector is asked."""
    return [
        found
        for found in gc.get_objects()
        if issubclass(type(found), LRScheduler) and getattr(found, "optimizer", None) is optimizer
    ]


def apply_rate(optimizer: Optimizer, lr: float, scheduler: object | None = None) -> dict[str, float]:
    """Set `lr` in every group of `optimizer` (ratios kept), and the base of its schedulers, which keep their shape.

    Args:
        optimizer: its first group with a rate gets `lr`.
        lr: the base rate from now on; where a scheduler holds the present rate at a tenth of its base, say in a
            warm-up, it stays at a tenth of the new one.
        scheduler: an attached one. Those that live and drive this optimizer are found without.
    Returns: the present rate of each group, by name.
    Raises: OptionError if `lr` is not a positive number, or the scheduler drives another optimizer.
    """
    if not 0 < lr < math.inf:
        raise OptionError(f"lr={lr!r} is not a positive, finite rate.", lr=lr)
    rates = GroupRates([optimizer])
    if scheduler is not None and getattr(scheduler, "optimizer", None) is not optimizer:
        raise OptionError(
            f"the scheduler given, a {type(scheduler).__name__}, drives another optimizer. Give the one made with "
            f"this {type(optimizer).__name__}.",
        )
    scheduled = any("initial_lr" in group for group in optimizer.param_groups)
    schedulers = with_nested([scheduler, *(attached_schedulers(optimizer) if scheduled else [])])
    factors = []
    for group, rate in zip(optimizer.param_groups, rates.wanted(lr), strict=True):
        before = base_rate(group)
        factors.append(rate / before if before > 0 else 1.0)
        set_rate(group, "lr", float(group["lr"]) * factors[-1] if "initial_lr" in group and before > 0 else rate)
        if "initial_lr" in group:
            set_rate(group, "initial_lr", rate)
        for key in _GROUP_RATES:
            if key in group:
                set_rate(group, key, float(group[key]) * factors[-1])
    for one in schedulers:
        for name in _SCHEDULER_RATES:
            held = getattr(one, name, None)
            if isinstance(held, list) and len(held) == len(factors):
                setattr(one, name, [rate * factor for rate, factor in zip(held, factors, strict=True)])
    return {name: float(group["lr"]) for name, group in groups_of([optimizer])}


def with_nested(schedulers: Sequence[Any]) -> list[Any]:
    """The schedulers and those they are chained from, each once."""
    found: list[Any] = []
    waiting = [one for one in schedulers if one is not None]
    while waiting:
        one = waiting.pop()
        if not any(one is known for known in found):
            found.append(one)
            waiting.extend(getattr(one, "_schedulers", ()))
    return found
