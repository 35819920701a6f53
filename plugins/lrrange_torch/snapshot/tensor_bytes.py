"""A tensor's bytes, one chunk at a time through a small buffer, to hash them or to write them to a file."""

from collections.abc import Callable, Iterator

import torch

_CHUNK = 1 << 16


class TensorBytes:
    """Access to the bytes of tensors of any dtype on any device, through one buffer.

    A whole tensor is copied only if its memory has gaps.
    """

    def __init__(self) -> None:
        self._buffer = bytearray(_CHUNK)
        self._view = memoryview(self._buffer)
        self._tensor = torch.frombuffer(self._buffer, dtype=torch.uint8)

    def chunks_of(self, tensor: torch.Tensor) -> Iterator[memoryview]:
        """Yield the bytes of a dense tensor in their order. Each chunk is valid until the next one is drawn."""
        flat = _flat(tensor)
        size = flat.numel()
        for start in range(0, size, _CHUNK):
            part = flat[start : start + _CHUNK] if size > _CHUNK else flat
            count = part.numel()
            self._tensor[:count].copy_(part)
            yield self._view[:count]

    @torch.no_grad()
    def fill(self, tensor: torch.Tensor, read_into: Callable[[memoryview], object]) -> None:
        """Overwrite a dense tensor with the bytes that `read_into` writes into each chunk it is given."""
        as_it_is = tensor.is_contiguous() and not tensor.is_conj() and not tensor.is_neg()
        whole = tensor if as_it_is else torch.empty(tensor.shape, dtype=tensor.dtype, device=tensor.device)
        flat = _flat(whole)
        for start in range(0, len(flat), _CHUNK):
            part = flat[start : start + _CHUNK]
            read_into(self._view[: len(part)])
            part.copy_(self._tensor[: len(part)])
        if whole is not tensor:
            tensor.copy_(whole)


def parts_of(tensor: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Return the dense tensors in a sparse tensor, or the tensor itself, on the same memory."""
    if tensor.layout is torch.sparse_coo:
        return tensor._indices(), tensor._values()
    if tensor.layout in (torch.sparse_csr, torch.sparse_bsr):
        return tensor.crow_indices(), tensor.col_indices(), tensor.values()
    if tensor.layout in (torch.sparse_csc, torch.sparse_bsc):
        return tensor.ccol_indices(), tensor.row_indices(), tensor.values()
    return (tensor,)


def is_freed(tensor: torch.Tensor) -> bool:
    """Return whether the memory of a tensor was freed. To read it would end the process."""
    if tensor.layout is not torch.strided or tensor.is_meta or tensor.is_nested:
        return False
    return tensor.numel() > 0 and tensor.untyped_storage().nbytes() == 0


def _flat(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().resolve_conj().resolve_neg().contiguous().view(-1).view(torch.uint8)
