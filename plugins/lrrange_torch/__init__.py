"""Plain PyTorch for lrrange: `find_lr(model, optimizer=..., loss_fn=..., loader=...)`, or a step of your own.

The hooks are here. They import torch only when there is work for it: a user who has a model has imported torch already.
"""

import sys
from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from lrrange import TrainingStep, hookimpl
from lrrange.errors import MissingExtra

if TYPE_CHECKING:
    from lrrange_torch.optimizer import RateGuard, verify

__all__ = ["RateGuard", "verify"]

if find_spec("torch") is None:
    raise MissingExtra("the torch backend needs PyTorch. Install it with: pip install 'lrrange[torch]'", extra="torch")


@hookimpl
def lrrange_adapt(target: object, options: Mapping[str, Any]) -> TrainingStep | None:
    """Make a loader step of a module, and an own step of a callable that comes with torch optimizers."""
    torch = sys.modules.get("torch")
    if torch is None:
        return None
    if not isinstance(target, torch.nn.Module):
        from lrrange_torch.optimizer.argument import is_meant_for_torch

        if not callable(target) or not is_meant_for_torch(options.get("optimizer")):
            return None
    from lrrange.protocol import with_options
    from lrrange_torch.loader_step import LoaderStep
    from lrrange_torch.own_step import OwnStep

    if isinstance(target, torch.nn.Module):
        return with_options(LoaderStep, target, options)
    return with_options(OwnStep, target, options)


@hookimpl
def lrrange_apply(
    optimizer: object, lr: float, scheduler: object | None, details: Mapping[str, Any]
) -> Mapping[str, Any] | None:
    """Set the rate in every param group of one or several optimizers, and in the schedulers attached to them."""
    torch = sys.modules.get("torch")
    optimizers: Any = optimizer if isinstance(optimizer, (list, tuple)) else [optimizer]
    if torch is None or not optimizers or not all(isinstance(each, torch.optim.Optimizer) for each in optimizers):
        return None
    from lrrange_torch.optimizer import apply_rate
    from lrrange_torch.optimizer.shares import rate_of_first

    given: Any = optimizer
    return apply_rate(given, rate_of_first(given, lr, details), scheduler)


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'lrrange_torch' has no attribute {name!r}")
    from lrrange_torch import optimizer

    return vars(optimizer)[name]
