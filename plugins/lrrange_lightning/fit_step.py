"""Training steps of a running fit, at rates that lrrange sets.

Lightning's own loops do not take these steps: they also count, log, validate, save and stop, and all of it would have
to be undone. The parts of a step are public: the module's hooks, and `training_step`, `backward` and `optimizer_step`
of the strategy, which include precision, clipping and gradient synchronisation.
"""

from typing import Any, Literal, get_args

import torch
from lrrange_torch.optimizer import GroupRates, facts_of
from lrrange_torch.snapshot import seed_everything
from lrrange_torch.stop_iteration import error_instead
from torch.optim import Optimizer

from lrrange.errors import OptionError, TargetError
from lrrange.sweep import MetricValue, Quantity, mean_recorded
from lrrange_lightning.batches import Batches, LoadersExhausted
from lrrange_lightning.compat import combined_loader, import_from, package_of, remaining_steps, steps_taken
from lrrange_lightning.fit_state import FitState
from lrrange_lightning.loss import held_out_loss
from lrrange_lightning.optimizer_step import AutomaticStep, ManualStep
from lrrange_lightning.silence import hold_schedulers, redirect_logging, silence

MonitorMode = Literal["min", "max"]

# The most calls of `training_step` in a row without a loss, or without a step of the optimizer.
_MOST_CALLS = 25


class FitStep:
    """A `TrainingStep` that trains within a running fit, whose Trainer has set everything up and is about to train.

    Args:
        trainer, module: of the fit.
        optimizer: index of the only optimizer to sweep; None sweeps all of them, scaled by one multiplier.
        monitor: the name of a metric that `training_step` logs, to read the advice from instead of the loss that it
            returns. The loss is recorded, too.
        monitor_mode: `"max"` if a higher metric is better.
        val_monitor: the name of the held-out loss that validation logs, by which `confirm=True` judges.
        restore: other objects that training changes; see `lrrange_torch.own_step.OwnStep`.
        first_hooks: hooks of the module that the fit has not yet called for its first batch.
        within: the state before the fit, if it is restored after the sweep. It then puts the module's weights back.

    A batch for which `training_step` returns None is skipped, as in a fit, and the next one is trained at the same
    rate. A step whose loss is not finite does not change the weights; under manual optimization the user's code decides
    that. Several processes read the mean of their losses, so that they agree on every rate and on when to stop.
    Raises: TargetError or OptionError for a fit that cannot be swept.
    """

    proves_rate = True  # at every `optimizer.step()`

    def __init__(
        self,
        trainer: Any,
        module: Any,
        *,
        optimizer: int | None = None,
        monitor: str | None = None,
        monitor_mode: MonitorMode = "min",
        val_monitor: str | None = None,
        restore: object = None,
        first_hooks: tuple[str, ...] = ("on_train_epoch_start",),
        within: FitState | None = None,
    ) -> None:
        self._trainer = trainer
        self._module = module
        self._package = package_of(trainer, "Trainer")
        check_strategy(trainer, self._package)
        takes = import_from(self._package, "utilities.signature_utils", "is_param_in_hook_signature")
        if takes(module.training_step, "dataloader_iter", explicit=True):
            raise TargetError(
                "training_step takes a dataloader_iter and draws its own batches from the fit's loader, which a sweep "
                "must not advance. Take a batch instead.",
            )
        self._takes_index = takes(module.training_step, "batch_idx", min_args=2)
        self.optimizers = chosen_optimizers(trainer, optimizer)
        self.rates = GroupRates(self.optimizers)
        self._monitor = monitored(monitor, monitor_mode)
        self._val_monitor = val_monitor
        self._restore = restore
        self._first_hooks = first_hooks
        self._within = within
        self._copied: dict[str, Any] = {}
        self._lr = 0.0
        self._optimizer_steps = 0
        self._skipped = 0
        if val_monitor is not None and not trainer.enable_validation:
            raise OptionError(
                f"val_monitor={val_monitor!r} needs a validation_step and val_dataloaders, and one is missing.",
            )

    def snapshot(self) -> FitState:
        """Keep everything, and silence the callbacks, loggers and schedulers that would notice the sweep."""
        self._loaders = combined_loader(self._trainer)
        data = {"loaders": self._loaders, "datamodule": self._trainer.datamodule}
        state = FitState(
            self._trainer,
            self._module,
            self._package,
            data,
            self._restore,
            optimizer=self._trainer.optimizers[0],
            within=self._within,
        )
        self._batches: Batches | None = None
        self._first_epoch = self._trainer.current_epoch
        silence(self._trainer, self._package)
        hold_schedulers(self._trainer)
        self._logged = redirect_logging(self._module, self._package)
        for optimizer in self.optimizers:
            optimizer.register_step_pre_hook(self._before_step)
            optimizer.register_step_post_hook(self._after_step)
        return state

    def restore(self, state: FitState) -> None:
        """Put everything back."""
        if self._batches is not None:
            self._batches.close()
        self._copied = state.report()
        state.restore()

    def seed(self, value: int) -> None:
        """Seed every generator that the sweep uses, and give samplers that shuffle by epoch other epoch numbers."""
        loaders = self._loaders.flattened
        seed_everything(value, *loaders, *(getattr(loader, "sampler", None) for loader in loaders))
        self._first_epoch += value

    def step(self, lr: float) -> float | MetricValue:
        """Train one optimizer step at `lr`, and return the mean loss of its micro-batches and of all processes.

        Raises: StopIteration when the data has run out; after a SIGTERM, which Lightning's handler only notes, what a
            fit raises at its next step.
        """
        if self._trainer.received_sigterm:
            raise import_from(self._package, "utilities.exceptions", "SIGTERMException")
        if self._batches is None:
            self._begin()
        self._lr = lr
        self.rates.set(lr)
        before = self._optimizer_steps
        recorded: list[float | MetricValue] = []
        for _ in range(_MOST_CALLS):
            try:
                recorded += self._train()
            except LoadersExhausted:
                raise
            except StopIteration as error:
                raise error_instead("the module or its optimizer") from error
            if recorded and (self._module.automatic_optimization or self._optimizer_steps > before):
                break
        else:
            raise _without_effect(recorded)
        self._skipped += self._optimizer_steps == before
        mean: float | MetricValue = mean_recorded(recorded, lambda numbers: sum(map(float, numbers)) / len(numbers))
        return mean

    def is_blow_up(self, _: Exception) -> bool:
        """Return whether a rate that is too high may have caused this error: not the loaders', and of one process."""
        return self._trainer.world_size == 1 and self._batches is not None and not self._batches.is_drawing

    def bounds(self) -> dict[str, float]:
        """Return the bounds of a sweep that fit the first optimizer, where the usual ones do not."""
        return self.rates.bounds()

    def facts(self) -> dict[str, Any]:
        """Return what the optimizers tell about the training, and how far the Trainer has come and will go."""
        facts = facts_of(self.optimizers)
        taken = max(facts.get("steps_taken", 0), steps_taken(self._trainer))
        if "steps_taken" in facts or taken:
            facts["steps_taken"] = taken
        remaining = remaining_steps(self._trainer, self._package)
        return facts | ({} if remaining is None else {"train_steps": remaining})

    def report(self) -> dict[str, Any]:
        """Return versions, how the fit trains, and what was skipped and copied."""
        return {
            "versions": {"torch": str(torch.__version__), self._package.__name__: str(self._package.__version__)},
            "optimizer": ", ".join(type(optimizer).__name__ for optimizer in self.optimizers),
            "group_ratios": list(self.rates.ratios),
            "group_rates": self.rates.bases,
            "strategy": type(self._trainer.strategy).__name__,
            "processes": self._trainer.world_size,
            "precision": str(self._trainer.precision),
            "accumulate": self._trainer.accumulate_grad_batches,
            "reads": "loss" if self._monitor is None else self._monitor.name,
            "skipped_steps": self._skipped,
            **self._copied,
        }

    def evaluate(self) -> float | None:
        """Return the held-out loss that validation logs as `val_monitor`, or None without `val_monitor`."""
        if self._val_monitor is None:
            return None
        return held_out_loss(self._trainer, self._module, self._val_monitor)

    def _begin(self) -> None:
        trainer, module = self._trainer, self._module
        self._batches = Batches(trainer, module, self._loaders, self._first_epoch, self._takes_index)
        kind = AutomaticStep if module.automatic_optimization else ManualStep
        self._train = kind(trainer, module, self._batches, self._logged, self._monitor)
        for name in self._first_hooks:
            getattr(module, name)()

    def _before_step(self, *_: Any) -> None:
        self.rates.check(self._lr)

    def _after_step(self, *_: Any) -> None:
        self.rates.check(self._lr)  # again, because the step's closure has called hooks of the module
        self._optimizer_steps += 1


