"""A tensor's bytes, a piece at a time through one small buffer: for what hashes them or writes them to a file."""

from collections.abc import Callable, Iterator

import torch

_PIECE = 1 << 16


class Pieces:
    """Bytes of tensors of any dtype, on any device, without a copy of a whole one if its memory has no gaps."""

    def __init__(self) -> None:
        self._buffer = bytearray(_PIECE)
        self._view = memoryview(self._buffer)
        self._tensor = torch.frombuffer(self._buffer, dtype=torch.uint8)

    def of(self, tensor: torch.Tensor) -> Iterator[memoryview]:
        """The bytes of a dense tensor in their order. Each piece is good until the next is asked for."""
        flat = _flat(tensor)
        size = flat.numel()
        for start in range(0, size, _PIECE):
            part = flat[start : start + _PIECE] if size > _PIECE else flat
            count = part.numel()
            self._tensor[:count].copy_(part)
            yield self._view[:count]

    @torch.no_grad()
    def fill(self, tensor: torch.Tensor, read_into: Callable[[memoryview], object]) -> None:
        """Give a dense tensor the bytes that `read_into` writes into each piece."""
        as_it_is = tensor.is_contiguous() and not tensor.is_conj() and not tensor.is_neg()
        whole = tensor if as_it_is else torch.empty(tensor.shape, dtype=tensor.dtype, device=tensor.device)
        flat = _flat(whole)
        for start in range(0, len(flat), _PIECE):
            part = flat[start : start + _PIECE]
            read_into(self._view[: len(part)])
            part.copy_(self._tensor[: len(part)])
        if whole is not tensor:
            tensor.copy_(whole)


def _flat(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().resolve_conj().resolve_neg().contiguous().view(-1).view(torch.uint8)
