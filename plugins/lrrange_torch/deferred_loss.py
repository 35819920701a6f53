"""Losses read from a device without waiting for it.

Reading a number from a GPU means waiting until the GPU has computed everything before it. A training loop that does so
every step leaves the device idle in between. So on CUDA the copy of a loss to main memory starts in its own step, and
the loss is read a few steps later, when it has long arrived.
"""

from collections.abc import Callable, Sequence
from typing import Any, SupportsFloat

import torch

# Number of steps after which a loss is read. Python gets at most a few steps ahead of a GPU, as the GPU's queue of
# kernels is full then.
STEPS_LATE = 4

# Takes numbers and a factor; returns the factor times their sum, either at once or when it is converted to a float.
Reader = Callable[[Sequence[Any], float], SupportsFloat]


def read_now(values: Sequence[Any], factor: float) -> float:
    """Return the sum of some numbers times `factor`. The numbers are tensors of one element, or anything numeric."""
    total = 0.0
    for value in values:
        # `float` accepts a tensor that still has its graph, but some frameworks warn about it.
        total += float(value.detach() if isinstance(value, torch.Tensor) and value.requires_grad else value)
    return factor * total


class PendingTensors:
    """Copies of tensors on their way to main memory.

    Args:
        tensors: on any device. They are copied in any case, because they may be written to afterwards.
    """

    def __init__(self, tensors: Sequence[torch.Tensor]) -> None:
        # Torch itself pins the memory of a copy that does not block.
        self._values = [tensor.detach().to("cpu", non_blocking=True, copy=True) for tensor in tensors]
        devices = {tensor.device for tensor in tensors if tensor.is_cuda}
        self._arrived = [torch.cuda.current_stream(device).record_event() for device in devices]

    def values(self) -> list[torch.Tensor]:
        """Wait until the copies have arrived, and return them."""
        for event in self._arrived:
            event.synchronize()
        return self._values


class PendingLoss:
    """A sum of numbers on their way from CUDA devices: an `lrrange.protocol.DeferredLoss`.

    Converting it to a float waits until all numbers have arrived.

    Args:
        values: tensors of one element, or numbers that are in main memory already.
        factor: to multiply the sum by.
    """

    steps_late: int = STEPS_LATE

    def __init__(self, values: Sequence[Any], factor: float) -> None:
        self._numbers = [value for value in values if not isinstance(value, torch.Tensor)]
        self._pending = PendingTensors([value for value in values if isinstance(value, torch.Tensor)])
        self._factor = factor

    def __float__(self) -> float:
        return read_now([*self._numbers, *self._pending.values()], self._factor)


def reader_for(device: torch.device) -> Reader:
    """Return the reader for losses on this device: it reads late on CUDA, and at once elsewhere."""
    return PendingLoss if device.type == "cuda" else read_now
