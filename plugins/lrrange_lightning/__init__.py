"""PyTorch Lightning for lrrange: `find_lr(trainer, model=...)` before a fit, and the callback `LRRangeTest` inside one.

It works with both Lightning packages, `pytorch_lightning` and `lightning.pytorch`, and takes the one that the user's
Trainer comes from. The hooks are here, and import Lightning only when they are called with something of Lightning's.
"""

import sys
from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from lrrange import Driver, TrainingStep, hookimpl
from lrrange.errors import MissingExtra
from lrrange_lightning.compat import callback_class, installed_packages, package_of

if TYPE_CHECKING:
    from lrrange_lightning.callbacks import LRRangeTest, VerifyRate

__all__ = ["LRRangeTest", "VerifyRate", "callback_class", "package_of"]

if find_spec("torch") is None or not installed_packages():
    raise MissingExtra(
        "the Lightning backend needs PyTorch Lightning. Install it with: pip install 'lrrange[lightning]'",
        extra="lightning",
    )


@hookimpl
def lrrange_adapt(target: object, options: Mapping[str, Any]) -> Driver | TrainingStep | None:
    """Adapt a Trainer of either Lightning package, and a fit that the callback has adapted already."""
    fit_step = sys.modules.get("lrrange_lightning.fit_step")
    if fit_step is not None and isinstance(target, fit_step.FitStep):
        return target  # type: ignore[no-any-return]  # the class is not imported here, so its type is not known
    if package_of(target, "Trainer") is None:
        return None
    from lrrange.protocol import with_options
    from lrrange_lightning.driver import TrainerDriver

    return with_options(TrainerDriver, target, options)


@hookimpl
def lrrange_apply(optimizer: object, lr: float, scheduler: object | None) -> Mapping[str, Any] | None:
    """Set the attribute or hyper-parameter of a LightningModule that its `configure_optimizers` reads."""
    if package_of(optimizer, "LightningModule") is None:
        return None
    from lrrange_lightning.apply_rate import apply_to_module

    return apply_to_module(optimizer, lr, scheduler)


def __getattr__(name: str) -> Any:
    if name not in ("LRRangeTest", "VerifyRate"):
        raise AttributeError(f"module 'lrrange_lightning' has no attribute {name!r}")
    from lrrange_lightning import callbacks

    # Not kept here: a Lightning package that is imported later is another base of the class.
    return callback_class(getattr(callbacks, name), f"lrrange_lightning.{name}")
