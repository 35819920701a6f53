"""The LR schedulers of an optimizer: find them among all living objects, and in each other."""

import gc
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lrrange_torch.accelerate import unwrap
from lrrange_torch.wrappers import same_optimizer

# Classes of schedulers that are no torch `LRScheduler`, by their modules.
_FOREIGN = {"timm.scheduler.scheduler": "Scheduler", "transformers.optimization": "GreedyLR"}


def attached_schedulers(optimizer: Optimizer) -> list[Any]:
    """Return every living scheduler that drives this optimizer, or a wrapper of it.

    Nobody keeps a list of them, so all objects that the garbage collector knows are searched. Found are torch's
    schedulers, those of timm, transformers' GreedyLR, and subclasses of these.
    """
    classes = _scheduler_classes()
    found = [candidate for candidate in gc.get_objects() if type(candidate) in classes]
    return [scheduler for scheduler in found if drives(scheduler, optimizer)]


def drives(scheduler: Any, optimizer: Optimizer) -> bool:
    """Return whether a scheduler holds this optimizer, a wrapper of it, or its param groups."""
    groups = optimizer.param_groups
    for value in _held(scheduler):
        if isinstance(value, Optimizer) and same_optimizer(value, optimizer):
            return True
        if value is groups or any(value is group for group in groups):
            return True
    return False


def holds_optimizer(scheduler: Any) -> bool:
    """Return whether a scheduler holds an optimizer where `drives` looks for it. Any that does not may be of any."""
    return any(isinstance(value, Optimizer) for value in _held(scheduler))


def with_nested(schedulers: Sequence[Any]) -> list[Any]:
    """Return the schedulers and those that they are composed of, each once. None is left out."""
    classes = _scheduler_classes()
    distinct: list[Any] = []
    waiting = [unwrap(scheduler) for scheduler in schedulers if scheduler is not None]
    while waiting:
        scheduler = waiting.pop()
        if not any(scheduler is known for known in distinct):
            distinct.append(scheduler)
            waiting.extend(value for value in _held(scheduler) if type(value) in classes)
    return distinct


def applies_lr_scale(optimizer: Optimizer) -> bool:
    """Return whether the optimizer's scheduler multiplies each rate by the `lr_scale` of its param group, as timm does.

    Before there is a scheduler, `lr_scale` is taken for what it is made for. Only torch's schedulers ignore it.
    """
    attached = attached_schedulers(optimizer)
    return not attached or not all(isinstance(scheduler, LRScheduler) for scheduler in attached)


def _held(scheduler: Any) -> Iterator[Any]:
    """Yield the attributes of a scheduler, and what lists, tuples and dictionaries among them contain."""
    for value in list(vars(scheduler).values()) if hasattr(scheduler, "__dict__") else ():
        yield value
        if type(value) in (list, tuple):
            yield from value
        elif type(value) is dict:
            yield from value.values()


def _scheduler_classes() -> set[type]:
    roots = [LRScheduler]
    for module, name in _FOREIGN.items():
        if module in sys.modules and name in vars(sys.modules[module]):
            roots.append(vars(sys.modules[module])[name])
    classes: set[type] = set()
    while roots:
        kind = roots.pop()
        if kind not in classes:
            classes.add(kind)
            roots.extend(kind.__subclasses__())
    return classes
