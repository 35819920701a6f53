"""A guard on one tensor. It keeps the values by PyTorch's copy-on-write, and by a copy once they are about to change.

`lrrange_torch.snapshot.copy_on_write` explains why that is safe.
"""

import torch
from torch import nn

from lrrange_torch.snapshot.copy_stores import Copies, PutBack

# Names that guards need, and that torch does not make public.
_NEEDED = ("_is_cow_tensor", "_storage_Use_Count")

# Size in bytes from which a guard is cheaper than a copy.
_WORTH_A_GUARD = 1 << 16

# Part of a table's rows that may be copied before a batch is searched for rows that it names twice. The search takes as
# long as the copy, and the rows copied twice until then are no more than this part.
_SEARCHED_FOR_REPEATS = 1 / 32


def has_copy_on_write() -> bool:
    """Return whether this torch has what guards need."""
    return hasattr(torch, "_lazy_clone") and all(hasattr(torch._C, name) for name in _NEEDED)


class TensorGuard:
    """The kept values of one tensor: held by copy-on-write until `copy` is called, and then by a copy."""

    @classmethod
    @torch.no_grad()
    def on(cls, tensor: torch.Tensor, copies: Copies) -> "TensorGuard | None":
        """Return a guard on this tensor; None if it should be copied at once instead."""
        plain = type(tensor) in (torch.Tensor, nn.Parameter) and tensor.layout is torch.strided
        if not plain or tensor.nbytes < _WORTH_A_GUARD or tensor.device.type not in ("cpu", "cuda"):
            return None
        if not has_copy_on_write():
            return None
        if 0 in tensor.stride():
            return None
        # Other tensors on this memory, a numpy array for example, could not follow the tensor to new memory and back.
        if _uses(tensor) != _uses(torch.empty(1)):
            return None
        try:
            return cls(tensor, copies)
        except RuntimeError:
            return None  # memory that is shared between processes, mapped from a file, or not from PyTorch

    def __init__(self, tensor: torch.Tensor, copies: Copies) -> None:
        self._tensor = tensor
        self._copies = copies
        self._alias = tensor.data
        self._size = tensor.untyped_storage().nbytes()
        self._requires_grad = tensor.requires_grad
        self._clone: torch.Tensor | None = torch._lazy_clone(self._alias)
        self._put_back: PutBack | None = None
        self._rows: list[tuple[torch.Tensor, torch.Tensor]] = []
        self._row_count = 0
        self._seen: torch.Tensor | None = None

    @property
    def copied_bytes(self) -> int:
        """Bytes that were copied so far."""
        whole = self._alias.nbytes if self._put_back is not None or self._moved else 0
        seen = self._seen.nbytes if self._seen is not None else 0
        return whole + seen + sum(index.nbytes + values.nbytes for index, values in self._rows)

    @property
    def _moved(self) -> bool:
        """Whether an unexpected write has moved the tensor, and left its old memory to the guard."""
        return self._clone is not None and not torch._C._is_cow_tensor(self._alias)  # type: ignore[attr-defined]

    @property
    def _is_safe(self) -> bool:
        """Whether no further write to the tensor can reach the kept values."""
        return self._put_back is not None or self._moved or not _same_storage(self._tensor, self._alias)

    def has_rows_of(self, parameter: torch.Tensor) -> bool:
        """Return whether this tensor has the same rows as `parameter`."""
        return self._alias.dim() > 0 and len(self._alias) == len(parameter)

    def copy(self) -> None:
        """Copy the whole tensor, because the next write is expected and may change any of it."""
        if not self._is_safe:
            self._put_back = self._copies.keep(self._alias)
            self._clone = None
            self._alias.data_ptr()  # ends the copy-on-write, which does not survive that a step resizes the tensor

    def copy_rows(self, index: torch.Tensor) -> None:
        """Copy these rows, because the next write is expected and changes no others. `close` is called after it."""
        if self._is_safe:
            return
        if not index.is_cuda:  # on CUDA, finding the new rows among them would wait for the device
            if self._seen is None:
                self._seen = torch.zeros(len(self._alias), dtype=torch.bool)
            index = index.masked_select(~self._seen.index_select(0, index))
            if self._row_count + len(index) > len(self._alias) * _SEARCHED_FOR_REPEATS:
                index = torch.unique(index)
            self._seen.index_fill_(0, index, True)
        elif self._row_count + len(index) > len(self._alias):
            self.copy()
            return
        else:
            index = index.clone()
        if len(index):
            self._rows.append((index, self._alias.index_select(0, index)))
            self._row_count += len(index)
        self._clone = None

    def close(self) -> None:
        """Guard the tensor again, after the expected write."""
        if self._put_back is None and self._clone is None:
            self._clone = torch._lazy_clone(self._alias)

    def put_back(self) -> None:
        """Give the tensor its old values and its old memory."""
        home = self._alias
        if self._moved and self._clone is not None:
            home = self._clone
        elif self._put_back is not None:
            if home.untyped_storage().nbytes() < self._size:  # a step has freed the memory
                home.untyped_storage().resize_(self._size)
            self._put_back(home)
        self._clone = None
        for index, values in reversed(self._rows):  # of a row that was copied twice, the earlier copy is the right one
            home.index_copy_(0, index, values)
        home.data_ptr()  # asking for the address ends the copy-on-write, as no other tensor shares the memory now
        if not (_same_storage(self._tensor, home) and _same_shape(self._tensor, home)):
            self._tensor.data = home
        if self._tensor.is_leaf and self._tensor.requires_grad != self._requires_grad:
            self._tensor.requires_grad_(self._requires_grad)


def _uses(tensor: torch.Tensor) -> int:
    """Return how many tensors share this one's memory, including itself and the temporary one made here."""
    return int(torch._C._storage_Use_Count(tensor.untyped_storage()._cdata))


def _same_storage(tensor: torch.Tensor, other: torch.Tensor) -> bool:
    return bool(tensor.untyped_storage()._cdata == other.untyped_storage()._cdata)


def _same_shape(tensor: torch.Tensor, other: torch.Tensor) -> bool:
    same_place = tensor.storage_offset() == other.storage_offset() and tensor.stride() == other.stride()
    return bool(same_place and tensor.shape == other.shape and tensor.dtype == other.dtype)
