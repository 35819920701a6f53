"""Keep everything in a fit that a sweep can change, and put it back."""

import enum
from collections.abc import Iterator, Mapping
from typing import Any

from lrrange_torch.snapshot import LazySnapshot, why_not_lazy
from torch import nn
from torch.optim import Optimizer

from lrrange_lightning.compat import TRAINER_MODULES, import_from, outside_a_fit

_CONTAINERS = (dict, list, tuple, set)


class FitState:
    """The present state of a Trainer, its module, optimizers, loops and data, which `restore` puts back.

    A `LazySnapshot` keeps the module, the optimizers, the schedulers, the loaders, the data module and the random
    states to the last bit. It copies only the tensors that steps change, or all of them where `why_in_full` gives a
    reason, and of the data only small ones. Each object of Lightning's that the Trainer is made of (loops, progress,
    connectors, strategy, logged results) gets its present attributes back. Callbacks and loggers are left alone: they
    are taken away for the sweep.

    Args:
        trainer: a Trainer, in a fit or before one.
        module: the LightningModule.
        package: the Lightning package of both.
        data: loaders and data modules, by name.
        restore: other objects that training changes, given by the user.
        optimizer: whose steps will follow; None before a fit, when it does not exist yet.
        within: the state before the fit, if it is restored after this one. One copy of a tensor then serves both.
    Raises: TargetError for something that cannot be put back.
    """

    def __init__(
        self,
        trainer: Any,
        module: nn.Module,
        package: Any,
        data: Mapping[str, object],
        restore: object,
        optimizer: Optimizer | None = None,
        within: "FitState | None" = None,
    ) -> None:
        self._within = within
        self._snapshot: LazySnapshot = LazySnapshot(
            () if optimizer is None else [optimizer], within=None if within is None else within._snapshot
        )
        self._why_in_full = why_in_full(module)
        try:
            self._keep(trainer, module, package, data, restore)
            if self._why_in_full is None:
                self._snapshot.watch()  # until restore, which removes the hooks with the optimizer's other attributes
            else:
                self._snapshot.copy_now()
        except BaseException:
            self.restore()  # everything kept so far, which ends the copy-on-write
            raise

    def _keep(self, trainer: Any, module: nn.Module, package: Any, data: Mapping[str, object], restore: object) -> None:
        self._snapshot.keep(module, "model")
        self._snapshot.keep(list(trainer.strategy.optimizers), "optimizers")
        parts = list(_parts_of(trainer, package))
        running = import_from(package, "utilities.combined_loader", "_ModeIterator")
        for iterator in (iterator for part in parts if isinstance(part, running) for iterator in part.iterators):
            self._snapshot.leave_out(iterator)  # the fit's own, which a sweep does not draw from
        for part in parts:
            self._snapshot.keep(vars(part), f"trainer, {type(part).__name__}")
        for config in trainer.lr_scheduler_configs:
            self._snapshot.keep(config.scheduler, "scheduler")
        for name, value in data.items():
            self._snapshot.keep(value, name, is_data=True)
        named = restore if isinstance(restore, (list, tuple)) else (restore,)
        for value in named if restore is not None else ():
            self._snapshot.keep_what_the_user_named(value)
        self._snapshot.keep_random_state()

    def report(self) -> dict[str, Any]:
        """Return the kind of snapshot, with the reason if it is a full one, and how many bytes were copied so far."""
        states = [self] if self._within is None else [self, self._within]
        reason = next((state._why_in_full for state in states if state._why_in_full is not None), None)
        return {
            "snapshot": "lazy" if reason is None else f"full: {reason}",
            "not_kept": {name: why for state in states for name, why in state._snapshot.not_kept.items()},
            "copied_bytes": sum(state._snapshot.copied_bytes for state in states),
        }

    def restore(self) -> None:
        """Put everything back."""
        self._snapshot.restore()
        self._snapshot.forget()


def why_in_full(module: Any) -> str | None:
    """Return why everything must be copied before this module is swept; None if only what steps change must be."""
    if not module.automatic_optimization:
        return "the steps are the module's own (manual optimization), and may replay a captured CUDA graph"
    if "training_step" in vars(module):
        return "training_step was replaced, maybe by compiled code"
    return why_not_lazy(module)


def _is_lightning(value: object) -> bool:
    return any(kind.__module__.partition(".")[0] in TRAINER_MODULES for kind in type(value).__mro__)


def _parts_of(trainer: Any, package: Any) -> Iterator[object]:
    """Yield the Trainer and the Lightning objects that it is made of."""
    foreign = (*outside_a_fit(package), nn.Module, Optimizer, enum.Enum, str, int, float, type)
    waiting: list[Any] = [trainer]
    seen: set[int] = set()
    while waiting:
        value = waiting.pop()
        if id(value) in seen or isinstance(value, foreign):
            continue
        if isinstance(value, _CONTAINERS):
            seen.add(id(value))
            waiting.extend(value.values() if isinstance(value, dict) else value)
        if _is_lightning(value) and hasattr(value, "__dict__"):
            seen.add(id(value))
            yield value
            waiting.extend(vars(value).values())
