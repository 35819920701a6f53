"""Where the copies of a snapshot are kept: beside the tensors, in main memory, or in a file."""

import tempfile
from collections.abc import Callable
from typing import Literal, get_args

import torch

from lrrange.errors import OptionError, SaveError
from lrrange_torch.snapshot.tensor_bytes import TensorBytes

CopyLocation = Literal["device", "cpu", "disk"]
"""Where copies are kept: `"device"`, beside the tensor; `"cpu"`, main memory; `"disk"`, a temporary file."""

# Writes kept values back into a tensor.
PutBack = Callable[[torch.Tensor], object]


class Copies:
    """Copies on each tensor's own device."""

    def keep(self, tensor: torch.Tensor) -> PutBack:
        """Copy the values. Return a function that writes them into a tensor of the same shape, any number of times."""
        values = self._copy(tensor)
        return lambda home: home.copy_(values)

    def close(self) -> None:
        """Discard all copies."""

    def _copy(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.clone()


class CopiesInMemory(Copies):
    """Copies in main memory, for a model that leaves no room on its device."""

    def _copy(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.to("cpu", copy=True)


class CopiesOnDisk(Copies):
    """Copies in one temporary file. It has no name, so it is gone with the process, however that ends.

    The file holds the bytes of dense tensors and nothing else. Sparse tensors are copied as `Copies` does.
    """

    def __init__(self) -> None:
        # Unbuffered: a buffer that could not be written out would block reading what was written before.
        self._file = tempfile.TemporaryFile(prefix="lrrange-", buffering=0)  # noqa: SIM115  `close` closes it
        self._bytes = TensorBytes()
        self._end = 0

    def keep(self, tensor: torch.Tensor) -> PutBack:
        """Copy the values as `Copies.keep` does. Raises: SaveError if the file cannot be written."""
        if tensor.layout is not torch.strided:
            return super().keep(tensor)
        start = self._end
        try:
            for chunk in self._bytes.chunks_of(tensor):
                self._write(chunk)
        except OSError as error:
            raise SaveError(
                f"the snapshot could not be written to {tempfile.gettempdir()}: {error.strerror}. Set the environment "
                f"variable TMPDIR to a folder on a disk with room for the model, or choose snapshot='cpu'.",
                path=tempfile.gettempdir(),
            ) from error
        return lambda home: self._read(home, start)

    def close(self) -> None:
        """Free the disk space."""
        self._file.close()

    def _write(self, chunk: memoryview) -> None:
        self._file.seek(self._end)
        while chunk:
            written = self._file.write(chunk)
            self._end += written
            chunk = chunk[written:]

    def _read(self, home: torch.Tensor, start: int) -> None:
        self._file.seek(start)
        self._bytes.fill(home, self._read_into)

    def _read_into(self, chunk: memoryview) -> None:
        while chunk:
            count = self._file.readinto(chunk)
            if not count:
                raise EOFError("the snapshot's file is shorter than what was written to it")
            chunk = chunk[count:]


_STORES: dict[str, type[Copies]] = {"device": Copies, "cpu": CopiesInMemory, "disk": CopiesOnDisk}


def copies_in(location: CopyLocation) -> Copies:
    """Return a new, empty store for copies. Raises: OptionError for an unknown location."""
    check_copy_location(location)
    return _STORES[location]()


def check_copy_location(location: object) -> None:
    """Raise OptionError, which names the option `snapshot=`, unless this is a `CopyLocation`."""
    if location not in get_args(CopyLocation):
        raise OptionError(f"snapshot={location!r} is none of {', '.join(map(repr, get_args(CopyLocation)))}.")
