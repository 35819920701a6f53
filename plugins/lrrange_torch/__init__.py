"""Plain PyTorch for lrrange: `find_lr(model, optimizer=..., loss_fn=..., loader=...)`, or your own step.

The hooks are here, and import torch only when there is work for it: a user who has a model has imported torch already.
"""

import sys
from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from lrrange import TrainingStep, hookimpl
from lrrange.errors import MissingExtra

if TYPE_CHECKING:
    from lrrange_torch.optimizer.guard import RateGuard, verify

__all__ = ["RateGuard", "verify"]

if find_spec("torch") is None:
    raise MissingExtra("the torch backend needs PyTorch. Install it with: pip install 'lrrange[torch]'", extra="torch")


@hookimpl
def lrrange_adapt(target: object, options: Mapping[str, Any]) -> TrainingStep | None:
    """Form A for a module, form B for a callable that comes with a torch optimizer."""
    torch = sys.modules.get("torch")
    if torch is None:
        return None
    module, optimizer = torch.nn.Module, torch.optim.Optimizer
    given = options.get("optimizer")
    optimizers = given if isinstance(given, (list, tuple)) else [given]
    own_step = callable(target) and any(isinstance(one, optimizer) for one in optimizers)
    if not isinstance(target, module) and not own_step:
        return None
    from lrrange.protocol import with_options
    from lrrange_torch.loader_step import LoaderStep
    from lrrange_torch.own_step import OwnStep

    if isinstance(target, module):
        return with_options(LoaderStep, target, options)
    return with_options(OwnStep, target, options)


@hookimpl
def lrrange_apply(optimizer: object, lr: float, scheduler: object | None) -> Mapping[str, Any] | None:
    """Every param group, and the schedulers attached to the optimizer."""
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(optimizer, torch.optim.Optimizer):
        return None
    from lrrange_torch.optimizer.rates import apply_rate

    return apply_rate(optimizer, lr, scheduler)


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'lrrange_torch' has no attribute {name!r}")
    from lrrange_torch.optimizer import guard

    return getattr(guard, name)
