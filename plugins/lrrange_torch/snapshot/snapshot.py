"""Everything a training step can change, kept and put back to the last bit.

`state_dict` is not enough for that: it leaves out non-persistent buffers, `.grad`, train/eval modes, hooks that the
first step registers, attributes a module counts in, an optimizer's `param_groups` fields that were added since, and
which tensor object stands where. So what is kept here is the objects themselves: each container with its contents by
identity, each tensor with a copy of its values.
"""

import copy
import random
import sys
from collections import deque
from collections.abc import Callable, Iterator
from types import NoneType
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader

from lrrange.errors import TargetError
from lrrange_torch.snapshot.copy_stores import Copies

# What cannot change.
_PLAIN = frozenset({str, int, float, bool, NoneType})

# Objects whose attributes are training state. Attributes of other objects are kept by reference only.
STATEFUL = (nn.Module, Optimizer, LRScheduler, torch.amp.GradScaler)


class Snapshot:
    """What `keep` was given, as it was then; `restore` puts it back.

    Args:
        copies: where to; by default the tensor's own memory.

    Cost: one copy of every tensor reachable from what is kept; tied tensors once.
    `lrrange_torch.snapshot.copy_on_write.LazySnapshot` copies only what is about to change.
    """

    def __init__(self, copies: Copies | None = None) -> None:
        self._copies = copies or Copies()
        # By id, each object beside its undo, so that ids stay unique while the snapshot lives.
        self._kept: dict[int, tuple[object, Callable[[], None]]] = {}
        self._copied_bytes = 0

    @property
    def copied_bytes(self) -> int:
        """Bytes of dense tensors that were copied so far."""
        return self._copied_bytes

    def keep(self, value: Any) -> None:
        """Keep `value` and what it holds: modules, optimizers, schedulers, tensors, generators, containers of these."""
        if type(value) in _PLAIN or id(value) in self._kept:
            return
        if isinstance(value, dict):
            self._kept[id(value)] = value, _keep_dict(value)
            for one in (*value, *value.values()):
                if isinstance(one, dict) and not one:  # as most of a module's are, which hold hooks
                    self._kept[id(one)] = one, one.clear
                elif type(one) not in _PLAIN:
                    self.keep(one)
        elif isinstance(value, torch.Tensor):
            _check_has_values(value)
            self._kept[id(value)] = value, self._keep_values(value)
            if value.is_leaf and value.requires_grad:
                self._keep_grad(value)
        elif isinstance(value, (list, deque, set)):
            self._kept[id(value)] = value, _keep_elements(value)
            for item in list(value):
                self.keep(item)
        elif isinstance(value, (tuple, frozenset)):
            for item in value:
                self.keep(item)
        elif isinstance(value, nn.parallel.DistributedDataParallel | nn.DataParallel):
            # The wrapper's other attributes mirror communication state that lives outside Python.
            self._kept[id(value)] = value, _keep_attribute(value, "training")
            self.keep(value.module)
        elif isinstance(value, STATEFUL):
            self._kept[id(value)] = value, lambda: None
            self.keep(vars(value))
        elif (undo := _keep_generator(value) or _keep_array(value)) is not None:
            self._kept[id(value)] = value, undo

    def keep_what_the_user_named(self, value: Any) -> None:
        """As `keep`, and also anything with `state_dict` and `load_state_dict`.

        Raises: TargetError if there is no way to put `value` back.
        """
        known = (torch.Tensor, dict, list, deque, set, tuple, frozenset, *STATEFUL)
        if isinstance(value, DataLoader):
            self.keep_loader(value)
        elif isinstance(value, known) or _keep_generator(value) is not None or _keep_array(value) is not None:
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
        """The random generators of a data loader, its samplers and its dataset. Its data are not copied."""
        for generator in generators_of(loader):
            self.keep(generator)

    def keep_random_state(self) -> None:
        """The global random states of python, numpy (if it is loaded), and torch on every device in use."""
        self._kept[id(random)] = random, _bind(random.setstate, random.getstate())
        numpy = sys.modules.get("numpy")
        if numpy is not None:
            self._kept[id(numpy)] = numpy, _bind(numpy.random.set_state, numpy.random.get_state())
        self._kept[id(torch)] = torch, _bind(torch.set_rng_state, torch.get_rng_state())
        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]  # torch has no types there
            self._kept[id(torch.cuda)] = torch.cuda, _bind(torch.cuda.set_rng_state_all, torch.cuda.get_rng_state_all())
        if torch.backends.mps.is_available():
            self._kept[id(torch.mps)] = torch.mps, _bind(torch.mps.set_rng_state, torch.mps.get_rng_state())

    @torch.no_grad()
    def restore(self) -> None:
        """Put everything back. Every object is tried, also after one that fails; the first failure is then raised."""
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
    def _keep_values(self, tensor: torch.Tensor) -> Callable[[], None]:
        # An alias by `.data`, because optimizers and users may put other memory under the same tensor by assigning to
        # its `.data`; and because writing through it leaves autograd's version counter alone.
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


