"""Cyclical schedules in Lightning, whichever of its two packages is used: a callback, or `configure_optimizers`.

Nothing of Lightning is imported with this module. `CyclicalLR` is made when it is first asked for, as a callback of
every tree that is loaded by then.
"""

import math
import sys
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, get_args

from lrrange import LRRange, RangeTestResult, make_schedule
from lrrange.cyclical import CycleMode, bounds_for
from lrrange.errors import MissingExtra, OptionError, TargetError

if TYPE_CHECKING:
    from torch.optim import Optimizer

# Two unrelated class trees with one content.
_TREES = ("pytorch_lightning", "lightning.pytorch")


def configure_optimizers(
    optimizer: "Optimizer",
    bounds: RangeTestResult | LRRange,
    mode: str = "triangular2",
    *,
    trainer: Any = None,
    **options: Any,
) -> dict[str, Any]:
    """What `LightningModule.configure_optimizers` returns: the optimizer, and a scheduler that Lightning steps.

    Args:
        optimizer: any torch optimizer.
        bounds: the result of a range test, or a range.
        mode: `"triangular"`, `"triangular2"`, `"exp_range"`, `"one_cycle"`, or what another plug-in offers.
        trainer: `self.trainer`, which knows the number of steps if `options` do not.
        options: of `lrrange_clr.cyclical` or `lrrange_clr.one_cycle`.
    Raises: OptionError for options that do not fit; PlanError; the reason, a `NoSuggestion`, if there is no range.
    """
    if trainer is not None:
        options = _with_steps_of(trainer, mode, options)
    scheduler = make_schedule(optimizer, bounds_for(mode, bounds), mode, **options)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step", "frequency": 1}}


class _AttachSchedule:
    """Cycles the learning rate while `Trainer.fit` runs.

    Args:
        bounds: the result of a range test, or a range.
        mode: `"triangular"`, `"triangular2"`, `"exp_range"`, `"one_cycle"`, or what another plug-in offers.
        options: of `lrrange_clr.cyclical` or `lrrange_clr.one_cycle`. Where they do not say how many steps there are,
            the trainer does: those of an epoch, or of the whole fit.

    The scheduler is one of Lightning's own from then on: it is stepped, logged by `LearningRateMonitor`, saved in
    checkpoints and restored with them.

    Raises: where it is made, the reason, a `NoSuggestion`, if the result has no range. In `fit`, before the first step,
        TargetError if the module has another number of optimizers than one, a scheduler already, or optimizes by hand;
        OptionError or PlanError if the options make no schedule, or the number of steps is not known.
    """

    def __init__(self, bounds: RangeTestResult | LRRange, mode: str = "triangular2", **options: Any) -> None:
        super().__init__()
        self.bounds = bounds_for(mode, bounds)
        self.mode = mode
        self.options = options

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Attach the scheduler: the optimizers are made, and no checkpoint is loaded into them yet."""
        if not pl_module.automatic_optimization:
            raise TargetError(
                "the module optimizes by hand, so Lightning steps no scheduler of it. Make one with "
                "lrrange_clr.cyclical in configure_optimizers, and step it in training_step."
            )
        if len(trainer.optimizers) != 1:
            raise TargetError(f"configure_optimizers gives {len(trainer.optimizers)} optimizers. CyclicalLR takes one.")
        if trainer.lr_scheduler_configs:
            other = type(trainer.lr_scheduler_configs[0].scheduler).__name__
            raise TargetError(
                f"configure_optimizers gives a {other}, which sets the rate too. Leave out one of the two."
            )
        optimizer = trainer.optimizers[0]
        configured = configure_optimizers(optimizer, self.bounds, self.mode, trainer=trainer, **self.options)
        config = _types_of(trainer).LRSchedulerConfig(**configured["lr_scheduler"])
        trainer.strategy.lr_scheduler_configs.append(config)


def _with_steps_of(trainer: Any, mode: str, options: dict[str, Any]) -> dict[str, Any]:
    """The options, with the number of steps if they need it and leave it to the trainer."""
    if mode == "one_cycle" and "total_steps" not in options:
        total = trainer.estimated_stepping_batches
        if not 0 < total < math.inf:
            raise OptionError("the fit has no end that the trainer knows. Give total_steps=.", total_steps=total)
        return {**options, "total_steps": int(total)}
    if mode in get_args(CycleMode) and not options.keys() & {"steps_per_half_cycle", "steps_per_epoch", "loader"}:
        # The estimate loads the training data if that is still to do; only then does the trainer know its batches.
        _ = trainer.estimated_stepping_batches
        if not 0 < trainer.num_training_batches < math.inf:
            raise OptionError(
                "the training data has no length, and so no epoch. Give steps_per_epoch= or steps_per_half_cycle=.",
                batches=trainer.num_training_batches,
            )
        return {**options, "steps_per_epoch": math.ceil(trainer.num_training_batches / trainer.accumulate_grad_batches)}
    return options


def _types_of(trainer: Any) -> Any:
    """The module with `LRSchedulerConfig`, of the tree that `trainer` comes from."""
    tree = next(tree for tree in _loaded() if isinstance(trainer, sys.modules[tree].Trainer))
    return import_module(f"{tree}.utilities.types")


def _loaded() -> tuple[str, ...]:
    return tuple(tree for tree in _TREES if tree in sys.modules)


@cache
def _callback_class() -> type:
    if not _loaded():
        installed = [tree for tree in _TREES if find_spec(tree.partition(".")[0])]
        if not installed:
            message = "CyclicalLR needs Lightning. Install it with: pip install 'lrrange[lightning]'"
            raise MissingExtra(message, extra="lightning")
        import_module(installed[0])
    bases = tuple(sys.modules[tree].Callback for tree in _loaded())
    attributes = {"__doc__": _AttachSchedule.__doc__, "__module__": __name__}
    return type("CyclicalLR", (_AttachSchedule, *bases), attributes)


def __getattr__(name: str) -> Any:
    if name != "CyclicalLR":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _callback_class()
