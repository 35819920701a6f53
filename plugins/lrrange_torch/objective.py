"""The objective of a training: the loss to train on, and the value that a sweep records, the loss or a metric."""

import contextlib
from collections.abc import Callable, Iterable
from typing import Any, Literal, SupportsFloat

import torch
from torch import nn

from lrrange.errors import NoData, OptionError, TargetError
from lrrange_torch.batches import is_one_example, to_device
from lrrange_torch.deferred_loss import Reader
from lrrange_torch.loss_values import not_one_loss

BatchForm = Literal["inputs_and_targets", "whole"]
MetricMode = Literal["max", "min"]

_NO_AUTOCAST = contextlib.nullcontext()


class Objective:
    """The loss function of a training, and the metric that a sweep records in its place, if there is one.

    Args:
        model, loss_fn, batch_form, metric, metric_mode: see `lrrange_torch.loader_step.LoaderStep`.
        autocast: dtype of the forward pass; None for the parameters' own.
        collated: whether the loader is known to make batches of examples, so that none needs to be checked.

    Attributes:
        loss_fn, metric, autocast: as given.
        whole: whether batches are given whole to `loss_fn`, together with the model.
        records_loss: whether the loss is recorded, and no metric.
        sign: factor for what is recorded: -1 for a metric that is better when higher, else 1.
        device: the model's device.

    Raises: OptionError for a value that its option cannot have.
    """

    def __init__(
        self,
        model: nn.Module,
        loss_fn: Callable[..., torch.Tensor],
        batch_form: BatchForm,
        metric: Callable[..., Any] | None,
        metric_mode: MetricMode,
        autocast: torch.dtype | None,
        collated: bool = True,
    ) -> None:
        for name, function in (("loss_fn", loss_fn), ("metric", metric)):
            if isinstance(function, type) and issubclass(function, nn.Module):
                raise OptionError(
                    f"{name} is the class {function.__name__}, which has not been called. Give {function.__name__}().",
                )
            if function is not None and not callable(function):
                raise OptionError(f"{name} is a {type(function).__name__}, which cannot be called.")
        if batch_form not in ("inputs_and_targets", "whole"):
            raise OptionError(f"batch_form={batch_form!r} is neither 'inputs_and_targets' nor 'whole'.")
        if metric_mode not in ("max", "min"):
            raise OptionError(f"metric_mode={metric_mode!r} is neither 'max' nor 'min'.")
        self._model = model
        self.loss_fn = loss_fn
        self.whole = batch_form == "whole"
        self.metric = metric
        self.records_loss = metric is None
        self.sign = -1.0 if metric is not None and metric_mode == "max" else 1.0
        self.device = next(model.parameters()).device
        self.autocast = autocast
        self._first_is_checked = self.whole or collated

    @property
    def reads(self) -> str:
        """The recorded quantity, in words."""
        if self.metric is None:
            return "loss"
        name = getattr(self.metric, "__name__", type(self.metric).__name__)
        return f"minus {name}" if self.sign < 0 else name

    def __call__(self, batch: Any, training: bool = True) -> tuple[torch.Tensor, Any]:
        """Return the loss of a batch, and the value to record, which the caller multiplies by `sign`: loss or metric.

        Args:
            batch: on the model's device, as `checked` returns it.
            training: whether to check that the loss can be trained on.
        Raises: LossError if the loss is not one number; TargetError if it depends on nothing that can be trained.
        """
        with _NO_AUTOCAST if self.autocast is None else torch.autocast(self.device.type, self.autocast):
            if self.whole:
                loss = self.loss_fn(self._model, batch)
            else:
                inputs, targets = batch
                outputs = self._model(inputs)
                loss = self.loss_fn(outputs, targets)
        _check_loss(loss, training)
        if self.metric is None:
            return loss, loss.detach()
        with torch.no_grad():
            return loss, self.metric(self._model, batch) if self.whole else self.metric(outputs.detach(), targets)

    @torch.no_grad()
    def evaluate(self, batches: Iterable[Any], read: Reader) -> SupportsFloat:
        """Return the mean recorded value over held-out batches, computed in evaluation mode.

        The modes of the modules are put back afterwards.
        """
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
        """Return the batch on the model's device.

        Raises: TargetError if it is not of the `batch_form` given, or the first is no batch but a single example.
        """
        if not self.whole and not (isinstance(batch, (list, tuple)) and len(batch) == 2):
            length = f" of length {len(batch)}" if hasattr(batch, "__len__") else ""
            data = ""
            if not isinstance(batch, (list, tuple, dict)):
                data = " If it is the data themselves, give DataLoader(TensorDataset(inputs, targets), batch_size=...)."
            raise TargetError(
                f"the loader gives a {type(batch).__name__}{length}, not (inputs, targets). Set batch_form='whole' and "
                f"give a loss_fn(model, batch).{data}",
            )
        if not self._first_is_checked:
            _check_is_batch(*batch)
            self._first_is_checked = True
        return to_device(batch, self.device)


def _check_is_batch(inputs: Any, targets: Any) -> None:
    if is_one_example(inputs, targets):
        target = f"of shape {tuple(targets.shape)}" if isinstance(targets, torch.Tensor) else repr(targets)
        raise TargetError(
            f"the loader gives one example at a time: inputs of shape {tuple(inputs.shape)} with a target {target}. "
            f"Give DataLoader(dataset, batch_size=...) with the batch size of your training. If these inputs are a "
            f"batch, set batch_form='whole' and give a loss_fn(model, batch).",
        )


def _check_loss(loss: object, training: bool) -> None:
    if not isinstance(loss, torch.Tensor) or loss.numel() != 1:
        raise not_one_loss("loss_fn", loss, trains=True)
    if training and not loss.requires_grad:
        raise TargetError(
            "the loss does not depend on any parameter that requires a gradient, so nothing can be trained. Check for "
            ".detach(), torch.no_grad() or frozen parameters.",
        )
