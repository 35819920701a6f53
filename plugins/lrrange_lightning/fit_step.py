"""A fit that is under way, as training steps at rates of lrrange's choosing.

The steps are not taken by Lightning's own loops. Those count, log, validate, save and stop, and each of these would
have to be undone. What a step is made of is public: the module's hooks, and `training_step`, `backward` and
`optimizer_step` of the strategy, which bring precision, clipping and gradient synchronisation with them.
"""

from typing import Any

import torch
from lrrange_torch.optimizer import GroupRates
from lrrange_torch.snapshot import seed_everything
from torch.optim import Optimizer

from lrrange.errors import OptionError, TargetError
from lrrange_lightning.batches import Batches
from lrrange_lightning.compat import combined_loader, part, tree_of
from lrrange_lightning.evaluation import held_out_loss
from lrrange_lightning.fit_state import FitState
from lrrange_lightning.optimizer_step import Automatic, Manual
from lrrange_lightning.silence import hold_schedulers, redirect_logging, silence

# Calls of `training_step` that may go by without a loss, or without a step of the optimizer.
_PATIENCE = 25


class FitStep:
    """A `TrainingStep` made of a fit: the Trainer has set everything up, and is about to train.

    Args:
        trainer, module: of the fit.
        optimizer: index of the one optimizer to sweep, of several; None for all, with one multiplier.
        monitor: the name by which `training_step` logs what is to be read; None for the loss that it returns.
        val_monitor: the name by which validation logs its held-out loss; `confirm=True` then judges by it.
        restore: what else training changes; see `lrrange_torch.own_step.OwnStep`.
        first_hooks: hooks of the module that the fit has yet to call before its first batch.
        within: the state before the fit, if that is put back after the sweep. The module's weights are then left to it.

    A batch for which `training_step` returns None is passed over, as in a fit, and the next one is trained at the same
    rate. A step whose loss is not finite does not move the weights; under manual optimization the user's own code
    decides that. Several processes read the mean of their losses, so that all agree on every rate and on when to stop.
    Raises: TargetError or OptionError for what cannot be swept.
    """

    def __init__(
        self,
        trainer: Any,
        module: Any,
        *,
        optimizer: int | None = None,
        monitor: str | None = None,
        val_monitor: str | None = None,
        restore: object = None,
        first_hooks: tuple[str, ...] = ("on_train_epoch_start",),
        within: FitState | None = None,
    ) -> None:
        self._trainer = trainer
        self._module = module
        self._tree = tree_of(trainer, "Trainer")
        check_strategy(trainer, self._tree)
        takes = part(self._tree, "utilities.signature_utils", "is_param_in_hook_signature")
        if takes(module.training_step, "dataloader_iter", explicit=True):
            raise TargetError(
                "training_step takes a dataloader_iter and draws its own batches from the fit's loader, which a sweep "
                "has to leave alone. Take a batch instead.",
            )
        self._takes_index = takes(module.training_step, "batch_idx", min_args=2)
        self.optimizers = chosen_optimizers(trainer, optimizer)
        self.rates = GroupRates(self.optimizers)
        self._monitor = monitor
        self._val_monitor = val_monitor
        self._restore = restore
        self._first_hooks = first_hooks
        self._within = within
        self._copied: dict[str, Any] = {}
        self._lr = 0.0
        self._optimizer_steps = 0
        self._skipped = 0
        if val_monitor is not None:
            if not trainer.enable_validation:
                raise OptionError(
                    f"val_monitor={val_monitor!r} needs a validation_step and val_dataloaders, and one is missing.",
                )
            # Its presence says that there are held-out data.
            self.evaluate = self._evaluate

    def snapshot(self) -> FitState:
        """Keep everything, and take away who would listen."""
        self._loaders = combined_loader(self._trainer)
        data = [self._loaders, self._trainer.datamodule]
        state = FitState(
            self._trainer,
            self._module,
            self._tree,
            data,
            self._restore,
            optimizer=self._trainer.optimizers[0],
            within=self._within,
        )
        self._batches: Batches | None = None
        self._first_epoch = self._trainer.current_epoch
        silence(self._trainer, self._tree)
        hold_schedulers(self._trainer)
        self._logged = redirect_logging(self._module, self._tree)
        for one in self.optimizers:
            one.register_step_pre_hook(self._about_to_step)
            one.register_step_post_hook(self._has_stepped)
        return state

    def restore(self, state: FitState) -> None:
        """Put everything back."""
        if self._batches is not None:
            self._batches.close()
        self._copied = state.report()
        state.restore()

    def seed(self, value: int) -> None:
        """Seed every generator that the sweep uses; samplers that shuffle by the number of the epoch take others."""
        loaders = self._loaders.flattened
        seed_everything(value, *loaders, *(getattr(loader, "sampler", None) for loader in loaders))
        self._first_epoch += value

    def step(self, lr: float) -> float:
        """One optimizer step at `lr`; the mean loss of its micro-batches and of all processes.

        Raises: what a fit raises at its next step after a SIGTERM, which Lightning's handler has only noted.
        """
        if self._trainer.received_sigterm:
            raise part(self._tree, "utilities.exceptions", "SIGTERMException")
        if self._batches is None:
            self._begin()
        self._lr = lr
        self.rates.set(lr)
        before = self._optimizer_steps
        readings: list[float] = []
        for _ in range(_PATIENCE):
            readings += self._train()
            if readings and (self._module.automatic_optimization or self._optimizer_steps > before):
                break
        else:
            raise self._out_of_patience(readings)
        self._skipped += self._optimizer_steps == before
        return sum(readings) / len(readings)

    def bounds(self) -> dict[str, float]:
        """Rates between which the first optimizer learns nothing and blows up, where they are unusual."""
        return {"end_lr": 1e3} if type(self.optimizers[0]).__name__ == "Adadelta" else {}

    def report(self) -> dict[str, Any]:
        """Versions, and what happened besides the losses."""
        return {
            "versions": {"torch": str(torch.__version__), self._tree.__name__: str(self._tree.__version__)},
            "optimizer": ", ".join(type(one).__name__ for one in self.optimizers),
            "group_ratios": list(self.rates.ratios),
            "strategy": type(self._trainer.strategy).__name__,
            "processes": self._trainer.world_size,
            "precision": str(self._trainer.precision),
            "accumulate": self._trainer.accumulate_grad_batches,
            "reads": self._monitor or "loss",
            "skipped_steps": self._skipped,
            **self._copied,
        }

    def _evaluate(self) -> float:
        return held_out_loss(self._trainer, self._module, self._val_monitor)

    def _begin(self) -> None:
        trainer, module = self._trainer, self._module
        self._batches = Batches(trainer, module, self._loaders, self._first_epoch, self._takes_index)
        kind = Automatic if module.automatic_optimization else Manual
        self._train = kind(trainer, module, self._batches, self._logged, self._monitor)
        for name in self._first_hooks:
            getattr(module, name)()

    def _about_to_step(self, *_: Any) -> None:
        self.rates.check(self._lr)

    def _has_stepped(self, *_: Any) -> None:
        self.rates.check(self._lr)  # again: the step's closure has run hooks in between
        self._optimizer_steps += 1

    def _out_of_patience(self, readings: list[float]) -> TargetError:
        if not readings:
            return TargetError(
                f"training_step returned None {_PATIENCE} times in a row. Return its loss, for most batches at least.",
            )
        return TargetError(
            f"training_step was called {_PATIENCE} times and the optimizer to sweep took no step, so no rate can "
            f"change anything. Of several optimizers, choose one that steps: optimizer=0, 1, ...",
        )


