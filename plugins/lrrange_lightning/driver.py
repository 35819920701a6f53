"""`find_lr(trainer, model=...)`: a sweep in a fit of its own, before the first batch of it."""

import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from lrrange_torch.snapshot import digest_of
from torch.utils.data import DataLoader

from lrrange.errors import NoData, OptionError, TargetError
from lrrange.protocol import StepDriver, deferred_interrupts
from lrrange.sweep import Sweep
from lrrange.sweep.curve import Curve
from lrrange_lightning.compat import has_spawning_launcher, leave_fit, tree_of
from lrrange_lightning.fit_state import FitState
from lrrange_lightning.fit_step import FitStep, check_strategy
from lrrange_lightning.silence import silence

# What the module has yet to be told when the fit's first callbacks hear that training starts.
_FIRST_HOOKS = ("on_train_start", "on_train_epoch_start")


class TrainerDriver:
    """A `Driver` made of a Trainer that is not fitting at present.

    Each sweep is taken inside `trainer.fit`, so that whatever a fit sets up (processes, devices, precision, data
    modules, samplers, the state of a checkpoint) is set up by Lightning itself, in its own order. One private callback,
    the only one there is then, takes the sweep's steps when training would begin, and leaves the fit before its first
    batch. The Trainer, the module, the data module and the loaders are then put back, set-up included. So a data module
    prepares and sets up its data once for each sweep, and once more in the fit that follows; and hooks of the fit's
    teardown see the weights as the sweep left them.

    Args:
        trainer: of either class tree.
        model: the LightningModule.
        train_dataloaders, val_dataloaders, datamodule: as for `trainer.fit`.
        ckpt_path: a checkpoint file to sweep from, as for `trainer.fit`.
        optimizer, monitor, val_monitor, restore: see `lrrange_lightning.fit_step.FitStep`.
    Raises: TargetError or OptionError for what cannot be swept.
    """

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
        val_monitor: str | None = None,
        restore: Any = None,
    ) -> None:
        self._trainer = trainer
        self._tree = tree_of(trainer, "Trainer")
        self._model = getattr(model, "_orig_mod", model)  # of a compiled module, as Lightning does
        if not isinstance(self._model, self._tree.LightningModule):
            raise OptionError(
                f"model is a {type(model).__name__}, and a {self._tree.__name__}.Trainer trains a "
                f"{self._tree.__name__}.LightningModule. Take both from the same package.",
            )
        if trainer.state.status.value == "running":
            raise TargetError(
                "the trainer is in the middle of a fit. Inside a fit use the callback lrrange_lightning.LRRangeTest.",
            )
        check_strategy(trainer, self._tree)
        if has_spawning_launcher(trainer, self._tree):
            raise TargetError(
                "the trainer's strategy trains in processes of its own, whose result would be lost with them. Sweep "
                "with strategy='ddp', or use the callback lrrange_lightning.LRRangeTest.",
            )
        if ckpt_path in ("best", "last", "hpc", "registry"):
            raise OptionError(f"ckpt_path={ckpt_path!r} is the Trainer's to resolve. Give the path of the file.")
        self._data = {
            "train_dataloaders": train_dataloaders,
            "val_dataloaders": val_dataloaders,
            "datamodule": datamodule,
        }
        self._ckpt_path = ckpt_path
        self._restore = restore
        self._options: dict[str, Any] = {"optimizer": optimizer, "monitor": monitor, "val_monitor": val_monitor}
        self._seed: int | None = None
        self._report: dict[str, Any] = {}
        self._step: FitStep | None = None
        if val_monitor is not None:
            # Its presence says that there are held-out data.
            self.evaluate = self._evaluate

    def seed(self, value: int) -> None:
        """Seed every generator that the next sweep uses."""
        self._seed = value

    def report(self) -> dict[str, Any]:
        """Versions, and what happened besides the losses."""
        return self._report

    def digest(self) -> Iterator[tuple[str, Any]]:
        """Values and checksums of all that a sweep changes in the training; the Trainer's own objects are left out."""
        strategy = self._trainer.strategy
        schedulers = [vars(one.scheduler) for one in strategy.lr_scheduler_configs]
        holders = {"module": self._model, "optimizers": list(strategy.optimizers), "schedulers": schedulers}
        return digest_of(holders, [one for one in self._data.values() if isinstance(one, DataLoader)])

    def run(self, sweep: Sweep) -> Curve:
        """Fit until training would begin, sweep, and put everything back, also after an error and after Ctrl-C."""
        trainer = self._trainer
        state = FitState(trainer, self._model, self._tree, self._data.values(), self._restore)
        seed, self._seed = self._seed, None
        on_ctrl_c = signal.getsignal(signal.SIGINT)
        swept = False

        def sweep_in_fit() -> None:
            nonlocal swept
            self._step = FitStep(trainer, self._model, first_hooks=_FIRST_HOOKS, within=state, **self._options)
            StepDriver(self._step, seed).run(sweep)
            self._report = self._step.report()
            swept = True

        try:
            self._fit(sweep_in_fit)
        except SystemExit as leaving:
            # Lightning turns Ctrl-C into an exit, and stops listening to further ones.
            if isinstance(leaving.__context__, KeyboardInterrupt):
                raise leaving.__context__ from None
            raise
        finally:
            self._step = None
            with deferred_interrupts():
                state.restore()
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGINT, on_ctrl_c)
        if not swept:
            raise NoData("the fit has no training batches. Check the loaders and limit_train_batches.")
        return sweep.curve

    def _evaluate(self) -> float:
        return self._step.evaluate()  # type: ignore[union-attr]  # asked of a sweep that is being taken

    def _fit(self, sweep_in_fit: Callable[[], None]) -> None:
        trainer = self._trainer
        hooks = type("SweepBeforeTraining", (_SweepBeforeTraining, self._tree.Callback), {})
        silence(trainer, self._tree)
        trainer.callbacks = [hooks(self._tree, sweep_in_fit)]
        vars(self._model)["configure_callbacks"] = list  # the module's own would otherwise join
        trainer.num_sanity_val_steps = 0
        if self._options["val_monitor"] is None:
            trainer.limit_val_batches = 0
        with warnings.catch_warnings():
            # The checkpoint's callbacks are not missing: they are not wanted here.
            warnings.filterwarnings("ignore", "Be aware that when using `ckpt_path`")
            trainer.fit(self._model, ckpt_path=self._ckpt_path, **self._data)


class _SweepBeforeTraining:
    """The hooks of the private callback, apart from the `Callback` class of either tree."""

    def __init__(self, tree: Any, sweep: Callable[[], None]) -> None:
        self._tree = tree
        self._sweep = sweep

    def on_fit_start(self, trainer: Any, _: Any) -> None:
        """A Trainer whose limits are reached would leave the fit before it trains; configure_optimizers has run."""
        loop = trainer.fit_loop
        self._limits = loop.max_epochs, loop.max_steps
        # Not -1 where steps are counted: that changes how the loop takes up a checkpoint.
        loop.max_epochs, loop.epoch_loop.max_steps = -1, -1 if loop.max_steps == -1 else sys.maxsize

    def on_train_start(self, trainer: Any, _: Any) -> None:
        """Sweep, then leave the fit."""
        trainer.fit_loop.max_epochs, trainer.fit_loop.epoch_loop.max_steps = self._limits
        self._sweep()
        raise leave_fit(self._tree)
