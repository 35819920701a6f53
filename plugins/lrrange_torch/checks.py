"""Checks of a training and its options before the first step."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader

from lrrange.errors import OptionError, TargetError
from lrrange_torch.endless_batches import check_gives_batches, check_iterable
from lrrange_torch.functions import is_torch_loss


def check_trains(model: nn.Module, optimizers: Sequence[Optimizer]) -> None:
    """Raise TargetError if one of these optimizers cannot train this model."""
    parameters = list(model.parameters())
    if any(isinstance(parameter, nn.parameter.UninitializedParameter) for parameter in parameters):
        raise TargetError(
            "the model has lazy parameters that no batch has given a shape yet. Run one batch through it, then make "
            "the optimizer, then call find_lr.",
        )
    trained = {id(parameter) for parameter in parameters if parameter.requires_grad}
    if not parameters:
        raise TargetError(
            f"this {type(model).__name__} has no parameters, so there is nothing to train. The model goes first: "
            f"find_lr(model, optimizer=optimizer, loss_fn=loss_fn, loader=loader)."
        )
    if not trained:
        raise TargetError(
            f"no parameter of this {type(model).__name__} requires a gradient: it is frozen. Unfreeze what is to be "
            f"trained, with requires_grad_(True).",
        )
    for optimizer in optimizers:
        if not any(id(parameter) in trained for group in optimizer.param_groups for parameter in group["params"]):
            which = "the optimizer" if len(optimizers) == 1 else f"the {type(optimizer).__name__} among the optimizers"
            raise TargetError(
                f"{which} holds none of the {len(trained)} trainable parameters of this {type(model).__name__}. Make a "
                f"new one from model.parameters(), after the last change to the model.",
                trainable=len(trained),
            )


def check_options(accumulate: object, clip_norm: object, read_on: object, val_loader: object) -> None:
    """Raise OptionError for a value that the option of this name cannot have."""
    if isinstance(accumulate, bool) or not isinstance(accumulate, int) or accumulate < 1:
        raise OptionError(f"accumulate={accumulate!r} is not a whole number of micro-batches, 1 or more.")
    is_flag = isinstance(clip_norm, bool)
    if clip_norm is not None and (is_flag or not (isinstance(clip_norm, (int, float)) and clip_norm > 0)):
        raise OptionError(f"clip_norm={clip_norm!r} is not a positive norm.")
    if read_on not in ("training", "validation"):
        raise OptionError(f"read_on={read_on!r} is neither 'training' nor 'validation'.")
    if read_on == "validation" and val_loader is None:
        raise OptionError("read_on='validation' needs a val_loader to read on.")
    if val_loader is None:
        return
    check_iterable(val_loader, "val_loader")
    check_gives_batches(val_loader, "val_loader")
    if hasattr(val_loader, "__next__") or not hasattr(val_loader, "__iter__"):
        raise OptionError(
            f"val_loader is a {type(val_loader).__name__}, which gives its batches once or not at all. Give one that "
            f"starts again, such as a DataLoader or a list.",
        )


def check_precision(autocast: object, grad_scaler: object) -> None:
    """Raise OptionError for what is no dtype to compute in, or no GradScaler."""
    if autocast is not None and autocast is not False and not isinstance(autocast, torch.dtype):
        raise OptionError(f"autocast={autocast!r} is not a dtype. Give torch.bfloat16, torch.float16 or None.")
    if grad_scaler is not None and (isinstance(grad_scaler, type) or not hasattr(grad_scaler, "is_enabled")):
        raise OptionError(f"grad_scaler={grad_scaler!r} is not a GradScaler. Give torch.amp.GradScaler(), or None.")


def check_places(**given: object) -> None:
    """Raise OptionError if one of these arguments is surely meant for another one of them.

    Args:
        given: the values of `optimizer`, `loss_fn` and `loader`, by name.
    """
    wrong = {name: place for name, value in given.items() if (place := _place_of(value)) not in (None, name)}
    if wrong:
        what = ", and ".join(f"{name}= is a {type(given[name]).__name__}, for {wrong[name]}=" for name in wrong)
        raise OptionError(f"{what}. Write find_lr(model, optimizer=optimizer, loss_fn=loss_fn, loader=loader).")


def _place_of(value: object) -> str | None:
    if isinstance(value, Optimizer):
        return "optimizer"
    if isinstance(value, DataLoader):
        return "loader"
    return "loss_fn" if is_torch_loss(value) else None


def steps_of_epochs(loader: Iterable[Any], epochs: float | None, accumulate: int) -> int | None:
    """Return the optimizer steps of so many passes over a loader; None if no number of them was given.

    Raises: OptionError for a number that is not positive, and for a loader without a length.
    """
    if epochs is None:
        return None
    if isinstance(epochs, bool) or not isinstance(epochs, (int, float)) or not 0 < epochs < math.inf:
        raise OptionError(f"train_epochs={epochs!r} is not a positive number of epochs.", train_epochs=epochs)
    try:
        batches = len(loader)  # type: ignore[arg-type]  # a loader without a length raises the TypeError
    except (TypeError, NotImplementedError):
        raise OptionError(
            f"train_epochs={epochs:g} needs the number of batches in an epoch, and this {type(loader).__name__} has no "
            f"length. Give train_steps= instead, the number of optimizer steps.",
            train_epochs=epochs,
        ) from None
    return max(1, round(batches * epochs / accumulate))
