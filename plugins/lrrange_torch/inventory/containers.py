"""Kinds of containers: their elements are put back, in their order, if they are not the same objects as before."""

import itertools
import operator
import zlib
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any

from lrrange_torch.inventory.kind import Child, Kind
from lrrange_torch.inventory.machinery import PLAIN
from lrrange_torch.random_state import Undo

# From this length on, numbers and texts are not looked at one by one.
_MANY = 1024


class Dicts(Kind):
    """Kind of dicts: their items are put back, in their order.

    Args:
        base: the built-in class whose methods reach the items, even where a subclass has replaced them.
    """

    is_container = True

    def __init__(self, base: type[dict[Any, Any]]) -> None:
        self._base = base

    def children(self, value: Any) -> Sequence[Child]:
        """Return the items, and the keys that are objects themselves."""
        if not self._base.__len__(value) or _is_plain(self._keys_and_items(value)):
            return ()
        held = []
        for index, (key, item) in enumerate(self._base.items(value)):
            plain = type(key) in PLAIN
            if not plain:
                held.append(Child(f", key {index}", key))
            held.append(Child(f"[{key!r}]" if plain else f"[{index}]", item))
        return held

    def undo(self, value: Any) -> Undo:
        """Return a function that puts the items back."""
        base = self._base
        put_back = undo_of_items(value, base)
        if base is not defaultdict:
            return put_back
        factory = value.default_factory

        def undo() -> None:
            put_back()
            value.default_factory = factory

        return undo

    def digest(self, value: Any) -> object:
        """Return the number of items, because empty ones have no entries, and a checksum of very many plain ones."""
        return self._base.__len__(value), _checksum_if_plain(self._keys_and_items(value))

    def _keys_and_items(self, value: Any) -> list[Any]:
        if self._base.__len__(value) < _MANY:
            return []
        return [*self._base.keys(value), *self._base.values(value)]


def undo_of_items(value: Any, base: type[dict[Any, Any]] = dict) -> Undo:
    """Return a function that gives a dict its present items, in their order. It does nothing if they have not changed.

    Args:
        value: the dict.
        base: the built-in class whose methods reach its items.
    """
    # A copy hashes no key, so that none of the user's `__hash__` and `__eq__` is called.
    items = value.copy() if type(value) is dict else dict(base.items(value))
    if not items:
        return partial(base.clear, value)

    def undo() -> None:
        if not (_are_same(base.keys(value), items) and _are_same(base.values(value), items.values())):
            base.clear(value)
            base.update(value, items)

    return undo


def _are_same(now: Collection[Any], before: Collection[Any]) -> bool:
    """Return whether two collections hold the same objects in the same order. None is asked whether it is equal."""
    return len(now) == len(before) and all(map(operator.is_, now, before))


def _is_plain(elements: Collection[Any]) -> bool:
    """Return whether these are very many elements that never change, such as a vocabulary, alone or in tuples."""
    if len(elements) < _MANY:
        return False
    types = set(map(type, elements))
    if tuple in types:
        types.remove(tuple)
        if not types <= PLAIN:
            return False
        types = set(map(type, itertools.chain.from_iterable(each for each in elements if type(each) is tuple)))
    return types <= PLAIN


def _checksum_if_plain(elements: Collection[Any]) -> int | None:
    if not _is_plain(elements):
        return None
    remaining, checksum = iter(elements), 0
    while part := list(itertools.islice(remaining, _MANY)):
        checksum = zlib.crc32(repr(part).encode("utf-8", "surrogatepass"), checksum)
    return checksum


class Sequences(Kind):
    """Kind of lists, deques and sets: their elements are put back, in their order.

    Args:
        base: the built-in class whose methods reach the elements, even where a subclass has replaced them.
    """

    is_container = True

    def __init__(self, base: type[Any]) -> None:
        self._base = base
        self._refill: Callable[[Any, Any], object] = base.update if base is set else base.extend

    def children(self, value: Any) -> Sequence[Child]:
        """Return the elements; those of a set in an order that does not depend on how it was filled."""
        elements = list(self._base.__iter__(value))
        if _is_plain(elements):
            return ()
        if self._base is set:
            elements.sort(key=lambda element: repr(element) if type(element) in PLAIN else str(id(element)))
        return [Child(f"[{index}]", element) for index, element in enumerate(elements)]

    def undo(self, value: Any) -> Undo:
        """Return a function that puts the elements back. It does nothing if they have not changed."""
        base, refill = self._base, self._refill
        elements = list(base.__iter__(value))

        def undo() -> None:
            if not _are_same(list(base.__iter__(value)), elements):
                base.clear(value)
                refill(value, elements)

        return undo

    def digest(self, value: Any) -> object:
        """Return the number of elements, because empty ones have no entries, and a checksum of very many plain ones."""
        elements = list(self._base.__iter__(value))
        if self._base is set and _is_plain(elements):
            elements.sort(key=repr)
        return len(elements), _checksum_if_plain(elements)


class Tuples(Kind):
    """Kind of tuples and frozen sets, of which only the contents can change.

    Args:
        base: the built-in class whose methods reach the elements, even where a subclass has replaced them.
    """

    is_container = True

    def __init__(self, base: type[Any]) -> None:
        self._base = base

    def children(self, value: Any) -> Sequence[Child]:
        """Return the elements."""
        elements = list(self._base.__iter__(value))
        if _is_plain(elements):
            return ()
        return [Child(f"[{index}]", element) for index, element in enumerate(elements)]

    def digest(self, value: Any) -> object:
        """Return the number of elements, because empty ones have no entries, and a checksum of very many plain ones."""
        elements = list(self._base.__iter__(value))
        return len(elements), _checksum_if_plain(elements)


class Weak(Kind):
    """Kind of dicts and sets that hold their keys or values by weak references."""

    is_container = True

    def children(self, value: Any) -> Sequence[Child]:
        """Return what is alive of the items or elements, which stays alive with the snapshot."""
        return [Child(f"[{index}]", element) for index, element in enumerate(_alive_in(value))]

    def undo(self, value: Any) -> Undo:
        """Return a function that puts the items or elements back. It does nothing if they have not changed."""
        elements = _alive_in(value)

        def undo() -> None:
            if not _are_same(_flat(_alive_in(value)), _flat(elements)):
                value.clear()
                value.update(elements)

        return undo


def _alive_in(value: Any) -> list[Any]:
    return list(value.items() if hasattr(value, "items") else value)


def _flat(elements: list[Any]) -> list[Any]:
    return [part for element in elements for part in (element if type(element) is tuple else (element,))]


DICTS = {base: Dicts(base) for base in (OrderedDict, defaultdict, dict)}
SEQUENCES = {base: Sequences(base) for base in (list, deque, set)}
