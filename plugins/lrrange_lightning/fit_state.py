"""Everything about a fit that a sweep can change, kept and put back."""

import enum
from collections.abc import Iterable, Iterator
from typing import Any

from lrrange_torch.snapshot import LazySnapshot, why_not_lazy
from torch import nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader

from lrrange_lightning.compat import PACKAGES, outside_a_fit, part

_CONTAINERS = (dict, list, tuple, set)


class FitState:
    """A Trainer, its module, optimizers, loops and data, as they are now; `restore` puts them back.

    `LazySnapshot` keeps the module, the optimizers, the schedulers and the random states to the last
    bit, and copies of the tensors those that steps change; all of them where `why_in_full` gives a reason. Around it,
    every object of Lightning's own that the Trainer is made of (loops, progress, connectors, strategy, logged results)
    gets the attributes back that it has now. Data modules, loaders, samplers and datasets get theirs back as well, with
    the elements of lists and mappings in them, but no values are copied: those may be all the data there is. Callbacks
    and loggers are not looked into: they are taken away for the sweep and hear nothing of it.

    Args:
        trainer: a Trainer, in a fit or before one.
        module: the LightningModule.
        tree: the class tree of both.
        data: loaders, data modules and containers of these.
        restore: what else the user says that training changes.
        optimizer: of which the steps will be; None before a fit, where it does not exist yet.
        within: the state before the fit. It is restored after this one, so that one copy of a tensor serves both.
    Raises: TargetError for something that cannot be put back.
    """

    def __init__(
        self,
        trainer: Any,
        module: nn.Module,
        tree: Any,
        data: Iterable[object],
        restore: object,
        optimizer: Optimizer | None = None,
        within: "FitState | None" = None,
    ) -> None:
        self._within = within
        self._snapshot: LazySnapshot = LazySnapshot(
            () if optimizer is None else [optimizer], within=None if within is None else within._snapshot
        )
        self._data_module = tree.LightningDataModule
        self._combined_loader = part(tree, "utilities", "CombinedLoader")
        self._contents: dict[int, tuple[Any, Any]] = {}
        self._why_in_full = why_in_full(module)
        try:
            self._keep(trainer, module, tree, data, restore)
            if self._why_in_full is None:
                self._snapshot.watch()  # the hooks go when the optimizer gets its attributes back
            else:
                self._snapshot.copy_now()
        except BaseException:
            self.restore()  # of what was kept by then, which ends the copy-on-write
            raise

    def _keep(self, trainer: Any, module: nn.Module, tree: Any, data: Iterable[object], restore: object) -> None:
        self._snapshot.keep(module)
        for one in _parts_of(trainer, tree):
            self._snapshot.keep(vars(one))
        for config in trainer.lr_scheduler_configs:
            self._snapshot.keep(vars(config.scheduler))  # which may be of a class that torch does not know
        for one in [*data, *vars(module).values()]:
            self._keep_data(one)
        named = restore if isinstance(restore, (list, tuple)) else (restore,)
        for one in named if restore is not None else ():
            self._snapshot.keep_what_the_user_named(one)
        self._snapshot.keep_random_state()

    def report(self) -> dict[str, Any]:
        """How much was copied so far, and why, if it was more than what steps change."""
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
    """Why a fit of this module must be copied in full before it is swept; None if it need not."""
    if not module.automatic_optimization:
        return "the steps are the module's own (manual optimization), and may replay a captured CUDA graph"
    if "training_step" in vars(module):
        return "training_step was replaced, maybe by compiled code"
    return why_not_lazy(module)


def _holders(loader: DataLoader[Any]) -> Iterator[object]:
    """A loader, its samplers, its dataset and the datasets inside that."""
    waiting: list[object] = [loader]
    names = ("batch_sampler", "sampler", "dataset")
    for one in waiting:  # which grows as it goes
        if hasattr(one, "__dict__") and not isinstance(one, type):
            yield one
            inner = [vars(one).get(name) for name in names]
            waiting.extend(found for found in inner if not any(found is known for known in waiting))


def _is_lightning(value: object) -> bool:
    return any(kind.__module__.partition(".")[0] in PACKAGES for kind in type(value).__mro__)


def _parts_of(trainer: Any, tree: Any) -> Iterator[object]:
    """The Trainer and the objects of Lightning's own that it is made of."""
    foreign = (*outside_a_fit(tree), nn.Module, Optimizer, enum.Enum, str, int, float, type)
    waiting: list[Any] = [trainer]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, foreign):
            continue
        if isinstance(one, _CONTAINERS):
            seen.add(id(one))
            waiting.extend(one.values() if isinstance(one, dict) else one)
        if _is_lightning(one) and hasattr(one, "__dict__"):
            seen.add(id(one))
            yield one
            waiting.extend(vars(one).values())
