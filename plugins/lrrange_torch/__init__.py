"""Plain PyTorch for lrrange: `find_lr(model, optimizer=..., loss_fn=..., loader=...)`, or a step of your own.

The hooks are here. They import torch only when there is work for it: a user who has a model has imported torch already.
"""

import sys
from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from lrrange import TrainingStep, hookimpl
from lrrange.errors import MissingExtra, TargetError
from lrrange.spelling import attribute_error

if TYPE_CHECKING:
    from lrrange.protocol import RateProof
    from lrrange_torch.endless_batches import batches
    from lrrange_torch.optimizer import RateGuard, verify

__all__ = ["RateGuard", "batches", "verify"]

if find_spec("torch") is None:
    raise MissingExtra("the torch backend needs PyTorch. Install it with: pip install 'lrrange[torch]'", extra="torch")

_EXAMPLE = "find_lr(model, optimizer=optimizer, loss_fn=loss_fn, loader=loader)"

_EPOCHS = "train_epochs= is the length of your training, and num_steps= that of the sweep in optimizer steps"

# What to do where a step of the user's own is the target.
_NOT_OF_A_STEP = {
    **dict.fromkeys(
        ("loss_fn", "loader", "criterion", "train_loader"),
        f"a function as the target takes a whole step itself. With a model as the target it is {_EXAMPLE}",
    ),
    **dict.fromkeys(("model", "scheduler", "grad_scaler"), "name what the step changes in restore=, in a list"),
    **dict.fromkeys(
        ("accumulate", "clip_norm", "autocast", "batch_form", "metric", "device"), "the step does that itself"
    ),
    "val_loader": "only a model as the target has held-out data",
    "train_epochs": "give train_steps=, in optimizer steps",
    "epochs": "give train_steps=, in optimizer steps",
}


@hookimpl
def lrrange_adapt(target: object, options: Mapping[str, Any]) -> TrainingStep | None:
    """Make a loader step of a module, and an own step of a callable that comes with torch optimizers."""
    torch = sys.modules.get("torch")
    if torch is None:
        return None
    if isinstance(target, type) and issubclass(target, torch.nn.Module):
        raise TargetError(
            f"the target is the class {target.__module__}.{target.__qualname__}, which has not been called. Make a "
            f"model of it, and its optimizer: model = {target.__name__}(...), then {_EXAMPLE}.",
            target_type=target.__name__,
        )
    if not isinstance(target, torch.nn.Module):
        from lrrange_torch.optimizer.argument import is_meant_for_torch

        if callable(target) and "set_lr" in options:
            return _own_rate_step(target, options)
        if not callable(target) or not is_meant_for_torch(options.get("optimizer")):
            return None
    from lrrange.protocol import with_options
    from lrrange_torch.loader_step import LoaderStep
    from lrrange_torch.own_step import OwnStep

    if isinstance(target, torch.nn.Module):
        return with_options(LoaderStep, target, options, example=_EXAMPLE, hints={"epochs": _EPOCHS})
    example = "find_lr(step, optimizer=optimizer, restore=model)"
    return with_options(OwnStep, target, options, example=example, hints=_NOT_OF_A_STEP)


def _own_rate_step(target: object, options: Mapping[str, Any]) -> TrainingStep:
    from lrrange.protocol import with_options
    from lrrange_torch.own_rate_step import OwnRateStep

    hints = _NOT_OF_A_STEP | {"optimizer": "set_lr= sets the rate in its place. Leave one of the two out"}
    return with_options(
        OwnRateStep, target, options, example="find_lr(step, set_lr=set_lr, restore=(model, optimizer))", hints=hints
    )


@hookimpl
def lrrange_apply(
    optimizer: object, lr: float, scheduler: object | None, details: Mapping[str, Any]
) -> Mapping[str, Any] | None:
    """Set the rate in every param group of one or several optimizers, and in the schedulers attached to them."""
    torch = sys.modules.get("torch")
    optimizers: Any = optimizer if isinstance(optimizer, (list, tuple)) else [optimizer]
    if torch is not None:
        from lrrange_torch.optimizer.argument import check_is_no_mistake

        check_is_no_mistake(optimizer)
    if torch is None or not optimizers or not all(isinstance(each, torch.optim.Optimizer) for each in optimizers):
        return None
    from lrrange_torch.optimizer import apply_rate
    from lrrange_torch.optimizer.shares import rate_of_first

    given: Any = optimizer
    return apply_rate(given, rate_of_first(given, lr, details), scheduler)


@hookimpl
def lrrange_verify(
    target: object,
    lr: float,
    steps: int,
    scheduler: object | None,
    options: Mapping[str, Any],
    details: Mapping[str, Any],
) -> "RateProof | None":
    """Watch the next steps of one or several optimizers."""
    torch = sys.modules.get("torch")
    targets: Any = target if isinstance(target, (list, tuple)) else [target]
    if torch is None or not targets or not all(isinstance(each, torch.optim.Optimizer) for each in targets):
        return None
    from lrrange.protocol import OPTIONS_OF_VERIFY, with_options
    from lrrange_torch.optimizer import RateGuard
    from lrrange_torch.optimizer.shares import rate_of_first

    given: Any = target
    share = rate_of_first(given, lr, details)
    return with_options(
        lambda optimizer: RateGuard(optimizer, share, steps, scheduler),
        given,
        options,
        example="result.verify(optimizer, steps=20)",
        also=OPTIONS_OF_VERIFY,
    )


if not TYPE_CHECKING:  # a type checker would take any name for one that exists

    def __getattr__(name: str) -> Any:
        if name not in __all__:
            raise attribute_error("module 'lrrange_torch'", name, __all__)
        from lrrange_torch import endless_batches, optimizer

        return vars(endless_batches if name == "batches" else optimizer)[name]
