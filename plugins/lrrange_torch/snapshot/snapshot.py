"""Everything that a training step can change, kept and put back to the last bit.

`state_dict` is not enough for that. It leaves out non-persistent buffers, `.grad`, train/eval modes, hooks that the
first step registers, attributes in which a module counts, fields of an optimizer's `param_groups` that were added
since, and which tensor object stands where. So the objects themselves are kept: each container with the identities of
its contents, each tensor with a copy of its values.
"""

import copy
import sys
from collections import deque
from collections.abc import Callable
from functools import partial
from types import NoneType
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader

from lrrange.errors import TargetError
from lrrange_torch.snapshot.copy_stores import Copies
from lrrange_torch.snapshot.random_state import Undo, generators_of, undo_of_generator, undo_of_global_states

# Types whose values cannot change.
_PLAIN = frozenset({str, int, float, bool, NoneType})

# Objects whose attributes are training state. Attributes of other objects are kept by reference only.
STATEFUL = (nn.Module, Optimizer, LRScheduler, torch.amp.GradScaler)


class Snapshot:
    """The state of everything that `keep` was given, at that time; `restore` puts it back.

    Args:
        copies: where tensors are copied to; by default beside them, on their own device.

    Cost: one copy of every tensor that can be reached from what is kept; tied tensors once.
    `lrrange_torch.snapshot.LazySnapshot` copies only what is about to change.
    """

    def __init__(self, copies: Copies | None = None) -> None:
        self._copies = Copies() if copies is None else copies
        # Each object is kept beside its undo, so that it stays alive, and its id unique, as long as the snapshot lives.
        self._kept: dict[int, tuple[object, Undo]] = {}
        self._copied_bytes = 0

    @property
    def copied_bytes(self) -> int:
        """Bytes of dense tensors that were copied so far."""
        return self._copied_bytes

    def watch(self) -> list[Any]:
        """Register the hooks on optimizers that this snapshot needs, once all is kept. Return them.

        They are to be removed before `restore`. Only a `LazySnapshot` needs any.
        """
        return []

    def keep(self, value: Any) -> None:
        """Keep a value and what it holds: modules, optimizers, schedulers, tensors, generators, containers of these."""
        if type(value) in _PLAIN or id(value) in self._kept:
            return
        if isinstance(value, dict):
            self._kept[id(value)] = value, _undo_of_dict(value)
            for item in (*value, *value.values()):
                if isinstance(item, dict) and not item:  # such as most dicts of a module, which hold hooks
                    self._kept[id(item)] = item, item.clear
                elif type(item) not in _PLAIN:
                    self.keep(item)
        elif isinstance(value, torch.Tensor):
            _check_has_values(value)
            self._kept[id(value)] = value, self._keep_values(value)
            if value.is_leaf and value.requires_grad:
                self._keep_grad(value)
        elif isinstance(value, (list, deque, set)):
            self._kept[id(value)] = value, _undo_of_elements(value)
            for item in list(value):
                self.keep(item)
        elif isinstance(value, (tuple, frozenset)):
            for item in value:
                self.keep(item)
        elif isinstance(value, nn.parallel.DistributedDataParallel | nn.DataParallel):
            # The wrapper's other attributes mirror communication state that lives outside Python.
            self._kept[id(value)] = value, partial(setattr, value, "training", value.training)
            self.keep(value.module)
        elif isinstance(value, STATEFUL):
            self._kept[id(value)] = value, lambda: None
            self.keep(vars(value))
        elif (undo := undo_of_generator(value) or _undo_of_array(value)) is not None:
            self._kept[id(value)] = value, undo

    def keep_what_the_user_named(self, value: Any) -> None:
        """Keep a value as `keep` does, or by its `state_dict` and `load_state_dict` if it is of no class known there.

        Raises: TargetError if there is no way to put `value` back.
        """
        known = (torch.Tensor, dict, list, deque, set, tuple, frozenset, *STATEFUL)
        if isinstance(value, DataLoader):
            self.keep_loader(value)
        elif isinstance(value, known) or undo_of_generator(value) is not None or _undo_of_array(value) is not None:
            self.keep(value)
        elif hasattr(value, "state_dict") and hasattr(value, "load_state_dict"):
            state = copy.deepcopy(value.state_dict())
            self._kept[id(value)] = value, lambda: value.load_state_dict(state)
        else:
            raise TargetError(
                f"restore= holds a {type(value).__name__}, which lrrange cannot put back: it has no state_dict and "
                f"load_state_dict. Name the modules, tensors and generators in it instead.",
                kind=type(value).__name__,
            )

    def keep_loader(self, loader: Any) -> None:
        """Keep the random generators of a data loader, its samplers and its dataset. Its data are not copied."""
        for generator in generators_of(loader):
            self.keep(generator)

    def keep_random_state(self) -> None:
        """Keep the global random states of python, numpy (if it is loaded), and torch on every device in use."""
        for module, undo in undo_of_global_states():
            self._kept[id(module)] = module, undo

    @torch.no_grad()
    def restore(self) -> None:
        """Put everything back. If an object cannot be put back, the others still are, and then its error is raised.

        If there are several such errors, the first is raised.
        """
        failures = []
        for _, undo in self._kept.values():
            try:
                undo()
            except Exception as error:
                failures.append(error)
        self._copies.close()
        if failures:
            raise failures[0]

    @torch.no_grad()
    def _keep_values(self, tensor: torch.Tensor) -> Undo:
        # An alias made by `.data`, because optimizers and users may give the same tensor other memory by assigning to
        # its `.data`, and because writing through the alias leaves autograd's version counter alone.
        alias = tensor.data
        values = local_part(_without_repeats(alias))
        put_back = self._copies.keep(values)
        if values.layout is torch.strided:
            self._copied_bytes += values.nbytes
        requires_grad = tensor.requires_grad

        def undo() -> None:
            if not _same_memory(tensor, alias):
                tensor.data = alias
            put_back(local_part(_without_repeats(alias)))
            if tensor.is_leaf and tensor.requires_grad != requires_grad:
                tensor.requires_grad_(requires_grad)

        return undo

    def _keep_grad(self, tensor: torch.Tensor) -> None:
        grad = tensor.grad
        if grad is not None:
            self.keep(grad)

        def undo() -> None:
            tensor.grad = grad

        self._kept[id(undo)] = undo, undo


