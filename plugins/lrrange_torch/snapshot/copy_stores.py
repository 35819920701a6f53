"""Where the copies of a snapshot are kept: beside the tensors, in main memory, or in a file."""

import tempfile
from collections.abc import Callable
from typing import Literal, get_args

import torch

from lrrange.errors import OptionError, SaveError
from lrrange_torch.snapshot.tensor_bytes import Pieces

Place = Literal["device", "cpu", "disk"]

# Puts values back into a tensor.
PutBack = Callable[[torch.Tensor], object]


class Copies:
    """Copies in the tensor's own memory."""

    def keep(self, tensor: torch.Tensor) -> PutBack:
        """Copy the values; what is returned puts them back into a tensor of the same shape, as often as is wanted."""
        values = self._copy(tensor)
        return lambda home: home.copy_(values)

    def close(self) -> None:
        """Forget them all."""

    def _copy(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.clone()


class CopiesInMemory(Copies):
    """Copies in main memory, for a model that leaves no room on its device."""

    def _copy(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.to("cpu", copy=True)


class CopiesOnDisk(Copies):
    """Copies in one temporary file, which has no name: it is gone with the process, however that ends.

    What is written are the bytes of dense tensors and nothing else. Sparse tensors are copied as `Copies` does.
    """

    def __init__(self) -> None:
        # Without a buffer: one that could not be written out would stand in the way of reading what was.
        self._file = tempfile.TemporaryFile(prefix="lrrange-", buffering=0)  # noqa: SIM115  `close` closes it
        self._pieces = Pieces()
        self._end = 0

    def keep(self, tensor: torch.Tensor) -> PutBack:
        """As `Copies.keep`. Raises: SaveError if it cannot be written."""
        if tensor.layout is not torch.strided:
            return super().keep(tensor)
        start = self._end
        try:
            for piece in self._pieces.of(tensor):
                self._write(piece)
        except OSError as error:
            raise SaveError(
                f"the snapshot could not be written to {tempfile.gettempdir()}: {error.strerror}. Set the environment "
                f"variable TMPDIR to a folder on a disk with room for the model, or choose snapshot='cpu'.",
                path=tempfile.gettempdir(),
            ) from error
        return lambda home: self._read(home, start)

    def close(self) -> None:
        """Give the disk space back."""
        self._file.close()

    def _write(self, piece: memoryview) -> None:
        self._file.seek(self._end)
        while piece:
            written = self._file.write(piece)
            self._end += written
            piece = piece[written:]

    def _read(self, home: torch.Tensor, start: int) -> None:
        self._file.seek(start)
        self._pieces.fill(home, self._read_piece)

    def _read_piece(self, piece: memoryview) -> None:
        while piece:
            count = self._file.readinto(piece)
            if not count:
                raise EOFError("the snapshot's file is shorter than what was written to it")
            piece = piece[count:]


_KINDS: dict[str, type[Copies]] = {"device": Copies, "cpu": CopiesInMemory, "disk": CopiesOnDisk}


def copies_in(place: Place) -> Copies:
    """A new store for copies. Raises: OptionError."""
    check_place(place)
    return _KINDS[place]()


def check_place(place: object) -> None:
    """Raise OptionError if this is no place for copies."""
    if place not in get_args(Place):
        raise OptionError(f"snapshot={place!r} is none of {', '.join(map(repr, get_args(Place)))}.")
