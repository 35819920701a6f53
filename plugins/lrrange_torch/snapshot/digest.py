"""Everything that a training step can change, as names and checksums, read from the same inventory as a snapshot."""

import zlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from lrrange_torch.inventory.attributes import attributes_of_tensor
from lrrange_torch.inventory.inventory import Inventory, Item, name_of
from lrrange_torch.inventory.kind import HeldBy
from lrrange_torch.inventory.kind_of import TENSORS
from lrrange_torch.inventory.machinery import PLAIN
from lrrange_torch.random_state import global_random_states
from lrrange_torch.snapshot.snapshot import has_values, local_part
from lrrange_torch.snapshot.tensor_bytes import TensorBytes, parts_of


def digest_of(holders: Mapping[str, Any], loaders: Mapping[str, Any] | None = None) -> Iterator[tuple[str, Any]]:
    """Yield names with values or checksums: of all that `holders` and `loaders` hold, and of the random states.

    Data are read in full, though a snapshot does not copy them. A tensor of more than 64 KiB has several checksums, so
    that a caller in a hurry can stop early. They are CRC-32, which detects every change within 32 consecutive bits and
    is four times as fast here as BLAKE2. The purpose is to find mistakes, not an adversary.

    Args:
        holders: modules, optimizers, schedulers, losses and objects of any other type, by name.
        loaders: data loaders, or any other iterables of batches, by name.
    Cost: a millisecond per MiB, and 64 KiB of memory.
    """
    digest = _Digest()
    for name, holder in holders.items():
        yield from digest.of(name, holder)
    for name, loader in (loaders or {}).items():
        yield from digest.of(name, loader, is_data=True)
    for name, state in global_random_states():
        yield name, zlib.crc32(state)


class _Digest:
    """A digest of objects, each of which is read once."""

    def __init__(self) -> None:
        self._inventory = Inventory(in_full=True)
        self._bytes = TensorBytes()
        self._places: dict[int, str] = {}

    def of(self, name: str, value: Any, is_data: bool = False) -> Iterator[tuple[str, Any]]:
        """Yield the names and checksums of a value and of what it holds."""
        if type(value) in PLAIN:
            yield name, _plain(value)
            return
        for item in self._inventory.items(name, value, is_data):
            place = name_of(item.place)
            self._places[id(item.value)] = place
            if item.kind.why_unkept(item.value) is not None:
                continue  # it is named in the result, and may differ
            if item.kind is TENSORS:
                yield from self._tensor(place, item.value)
            elif not item.is_notes:
                yield from self._holder(place, item)

    def _holder(self, place: str, item: Item) -> Iterator[tuple[str, Any]]:
        for child in item.children:
            value = child.value
            if type(value) in PLAIN:
                if child.held_by is HeldBy.TRAINING:
                    yield f"{place}{child.label}", _plain(value)
            elif id(value) in self._places:
                yield f"{place}{child.label}", f"the same object as {self._places[id(value)]}"
            elif type(value) not in (dict, list, OrderedDict):  # their elements are named
                yield f"{place}{child.label}", type(value).__qualname__
        own = item.kind.digest(item.value)  # last, so that the first difference is in what it holds
        if own is not None:
            yield place, own

    def _tensor(self, place: str, tensor: torch.Tensor) -> Iterator[tuple[str, Any]]:
        if not has_values(tensor) or torch._is_functional_tensor(tensor):
            return
        if tensor.is_nested:
            for part in tensor.detach().unbind():
                yield from self._tensor(place, part)
            return
        yield place, (tensor.dtype, tensor.shape, tensor.requires_grad)
        for values in _dense(local_part(tensor).detach()):
            for chunk in self._bytes.chunks_of(values):
                yield place, zlib.crc32(chunk)
        if tensor.is_leaf and tensor.grad is not None:
            yield from self.of(f"{place}.grad", tensor.grad)
        for name, attribute in attributes_of_tensor(tensor).items():
            yield from self.of(f"{place}.{name}", attribute)


def _plain(value: Any) -> Any:
    """Return a value that is equal to another only if the bits are: NaN equals NaN then, and 0 differs from -0."""
    return repr(value) if isinstance(value, float | complex) else value


def _dense(tensor: torch.Tensor) -> tuple[torch.Tensor, ...]:
    if tensor.is_quantized:
        return (tensor.int_repr(),)
    return tuple(part if part.layout is torch.strided else part.to_dense() for part in parts_of(tensor))
