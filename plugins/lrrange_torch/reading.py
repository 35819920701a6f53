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


class LateReading:
    """A sum of numbers on their way from CUDA devices; `float` waits until they have arrived.

    Args:
        values: tensors of one element, or numbers that are here already.
        factor: to multiply the sum with.
    """

    steps_late = STEPS_LATE

    def __init__(self, values: Sequence[Any], factor: float) -> None:
        # Memory for a copy that does not block is pinned by torch itself. A copy in any case: a metric may go on to
        # write to the tensor that it returned.
        self._values = [
            value.detach().to("cpu", non_blocking=True, copy=True) if isinstance(value, torch.Tensor) else value
            for value in values
        ]
        self._factor = factor
        devices = {value.device for value in values if isinstance(value, torch.Tensor) and value.is_cuda}
        self._arrived = [torch.cuda.current_stream(device).record_event() for device in devices]

    def __float__(self) -> float:
        for event in self._arrived:
            event.synchronize()
        return read_now(self._values, self._factor)


def reader_for(device: torch.device) -> Reader:
    """How losses on this device are read."""
    return LateReading if device.type == "cuda" else read_now


def _number(value: Any) -> float:
    # A tensor that still has its graph may be converted, but some frameworks warn of it.
    return float(value.detach() if isinstance(value, torch.Tensor) else value)