def check_strategy(trainer: Any, tree: Any) -> None:
    """Raise TargetError unless every process of the fit holds the whole module."""
    whole = (tree.strategies.SingleDeviceStrategy, tree.strategies.DDPStrategy)
    if not isinstance(trainer.strategy, whole) or isinstance(trainer.strategy, tree.strategies.DeepSpeedStrategy):
        raise TargetError(
            f"{type(trainer.strategy).__name__} spreads the module over devices, and lrrange cannot put such a module "
            f"back after a sweep. Sweep with strategy='auto' or 'ddp', on a smaller module if need be.",
            strategy=type(trainer.strategy).__name__,
        )


def chosen_optimizers(trainer: Any, index: int | None) -> list[Optimizer]:
    """The optimizers to sweep. Raises: TargetError if there is none, OptionError if there is none of that index."""
    optimizers = list(trainer.optimizers)
    if not any(one.param_groups for one in optimizers):
        raise TargetError("configure_optimizers returned None, so nothing is trained. Return an optimizer from it.")
    if index is None:
        return optimizers
    if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < len(optimizers):
        names = ", ".join(f"{number} ({type(one).__name__})" for number, one in enumerate(optimizers))
        raise OptionError(f"optimizer={index!r} is none of those that configure_optimizers returns: {names}.")
    return [optimizers[index]]
