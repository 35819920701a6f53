"""Batches from what the user gives: a list, a loader, or a function that makes an iterator."""

import copy
import random
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy

from lrrange.errors import NoData, TargetError
from lrrange_jax.functions import takes

BatchSource = Iterable[Any] | Callable[[], Iterable[Any]]

_MAKE = "Give a function that makes it: batches=lambda: make_batches()"


class Batches:
    """An endless iterator over the user's batches, which starts again at the end.

    Args:
        source: an iterable that can start again, or a function without arguments that returns a new iterator.

    Attributes:
        taken: number of batches drawn so far.

    Raises: TargetError for what gives no batches, or cannot start again: a sweep would use up what it takes of an
        iterator; NoData for an empty list.
    """

    def __init__(self, source: BatchSource) -> None:
        check_batches(source)
        self.source = source
        self.taken = 0
        self._iterator: Iterator[Any] | None = None
        self._order: random.Random | None = None

    def restart(self, seed: int | None = None) -> None:
        """Start again with the next batch. With a seed, a list of batches is given in an order of that seed's."""
        self._iterator = None
        self._order = None if seed is None else random.Random(seed)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        """Return the next batch. Raises: NoData if there never was one; StopIteration if no more come."""
        for _ in range(2):
            if self._iterator is None:
                self._iterator = self._new_iterator()
            for batch in self._iterator:
                self.taken += 1
                return batch
            self._iterator = None
        if self.taken == 0:
            raise NoData("batches gives no batch. Check the length of your data, and the size of a batch.")
        raise StopIteration

    def _new_iterator(self) -> Iterator[Any]:
        if callable(self.source) and not _is_loader(self.source):
            made = self.source()
            if not hasattr(made, "__iter__"):
                raise TargetError(f"batches() returned a {type(made).__name__}. Let it return an iterator of batches.")
            return iter(made)
        source: Any = self.source
        if self._order is not None and _is_list(source):
            order = list(range(len(source)))
            self._order.shuffle(order)
            return (source[index] for index in order)
        torch = sys.modules.get("torch")
        if torch is not None and isinstance(source, torch.utils.data.DataLoader):
            # A DataLoader with persistent workers has one iterator in all, and the user may be in the middle of it.
            source = copy.copy(source)
            source._iterator = None
        return iter(source)


def check_batches(source: Any) -> None:
    """Raise TargetError for what gives no batches, or cannot start again; NoData for an empty list."""
    if isinstance(source, (jax.Array, numpy.ndarray)):
        wrong = "an array, and not batches. Give a list of batches, such as [x[i:i + 32] for i in range(0, len(x), 32)]"
    elif isinstance(source, Mapping) or (isinstance(source, tuple) and source and all(map(_is_data, source))):
        wrong = f"a {type(source).__name__} of arrays, which is one batch. Give a list of batches: batches=[batch]"
    elif isinstance(source, type):
        wrong = f"the class {source.__name__}, which has not been called. Give an object of it"
    elif hasattr(source, "__next__"):
        wrong = f"a {type(source).__name__}, which cannot start again: what a sweep takes of it, your training would "
        wrong += f"miss. {_MAKE}"
    elif callable(source) and not _is_loader(source) and not takes(source):
        wrong = "a function that cannot be called without arguments. Let it make an iterator of batches"
    elif isinstance(source, (str, bytes)) or not (_is_loader(source) or callable(source)):
        wrong = f"a {type(source).__name__}, and not batches. Give a list of batches, a loader, or a function that "
        wrong += "makes an iterator"
    else:
        wrong = ""
    if wrong:
        raise TargetError(f"batches is {wrong}.")
    if _is_list(source) and len(source) == 0:
        raise NoData("batches is empty. Check the length of your data, and the size of a batch.")


def check_makes_new(source: Any, not_kept: Mapping[str, str]) -> None:
    """Raise TargetError if a function does not make a new iterator at each call, so that a sweep would use it up.

    Args:
        source: what the user gave.
        not_kept: the iterators that the user's objects were found to use, by name.
    """
    if not callable(source) or _is_loader(source):
        return
    first, second = source(), source()
    used = next((f"{why}: {name}" for name, why in not_kept.items() if name.startswith("batches (")), None)
    if (first is second and hasattr(first, "__next__")) or used is not None:
        what = "returns the same iterator at each call" if used is None else f"uses an iterator, and {used}"
        raise TargetError(
            f"batches() {what}. What a sweep takes of it, your training would miss. Let it make a new one."
        )


def _is_loader(source: Any) -> bool:
    return hasattr(source, "__iter__") or hasattr(source, "__getitem__")


def _is_list(source: Any) -> bool:
    return isinstance(source, Sequence)


def _is_data(value: Any) -> bool:
    return hasattr(value, "shape") and getattr(value, "ndim", 0) > 0
