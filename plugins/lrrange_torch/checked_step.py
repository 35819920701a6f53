"""A step that the user wrote, with a check of what it returns and raises."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import nn

from lrrange.sweep import MetricValue
from lrrange_torch.deferred_loss import read_now
from lrrange_torch.distributed import processes_of
from lrrange_torch.functions import check_step
from lrrange_torch.inventory.inventory import Inventory
from lrrange_torch.loss_values import is_one_number, not_one_loss
from lrrange_torch.stop_iteration import error_instead, is_end_of_data


class CheckedStep:
    """Calls of the user's step, each of which returns its loss: of several processes, the mean of theirs.

    Args:
        function: called without arguments; returns one number, or a `lrrange.sweep.MetricValue`.
        restore: what else the step changes.
        parameters: of its optimizer, as far as they are known.

    Attributes:
        function: the same.
        processes: the processes that take the step together.
        calls: number of calls so far.

    Raises: OptionError for a function that takes arguments; TargetError for a model that cannot be put back.
    """

    def __init__(
        self, function: Callable[[], Any], restore: Sequence[Any], parameters: Sequence[torch.Tensor] = ()
    ) -> None:
        check_step(function)
        self.function = function
        self.processes = processes_of(_modules_of(function, restore), parameters)
        self.calls = 0

    def __call__(self) -> Any:
        """Take one step and return its loss. Raises: LossError for a loss that is not one number."""
        try:
            returned = self.function()
        except StopIteration as error:
            if not is_end_of_data(error):
                raise error_instead("a module or a dataset in your step()") from error
            raise
        self.calls += 1
        if not isinstance(returned, MetricValue):
            return self._read(returned)
        loss = None if returned.loss is None else self._read(returned.loss)
        return MetricValue(quantity=returned.quantity, value=self._read(returned.value), loss=loss)

    def mean(self, numbers: Sequence[Any]) -> Any:
        """Return the mean of some losses, as a `DeferredLoss` if they are on CUDA."""
        tensor = next((number for number in numbers if isinstance(number, torch.Tensor)), None)
        read = read_now if tensor is None else self.processes.reader(tensor.device)
        return numbers[0] if len(numbers) == 1 and read is read_now else read(numbers, 1.0 / len(numbers))

    def _read(self, number: Any) -> Any:
        if self.processes.size > 1:  # which must agree on whether to call again
            return self.processes.mean(lambda: read_now([_checked(number)], 1.0))
        return _checked(number)


def _checked(number: Any) -> Any:
    if not is_one_number(number):
        raise not_one_loss("step()", number, trains=False)
    # Without its graph, which would keep a micro-batch in memory while others follow.
    return number.detach() if isinstance(number, torch.Tensor) else number


def _modules_of(step: Callable[[], Any], restore: Sequence[Any]) -> Iterator[nn.Module]:
    """Yield every module that a user's own step reaches."""
    for item in Inventory().items("step", [step, restore]):
        if issubclass(type(item.value), nn.Module):
            yield item.value
