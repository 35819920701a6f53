"""Sweep a Trainer in its own `train()`."""

import math
from collections.abc import Iterator
from typing import Any

import torch
import transformers
from lrrange_torch.optimizer import RateControl, facts_of, unwrap
from lrrange_torch.snapshot import digest_of, seed_everything

from lrrange.errors import NoData, TargetError
from lrrange.protocol import LoopDriver
from lrrange.sweep import PlannedSteps, StopReason
from lrrange_transformers.held_out import held_out_loss
from lrrange_transformers.limits import check_optimizer, check_trainer
from lrrange_transformers.silent_train import EndOfTrain, LoopCallback, train_silently
from lrrange_transformers.train_start import at_start_of_train, maker_of_optimizer
from lrrange_transformers.trainer_snapshot import TrainerSnapshot

__all__ = ["TrainerDriver"]


class TrainerDriver(LoopDriver):
    """A driver that runs each sweep in a `train()` of a Trainer, of which nothing but training itself takes notice.

    Callbacks, loggers and trackers are not called, nothing is written to the output folder, and the Trainer is put back
    as it was: model, optimizer, schedulers, state, log history, random states. A rate is in force for one optimizer
    step, with all its micro-batches. The loss is the one that the Trainer would log for the step, and the mean over
    all processes.

    Args:
        trainer: of transformers, or of a class derived from it.
        resume_from_checkpoint: a checkpoint to sweep from, as for `trainer.train`.
        restore: other objects that training changes: modules, tensors, generators, anything with a `state_dict`.
        inside: whether the sweep is to run inside of `train()`, as for the callback.
    Raises: TargetError for a training that cannot be swept.
    """

    proves_rate = True  # at every `optimizer.step()`

    def __init__(
        self, trainer: Any, resume_from_checkpoint: Any = None, restore: Any = None, *, inside: bool = False
    ) -> None:
        check_trainer(trainer, inside)
        self._trainer = trainer
        self._resume_from_checkpoint = resume_from_checkpoint
        self._restore = restore
        self._state: TrainerSnapshot | None = None
        self._report: dict[str, Any] = {}
        self._facts: dict[str, Any] = {}
        self.in_step = False

    def snapshot(self) -> TrainerSnapshot:
        """Keep everything that `train()` may change."""
        self._state = TrainerSnapshot(self._trainer, self._restore)
        return self._state

    def restore(self, state: TrainerSnapshot) -> None:
        """Put everything back."""
        self._state = None
        copied = state.report()
        state.restore()
        self._report |= copied | {"not_kept": state.report()["not_kept"]}

    def seed(self, value: int) -> None:
        """Seed every generator, and what the Trainer seeds by itself: the order of the data, and `model_init`."""
        trainer = self._trainer
        seed_everything(value, trainer.train_dataset)
        trainer.args.seed = trainer.args.data_seed = value
        trainer.accelerator.dataloader_config.data_seed = value

    def train(self, sweep: PlannedSteps) -> None:
        """Train the steps of a sweep. Raises: NoData if there is no batch; TargetError for a `train()` of another kind.

        Raises also what the training raises, and RateNotInForce from a step at another rate.
        """
        assert self._state is not None
        self.in_step = False
        loop = SweepLoop(self, self._trainer, self._state, sweep)
        try:
            train_silently(self._trainer, loop, self._resume_from_checkpoint)
        finally:
            loop.leave()
        if loop.rates is None:
            raise TargetError(
                f"train() of this {type(self._trainer).__name__} does not run the loop of transformers.Trainer, in "
                f"which the sweep takes place.",
            )
        if sweep.running and not sweep.points:
            raise NoData("the Trainer's loader gives no batch. Check train_dataset and its filters.")
        if sweep.running:
            sweep.close(StopReason.DATA_EXHAUSTED)

    def note(self, rates: RateControl, planned: int | None) -> None:
        """Note what is known of the training at its start.

        Args:
            rates: of its optimizer.
            planned: number of steps that it would take; None if that is not known.
        """
        trainer = self._trainer
        self._facts = facts_of(rates.optimizers)
        if planned is not None:
            self._facts["train_steps"] = planned
        self._report |= {
            "versions": {"torch": str(torch.__version__), "transformers": str(transformers.__version__)},
            "optimizer": rates.names,
            "group_ratios": list(rates.ratios),
            "group_rates": rates.bases,
            "accumulate": trainer.args.gradient_accumulation_steps,
            "precision": str(trainer.accelerator.mixed_precision),
            "processes": trainer.accelerator.num_processes,
        }

    def evaluate(self) -> float | None:
        """Return the loss on the `eval_dataset`, or None if there is none. The mean, of several data sets."""
        return held_out_loss(self._trainer)

    def is_blow_up(self, _: Exception) -> bool:
        """Return whether a rate that is too high may have caused this error: not the loader's, and of one process."""
        return self.in_step and self._trainer.accelerator.num_processes == 1

    def bounds(self) -> dict[str, float]:
        """Return the bounds of a sweep that fit the optimizer, where the usual ones do not."""
        if self._trainer.optimizer is None and maker_of_optimizer(self._trainer) is None:
            return {}  # they fit all optimizers that the Trainer makes by itself

        def read(optimizer: Any, _: Any) -> dict[str, float]:
            check_optimizer(optimizer)
            return RateControl([optimizer]).bounds()

        return at_start_of_train(self._trainer, read)

    def facts(self) -> dict[str, Any]:
        """Return what the optimizer tells about the training, and how many steps `train()` takes."""
        return self._facts

    def report(self) -> dict[str, Any]:
        """Return versions, how the Trainer trains, and what was copied."""
        return self._report

    def digest(self) -> Iterator[tuple[str, Any]]:
        """Yield values and checksums of everything that training changes."""
        trainer = self._trainer
        names = ("model", "optimizer", "lr_scheduler", "state", "control", "accelerator")
        holders = {name: getattr(trainer, name) for name in names} | {"args": vars(trainer.args)}
        data = {name: getattr(trainer, name) for name in ("train_dataset", "eval_dataset")}
        return digest_of(holders | {"restore": self._restore}, data)


