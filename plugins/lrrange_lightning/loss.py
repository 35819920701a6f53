"""The loss of a training step and the held-out loss of a fit, as the mean over all processes."""

from collections.abc import Mapping
from typing import Any

import torch
from torchmetrics import Metric

from lrrange.errors import LossError
from lrrange.sweep import MetricValue, Quantity
from lrrange_lightning.silence import LoggedMetrics, own_logging


class LossReader:
    """What is recorded of each training step: the loss that `training_step` returns, or a metric that it logs as well.

    Args:
        trainer: whose processes take part.
        logged: the metrics that the step logs.
        monitor: name and direction of the logged metric to read; None for the loss returned.
    """

    def __init__(self, trainer: Any, logged: LoggedMetrics, monitor: Quantity | None) -> None:
        self._trainer = trainer
        self._logged = logged
        self._monitor = monitor

    def __call__(self, output: Any, loss: float | None = None) -> float | MetricValue:
        """Return the loss, the mean over all processes; or the metric with this loss.

        Args:
            output: of `training_step`.
            loss: the mean over all processes, if it has been read already.
        Raises: LossError if there is no loss or no such metric, or if it is not one number.
        """
        if self._monitor is None:
            return self._read(loss_of(output)) if loss is None else loss
        value = self._read(self._logged.values.get(self._monitor.name))
        if loss is None and self._trainer.strategy.reduce_boolean_decision(_is_loss(loss_of(output)), all=True):
            loss = mean_over_processes(self._trainer, loss_of(output))
        return MetricValue(quantity=self._monitor, value=value, loss=loss)

    def _read(self, value: Any) -> float:
        if value is None:
            names = ", ".join(map(repr, self._logged.values)) or "nothing"
            what = "returned no loss" if self._monitor is None else f"did not log {self._monitor.name!r}"
            raise LossError(
                f"training_step {what}, so there is no loss to read. Return the loss, or name a metric that it logs "
                f"with monitor=: it logs {names}.",
                logged=tuple(self._logged.values),
            )
        return mean_over_processes(self._trainer, value)


def loss_of(output: Any) -> Any:
    """Return the loss in the output of a step: the tensor, the entry `"loss"` of a mapping, or None."""
    return output.get("loss") if isinstance(output, Mapping) else output


def _is_loss(returned: Any) -> bool:
    """Return whether a step returned one number. Under manual optimization it may return anything."""
    return isinstance(returned, torch.Tensor) and returned.numel() == 1


def mean_over_processes(trainer: Any, value: Any) -> float:
    """Return the mean of a number over all processes. Raises: LossError if it is not one number."""
    if isinstance(value, Metric):
        value = value.compute()  # Lightning lets a module log the metric object itself
    value = torch.as_tensor(value).detach()
    if value.numel() != 1:
        raise LossError(
            f"the step gave a loss of shape {tuple(value.shape)}, not one number. Reduce it to its mean.",
            loss=value,
        )
    if trainer.world_size > 1:
        value = trainer.strategy.reduce(value.to(trainer.strategy.root_device).double().reshape(()), reduce_op="mean")
    return float(value)


def held_out_loss(trainer: Any, module: Any, monitor: str) -> float:
    """Run the fit's validation, and return what it logs as `monitor`, the mean over all processes.

    Call it during a sweep, when the state of the fit is kept and callbacks and loggers are silent: then Lightning's
    own validation loop can run without effect on the fit.
    Raises: LossError if validation does not log `monitor`.
    """
    loop = trainer.fit_loop.epoch_loop.val_loop
    with own_logging(module):
        trainer.validating = True
        try:
            loop.run()
        finally:
            trainer.training = True
    value = trainer.callback_metrics.get(monitor)
    if value is None:
        names = ", ".join(map(repr, trainer.callback_metrics)) or "nothing"
        raise LossError(f"validation did not log val_monitor={monitor!r}. It logs {names}.", monitor=monitor)
    return mean_over_processes(trainer, value)
