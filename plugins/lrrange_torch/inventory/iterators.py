"""Kinds of objects that are read from front to back, and remember how far: iterators and files."""

import itertools
from collections.abc import Sequence
from functools import partial
from typing import Any

from lrrange_torch.inventory.kind import Child, Kind
from lrrange_torch.random_state import Undo

# Iterators that print how far they are.
_PRINTED = (itertools.count, itertools.repeat)


class Iterators(Kind):
    """Kind of Python's own iterators. One over a list, a tuple, a range or a text is set back; others cannot be."""

    def undo(self, value: Any) -> Undo | None:
        """Return a function that sets the iterator back."""
        position = _position(value)
        return None if position is None else partial(value.__setstate__, position)

    def digest(self, value: Any) -> object:
        """Return where the iterator stands; None if that is not known."""
        return repr(value) if type(value) in _PRINTED else _position(value)

    def why_unkept(self, value: Any, /) -> str | None:
        """Return why it may not be set back; None if it is at its end. One that comes to its end stays there."""
        return None if _is_at_its_end(value) else "an iterator"


def _position(iterator: Any) -> int | None:
    """Return the index at which an iterator over a sequence stands; None for any other, or one that is at its end."""
    if type(iterator).__module__ != "builtins":
        return None
    state = iterator.__reduce__()[2:] if hasattr(iterator, "__setstate__") else ()
    return state[0] if state and type(state[0]) is int else None


def _is_at_its_end(iterator: Any) -> bool:
    return type(iterator).__module__ == "builtins" and iterator.__reduce__()[1:] in ((([],),), (((),),), (("",),))


class EndlessBatches(Kind):
    """Kind of the iterators that `lrrange_torch.batches` returns. They make a new pass over the loader for a sweep."""

    def children(self, value: Any) -> Sequence[Child]:
        """Return the loader, whose random state and sampler every pass uses."""
        return [Child(".loader", value.loader)]

    def undo(self, value: Any) -> Undo:
        """Set the present pass over the loader aside. Return a function that goes back to it."""
        undo: Undo = value.set_aside()
        return undo

    def digest(self, value: Any) -> object:
        """Return the number of batches that were taken."""
        return value.taken


class Files(Kind):
    """Kind of files: one that is only read is set back. What is written to one stays."""

    def undo(self, value: Any) -> Undo | None:
        """Return a function that sets the file back to where it is read now."""
        position = self.digest(value)
        return partial(_seek, value, position) if type(position) is int else None

    def digest(self, value: Any) -> object:
        """Return where the file is read; None if it is not read, or does not tell."""
        try:
            return value.tell() if _is_read(value) and value.seekable() else None
        except OSError:  # while it is iterated
            return None

    def why_unkept(self, value: Any, /) -> str | None:
        """Return why the file may not be set back; None if it is not read."""
        return "a file" if _is_read(value) else None


def _is_read(file: Any) -> bool:
    return not file.closed and file.readable() and not file.writable()


def _seek(file: Any, position: int) -> None:
    if not file.closed:
        file.seek(position)


class Buffers(Kind):
    """Kind of files in memory."""

    def undo(self, value: Any) -> Undo | None:
        """Return a function that puts the content back, and sets the file back."""
        if value.closed:
            return None
        content, position = value.getvalue(), value.tell()

        def undo() -> None:
            value.seek(0)
            value.truncate()
            value.write(content)
            value.seek(position)

        return undo

    def digest(self, value: Any) -> object:
        """Return a checksum of the content, and where the file is read."""
        return None if value.closed else (hash(value.getvalue()) & 0xFFFFFFFF, value.tell())


class Proxies(Kind):
    """Kind of stand-ins for objects of a `multiprocessing.Manager`."""

    def digest(self, value: Any) -> object:
        """Return how the object prints."""
        return str(value)

    def why_unkept(self, _: Any, /) -> str | None:
        """Return why it cannot be put back."""
        return "an object in another process"
