"""PyTorch Lightning for lrrange: `find_lr(trainer, model=...)` before a fit, and the callback `LRRangeTest` inside one.

It works with both Lightning packages, `pytorch_lightning` and `lightning.pytorch`, and takes the one that the user's
Trainer comes from. The hooks are here, and import Lightning only when they are called with something of Lightning's.
"""

import sys
from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from lrrange import Driver, TrainingStep, hookimpl
from lrrange.errors import MissingExtra, TargetError
from lrrange.spelling import attribute_error
from lrrange_lightning.compat import callback_class, installed_packages, package_of

if TYPE_CHECKING:
    from lrrange.protocol import RateProof
    from lrrange_lightning.callbacks import LRRangeTest, VerifyRate

# What to use in place of the names of Lightning's own finder.
_OF_OTHERS = {
    **dict.fromkeys(("learningratefinder", "lrfinder", "rangetest"), "lrrange_lightning.LRRangeTest()"),
    **dict.fromkeys(("tuner", "lrfind", "findlr", "find"), "lrrange.find_lr(trainer, model=model)"),
}

__all__ = ["LRRangeTest", "VerifyRate", "callback_class", "package_of"]

if find_spec("torch") is None or not installed_packages():
    raise MissingExtra(
        "the Lightning backend needs PyTorch Lightning. Install it with: pip install 'lrrange[lightning]'",
        extra="lightning",
    )


_EXAMPLE = "find_lr(trainer, model=model, train_dataloaders=loader)"

# What to do about options that a plain model has.
_OF_THE_MODULE = {
    **dict.fromkeys(("loss_fn", "criterion", "loss"), "training_step of the module computes the loss"),
    **dict.fromkeys(("scheduler", "lr_scheduler"), "configure_optimizers of the module makes it"),
    **dict.fromkeys(("device", "autocast", "grad_scaler", "accumulate", "clip_norm", "devices"), "the Trainer has it"),
    "metric": "name what training_step logs, in monitor=",
    "train_epochs": "the Trainer has it, as max_epochs",
}


@hookimpl
def lrrange_adapt(target: object, options: Mapping[str, Any]) -> Driver | TrainingStep | None:
    """Adapt a Trainer of either Lightning package, and a fit that the callback has adapted already."""
    fit_step = sys.modules.get("lrrange_lightning.fit_step")
    if fit_step is not None and isinstance(target, fit_step.FitStep):
        return target  # type: ignore[no-any-return]  # the class is not imported here, so its type is not known
    if package_of(options.get("optimizer"), "Trainer") is not None:
        raise TargetError(f"the second argument is a Trainer, and it goes first: {_EXAMPLE}.")
    if package_of(target, "LightningModule") is not None and not options.keys() & {"optimizer", "loss_fn", "loader"}:
        kind = type(target)
        raise TargetError(
            f"the target is a {kind.__module__}.{kind.__qualname__}, a LightningModule, and there is no Trainer to "
            f"train it. Write {_EXAMPLE}. As a plain model it is "
            f"find_lr(model, optimizer=optimizer, loss_fn=loss_fn, loader=loader).",
            target_type=kind.__name__,
        )
    if package_of(target, "Trainer") is None:
        return None
    from lrrange.protocol import with_options
    from lrrange_lightning.driver import TrainerDriver

    return with_options(TrainerDriver, target, options, example=_EXAMPLE, hints=_OF_THE_MODULE)


@hookimpl
def lrrange_apply(optimizer: object, lr: float, scheduler: object | None) -> Mapping[str, Any] | None:
    """Set the attribute or hyper-parameter of a LightningModule that its `configure_optimizers` reads."""
    if package_of(optimizer, "LightningModule") is None:
        return None
    from lrrange_lightning.apply_rate import apply_to_module

    return apply_to_module(optimizer, lr, scheduler)


@hookimpl
def lrrange_verify(target: object, lr: float, steps: int, options: Mapping[str, Any]) -> "RateProof | None":
    """Watch the first steps of the next fit of a Trainer, with a `VerifyRate` among its callbacks."""
    if package_of(target, "Trainer") is None:
        return None
    from lrrange.protocol import OPTIONS_OF_VERIFY, with_options
    from lrrange_lightning.fit_proof import FitProof

    return with_options(
        lambda trainer, optimizer=None: FitProof(trainer, lr, steps, optimizer),
        target,
        options,
        example="result.verify(trainer)",
        also=OPTIONS_OF_VERIFY,
    )


if not TYPE_CHECKING:  # a type checker would take any name for one that exists

    def __getattr__(name: str) -> Any:
        if name not in ("LRRangeTest", "VerifyRate"):
            raise attribute_error("module 'lrrange_lightning'", name, __all__, _OF_OTHERS)
        from lrrange_lightning import callbacks

        # Not kept here: a Lightning package that is imported later is another base of the class.
        return callback_class(getattr(callbacks, name), f"lrrange_lightning.{name}")
