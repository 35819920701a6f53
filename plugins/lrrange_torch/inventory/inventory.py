"""The inventory of a training: every object that can be reached from what was given, once.

The snapshot keeps what is in it, and the digest compares what is in it. So what one cannot reach the other cannot
either, and what neither can put back is named.

The search goes through attributes, slots, elements, and what functions read from their variables. It stops at what
`lrrange_torch.inventory.machinery` calls machinery. Data are not copied: of what loaders and the variables of functions
hold, tensors and arrays of more than 64 KiB are left alone, and so are the elements of containers with more than 64.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from lrrange_torch.inventory.attributes import Objects
from lrrange_torch.inventory.functions import Functions, are_notes
from lrrange_torch.inventory.kind import Child, HeldBy, Kind
from lrrange_torch.inventory.kind_of import NOTHING, OF_A_TRAINING, TENSORS, kind_of
from lrrange_torch.inventory.machinery import PLAIN

# Tensors and arrays of data are copied up to this size in bytes, and containers are searched up to this length.
_LARGEST_COPY = 1 << 16
_LONGEST_SEARCH = 64

# Labels in a name.
_LONGEST_NAME = 64


_OF_DATA = (DataLoader, Dataset, Sampler)

# Where an object was found first: its holder's place, and a label.
Place = tuple[Any, str]


def name_of(place: Place | None) -> str:
    """Return the name of an object, by the labels on the way to it; by the last ones, if there are very many."""
    labels: list[str] = []
    while place is not None and len(labels) < _LONGEST_NAME:
        place, label = place
        labels.append(label)
    if place is not None:  # such as deep in a linked list
        labels.append("...")
    return "".join(reversed(labels))


class Item(NamedTuple):
    """One object of the inventory.

    Args:
        place: where it was found first.
        value: the object.
        kind: its kind.
        children: what it holds.
        is_data: whether it was found in a loader, or in a variable of a function, and belongs to no module.
        is_notes: whether it holds notes of the user's code, which are not put back.
        is_too_large: whether it is too large to be copied.
    """

    place: Place
    value: Any
    kind: Kind
    children: Sequence[Child]
    is_data: bool
    is_notes: bool
    is_too_large: bool


class Inventory:
    """A search through everything that a training can change.

    Args:
        in_full: also search long containers of data.
    """

    def __init__(self, in_full: bool = False) -> None:
        # The objects themselves, beside their ids: as long as they live, the ids stay unique.
        self._seen: dict[int, object] = {}
        # Objects that were found as notes only. If they are found elsewhere as well, they are no longer notes.
        self._notes: dict[int, object] = {}
        self._in_full = in_full

    def leave_out(self, value: object) -> None:
        """Leave this object out of all further searches."""
        self._seen[id(value)] = value

    def items(self, name: str, value: Any, is_data: bool = False) -> Iterator[Item]:
        """Yield everything that `value` holds and that was not found before, itself included.

        Args:
            name: of the value, for the names of what it holds.
            value: an object of any type.
            is_data: whether it is a loader, or what it holds.
        """
        seen = self._seen
        waiting: list[tuple[Place, Any, bool, HeldBy]] = [((None, name), value, is_data, HeldBy.TRAINING)]
        hooks: list[tuple[Place, Any, bool, HeldBy]] = []
        while waiting or hooks:
            # Hooks last, because an object that is more than a hook's notebook is found elsewhere too.
            place, value, is_data, held_by = waiting.pop() if waiting else hooks.pop()
            kind = kind_of(type(value))
            if kind is NOTHING or id(value) in seen or type(value) in PLAIN:
                continue
            if kind is TENSORS:
                seen[id(value)] = value
                is_too_large = is_data and not self._in_full and _is_large(value, kind)
                yield Item(place, value, kind, (), is_data, False, is_too_large)
                continue
            if issubclass(type(value), OF_A_TRAINING):
                is_data, held_by = False, HeldBy.TRAINING
            elif held_by or issubclass(type(value), _OF_DATA):
                is_data = True
            is_notebook = held_by is HeldBy.HOOK and type(kind) is Objects
            is_notes = is_notebook or (held_by is not HeldBy.TRAINING and are_notes(value))
            if is_notes and id(value) in self._notes:
                continue
            (self._notes if is_notes else seen)[id(value)] = value
            is_too_large = is_data and not self._in_full and _is_large(value, kind)
            children = () if is_too_large else kind.children(value)
            yield Item(place, value, kind, children, is_data, is_notes, is_too_large)
            if (type(kind) is Objects and not is_notebook) or (type(kind) is Functions and held_by is HeldBy.FUNCTION):
                held_by = HeldBy.TRAINING  # a function says itself what are its variables
            for child in reversed(children):
                if type(child.value) not in PLAIN:
                    holder = max(held_by, child.held_by)
                    (hooks if holder is HeldBy.HOOK else waiting).append(
                        ((place, child.label), child.value, is_data, holder)
                    )


def _is_large(value: Any, kind: Kind) -> bool:
    if kind is TENSORS:
        return bool(value.layout is torch.strided and not value.is_nested and value.nbytes > _LARGEST_COPY)
    if kind.is_container:
        return len(value) > _LONGEST_SEARCH
    size = getattr(value, "nbytes", None) if type(value).__module__ == "numpy" else None
    return type(size) is int and size > _LARGEST_COPY
