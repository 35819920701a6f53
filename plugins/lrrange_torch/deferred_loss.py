"""Losses as numbers, without making the device wait for Python.

To read a number from a GPU is to wait until it has computed everything before it; a training loop that does so every
step leaves the device idle in between. So on CUDA a loss is sent off in its step, and read a few steps later, when it
has long arrived.
"""

from collections.abc import Callable, Sequence
from typing import Any, SupportsFloat

import torch

# How many steps behind. Python gets ahead of a GPU by a few steps at most: then its queue of kernels is full.
STEPS_LATE = 4

# Takes numbers and a factor; gives factor times their sum, now or when it is asked for as a float.
Reader = Callable[[Sequence[Any], float], SupportsFloat]


def read_now(values: Sequence[Any], factor: float) -> float:
    """The sum of some numbers times `factor`: tensors of one element, or anything else that is a number."""
    return factor * sum(map(_number, values))


class Arriving:
    """Tensors on their way to main memory.

    Args:
        tensors: of any device. They are copied in any case: somebody may go on to write to them.
    """

    def __init__(self, tensors: Sequence[torch.Tensor]) -> None:
        # Memory for a copy that does not block is pinned by torch itself.
        self._values = [tensor.detach().to("cpu", non_blocking=True, copy=True) for tensor in tensors]
        devices = {tensor.device for tensor in tensors if tensor.is_cuda}
        self._arrived = [torch.cuda.current_stream(device).record_event() for device in devices]

    def values(self) -> list[torch.Tensor]:
        """The copies. Waits until they have arrived."""
        for event in self._arrived:
            event.synchronize()
        return self._values


class LateReading:
    """A sum of numbers on their way from CUDA devices; `float` waits until they have arrived.

    Args:
        values: tensors of one element, or numbers that are here already.
        factor: to multiply the sum with.
    """

    steps_late = STEPS_LATE

    def __init__(self, values: Sequence[Any], factor: float) -> None:
        self._here = [value for value in values if not isinstance(value, torch.Tensor)]
        self._arriving = Arriving([value for value in values if isinstance(value, torch.Tensor)])
        self._factor = factor

    def __float__(self) -> float:
        return read_now([*self._here, *self._arriving.values()], self._factor)


def reader_for(device: torch.device) -> Reader:
    """How losses on this device are read."""
    return LateReading if device.type == "cuda" else read_now


def _number(value: Any) -> float:
    # A tensor that still has its graph may be converted, but some frameworks warn of it.
    return float(value.detach() if isinstance(value, torch.Tensor) else value)