def generators_of(loader: Any) -> Iterator[Any]:
    """The random generators that a data loader, its samplers and its dataset have among their attributes."""
    batch_sampler = getattr(loader, "batch_sampler", None)
    holders = [getattr(loader, "sampler", None), batch_sampler, getattr(batch_sampler, "sampler", None), loader]
    while (inner := getattr(holders[-1], "dataset", None)) is not None and len(holders) < 10:
        holders.append(inner)  # a Subset of a Subset of a dataset
    for holder in holders:
        for attribute in vars(holder).values() if hasattr(holder, "__dict__") else ():
            if _keep_generator(attribute) is not None:
                yield attribute


def local_part(tensor: torch.Tensor) -> torch.Tensor:
    """What this process holds of a tensor that is spread over several; of any other, all."""
    part: torch.Tensor = tensor.to_local() if hasattr(tensor, "to_local") else tensor
    return part


def _bind(function: Callable[[Any], object], state: Any) -> Callable[[], None]:
    def undo() -> None:
        function(state)

    return undo


def _check_has_values(tensor: torch.Tensor) -> None:
    if nn.parameter.is_lazy(tensor):
        raise TargetError(
            "the model has lazy parameters that no batch has given a shape yet. Run one batch through it, then make "
            "the optimizer, then call find_lr.",
        )
    if tensor.is_meta:
        raise TargetError("the model has parameters on the meta device, without values. Materialise them first.")


def _without_repeats(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor without its expanded dimensions, in which all elements are one place in memory."""
    if tensor.layout is not torch.strided or 0 not in tensor.stride():
        return tensor
    return tensor[tuple(slice(0, 1) if stride == 0 else slice(None) for stride in tensor.stride())]


def _same_memory(tensor: torch.Tensor, alias: torch.Tensor) -> bool:
    if tensor.layout is not torch.strided:
        return False  # assigning the alias again costs nothing and is right in any case
    return (
        tensor.data_ptr() == alias.data_ptr()
        and tensor.shape == alias.shape
        and tensor.stride() == alias.stride()
        and tensor.dtype == alias.dtype
    )


def _keep_dict(value: dict[Any, Any]) -> Callable[[], None]:
    items = dict(value)
    identities = _identities(items)

    def undo() -> None:
        if len(value) != len(items) or _identities(value) != identities:
            value.clear()
            value.update(items)

    return undo


def _identities(value: dict[Any, Any]) -> list[int]:
    return [*map(id, value), *map(id, value.values())]


def _keep_elements(value: Any) -> Callable[[], None]:
    elements = list(value)

    def undo() -> None:
        if isinstance(value, list):
            value[:] = elements
            return
        value.clear()
        (value.update if isinstance(value, set) else value.extend)(elements)

    return undo


def _keep_attribute(value: Any, name: str) -> Callable[[], None]:
    return _bind(lambda was: setattr(value, name, was), getattr(value, name))


def _keep_generator(value: Any) -> Callable[[], None] | None:
    if isinstance(value, torch.Generator):
        return _bind(value.set_state, value.get_state())
    if isinstance(value, random.Random):
        return _bind(value.setstate, value.getstate())
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.random.Generator):
        return _bind(lambda state: setattr(value.bit_generator, "state", state), value.bit_generator.state)
    if numpy is not None and isinstance(value, numpy.random.RandomState):
        return _bind(value.set_state, value.get_state())
    return None


def _keep_array(value: Any) -> Callable[[], None] | None:
    numpy = sys.modules.get("numpy")
    if numpy is None or not isinstance(value, numpy.ndarray):
        return None
    values = value.copy()

    def undo() -> None:
        value[...] = values

    return undo


def seed_everything(seed: int, *holders: Any) -> None:
    """Seed python, numpy (if it is loaded), torch, and the generators that `holders` have as `generator`."""
    random.seed(seed)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(seed % 2**32)
    torch.manual_seed(seed % 2**64)
    for holder in holders:
        generator = getattr(holder, "generator", None)
        if isinstance(generator, torch.Generator):
            generator.manual_seed(seed % 2**64)
