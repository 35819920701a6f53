"""PyTorch Lightning for lrrange: `find_lr(trainer, model=...)` before a fit, and the callback `LRRangeTest` inside one.

Both class trees are served, `pytorch_lightning` and `lightning.pytorch`; a Trainer of either says which is meant. The
hooks are here, and import Lightning only when there is work for it.
"""

import sys
from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from lrrange import Driver, TrainingStep, hookimpl
from lrrange.errors import MissingExtra
from lrrange_lightning.compat import installed, tree_of

if TYPE_CHECKING:
    from lrrange_lightning.callbacks import LRRangeTest, VerifyRate

__all__ = ["LRRangeTest", "VerifyRate"]

if find_spec("torch") is None or not installed():
    raise MissingExtra(
        "the Lightning backend needs PyTorch Lightning. Install it with: pip install 'lrrange[lightning]'",
        extra="lightning",
    )


@hookimpl
def lrrange_adapt(target: object, options: Mapping[str, Any]) -> Driver | TrainingStep | None:
    """A Trainer of either tree, and what the callback makes of a fit that is under way."""
    stepping = sys.modules.get("lrrange_lightning.fit_step")
    if stepping is not None and isinstance(target, stepping.FitStep):
        return target  # type: ignore[no-any-return]  # not imported here, so not known to be what it is
    if tree_of(target, "Trainer") is None:
        return None
    from lrrange.protocol import with_options
    from lrrange_lightning.driver import TrainerDriver

    return with_options(TrainerDriver, target, options)


@hookimpl
def lrrange_apply(optimizer: object, lr: float, scheduler: object | None) -> Mapping[str, Any] | None:
    """The attribute or hyper-parameter of a LightningModule that its `configure_optimizers` reads."""
    if tree_of(optimizer, "LightningModule") is None:
        return None
    from lrrange_lightning.apply_rate import apply_to_module

    return apply_to_module(optimizer, lr, scheduler)


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'lrrange_lightning' has no attribute {name!r}")
    from lrrange_lightning import callbacks

    # Not kept: a tree that is imported later is one more that the callback must belong to.
    return callbacks.of_loaded_trees(name)