def snapshot_of_random_state(loader: Any) -> Snapshot:
    """Return a snapshot of every random state that the batches of `loader` are drawn from."""
    state = Snapshot()
    state.keep_loader(loader)
    state.keep_random_state()
    return state


def local_part(tensor: torch.Tensor) -> torch.Tensor:
    """Return the part that this process holds of a tensor spread over several processes; any other tensor unchanged."""
    part: torch.Tensor = tensor.to_local() if hasattr(tensor, "to_local") else tensor
    return part


def _check_has_values(tensor: torch.Tensor) -> None:
    if nn.parameter.is_lazy(tensor):
        raise TargetError(
            "the model has lazy parameters that no batch has given a shape yet. Run one batch through it, then make "
            "the optimizer, then call find_lr.",
        )
    if tensor.is_meta:
        raise TargetError("the model has parameters on the meta device, without values. Materialise them first.")


def _without_repeats(tensor: torch.Tensor) -> torch.Tensor:
    """Return the tensor without its expanded dimensions, along which all elements share one place in memory."""
    if tensor.layout is not torch.strided or 0 not in tensor.stride():
        return tensor
    return tensor[tuple(slice(0, 1) if stride == 0 else slice(None) for stride in tensor.stride())]


def _same_memory(tensor: torch.Tensor, alias: torch.Tensor) -> bool:
    if tensor.layout is not torch.strided:
        return False  # assigning the alias once more costs nothing and is right in any case
    return (
        tensor.data_ptr() == alias.data_ptr()
        and tensor.shape == alias.shape
        and tensor.stride() == alias.stride()
        and tensor.dtype == alias.dtype
    )


def _undo_of_dict(value: dict[Any, Any]) -> Callable[[], None]:
    items = dict(value)
    identities = _identities(items)

    def undo() -> None:
        if len(value) != len(items) or _identities(value) != identities:
            value.clear()
            value.update(items)

    return undo


def _identities(value: dict[Any, Any]) -> list[int]:
    return [*map(id, value), *map(id, value.values())]


def _undo_of_elements(value: Any) -> Callable[[], None]:
    elements = list(value)

    def undo() -> None:
        if isinstance(value, list):
            value[:] = elements
            return
        value.clear()
        (value.update if isinstance(value, set) else value.extend)(elements)

    return undo


def _undo_of_array(value: Any) -> Callable[[], None] | None:
    numpy = sys.modules.get("numpy")
    if numpy is None or not isinstance(value, numpy.ndarray):
        return None
    values = value.copy()

    def undo() -> None:
        value[...] = values

    return undo
