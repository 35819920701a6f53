"""Batches from whatever the user calls a loader, for as many steps as the sweep has."""

import copy
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch.utils.data import DataLoader

from lrrange.errors import NoData, TargetError


class Batches:
    """An endless iterator over a loader's batches, which starts again at the end of the loader.

    A loader that is itself an iterator, such as a generator, cannot start again, and what was taken from it is gone.

    Args:
        loader: any iterable of batches.

    Attributes:
        one_shot: whether the loader cannot start again.
        taken: number of batches drawn so far.

    Raises: TargetError if the loader is not iterable; NoData if it has a length, and that is 0.
    """

    def __init__(self, loader: Iterable[Any]) -> None:
        if not hasattr(loader, "__iter__") and not hasattr(loader, "__getitem__"):
            raise TargetError(f"loader is a {type(loader).__name__}, which is not an iterable of batches.")
        self._loader = loader
        self._iterator: Iterator[Any] | None = None
        self.one_shot = hasattr(loader, "__next__")
        self.taken = 0
        try:
            length = len(loader)  # type: ignore[arg-type]  # a loader without a length raises the TypeError
        except TypeError:
            return
        if length == 0:
            raise _no_data(loader)

    def __next__(self) -> Any:
        """Return the next batch.

        Raises: NoData if there never was one; StopIteration if a loader that cannot start again has run out.
        """
        if self._iterator is None:
            self._iterator = iter(self._own_loader())
        try:
            batch = next(self._iterator)
        except StopIteration:
            self._iterator = iter(self._own_loader())
            try:
                batch = next(self._iterator)
            except StopIteration:
                if self.taken == 0:
                    raise _no_data(self._loader) from None
                raise
        self.taken += 1
        return batch

    def __iter__(self) -> Iterator[Any]:
        return self

    def close(self) -> None:
        """Drop the iterator, which ends the worker processes that were started for it."""
        self._iterator = None

    def _own_loader(self) -> Iterable[Any]:
        if not isinstance(self._loader, DataLoader):
            return self._loader
        # A DataLoader with persistent workers has one iterator in all, and the user may be in the middle of it.
        loader = copy.copy(self._loader)
        loader._iterator = None
        return loader


def _no_data(loader: object) -> NoData:
    return NoData(
        f"the loader, a {type(loader).__name__}, gives no batch. Check the dataset's length, and drop_last if it is "
        f"shorter than one batch.",
    )


def to_device(batch: Any, device: torch.device) -> Any:
    """Return the batch with every tensor in it on `device`, at any depth of nesting."""
    if isinstance(batch, torch.Tensor):
        if batch.device == device:
            return batch
        # From pinned memory to a GPU this does not wait; elsewhere it makes no difference.
        return batch.to(device, non_blocking=device.type == "cuda")
    if type(batch) in (list, tuple):  # most batches are; the checks below are for other classes
        return type(batch)([to_device(value, device) for value in batch])
    if hasattr(batch, "to") and not isinstance(batch, type):
        return batch.to(device)
    if isinstance(batch, Mapping):
        moved = {key: to_device(value, device) for key, value in batch.items()}
        return moved if type(batch) is dict else _rebuilt(batch, moved)
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(to_device(value, device) for value in batch))
    if isinstance(batch, (list, tuple)):
        return type(batch)([to_device(value, device) for value in batch])
    return batch


def _rebuilt(batch: Mapping[Any, Any], moved: dict[Any, Any]) -> Any:
    """Return a mapping of the batch's own class; a plain dict if that class cannot be made from one."""
    try:
        return type(batch)(moved)  # type: ignore[call-arg]  # a class that does not take a dict raises the TypeError
    except TypeError:
        return moved
