"""What a batch is worth: its loss, to train on, and what is recorded of it."""

import contextlib
from collections.abc import Callable, Iterable
from typing import Any, Literal, SupportsFloat

import torch
from torch import nn

from lrrange.errors import LossError, NoData, OptionError, TargetError
from lrrange_torch.batches import to_device
from lrrange_torch.deferred_loss import Reader
from lrrange_torch.snapshot.digest import digest_of

BatchForm = Literal["inputs_and_targets", "whole"]
MetricMode = Literal["max", "min"]


class Objective:
    """A loss function over batches of a form, and a metric where one is recorded instead.

    Args:
        model, loss_fn, batch_form, metric, metric_mode: see `lrrange_torch.loader_step.LoaderStep`.

    Raises: OptionError for values that none of these can have.
    """

    def __init__(
        self,
        model: nn.Module,
        loss_fn: Callable[..., torch.Tensor],
        batch_form: BatchForm,
        metric: Callable[..., Any] | None,
        metric_mode: MetricMode,
    ) -> None:
        for name, function in (("loss_fn", loss_fn), ("metric", metric)):
            if function is not None and not callable(function):
                raise OptionError(f"{name} is a {type(function).__name__}, which cannot be called.")
        if batch_form not in ("inputs_and_targets", "whole"):
            raise OptionError(f"batch_form={batch_form!r} is neither 'inputs_and_targets' nor 'whole'.")
        if metric_mode not in ("max", "min"):
            raise OptionError(f"metric_mode={metric_mode!r} is neither 'max' nor 'min'.")
        self._model = model
        self._loss_fn = loss_fn
        self._whole = batch_form == "whole"
        self._metric = metric
        self.records_loss = metric is None
        self.sign = -1.0 if metric is not None and metric_mode == "max" else 1.0
        self.device = next(model.parameters()).device
        self.autocast: torch.dtype | None = None

    def is_like(self, other: "Objective") -> bool:
        """Whether the other one computes the same of a model's outputs, as far as can be seen."""
        return (self._whole, self.sign) == (other._whole, other.sign) and all(
            one is another
            or (isinstance(one, nn.Module) and type(one) is type(another) and _settings(one) == _settings(another))
            for one, another in ((self._loss_fn, other._loss_fn), (self._metric, other._metric))
        )

    @property
    def reads(self) -> str:
        """What is recorded, in words."""
        if self._metric is None:
            return "loss"
        name = getattr(self._metric, "__name__", type(self._metric).__name__)
        return f"minus {name}" if self.sign < 0 else name

    def __call__(self, batch: Any, training: bool = True) -> tuple[torch.Tensor, Any]:
        """The loss of a batch, and what is to be read and recorded of it, times `sign`: the loss, or the metric.

        Raises: LossError if the loss is not one number; TargetError if nothing can be trained on it.
        """
        with torch.autocast(self.device.type, self.autocast) if self.autocast else contextlib.nullcontext():
            if self._whole:
                loss = self._loss_fn(self._model, batch)
            else:
                inputs, targets = batch
                outputs = self._model(inputs)
                loss = self._loss_fn(outputs, targets)
        _check_loss(loss, training)
        if self._metric is None:
            return loss, loss.detach()
        with torch.no_grad():
            return loss, self._metric(self._model, batch) if self._whole else self._metric(outputs.detach(), targets)

    @torch.no_grad()
    def evaluate(self, batches: Iterable[Any], read: Reader) -> SupportsFloat:
        """The mean of what is recorded, over held-out batches, in evaluation mode. The modes are put back."""
        modes = [(module, module.training) for module in self._model.modules()]
        self._model.eval()
        try:
            recorded = [self(self.checked(batch), training=False)[1] for batch in batches]
        finally:
            for module, training in modes:
                module.training = training
        if not recorded:
            raise NoData("val_loader gives no batch. Check its dataset's length.")
        return read(recorded, self.sign / len(recorded))

    def checked(self, batch: Any) -> Any:
        """The batch on the model's device. Raises: TargetError if it is not of the form that was said."""
        if not self._whole and not (isinstance(batch, (list, tuple)) and len(batch) == 2):
            length = f" of length {len(batch)}" if hasattr(batch, "__len__") else ""
            raise TargetError(
                f"the loader gives a {type(batch).__name__}{length}, not (inputs, targets). Say batch_form='whole' and "
                f"give a loss_fn(model, batch).",
            )
        return to_device(batch, self.device)


def _settings(function: nn.Module) -> list[tuple[str, Any]]:
    return list(digest_of({"loss": function}))  # what it prints leaves out most of them


def _check_loss(loss: object, training: bool) -> None:
    if not isinstance(loss, torch.Tensor) or loss.numel() != 1:
        shape = f" of shape {tuple(loss.shape)}" if isinstance(loss, torch.Tensor) else ""
        raise LossError(
            f"loss_fn returned a {type(loss).__name__}{shape}, not a tensor of one number. Reduce it to its mean.",
            loss=loss,
        )
    if training and not loss.requires_grad:
        raise TargetError(
            "the loss does not depend on any parameter that requires a gradient, so nothing can be trained. Check for "
            ".detach(), torch.no_grad() or frozen parameters.",
        )
