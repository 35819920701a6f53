"""Kinds of objects that hold numbers in memory of their own: bytes, ctypes, NumPy arrays, pandas data frames."""

import ctypes
import zlib
from collections.abc import Sequence
from typing import Any

from lrrange_torch.inventory.kind import Child, Kind
from lrrange_torch.random_state import Undo


class Bytes(Kind):
    """Kind of `bytearray` and `array.array`."""

    is_container = True

    def undo(self, value: Any) -> Undo:
        """Return a function that puts the bytes back."""
        content = value[:]

        def undo() -> None:
            value[:] = content

        return undo

    def digest(self, value: Any) -> object:
        """Return a checksum."""
        return len(value), zlib.crc32(value)


class CTypes(Kind):
    """Kind of ctypes numbers, arrays and structures, such as the number in a `multiprocessing.Value`."""

    def undo(self, value: Any) -> Undo:
        """Return a function that puts the bytes back."""
        content = bytes(value)
        return lambda: ctypes.memmove(ctypes.addressof(value), content, len(content))

    def digest(self, value: Any) -> object:
        """Return the bytes."""
        return bytes(value).hex()


class Arrays(Kind):
    """Kind of NumPy arrays. They are copied, and written to only if they have changed."""

    def children(self, value: Any) -> Sequence[Child]:
        """Return the elements, if they are objects."""
        if value.dtype.hasobject and value.dtype.names is None:
            return [Child(f"[{index}]", element) for index, element in enumerate(value.ravel().tolist())]
        return ()

    def undo(self, value: Any) -> Undo:
        """Return a function that puts shape and values back."""
        values, writeable = value.copy(), value.flags.writeable

        def undo() -> None:
            if value.shape != values.shape:
                value.resize(values.shape, refcheck=False)
            if value.dtype.hasobject or value.tobytes() != values.tobytes():
                value.flags.writeable = True  # a read-only array that has changed is a view of one that is not
                value[...] = values
            if value.flags.writeable != writeable:
                value.flags.writeable = writeable

        return undo

    def digest(self, value: Any) -> object:
        """Return a checksum, with the shape."""
        content = None if value.dtype.hasobject else zlib.crc32(value.tobytes())
        return str(value.dtype), value.shape, value.flags.writeable, content


class Frames(Kind):
    """Kind of pandas data frames and series. They are copied, and put back in the way in which pickle would do it."""

    def undo(self, value: Any) -> Undo:
        """Return a function that puts values, index and columns back."""
        before = value.copy()

        def undo() -> None:
            if not before.equals(value):
                value.__setstate__(before.copy().__getstate__())

        return undo

    def digest(self, value: Any) -> object:
        """Return a checksum of what is in it, with the shape."""
        return value.shape, zlib.crc32(value.to_csv().encode())
