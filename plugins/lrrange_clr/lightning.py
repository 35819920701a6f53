"""Cyclical schedules in both Lightning packages: a callback, and a function for `configure_optimizers`.

This module imports nothing of Lightning. The class `CyclicalLR` is made when it is accessed, as a callback of each
Lightning package that is imported by then; see `lrrange_lightning.callback_class`.
"""

import math
from importlib import import_module
from typing import TYPE_CHECKING, Any, get_args

from lrrange import LRRange, RangeTestResult, make_schedule
from lrrange.cyclical import CycleMode, bounds_for
from lrrange.errors import MissingExtra, OptionError, TargetError

if TYPE_CHECKING:
    from torch.optim import Optimizer

__all__ = ["CyclicalLR", "configure_optimizers"]  # noqa: F822  __getattr__ makes the class


def configure_optimizers(
    optimizer: "Optimizer",
    bounds: RangeTestResult | LRRange,
    mode: str = "triangular2",
    *,
    trainer: Any = None,
    **options: Any,
) -> dict[str, Any]:
    """Make a scheduler, and return it with the optimizer in the form that a module's `configure_optimizers` returns.

    Lightning then steps the scheduler after each optimizer step.

    Args:
        optimizer: any torch optimizer.
        bounds: the result of a range test, or a range.
        mode: `"triangular"`, `"triangular2"`, `"exp_range"`, `"one_cycle"`, or a mode of another plug-in.
        trainer: `self.trainer`, for the number of steps if `options` do not give it.
        options: of `lrrange_clr.cyclical` or `lrrange_clr.one_cycle`.
    Raises: OptionError or PlanError for options that make no schedule; the reason, a `NoSuggestion`, if the result has
        no range.
    """
    if trainer is not None:
        options = _with_steps_of(trainer, mode, options)
    scheduler = make_schedule(optimizer, bounds_for(mode, bounds), mode, **options)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step", "frequency": 1}}


class _AttachSchedule:
    """A callback that cycles the learning rate while `Trainer.fit` runs.

    Args:
        bounds: the result of a range test, or a range.
        mode: `"triangular"`, `"triangular2"`, `"exp_range"`, `"one_cycle"`, or a mode of another plug-in.
        options: of `lrrange_clr.cyclical` or `lrrange_clr.one_cycle`. If they do not give the number of steps, the
            trainer's is taken: of one epoch, or of the whole fit.

    Lightning treats the scheduler as one of the module's: it steps it, `LearningRateMonitor` logs it, and checkpoints
    save and restore it.

    Raises: in the constructor, the reason, a `NoSuggestion`, if the result has no range. In `fit`, before the first
        step, TargetError if the module does not have exactly one optimizer, has a scheduler already, or uses manual
        optimization; OptionError or PlanError if the options make no schedule, or the number of steps is not known.
    """

    def __init__(self, bounds: RangeTestResult | LRRange, mode: str = "triangular2", **options: Any) -> None:
        super().__init__()
        self.bounds = bounds_for(mode, bounds)
        self.mode = mode
        self.options = options

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Attach the scheduler, when the optimizers are made and no checkpoint has been loaded into them yet."""
        if not pl_module.automatic_optimization:
            raise TargetError(
                "the module uses manual optimization, so Lightning does not step its schedulers. Make one with "
                "lrrange_clr.cyclical in configure_optimizers, and step it in training_step."
            )
        if len(trainer.optimizers) != 1:
            raise TargetError(
                f"configure_optimizers returns {len(trainer.optimizers)} optimizers. CyclicalLR takes one."
            )
        if trainer.lr_scheduler_configs:
            other = type(trainer.lr_scheduler_configs[0].scheduler).__name__
            raise TargetError(
                f"configure_optimizers returns a {other}, which sets the rate too. Leave out one of the two."
            )
        optimizer = trainer.optimizers[0]
        configured = configure_optimizers(optimizer, self.bounds, self.mode, trainer=trainer, **self.options)
        from lrrange_lightning import package_of

        types = import_module(f"{package_of(trainer, 'Trainer').__name__}.utilities.types")
        config = types.LRSchedulerConfig(**configured["lr_scheduler"])
        trainer.strategy.lr_scheduler_configs.append(config)


def _with_steps_of(trainer: Any, mode: str, options: dict[str, Any]) -> dict[str, Any]:
    """Return the options, with the trainer's number of steps if they need one and do not give it."""
    if mode == "one_cycle" and "total_steps" not in options:
        total = trainer.estimated_stepping_batches
        if not 0 < total < math.inf:
            raise OptionError("the trainer does not know where the fit ends. Give total_steps=.", total_steps=total)
        return {**options, "total_steps": int(total)}
    if mode in get_args(CycleMode) and not options.keys() & {"steps_per_half_cycle", "steps_per_epoch", "loader"}:
        # The estimate loads the training data if necessary. Only then does the trainer know the number of batches.
        _ = trainer.estimated_stepping_batches
        if not 0 < trainer.num_training_batches < math.inf:
            raise OptionError(
                "the training data has no length, and so no epoch. Give steps_per_epoch= or steps_per_half_cycle=.",
                batches=trainer.num_training_batches,
            )
        return {**options, "steps_per_epoch": math.ceil(trainer.num_training_batches / trainer.accumulate_grad_batches)}
    return options


def __getattr__(name: str) -> Any:
    if name != "CyclicalLR":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from lrrange_lightning import callback_class
    except ImportError as error:
        message = "CyclicalLR needs Lightning. Install it with: pip install 'lrrange[lightning]'"
        raise MissingExtra(message, extra="lightning") from error
    return callback_class(_AttachSchedule, f"{__name__}.CyclicalLR")
