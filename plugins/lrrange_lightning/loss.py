"""What is read of a step: its loss, or a value that it logs; the mean over all processes."""

from collections.abc import Mapping
from typing import Any

import torch

from lrrange.errors import LossError
from lrrange_lightning.silence import Logged


class Reader:
    """Reads the output of a `training_step`.

    Args:
        trainer: whose processes take part.
        logged: what the step logs.
        monitor: the name of a logged value to read; None for the loss returned.
    """

    def __init__(self, trainer: Any, logged: Logged, monitor: str | None) -> None:
        self._trainer = trainer
        self._logged = logged
        self._monitor = monitor

    def __call__(self, output: Any) -> float:
        """The value, mean over all processes. Raises: LossError if there is none, or if it is not one number."""
        value = loss_of(output) if self._monitor is None else self._logged.values.get(self._monitor)
        if value is None:
            names = ", ".join(map(repr, self._logged.values)) or "nothing"
            what = "returned no loss" if self._monitor is None else f"did not log {self._monitor!r}"
            raise LossError(
                f"training_step {what}, so there is nothing to read. Return the loss, or name a value that it logs, "
                f"by monitor=: it logs {names}.",
                logged=tuple(self._logged.values),
            )
        return mean_over_processes(self._trainer, value)


def loss_of(output: Any) -> Any:
    """The loss in what a step returned: a tensor, a mapping that has it as "loss", or None."""
    return output.get("loss") if isinstance(output, Mapping) else output


def mean_over_processes(trainer: Any, value: Any) -> float:
    """One number, the mean of what the processes have. Raises: LossError if it is not one number."""
    if hasattr(value, "compute"):
        value = value.compute()  # a metric object, which Lightning lets one log as it is
    value = torch.as_tensor(value).detach()
    if value.numel() != 1:
        raise LossError(
            f"the step gave a loss of shape {tuple(value.shape)}, not one number. Reduce it to its mean.",
            loss=value,
        )
    if trainer.world_size > 1:
        value = trainer.strategy.reduce(value.to(trainer.strategy.root_device).double().reshape(()), reduce_op="mean")
    return float(value)
