"""What `train()` of a Trainer begins with: the optimizer that it makes, or takes, and what makes it."""

from collections.abc import Callable
from typing import Any, TypeVar

from lrrange_torch.optimizer import unwrap
from torch.optim import Optimizer
from transformers import Trainer

from lrrange.errors import TargetError
from lrrange.protocol import deferred_interrupts
from lrrange_transformers.silent_train import EndOfTrain, LoopCallback, train_silently
from lrrange_transformers.trainer_snapshot import TrainerSnapshot

Read = TypeVar("Read")


def at_start_of_train(trainer: Any, read: Callable[[Optimizer, Any], Read]) -> Read:
    """Begin a `train()`, call `read(optimizer, lr_scheduler)` before its first step, put everything back.

    Whatever makes the optimizer is asked in this way: the Trainer, its arguments, a subclass, or the user. No batch is
    drawn.
    Returns: what `read` returns.
    Raises: what `train()` raises before its first step.
    """
    found: list[Read] = []

    class _Start(LoopCallback):
        def on_train_begin(self, *_: Any, **event: Any) -> None:
            found.append(read(unwrap(event["optimizer"], scaler="the Trainer's"), event["lr_scheduler"]))
            raise EndOfTrain

    with deferred_interrupts():
        state = TrainerSnapshot(trainer)
        try:
            train_silently(trainer, _Start())
        finally:
            state.restore()
    if not found:
        raise TargetError(
            f"train() of this {type(trainer).__name__} does not run the loop of transformers.Trainer.",
        )
    return found[0]


def maker_of_optimizer(trainer: Any) -> str | None:
    """Return what makes the optimizer of a Trainer instead of its arguments; None if they do."""
    for name in ("create_optimizer", "create_optimizer_and_scheduler", "get_optimizer_cls_and_kwargs"):
        if name in vars(trainer):
            return f"trainer.{name}, which was replaced"
        owner = next(kind for kind in type(trainer).__mro__ if name in vars(kind))
        if owner is not Trainer:
            return f"{owner.__name__}.{name}"
    return None if trainer.optimizer_cls_and_kwargs is None else "optimizer_cls_and_kwargs"
