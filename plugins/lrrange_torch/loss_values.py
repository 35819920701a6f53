"""What a loss function or a training step may return, and for anything else an error with what to write."""

from collections.abc import Mapping
from numbers import Real

import torch

from lrrange.errors import LossError


def not_one_loss(source: str, loss: object, trains: bool) -> LossError:
    """Return the error about a value that is not a loss.

    Args:
        source: what returned it, such as `"loss_fn"`.
        loss: the value.
        trains: whether gradients are to be computed from it, so that a plain number will not do.
    """
    return LossError(f"{source} returned {_described(loss, trains)}", loss=loss)


def not_one_metric(value: object) -> LossError:
    """Return the error about a value of a metric that is not one number."""
    kind, advice = type(value).__name__, "Return one number from it"
    if value is None:
        return LossError("metric returned None instead of its value. Return the value from it.", loss=value)
    if isinstance(value, torch.Tensor):
        kind = f"{kind} of shape {tuple(value.shape)}"
        advice = "Reduce it to one number, such as its mean: value.float().mean()"
    elif isinstance(value, Mapping):
        keys = ", ".join(map(repr, list(value)[:6]))
        kind = f"{kind} ({keys})"
        advice = "Return one of its values, such as lambda outputs, targets: metric(outputs, targets)"
        advice += f"[{next(iter(value))!r}]" if value else "[name]"
    return LossError(f"metric returned a {kind}, not one number. {advice}.", loss=value)


def is_one_number(loss: object) -> bool:
    """Return whether a value can be recorded as a loss. Other kinds of numbers than Python's and torch's can, too."""
    if isinstance(loss, torch.Tensor):
        return loss.numel() == 1
    return not isinstance(loss, (Mapping, list, tuple, str, bytes)) and hasattr(loss, "__float__")


def _described(loss: object, trains: bool) -> str:
    kind = type(loss).__name__
    if loss is None:
        return "None instead of its loss. Return the loss from it."
    if isinstance(loss, torch.Tensor):
        return (
            f"a {kind} of shape {tuple(loss.shape)}, {loss.numel()} numbers and not one. Reduce it to its mean, by "
            f"loss.mean() or reduction='mean'."
        )
    if isinstance(loss, Mapping):
        if "loss" in loss:
            return f"a {kind} that holds its loss as 'loss'. Return that: outputs['loss'], or outputs.loss."
        keys = ", ".join(map(str, list(loss)[:6])) + (", ..." if len(loss) > 6 else "")
        if loss and all(isinstance(part, torch.Tensor) and part.numel() == 1 for part in loss.values()):
            return f"a {kind} of {len(loss)} losses ({keys}). Return their sum: sum(losses.values())."
        return f"a {kind} of {len(loss)} values ({keys}). Return the loss among them."
    if isinstance(loss, (list, tuple)):
        parts = ", ".join(_short(part) for part in loss[:6]) + (", ..." if len(loss) > 6 else "")
        return f"a {kind} of {len(loss)} values ({parts}). Return the loss alone, such as outputs[0]."
    if hasattr(loss, "loss"):
        return f"a {kind} that holds its loss in an attribute. Return that: outputs.loss."
    if trains and (isinstance(loss, Real) or hasattr(loss, "__float__")):
        return (
            f"a {kind}, a number without a gradient: .item(), float() or NumPy made it. Return the tensor it was made "
            f"from."
        )
    return f"a {kind}, not one number. Return the loss as a tensor of one number."


def _short(part: object) -> str:
    shape = f" of shape {tuple(part.shape)}" if isinstance(part, torch.Tensor) else ""
    return type(part).__name__ + shape
