"""Everything that a training step can change, as names and checksums.

This search shares no code with that of `Snapshot`, so that each may find what the other overlooks.
"""

import random
import sys
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from types import NoneType
from typing import Any

import torch
from torch import nn

from lrrange_torch.snapshot.random_state import generators_of
from lrrange_torch.snapshot.snapshot import STATEFUL, local_part
from lrrange_torch.snapshot.tensor_bytes import TensorBytes

# Types whose values are their own digests.
_PLAIN = frozenset({str, int, bool, bytes, NoneType, torch.dtype, torch.device})

# Attributes of a module that are left out of names: `model.0.weight`, not `model._modules.0._parameters.weight`.
_REGISTRIES = frozenset({"_modules", "_parameters", "_buffers"})


def digest_of(holders: Mapping[str, Any], loaders: Iterable[Any] = ()) -> Iterator[tuple[str, Any]]:
    """Yield names with values or checksums: of all that `holders` reach, of the loaders' generators, of random states.

    A tensor of more than 64 KiB has several checksums, so that a caller in a hurry can stop early. They are CRC-32,
    which detects every change within 32 consecutive bits and is four times as fast here as BLAKE2. The purpose is to
    find mistakes, not an adversary.

    Args:
        holders: modules, optimizers, schedulers, tensors, generators, containers of these, by name.
        loaders: data loaders.
    Cost: a millisecond per MiB, and 64 KiB of memory.
    """
    walk = _Walk()
    for name, holder in holders.items():
        yield from walk.through(name, holder)
    for number, loader in enumerate(loaders):
        for index, generator in enumerate(generators_of(loader)):
            yield from walk.through(f"loader {number}, generator {index}", generator)
    yield from walk.random_states()


class _Walk:
    """A search through objects that visits each one once."""

    def __init__(self) -> None:
        # The objects themselves, beside their ids: as long as they live, the ids stay unique.
        self._seen: dict[int, object] = {}
        self._bytes = TensorBytes()

    def through(self, name: str, value: Any) -> Iterator[tuple[str, Any]]:
        if type(value) in _PLAIN:
            yield name, value
            return
        if isinstance(value, (float, complex)):
            yield name, repr(value)  # in which NaN equals NaN, and 0 differs from -0
            return
        if id(value) in self._seen:
            return
        self._seen[id(value)] = value
        if isinstance(value, torch.Tensor):
            yield from self._tensor(name, value)
        elif isinstance(value, Mapping):
            yield from self._items(name, value)
        elif isinstance(value, (list, tuple, deque)):
            for index, item in enumerate(value):
                yield from self.through(f"{name}[{index}]", item)
        elif isinstance(value, (set, frozenset)):
            yield name, sorted(map(repr, value))
        elif isinstance(value, nn.parallel.DistributedDataParallel | nn.DataParallel):
            yield from self.through(f"{name}.training", value.training)
            yield from self.through(f"{name}.module", value.module)
        elif isinstance(value, nn.Module):
            yield from self._module(name, value)
        elif isinstance(value, STATEFUL):
            yield from self._items(name, vars(value), ".")
        elif (state := _random_state(value)) is not None:
            yield from self.through(name, state)
        elif isinstance(value, torch.utils.data.DataLoader):
            yield from self.through(f"{name}, generators", list(generators_of(value)))
        elif hasattr(value, "state_dict") and hasattr(value, "load_state_dict"):
            yield from self.through(name, value.state_dict())
        elif (numpy := sys.modules.get("numpy")) is not None and isinstance(value, numpy.ndarray):
            yield name, zlib.crc32(value.tobytes())
        else:
            yield name, type(value).__qualname__

    def random_states(self) -> Iterator[tuple[str, Any]]:
        yield "random state of Python", hash(random.getstate()) & 0xFFFFFFFF
        numpy = sys.modules.get("numpy")
        if numpy is not None:
            kind, keys, *rest = numpy.random.get_state()
            yield "random state of NumPy", zlib.crc32(keys.tobytes(), zlib.crc32(repr((kind, rest)).encode()))
        yield from self.through("random state of torch", torch.get_rng_state())
        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]  # torch has no types there
            yield from self.through("random state of CUDA", torch.cuda.get_rng_state_all())
        if torch.backends.mps.is_available():
            yield from self.through("random state of MPS", torch.mps.get_rng_state())

    def _module(self, name: str, module: nn.Module) -> Iterator[tuple[str, Any]]:
        for key, value in vars(module).items():
            if type(value) in _PLAIN:
                yield f"{name}.{key}", value
            elif key in _REGISTRIES:
                yield from self._items(name, value, ".")
            elif value or not isinstance(value, dict):  # most dicts of a module hold hooks, and are empty
                yield from self.through(f"{name}.{key}", value)

    def _items(self, name: str, items: Mapping[Any, Any], dot: str = "") -> Iterator[tuple[str, Any]]:
        for index, (key, value) in enumerate(items.items()):
            label = f".{key}" if dot else f"[{key if type(key) in _PLAIN else index!r}]"
            yield from self.through(f"{name}{label}", value)

    def _tensor(self, name: str, tensor: torch.Tensor) -> Iterator[tuple[str, Any]]:
        if tensor.is_meta or nn.parameter.is_lazy(tensor):
            return
        yield name, (tensor.dtype, tensor.shape, tensor.requires_grad)
        for values in _dense(local_part(tensor).detach()):
            for chunk in self._bytes.chunks_of(values):
                yield name, zlib.crc32(chunk)
        if tensor.is_leaf and tensor.requires_grad and tensor.grad is not None:
            yield from self.through(f"{name}.grad", tensor.grad)


def _dense(tensor: torch.Tensor) -> tuple[torch.Tensor, ...]:
    if tensor.layout is torch.strided:
        return (tensor,)
    if tensor.layout is torch.sparse_coo:
        return tensor._indices(), tensor._values()
    return (tensor.to_dense(),)


def _random_state(value: Any) -> Any:
    if isinstance(value, torch.Generator):
        return value.get_state()
    if isinstance(value, random.Random):
        return hash(value.getstate()) & 0xFFFFFFFF
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.random.Generator):
        return repr(value.bit_generator.state)
    if numpy is not None and isinstance(value, numpy.random.RandomState):
        return repr((value.get_state()[1].tobytes(), value.get_state()[2:]))
    return None