class SweepLoop(LoopCallback):
    """The callback that sets the rate before each optimizer step of a `train()`, and tells the sweep the loss.

    Args:
        driver: is told what is known at the start.
        trainer: whose `train()` is about to run.
        state: of the Trainer before.
        sweep: the steps.

    Attributes:
        rates: of the optimizer, once `train()` has begun; None before.
    """

    def __init__(self, driver: TrainerDriver, trainer: Any, state: TrainerSnapshot, sweep: PlannedSteps) -> None:
        self._driver = driver
        self._trainer = trainer
        self._state = state
        self._sweep = sweep
        self._max_steps: int = trainer.args.max_steps  # before `train_silently` sets another
        self._steps_trained: int = trainer.state.global_step if trainer.is_in_train else 0
        self._losses: list[Any] = []
        self.rates: RateControl | None = None
        trainer.training_step = self._noting_the_loss(trainer.training_step)

    def leave(self) -> None:
        """Stop watching the optimizer."""
        if self.rates is not None:
            self.rates.unwatch()

    def on_train_begin(self, _args: Any, state: Any, _control: Any, **event: Any) -> None:
        """Take the optimizer and the scheduler that `train()` has made."""
        self.leave()  # where a smaller batch is tried again
        # In mixed precision, the Trainer has the scaler that the optimizer is wrapped with.
        optimizer = unwrap(event["optimizer"], scaler="the Trainer's")
        check_optimizer(optimizer)
        self.rates = RateControl([optimizer])
        event["lr_scheduler"].step = _hold
        self._state.watch(self.rates)
        planned = self._planned_steps(event["train_dataloader"])
        trained = max(state.global_step, self._steps_trained)
        self._driver.note(self.rates, None if planned is None else max(planned - trained, 1))
        if planned is not None:
            state.max_steps = planned  # for a training_step that reads it

    def on_step_begin(self, _args: Any, _state: Any, _control: Any, **_: Any) -> None:
        """Set the rate."""
        assert self.rates is not None
        self._losses.clear()
        self._driver.in_step = True
        self.rates.set(self._sweep.lr)

    def on_step_end(self, _args: Any, _state: Any, _control: Any, **_: Any) -> None:
        """Tell the sweep the loss, and leave when it has ended."""
        self._driver.in_step = False
        # Each is divided already, by the number of micro-batches or of tokens in all of them.
        loss = self._trainer.accelerator.reduce(sum(self._losses), reduction="mean")
        self._sweep.tell(float(loss))
        if not self._sweep.running:
            raise EndOfTrain

    def _noting_the_loss(self, training_step: Any) -> Any:
        def step(*args: Any, **kwargs: Any) -> Any:
            loss = training_step(*args, **kwargs)
            self._losses.append(loss.detach().clone())
            return loss

        return step

    def _planned_steps(self, loader: Any) -> int | None:
        """Return the number of steps that `train()` would take, as the Trainer counts them."""
        args = self._trainer.args
        if self._max_steps > 0:
            return self._max_steps
        try:
            batches = len(loader)
        except TypeError:
            return None
        steps_per_epoch: int = max(math.ceil(batches / args.gradient_accumulation_steps), 1)
        return math.ceil(float(args.num_train_epochs) * steps_per_epoch)


def _hold(*_: Any, **__: Any) -> None:
    """Replace `step` of the scheduler, so that the sweep's rates stay."""
