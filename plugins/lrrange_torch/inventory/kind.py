"""What a kind of objects is: what an object of the kind holds, how it is put back, and how it is compared.

The simplest kinds are here. Tensors are kept by the snapshot itself, which knows where copies go.
"""

import copy
from collections.abc import Sequence
from enum import IntEnum
from functools import partial
from typing import Any, NamedTuple

from lrrange_torch.random_state import Undo, random_state_of, undo_of_generator


class HeldBy(IntEnum):
    """What holds an object, which decides what in it counts as notes that the user's code takes of a sweep.

    Notes are not put back. Anything else is, wherever it is found.
    """

    TRAINING = 0
    """Part of the training, where nothing counts as notes."""

    FUNCTION = 1
    """A variable of a function: numbers, texts, and containers of these are notes, such as a list of losses."""

    HOOK = 2
    """A hook of a module or an optimizer: objects that only hooks reach, such as a counter of calls, are notes too."""


class Child(NamedTuple):
    """Something that an object holds.

    Args:
        label: text that follows the holder's name, such as `.weight` or `[3]`.
        value: what is held.
        held_by: what holds it.
    """

    label: str
    value: Any
    held_by: HeldBy = HeldBy.TRAINING


def undo_all(undos: Sequence[Undo]) -> Undo:
    """Return a function that calls all of these, in their order."""

    def undo() -> None:
        for put_back in undos:
            put_back()

    return undo


class Kind:
    """A kind of objects. This one is for objects that hold nothing which could change.

    Attributes:
        is_container: whether such an object has a length, and elements that are searched only if it is short.
    """

    is_container = False

    def children(self, _: Any, /) -> Sequence[Child]:
        """Return what the object holds."""
        return ()

    def undo(self, _: Any, /) -> Undo | None:
        """Return a function that gives the object what it holds now, in place; None if nothing can change."""
        return None

    def digest(self, _: Any, /) -> object:
        """Return what tells the object's present state from another one, apart from its children."""
        return None

    def why_unkept(self, _: Any, /) -> str | None:
        """Return why this object cannot be put back; None if it can."""
        return None


class ByName(Kind):
    """Kind of classes and built-in functions, which are compared by name."""

    def digest(self, value: Any) -> object:
        """Return the name."""
        return getattr(value, "__qualname__", None)


class ByText(Kind):
    """Kind of objects that never change, and are compared by how they print."""

    def digest(self, value: Any) -> object:
        """Return the text."""
        return repr(value)


class Unkept(Kind):
    """Kind of objects that may change and cannot be put back.

    Args:
        why: the reason, as a noun phrase.
    """

    def __init__(self, why: str) -> None:
        self._why = why

    def why_unkept(self, _: Any, /) -> str | None:
        """Return the reason."""
        return self._why


class RandomStates(Kind):
    """Kind of random generators, and of the sequences of seeds from which NumPy's generators spawn others."""

    def children(self, value: Any) -> Sequence[Child]:
        """Return what a generator of NumPy draws from."""
        names = [name for name in ("bit_generator", "seed_seq") if hasattr(value, name)]
        return [Child(f".{name}", getattr(value, name)) for name in names]

    def undo(self, value: Any) -> Undo | None:
        """Return a function that gives the generator its present state."""
        return undo_of_generator(value)

    def digest(self, value: Any) -> object:
        """Return a checksum of the state."""
        return random_state_of(value)


class Stateful(Kind):
    """Kind of objects that are not written in Python, and that give and take their state by `state_dict`."""

    def children(self, value: Any) -> Sequence[Child]:
        """Return the state."""
        return [Child(".state_dict()", value.state_dict())]

    def undo(self, value: Any) -> Undo:
        """Return a function that loads a copy of the state."""
        return partial(value.load_state_dict, copy.deepcopy(value.state_dict()))
