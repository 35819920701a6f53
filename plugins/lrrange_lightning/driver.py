"""Sweep a Trainer that is not fitting, for `find_lr(trainer, model=...)`: in a fit that ends before its first batch."""

import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from lrrange_torch.snapshot import digest_of
from torch import nn

from lrrange.errors import NoData, OptionError, SweepStateError, TargetError
from lrrange.protocol import StepDriver, deferred_interrupts, is_blow_up
from lrrange.sweep import PlannedSteps
from lrrange_lightning.compat import has_spawning_launcher, leave_fit, package_of
from lrrange_lightning.fit_state import FitState
from lrrange_lightning.fit_step import FitStep, MonitorMode, check_strategy, monitored
from lrrange_lightning.silence import silence
from lrrange_lightning.stand_ins import stand_in_callbacks

__all__ = ["TrainerDriver"]

# Hooks of the module that Lightning calls after the `on_train_start` of callbacks, which is when the sweep runs.
_FIRST_HOOKS = ("on_train_start", "on_train_epoch_start")


class TrainerDriver:
    """A `Driver` that runs each sweep in a fit of a Trainer that is not fitting at present.

    Lightning itself sets the fit up, in its own order: processes, devices, precision, data modules, samplers, the state
    of a checkpoint. A private callback runs the sweep when training would begin, and leaves the fit before its first
    batch. It is the only one that does anything: the module can read the stand-ins for all others and for the loggers.
    The Trainer, the module, the data module and the loaders are then put back as they were before the fit. So a data
    module prepares and sets up its data once for each sweep, and once more in the fit that follows. Hooks of the fit's
    teardown see the weights as the sweep left them.

    Args:
        trainer: of either Lightning package.
        model: the LightningModule.
        train_dataloaders, val_dataloaders, datamodule: as for `trainer.fit`.
        ckpt_path: a checkpoint file to sweep from, as for `trainer.fit`.
        optimizer, monitor, monitor_mode, val_monitor, restore: see `lrrange_lightning.LRRangeTest`.
    Raises: TargetError or OptionError for a training that cannot be swept.
    """

    proves_rate = True  # at every `optimizer.step()`

    def __init__(
        self,
        trainer: Any,
        model: Any,
        train_dataloaders: Any = None,
        val_dataloaders: Any = None,
        datamodule: Any = None,
        ckpt_path: Any = None,
        optimizer: int | None = None,
        monitor: str | None = None,
        monitor_mode: MonitorMode = "min",
        val_monitor: str | None = None,
        restore: Any = None,
    ) -> None:
        self._trainer = trainer
        self._package = package_of(trainer, "Trainer")
        self._model = getattr(model, "_orig_mod", model)  # the module inside a compiled one, as Lightning does
        if not isinstance(self._model, self._package.LightningModule):
            raise OptionError(
                f"model is {_described(model)}, and a {self._package.__name__}.Trainer trains a "
                f"{self._package.__name__}.LightningModule. {_model_instead(model)}",
            )
        for name, value in (
            ("datamodule", datamodule),
            ("train_dataloaders", train_dataloaders),
            ("val_dataloaders", val_dataloaders),
        ):
            if isinstance(value, type):
                raise OptionError(
                    f"{name} is the class {value.__name__}, which has not been called. Make an object of it: "
                    f"{name}={value.__name__}(...).",
                )
        if trainer.state.status.value == "running":
            raise TargetError(
                "the trainer is in the middle of a fit. Inside a fit use the callback lrrange_lightning.LRRangeTest.",
            )
        check_strategy(trainer, self._package)
        if has_spawning_launcher(trainer, self._package):
            raise TargetError(
                "the trainer's strategy trains in processes of its own, and the result would be lost when they end. "
                "Sweep with strategy='ddp', or use the callback lrrange_lightning.LRRangeTest.",
            )
        if ckpt_path in ("best", "last", "hpc", "registry"):
            raise OptionError(f"ckpt_path={ckpt_path!r} has a meaning only in trainer.fit. Give the path of the file.")
        self._train_dataloaders = train_dataloaders
        self._val_dataloaders = val_dataloaders
        self._datamodule = datamodule
        self._ckpt_path = ckpt_path
        self._optimizer = optimizer
        monitored(monitor, monitor_mode)  # which checks them before the first fit
        self._monitor = monitor
        self._monitor_mode = monitor_mode
        self._val_monitor = val_monitor
        self._restore = restore
        self._seed: int | None = None
        self._report: dict[str, Any] = {}
        self._facts: dict[str, Any] = {}
        self._step: FitStep | None = None

    def seed(self, value: int) -> None:
        """Seed every generator that the next sweep uses."""
        self._seed = value

    def report(self) -> dict[str, Any]:
        """Return the report of the last sweep's `FitStep`; an empty mapping before the first sweep."""
        return self._report

    def facts(self) -> dict[str, Any]:
        """Return the facts that the `FitStep` of the last sweep found; an empty mapping before the first sweep."""
        return self._facts

    def digest(self) -> Iterator[tuple[str, Any]]:
        """Yield values and checksums of everything that a sweep changes, except the objects of Lightning itself."""
        strategy = self._trainer.strategy
        schedulers = [config.scheduler for config in strategy.lr_scheduler_configs]
        holders = {"model": self._model, "optimizers": list(strategy.optimizers), "schedulers": schedulers}
        return digest_of(holders | {"restore": self._restore}, self._data())

    def evaluate(self) -> float | None:
        """Return the held-out loss that validation logs as `val_monitor`, or None without `val_monitor`.

        Raises: SweepStateError if no sweep is running, because validation runs in the sweep's fit.
        """
        if self._val_monitor is None:
            return None
        if self._step is None:
            raise SweepStateError("there is no held-out loss outside of a sweep. Call evaluate() while one is running.")
        return self._step.evaluate()

    def run(self, sweep: PlannedSteps) -> None:
        """Fit until training would begin, sweep, and put everything back. It does so after an error and Ctrl-C, too."""
        trainer = self._trainer
        seed, self._seed = self._seed, None
        swept = False

        def sweep_in_fit() -> None:
            nonlocal swept
            self._step = FitStep(
                trainer,
                self._model,
                optimizer=self._optimizer,
                monitor=self._monitor,
                monitor_mode=self._monitor_mode,
                val_monitor=self._val_monitor,
                first_hooks=_FIRST_HOOKS,
                within=state,
            )
            StepDriver(self._step, seed, is_blow_up=self._is_blow_up).run(sweep)
            self._report = self._step.report()
            self._facts = self._step.facts()
            swept = True

        with deferred_interrupts() as interrupts:
            on_ctrl_c = signal.getsignal(signal.SIGINT)
            state = FitState(trainer, self._model, self._package, self._data(), self._restore)
            try:
                interrupts.deliver()
                self._fit(sweep_in_fit)
            except SystemExit as leaving:
                # Lightning turns Ctrl-C into an exit, and ignores any further Ctrl-C.
                if isinstance(leaving.__context__, KeyboardInterrupt):
                    raise leaving.__context__ from None
                raise
            finally:
                interrupts.handled = "at the end"
                try:
                    interrupts.hold()
                finally:
                    self._step = None
                    try:
                        state.restore()
                    finally:
                        if threading.current_thread() is threading.main_thread():
                            signal.signal(signal.SIGINT, on_ctrl_c)
        if not swept:
            raise NoData("the fit has no training batches. Check the loaders and limit_train_batches.")

    def _is_blow_up(self, error: Exception) -> bool:
        return self._step is not None and is_blow_up(error) and self._step.is_blow_up(error)

    def _data(self) -> dict[str, Any]:
        return {
            "train_dataloaders": self._train_dataloaders,
            "val_dataloaders": self._val_dataloaders,
            "datamodule": self._datamodule,
        }

    def _fit(self, sweep_in_fit: Callable[[], None]) -> None:
        trainer = self._trainer
        hooks = type("SweepBeforeTraining", (_SweepBeforeTraining, self._package.Callback), {})
        silence(trainer, self._package)
        trainer.callbacks.append(hooks(self._package, sweep_in_fit))
        configure_callbacks = self._model.configure_callbacks

        def configure_stand_ins() -> list[Any]:
            made = configure_callbacks()
            return stand_in_callbacks(made if isinstance(made, Sequence) else [made], self._package)

        vars(self._model)["configure_callbacks"] = configure_stand_ins
        trainer.num_sanity_val_steps = 0
        if self._val_monitor is None:
            trainer.limit_val_batches = 0
        with warnings.catch_warnings():
            # The fit warns of callbacks of the checkpoint that are missing.
            warnings.filterwarnings("ignore", "Be aware that when using `ckpt_path`")
            trainer.fit(
                self._model,
                train_dataloaders=self._train_dataloaders,
                val_dataloaders=self._val_dataloaders,
                datamodule=self._datamodule,
                ckpt_path=self._ckpt_path,
            )