def _without_effect(recorded: list[float | MetricValue]) -> TargetError:
    """Return the error for a training that gives no loss, or no step of the optimizer, for too many calls."""
    if not recorded:
        return TargetError(
            f"training_step returned None {_MOST_CALLS} times in a row. Return its loss, for most batches at least.",
        )
    return TargetError(
        f"training_step was called {_MOST_CALLS} times and the optimizer to sweep took no step, so the learning rate "
        f"has no effect. If there are several optimizers, choose one that steps: optimizer=0, 1, ...",
    )


def monitored(monitor: str | None, mode: MonitorMode) -> Quantity | None:
    """Return the logged metric to read, None for none. Raises: OptionError for a mode that does not exist."""
    if mode not in get_args(MonitorMode):
        raise OptionError(f"monitor_mode={mode!r} is neither 'min' nor 'max'.")
    return None if monitor is None else Quantity(name=monitor, higher_is_better=mode == "max")


def check_strategy(trainer: Any, package: Any) -> None:
    """Raise TargetError unless every process of the fit holds the whole module."""
    whole = (package.strategies.SingleDeviceStrategy, package.strategies.DDPStrategy)
    if not isinstance(trainer.strategy, whole) or isinstance(trainer.strategy, package.strategies.DeepSpeedStrategy):
        raise TargetError(
            f"{type(trainer.strategy).__name__} spreads the module over devices, and lrrange cannot put such a module "
            f"back after a sweep. Sweep with strategy='auto' or 'ddp', on a smaller module if need be.",
            strategy=type(trainer.strategy).__name__,
        )


def chosen_optimizers(trainer: Any, index: int | None) -> list[Optimizer]:
    """Return the optimizers to sweep. Raises: TargetError if there are none; OptionError for an unknown index."""
    optimizers = list(trainer.optimizers)
    if not any(optimizer.param_groups for optimizer in optimizers):
        raise TargetError("configure_optimizers returned None, so nothing is trained. Return an optimizer from it.")
    if index is None:
        return optimizers
    if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < len(optimizers):
        names = ", ".join(f"{number} ({type(optimizer).__name__})" for number, optimizer in enumerate(optimizers))
        given = repr(index) if isinstance(index, (int, float, str)) else f"(a {type(index).__name__})"
        raise OptionError(f"optimizer={given} is not an index of the optimizers from configure_optimizers: {names}.")
    return [optimizers[index]]
