"""Checks of the functions that a user gives: a loss, a metric, a step."""

import contextlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from lrrange.errors import OptionError

# First arguments of a function of whole batches, and second ones.
_MODEL_NAMES = ("model", "module", "net", "network", "m")
_BATCH_NAMES = ("batch", "data", "inputs", "batch_data", "b")

# What models call the tensor that a loss is computed from.
_OUTPUTS = ("logits", "prediction", "predictions", "out", "output", "sample", "last_hidden_state")

_EXAMPLES = {
    "loss_fn": "torch.nn.functional.cross_entropy",
    "metric": "lambda outputs, targets: (outputs.argmax(1) == targets).float().mean()",
}


def check_function(name: str, function: Any, whole: bool) -> None:
    """Raise OptionError for what cannot be a loss function or a metric.

    Args:
        name: of the option: `"loss_fn"` or `"metric"`.
        function: what the user gave.
        whole: whether it is called with the model and a batch; otherwise with outputs and targets.
    """
    if isinstance(function, type):
        raise OptionError(
            f"{name} is the class {function.__name__}, which has not been called. Give {function.__name__}().",
        )
    if not callable(function):
        raise OptionError(
            f"{name} is a {type(function).__name__}, which cannot be called. Give a function of (outputs, targets), "
            f"such as {name}={_EXAMPLES[name]}.",
        )
    wanted = "(model, batch)" if whole else "(outputs, targets)"
    signature = _signature(function)
    if signature is None:
        return
    parameters = list(signature.parameters)
    if not _binds(signature, 2):
        or_whole = "" if whole else f" For whole batches, set batch_form='whole' and give a {name}(model, batch)."
        raise OptionError(
            f"{name} takes ({', '.join(parameters)}), and it is called as {name}{wanted}. Give a function of two "
            f"arguments.{or_whole}",
        )
    if not whole and len(parameters) >= 2 and parameters[0] in _MODEL_NAMES and parameters[1] in _BATCH_NAMES:
        raise OptionError(
            f"{name} takes ({', '.join(parameters)}), and it is called as {name}(outputs, targets). To have it called "
            f"with the model and a whole batch, set batch_form='whole'.",
        )
    if whole and _is_of_torch(function):
        raise OptionError(
            f"batch_form='whole' calls {name}(model, batch), and {_name_of(function)} takes ({', '.join(parameters)}). "
            f"Leave batch_form out if batches are (inputs, targets); else give a function such as lambda model, batch: "
            f"loss(model(batch['x']), batch['y']).",
        )


def check_step(step: Callable[..., Any]) -> None:
    """Raise OptionError unless the user's step can be called without arguments."""
    signature = _signature(step)
    if signature is not None and not _binds(signature, 0):
        raise OptionError(
            f"the step takes ({', '.join(signature.parameters)}), and it is called without arguments. Let it take its "
            f"batch itself: find_lr(lambda: step(next(batches)), optimizer=optimizer, restore=model).",
        )


def call_on_outputs(name: str, function: Callable[..., Any], outputs: Any, targets: Any) -> Any:
    """Return what the user's function gives for outputs and targets.

    Args:
        name: of the option.
        function: of the user.
        outputs: what the model returned.
        targets: from the batch.
    Raises: OptionError if it calls a tensor, as a function of the model and a batch does, or wants a tensor where the
        model returns something else.
    """
    try:
        return function(outputs, targets)
    except (TypeError, AttributeError) as error:
        if "Tensor" in str(error) and str(error).endswith("object is not callable"):
            raise OptionError(
                f"{name}(outputs, targets) called a tensor like a function. If your {name} takes the model and a "
                f"batch, set batch_form='whole'.",
            ) from error
        if _wants_a_tensor(error, outputs):
            raise _not_of_tensors(name, outputs) from error
        raise


def is_torch_loss(value: object) -> bool:
    """Return whether this is a loss module of PyTorch's, such as `nn.MSELoss()`."""
    return type(value).__module__ == "torch.nn.modules.loss"


def _wants_a_tensor(error: TypeError | AttributeError, outputs: object) -> bool:
    """Return whether an error is that of a function that wants a tensor in place of these outputs of a model."""
    if isinstance(outputs, torch.Tensor):
        return False
    if isinstance(error, AttributeError):
        return error.obj is outputs and error.name in dir(torch.Tensor)
    return "must be Tensor" in str(error) or type(outputs).__name__ in str(error)


def _not_of_tensors(name: str, outputs: Any) -> OptionError:
    """Return the error for a function that wants a tensor and was given what the model returns.

    Args:
        name: of the option.
        outputs: what the model returned.
    """
    kind = type(outputs).__name__
    names: list[Any] = [*outputs] if isinstance(outputs, Mapping) else []
    with contextlib.suppress(TypeError):  # it has no attributes of its own
        names += vars(outputs)
    texts = [each for each in names if isinstance(each, str)]
    if isinstance(outputs, (list, tuple)):
        kind, part = f"{kind} of {len(outputs)}", "[0]"
    elif isinstance(outputs, Mapping):
        part = f"[{next((each for each in texts if each in _OUTPUTS), texts[0] if texts else 'name')!r}]"
    else:
        part = f".{next((each for each in texts if each in _OUTPUTS), 'logits')}"
    return OptionError(
        f"{name} cannot take what the model returns, a {kind}. Take the tensor out of it: "
        f"{name}=lambda outputs, targets: loss(outputs{part}, targets)."
    )


def _is_of_torch(function: Any) -> bool:
    return is_torch_loss(function) or getattr(function, "__module__", None) == "torch.nn.functional"


def _name_of(function: Any) -> str:
    return type(function).__name__ if isinstance(function, nn.Module) else str(getattr(function, "__name__", function))


def _signature(function: Any) -> inspect.Signature | None:
    """Return the signature of a function; None if it is not known."""
    try:
        return inspect.signature(function.forward if isinstance(function, nn.Module) else function)
    except (TypeError, ValueError):  # written in C
        return None


def _binds(signature: inspect.Signature, count: int) -> bool:
    """Return whether a function of this signature can be called with so many arguments."""
    try:
        signature.bind(*[None] * count)
    except TypeError:
        return False
    return True
