"""Keep everything in a fit that a sweep can change, and put it back."""

import enum
from collections.abc import Iterable, Iterator
from typing import Any

from lrrange_torch.snapshot import LazySnapshot, why_not_lazy
from torch import nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader

from lrrange_lightning.compat import TRAINER_MODULES, import_from, outside_a_fit

_CONTAINERS = (dict, list, tuple, set)


class FitState:
    """The present state of a Trainer, its module, optimizers, loops and data, which `restore` puts back.

    A `LazySnapshot` keeps the module, the optimizers, the schedulers and the random states to the last bit. It copies
    only the tensors that steps change, or all of them where `why_in_full` gives a reason. Each object of Lightning's
    that the Trainer is made of (loops, progress, connectors, strategy, logged results) gets its present attributes
    back. So do data modules, loaders, samplers and datasets, with the elements of lists and mappings among their
    attributes. The values are not copied, because they may be the whole dataset. Callbacks and loggers are left alone:
    they are taken away for the sweep.

    Args:
        trainer: a Trainer, in a fit or before one.
        module: the LightningModule.
        package: the Lightning package of both.
        data: loaders, data modules and containers of these.
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
        data: Iterable[object],
        restore: object,
        optimizer: Optimizer | None = None,
        within: "FitState | None" = None,
    ) -> None:
        self._within = within
        self._snapshot: LazySnapshot = LazySnapshot(
            () if optimizer is None else [optimizer], within=None if within is None else within._snapshot
        )
        self._data_module = package.LightningDataModule
        self._combined_loader = import_from(package, "utilities", "CombinedLoader")
        self._contents: dict[int, tuple[Any, Any]] = {}
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

    def _keep(self, trainer: Any, module: nn.Module, package: Any, data: Iterable[object], restore: object) -> None:
        self._snapshot.keep(module)
        for part in _parts_of(trainer, package):
            self._snapshot.keep(vars(part))
        for config in trainer.lr_scheduler_configs:
            self._snapshot.keep(vars(config.scheduler))  # it may not be a torch LRScheduler
        for value in [*data, *vars(module).values()]:
            self._keep_data(value)
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
            "copied_bytes": sum(state._snapshot.copied_bytes for state in states),
        }

    def restore(self) -> None:
        """Put everything back."""
        try:
            self._snapshot.restore()
        finally:
            for container, before in self._contents.values():
                container.clear()
                (container.extend if isinstance(container, list) else container.update)(before)

    def _keep_data(self, value: Any, depth: int = 0) -> None:
        if isinstance(value, _CONTAINERS) and depth < 3:
            for item in list(value.values() if isinstance(value, dict) else value):
                self._keep_data(item, depth + 1)
        elif isinstance(value, DataLoader):
            self._snapshot.keep_loader(value)
            for holder in _holders(value):
                self._keep_attributes(holder)
        elif isinstance(value, self._data_module):
            self._snapshot.keep_loader(value)  # for the generators among its attributes
            self._keep_attributes(value)
            self._keep_data(vars(value), depth + 1)
        elif isinstance(value, self._combined_loader):
            self._keep_attributes(value)
            self._keep_data(value.flattened, depth + 1)

    def _keep_attributes(self, holder: object) -> None:
        attributes = vars(holder)
        for container in (attributes, *attributes.values()):
            if isinstance(container, (dict, list, set)):
                self._contents.setdefault(id(container), (container, container.copy()))


def why_in_full(module: Any) -> str | None:
    """Return why everything must be copied before this module is swept; None if only what steps change must be."""
    if not module.automatic_optimization:
        return "the steps are the module's own (manual optimization), and may replay a captured CUDA graph"
    if "training_step" in vars(module):
        return "training_step was replaced, maybe by compiled code"
    return why_not_lazy(module)


def _holders(loader: DataLoader[Any]) -> Iterator[object]:
    """Yield a loader, its samplers, its dataset, and the datasets inside that dataset."""
    waiting: list[object] = [loader]
    names = ("batch_sampler", "sampler", "dataset")
    for holder in waiting:  # the list grows during the loop
        if hasattr(holder, "__dict__") and not isinstance(holder, type):
            yield holder
            inner = [vars(holder).get(name) for name in names]
            waiting.extend(value for value in inner if not any(value is known for known in waiting))


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
