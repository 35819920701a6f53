"""Batches from whatever the user calls a loader, for as many steps as there are."""

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Generic, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset

from lrrange.errors import NoData, TargetError
from lrrange_torch.stop_iteration import error_instead, is_end_of_data

Batch = TypeVar("Batch")


def batches(loader: Iterable[Batch]) -> Iterator[Batch]:
    """Return an endless iterator over a loader's batches, for a training step that takes its batch itself.

    Nothing is drawn before the first `next`, not even a random number. A sweep makes passes of its own over the loader,
    also in the middle of a training: afterwards the iterator goes on with the batch that was next before the sweep.

    Args:
        loader: any iterable of batches, such as a DataLoader. It starts again at its end.
    Returns: the iterator: `step = lambda: train_on(next(data))`, where `data = batches(loader)`.
    Raises: TargetError if the loader is not iterable, or is a dataset, which gives examples; NoData if it has a length,
        and that is 0. From `next`, NoData if it gives no batch, and StopIteration if it is an iterator, such as a
        generator, and has run out: that cannot start again, and no sweep can put it back.
    """
    return Batches(loader)


class Batches(Generic[Batch]):
    """An endless iterator over a loader's batches, which starts again at the end of the loader.

    A loader that is itself an iterator, such as a generator, cannot start again, and what was taken from it is gone.

    Args:
        loader: any iterable of batches.

    Attributes:
        loader: the same. Of an iterator of this class, the loader that it draws from.
        one_shot: whether the loader cannot start again.
        taken: number of batches drawn so far.

    Raises: TargetError if the loader is not iterable, or is a dataset, which gives examples; NoData if it has a length,
        and that is 0.
    """

    def __init__(self, loader: Iterable[Batch]) -> None:
        check_iterable(loader, "loader")
        check_gives_batches(loader, "loader")
        self.loader: Iterable[Batch] = loader.loader if isinstance(loader, Batches) else loader
        self._own: Iterable[Batch] | None = None  # the loader, or a copy of it, from the first pass on
        self._iterator: Iterator[Batch] | None = None
        self.one_shot = hasattr(self.loader, "__next__")
        self.taken = 0
        try:
            length = len(self.loader)  # type: ignore[arg-type]  # a loader without a length raises the TypeError
        except TypeError:
            return
        if length == 0:
            raise _no_data(self.loader)

    @property
    def generator(self) -> Any:
        """The random generator of the loader; None if it has none."""
        return getattr(self.loader, "generator", None)

    def __next__(self) -> Batch:
        """Return the next batch.

        Raises: NoData if there never was one; StopIteration if a loader that cannot start again has run out.
        """
        if self._iterator is None:
            self._iterator = self._new_pass()
        try:
            batch = next(self._iterator)
        except StopIteration as end:
            if not is_end_of_data(end):
                raise error_instead("the loader's dataset") from end
            self._iterator = self._new_pass()
            try:
                batch = next(self._iterator)
            except StopIteration:
                if self.taken == 0:
                    raise _no_data(self.loader) from None
                raise
        self.taken += 1
        return batch

    def __iter__(self) -> Iterator[Batch]:
        return self

    def close(self) -> None:
        """Drop the present pass over the loader, which ends the worker processes that were started for it."""
        self._own = self._iterator = None

    def set_aside(self) -> Callable[[], None]:
        """Begin a new pass over the loader with the next batch. Return a function that goes back to the present one."""
        before = self._own, self._iterator, self.taken
        self.close()

        def undo() -> None:
            self._own, self._iterator, self.taken = before

        return undo

    def _new_pass(self) -> Iterator[Batch]:
        if self._own is None:
            self._own = _copy_of(self.loader)
        return iter(self._own)


def _copy_of(loader: Any) -> Any:
    """Return a loader of the same batches without the iterator of the user's loader; any other iterable unchanged.

    A DataLoader with persistent workers has one iterator in all, and the user may be in the middle of it. Accelerate
    keeps the DataLoader itself in an attribute of the one that it has prepared.
    """
    if not isinstance(loader, DataLoader):
        return loader
    copied = copy.copy(loader)
    if "base_dataloader" in vars(copied):
        vars(copied)["base_dataloader"] = _copy_of(vars(copied)["base_dataloader"])
    else:
        copied._iterator = None
    return copied


def _no_data(loader: object) -> NoData:
    return NoData(
        f"the loader, a {type(loader).__name__}, gives no batch. Check the dataset's length, and drop_last if it is "
        f"shorter than one batch.",
    )


def check_iterable(loader: object, name: str) -> None:
    """Raise TargetError for what cannot be iterated over, or gives no batches if it is."""
    if isinstance(loader, type):
        what = f"the class {loader.__name__}, which has not been called"
    elif loader is None:
        what = "None"
    elif isinstance(loader, (str, bytes, Mapping)):
        what = f"a {type(loader).__name__}, whose items are no batches"
    elif not hasattr(loader, "__iter__") and not hasattr(loader, "__getitem__"):
        what = f"a {type(loader).__name__}, which is not an iterable of batches"
        what += ". If it makes one, call it" if callable(loader) else ""
    else:
        return
    raise TargetError(f"{name} is {what}. Give an iterable of batches, such as DataLoader(dataset, batch_size=...).")


def check_gives_batches(loader: object, name: str) -> None:
    """Raise TargetError for a dataset, whose items are single examples.

    An iterable dataset may make batches itself. So may a dataset with its own `__iter__`, and a subset of a list.
    """
    dataset = loader
    while isinstance(dataset, Subset):
        dataset = dataset.dataset
    of_torch = isinstance(dataset, Dataset) and not isinstance(dataset, IterableDataset)
    # The datasets of Hugging Face are of no class of torch. They describe the columns of an example.
    of_hugging_face = hasattr(dataset, "__getitem__") and isinstance(getattr(dataset, "features", None), Mapping)
    if of_hugging_face or (of_torch and not hasattr(dataset, "__iter__")):
        raise TargetError(
            f"{name} is a {type(loader).__name__}, a dataset, which gives one example at a time. Give "
            f"DataLoader(dataset, batch_size=...) with the batch size of your training. If its items are whole batches "
            f"already, give DataLoader(dataset, batch_size=None).",
        )


def collates(loader: object) -> bool:
    """Return whether the loader makes batches of the examples of a dataset."""
    return isinstance(loader, DataLoader) and loader.batch_sampler is not None


def is_one_example(inputs: object, targets: object) -> bool:
    """Return whether inputs and targets are surely of one example, without a dimension for the batch.

    Where both readings make sense, such as inputs and targets of shape (6,), they are taken for a batch.
    """
    dimensions = inputs.dim() if isinstance(inputs, torch.Tensor) else None
    if dimensions is None or dimensions == 0:
        return dimensions == 0
    if isinstance(targets, torch.Tensor):
        if targets.numel() != 1:
            return False
        if targets.dim() > 0:
            return dimensions == 1 and len(inputs) > 1  # type: ignore[arg-type]  # it is a tensor
    elif not isinstance(targets, (bool, int, float)):
        return False
    # One number for a whole batch is possible, such as the label of its domain, or 0 as the target of all points. One
    # label for a vector or an image is not.
    is_label = not (targets.is_floating_point() if isinstance(targets, torch.Tensor) else isinstance(targets, float))
    return dimensions <= (3 if is_label else 1)


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