def _described(model: object) -> str:
    kind = model if isinstance(model, type) else type(model)
    what = "the class" if isinstance(model, type) else "a"
    return f"{what} {kind.__module__}.{kind.__qualname__}"


def _model_instead(model: object) -> str:
    """Return what to give in place of this as the model of a Trainer."""
    if package_of(model, "LightningModule") is not None:
        return "Take both from the same package."
    if isinstance(model, type):
        return f"Make a model of it: model={model.__name__}(...)."
    if isinstance(model, nn.Module):
        return "A plain model needs no Trainer: find_lr(model, optimizer=optimizer, loss_fn=loss_fn, loader=loader)."
    return "Write find_lr(trainer, model=model, train_dataloaders=loader)."


class _SweepBeforeTraining:
    """The hooks of the private callback, without the `Callback` class of either Lightning package."""

    def __init__(self, package: Any, sweep: Callable[[], None]) -> None:
        self._package = package
        self._sweep = sweep

    def on_fit_start(self, trainer: Any, _: Any) -> None:
        """Lift the Trainer's limits until training starts, because a fit whose limit is reached would end before.

        `configure_optimizers`, which may read the limits, has been called by then.
        """
        loop = trainer.fit_loop
        self._limits = loop.max_epochs, loop.max_steps
        # A limit on steps does not become -1, because that changes how the loop resumes from a checkpoint.
        loop.max_epochs, loop.epoch_loop.max_steps = -1, -1 if loop.max_steps == -1 else sys.maxsize

    def on_train_start(self, trainer: Any, _: Any) -> None:
        """Sweep, then leave the fit."""
        trainer.callbacks = [callback for callback in trainer.callbacks if callback is not self]
        trainer.fit_loop.max_epochs, trainer.fit_loop.epoch_loop.max_steps = self._limits
        self._sweep()
        raise leave_fit(self._package)
