"""The objective of a training: the loss to train on, and what a sweep records, the loss or a metric and the loss."""

import contextlib
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, SupportsFloat

import torch
from torch import nn

from lrrange.errors import NoData, OptionError, TargetError
from lrrange.sweep import MetricValue, Quantity
from lrrange_torch.deferred_loss import Reader
from lrrange_torch.endless_batches import is_one_example, to_device
from lrrange_torch.functions import call_on_outputs, check_function
from lrrange_torch.loss_values import is_one_number, not_one_loss, not_one_metric

BatchForm = Literal["inputs_and_targets", "whole"]
MetricMode = Literal["max", "min"]

_NO_AUTOCAST = contextlib.nullcontext()


class Objective:
    """The loss function of a training, and the metric that a sweep records as well, if there is one.

    Args:
        model, loss_fn, batch_form, metric, metric_mode: see `lrrange_torch.loader_step.LoaderStep`.
        autocast: dtype of the forward pass; None for the parameters' own.
        collated: whether the loader is known to make batches of examples, so that none needs to be checked.

    Attributes:
        loss_fn, metric, autocast: as given.
        whole: whether batches are given whole to `loss_fn`, together with the model.
        quantity: the metric's name and direction; None without a metric.
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
        if batch_form not in ("inputs_and_targets", "whole"):
            raise OptionError(f"batch_form={batch_form!r} is neither 'inputs_and_targets' nor 'whole'.")
        check_function("loss_fn", loss_fn, batch_form == "whole")
        if metric is not None:
            check_function("metric", metric, batch_form == "whole")
        if metric_mode not in ("max", "min"):
            raise OptionError(f"metric_mode={metric_mode!r} is neither 'max' nor 'min'.")
        self._model = model
        self.loss_fn = loss_fn
        self.whole = batch_form == "whole"
        self.metric = metric
        higher_is_better = metric_mode == "max"
        self.quantity = None if metric is None else Quantity(name=_name_of(metric), higher_is_better=higher_is_better)
        self.device = next(model.parameters()).device
        self.autocast = autocast
        self._first_is_checked = self.whole or collated

    @property
    def reads(self) -> str:
        """Name of the quantity that advice is read from."""
        return "loss" if self.quantity is None else self.quantity.name

    def __call__(self, batch: Any, training: bool = True) -> tuple[torch.Tensor, Any]:
        """Return the loss of a batch, and its metric, or the loss again if there is no metric.

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
                outputs = self._outputs_of(inputs)
                loss = call_on_outputs("loss_fn", self.loss_fn, outputs, targets)
        _check_loss(loss, training)
        if self.metric is None:
            return loss, loss.detach()
        with torch.no_grad():
            if self.whole:
                value = self.metric(self._model, batch)
            else:
                value = call_on_outputs("metric", self.metric, _detached(outputs), targets)
        if not is_one_number(value):
            raise not_one_metric(value)
        return loss, value

    def _outputs_of(self, inputs: Any) -> Any:
        try:
            return self._model(inputs)
        except Exception as error:
            if isinstance(inputs, (list, tuple)):  # such as images of several sizes, whose model takes their targets
                error.add_note(
                    "Raised by the model, which was called with the first of the two parts of a batch. If it takes the "
                    "targets as well, set batch_form='whole' and give a loss_fn(model, batch)."
                )
            if type(inputs).__module__ != "numpy" or not isinstance(error, TypeError):
                raise
            raise TargetError(
                f"the loader gives NumPy arrays as inputs, and the model wants tensors ({error}). Give "
                f"DataLoader(TensorDataset(torch.from_numpy(inputs), torch.from_numpy(targets)), batch_size=...), or "
                f"batches of tensors."
            ) from error

    def recorded(self, losses: Sequence[Any], metrics: Sequence[Any], read: Reader) -> SupportsFloat:
        """Return what a sweep records of a step: the mean loss of its batches, or their mean metric with that loss.

        Args:
            losses, metrics: of each batch, as the objective returns them.
            read: reads numbers from their device.
        """
        mean = 1.0 / len(losses)
        loss = read(losses, mean)
        if self.quantity is None:
            return loss
        return MetricValue(quantity=self.quantity, value=read(metrics, mean), loss=loss)

    @torch.no_grad()
    def evaluate(self, batches: Iterable[Any]) -> tuple[list[Any], list[Any]]:
        """Return the loss of each held-out batch, and its metric (or loss again), computed in evaluation mode.

        The modes of the modules are put back afterwards.
        """
        modes = [(module, module.training) for module in self._model.modules()]
        self._model.eval()
        try:
            evaluated = [self(self.checked(batch), training=False) for batch in batches]
        finally:
            for module, training in modes:
                module.training = training
        if not evaluated:
            raise NoData("val_loader gives no batch. Check its dataset's length.")
        return [loss for loss, _ in evaluated], [value for _, value in evaluated]

    def checked(self, batch: Any) -> Any:
        """Return the batch on the model's device.

        Raises: TargetError if it is not of the `batch_form` given, or the first is no batch but a single example.
        """
        if not self.whole and not (isinstance(batch, (list, tuple)) and len(batch) == 2):
            raise TargetError(_other_form(batch))
        if not self._first_is_checked:
            _check_is_batch(*batch)
            self._first_is_checked = True
        return to_device(batch, self.device)


def _detached(outputs: Any) -> Any:
    """Return outputs without their graph, if they are one tensor: metrics are computed without gradients anyway."""
    return outputs.detach() if isinstance(outputs, torch.Tensor) else outputs


def _other_form(batch: Any) -> str:
    """Return what to do about a batch that is not (inputs, targets)."""
    kind = type(batch).__name__
    whole = "Set batch_form='whole' and give a loss_fn(model, batch)"
    if isinstance(batch, Mapping):
        keys = [repr(key) for key in list(batch)[:6]]
        example = ""
        if len(keys) == 2:
            example = f", such as lambda model, batch: loss(model(batch[{keys[0]}]), batch[{keys[1]}])"
        what = f"{kind} of length {len(batch)} ({', '.join(keys)})"
        return f"the loader gives a {what}, not (inputs, targets). {whole}{example}."
    if isinstance(batch, (list, tuple)):
        return f"the loader gives a {kind} of length {len(batch)}, not (inputs, targets). {whole}."
    length = ""
    with contextlib.suppress(TypeError):  # a number or a tensor of one
        length = f" of length {len(batch)}"
    return (
        f"the loader gives a {kind}{length}, not (inputs, targets). If it is the data themselves, give "
        f"DataLoader(TensorDataset(inputs, targets), batch_size=...). If these are batches, set batch_form='whole' and "
        f"give a loss_fn(model, batch)."
    )


def _name_of(metric: Callable[..., Any]) -> str:
    """Return the name of a function, or of the class of another callable, such as `MulticlassAccuracy`."""
    while isinstance(metric, functools.partial):
        metric = metric.func
    name = getattr(metric, "__name__", type(metric).__name__)
    return name if name.isidentifier() else "metric"  # a lambda is called "<lambda>"


def _check_is_batch(inputs: Any, targets: Any) -> None:
    if type(inputs) in (int, float, str):
        raise TargetError(
            f"the loader gives a {type(inputs).__name__} as inputs and a {type(targets).__name__} as targets. If it is "
            f"enumerate(loader), give the loader itself.",
        )
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
