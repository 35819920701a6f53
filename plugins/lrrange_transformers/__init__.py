"""Hugging Face's Trainer for lrrange: `find_lr(trainer)`, `result.apply(trainer)`, and callbacks for `train()`.

It takes `transformers.Trainer` and its subclasses, such as `Seq2SeqTrainer` and those of TRL. The hooks are here, and
import transformers only when they are called with something of it.
"""

import sys
from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from lrrange import Driver, hookimpl
from lrrange.errors import MissingExtra
from lrrange.spelling import attribute_error

if TYPE_CHECKING:
    from lrrange.protocol import RateProof
    from lrrange_transformers.callbacks import LRRangeTest, VerifyRate

__all__ = ["LRRangeTest", "VerifyRate"]

if find_spec("torch") is None or find_spec("transformers") is None:
    raise MissingExtra(
        "the transformers backend needs transformers. Install it with: pip install 'lrrange[transformers]'",
        extra="transformers",
    )

# What to do about options that a plain model has.
_OF_THE_TRAINER = {
    **dict.fromkeys(("model", "optimizer", "loss_fn", "criterion", "loader", "metric"), "the Trainer has it"),
    **dict.fromkeys(("scheduler", "lr_scheduler"), "the Trainer has it, and a sweep does without"),
    **dict.fromkeys(("device", "autocast", "accumulate", "clip_norm"), "the Trainer's arguments have it"),
    **dict.fromkeys(("val_loader", "eval_dataset"), "confirm=True evaluates on the eval_dataset of the Trainer"),
    **dict.fromkeys(("train_epochs", "epochs"), "the Trainer has it, as num_train_epochs"),
    "monitor": "the loss of training_step is read, and nothing else can be",
}


@hookimpl
def lrrange_adapt(target: object, options: Mapping[str, Any]) -> Driver | None:
    """Adapt a Trainer, and a driver that the callback has made of one already."""
    if not _is_trainer(target):
        driver = sys.modules.get("lrrange_transformers.driver")
        is_driver = driver is not None and isinstance(target, driver.TrainerDriver)
        return target if is_driver else None  # type: ignore[return-value]  # mypy does not see the class
    from lrrange.protocol import with_options
    from lrrange_transformers.driver import TrainerDriver

    return with_options(TrainerDriver, target, options, example="find_lr(trainer)", hints=_OF_THE_TRAINER)


@hookimpl
def lrrange_apply(optimizer: object, lr: float, scheduler: object | None, result: Any) -> Mapping[str, Any] | None:
    """Set the rate of a Trainer where its `train()` reads it."""
    if not _is_trainer(optimizer):
        return None
    from lrrange_transformers.apply_rate import apply_to_trainer

    return apply_to_trainer(optimizer, lr, scheduler, result)


@hookimpl
def lrrange_verify(
    target: object, lr: float, steps: int, scheduler: object | None, options: Mapping[str, Any], result: Any
) -> "RateProof | None":
    """Watch the first steps of the next `train()` of a Trainer."""
    if not _is_trainer(target):
        return None
    from lrrange.protocol import OPTIONS_OF_VERIFY, with_options
    from lrrange_transformers.callbacks import watch_trainer

    return with_options(
        lambda trainer: watch_trainer(trainer, lr if result is None else result, steps, scheduler),
        target,
        options,
        example="result.verify(trainer, steps=20)",
        also=OPTIONS_OF_VERIFY,
    )


def _is_trainer(value: object) -> bool:
    module = sys.modules.get("transformers.trainer")
    return module is not None and isinstance(value, module.Trainer)


if not TYPE_CHECKING:  # a type checker would take any name for one that exists

    def __getattr__(name: str) -> Any:
        if name not in __all__:
            raise attribute_error("module 'lrrange_transformers'", name, __all__)
        from lrrange_transformers import callbacks

        return getattr(callbacks, name)
