"""A training step made of a model, an optimizer, a loss function and a loader."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal, SupportsFloat

import torch
from torch import nn
from torch.optim import Optimizer

from lrrange import Sweep
from lrrange_torch.accelerate import accelerate_state, unwrap
from lrrange_torch.checks import check_options, check_places, check_precision, check_trains, steps_of_epochs
from lrrange_torch.deferred_loss import Reader
from lrrange_torch.distributed import processes_of
from lrrange_torch.endless_batches import Batches, collates
from lrrange_torch.gradient_step import GradientStep
from lrrange_torch.objective import BatchForm, MetricMode, Objective
from lrrange_torch.optimizer.argument import check_scheduler, optimizers_of
from lrrange_torch.optimizer.facts import facts_of
from lrrange_torch.optimizer.rate_control import RateControl
from lrrange_torch.random_state import seed_everything
from lrrange_torch.snapshot.copy_on_write import why_not_lazy
from lrrange_torch.snapshot.copy_stores import CopyLocation
from lrrange_torch.snapshot.digest import digest_of
from lrrange_torch.snapshot.snapshot import Snapshot
from lrrange_torch.snapshot.snapshot_maker import SnapshotMaker
from lrrange_torch.stop_iteration import error_instead
from lrrange_torch.vmap import LoaderRuns, Replica, StepTimer

__all__ = ["LoaderStep"]

ReadOn = Literal["training", "validation"]


class LoaderStep:
    """The *loader step*: a `TrainingStep` made of a model, its optimizer, a loss function and a loader.

    Args:
        model: in train mode during the sweep. A model that is in train mode already keeps the modes of its sub-modules.
        optimizer: of (some of) the model's parameters; or several in a list, such as Muon and AdamW, that step one
            after another. All param groups keep the proportions of their rates.
        loss_fn: `loss_fn(model(inputs), targets)`, or `loss_fn(model, batch)` with `batch_form="whole"`; a mean.
        loader: any iterable of batches. It starts again if it is shorter than the sweep.
        scheduler: an attached LR scheduler, left as it was. It takes no steps during the sweep.
        grad_scaler: a `torch.amp.GradScaler`; the forward pass then runs under autocast. Steps it skips are counted.
        accumulate: micro-batches per optimizer step, drawn and moved to the device one at a time. The loss recorded is
            the mean of theirs.
        clip_norm: clip the gradients' total norm, over all optimizers, to this before each step.
        batch_form: `"inputs_and_targets"` for batches of two, `"whole"` for any other.
        autocast: dtype of the forward pass; by default float16 if there is a `grad_scaler`, else none.
        val_loader: held-out batches, the same ones each time; `find_lr(confirm=True)` then judges by them.
        read_on: `"validation"` records, for each rate, the loss over all of `val_loader` after the step instead of the
            step's own. It costs a pass over `val_loader` each step.
        metric: what to read the advice from instead of the loss: `metric(outputs, targets)`, or `metric(model, batch)`
            for whole batches, a mean over the batch. Training still follows the loss, which is recorded, too:
            `result.read_from("loss")` reads it.
        metric_mode: `"max"` if higher is better.
        snapshot: where everything that training changes is copied to: `"device"`, beside it; `"cpu"`, main memory, or
            `"disk"`, a temporary file, for a model that fills its device.
        restore: anything else that training changes and that cannot be reached from the above; one object, or a list
            or tuple of some.
        train_epochs: passes over the loader of the training that the rate is for. `find_lr(train_steps=)` says the same
            in optimizer steps.

    Except on CUDA, a loss is read in its own step, and a loss that is not finite does not move the weights: that would
    only destroy them for the following steps. On CUDA, losses are read some steps late, so that no step waits for the
    device, and a loss that destroys the weights ends the sweep.

    An optimizer that takes a closure, such as LBFGS or SAM, is given one. It keeps all micro-batches of its step on the
    device, and cannot be combined with others. A schedule-free optimizer is put into training mode for the sweep, and
    into evaluation mode wherever held-out data are evaluated.

    A model that is wrapped in DistributedDataParallel, or sharded by `fully_shard`, is swept in all its processes
    together. They read the mean of their losses, on every device in its own step. If one of them raises, the sweep ends
    in all.

    Raises: TargetError, OptionError or NoData for a target that cannot be trained.
    """

    proves_rate = True  # at every `optimizer.step()`

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer | Sequence[Optimizer],
        loss_fn: Callable[..., torch.Tensor],
        loader: Iterable[Any],
        scheduler: Any = None,
        grad_scaler: torch.amp.GradScaler | None = None,
        accumulate: int = 1,
        clip_norm: float | None = None,
        batch_form: BatchForm = "inputs_and_targets",
        autocast: torch.dtype | None = None,
        val_loader: Iterable[Any] | None = None,
        read_on: ReadOn = "training",
        metric: Callable[..., Any] | None = None,
        metric_mode: MetricMode = "max",
        snapshot: CopyLocation = "device",
        restore: Any = (),
        train_epochs: float | None = None,
    ) -> None:
        check_places(optimizer=optimizer, loss_fn=loss_fn, loader=loader)
        check_precision(autocast, grad_scaler)
        check_scheduler(scheduler)
        self._rates = RateControl(optimizers_of(optimizer, grad_scaler))
        check_trains(model, self._rates.optimizers)
        self._snapshots = SnapshotMaker(self._rates.hooked, why_not_lazy(model), snapshot)
        check_options(accumulate, clip_norm, read_on, val_loader)
        self._train_steps = steps_of_epochs(loader, train_epochs, accumulate)
        scaler = grad_scaler if grad_scaler is not None and grad_scaler.is_enabled() else None
        autocast = autocast or (None if scaler is None else torch.float16)
        self._batches = Batches(loader)
        self._objective = Objective(model, loss_fn, batch_form, metric, metric_mode, autocast, collates(loader))
        self._model = model
        self._loader = loader
        self._scheduler = unwrap(scheduler)
        self._scaler = scaler
        self._accumulate = accumulate
        self._val_loader = val_loader
        self._restore = tuple(restore) if isinstance(restore, (list, tuple)) else (restore,)
        self._read_on = read_on
        self._processes = processes_of([model], self._rates.parameters())
        self._gradients = GradientStep(self._objective, self._rates, self._processes, scaler, clip_norm, accumulate)
        self._gradients_before: list[tuple[torch.Tensor, torch.Tensor | None]] = []
        self._timer = StepTimer()
        self._is_drawing = False  # whether a batch is being drawn

    def snapshot(self) -> Snapshot:
        """Keep everything that a step may change, and set the present gradients aside."""
        self._processes.reshard()
        state = self._snapshots.make()
        parameters = [*self._model.parameters(), *self._rates.parameters()]
        self._gradients_before = [(parameter, parameter.grad) for parameter in parameters]
        for parameter in parameters:
            parameter.grad = None
        try:
            for name, holder in self._holders().items():
                state.keep(holder, name)
            for value in self._restore:
                state.keep_what_the_user_named(value)
            for name, loader in self._loaders().items():
                state.keep(loader, name, is_data=True)
            state.keep_random_state()
            self._rates.watch(state)
        except BaseException:
            self._rates.unwatch()
            state.restore()  # of what was kept until then, which ends the copy-on-write
            self._put_gradients_back()
            raise
        if not self._model.training:
            self._model.train()
        self._timer.begin(self._batches.taken)
        return state

    def restore(self, state: Snapshot) -> None:
        """Put everything back."""
        self._timer.end(self._batches.taken)
        self._rates.unwatch()
        self._batches.close()
        self._processes.reshard()
        self._snapshots.restore(state)
        self._put_gradients_back()

    def step(self, lr: float) -> SupportsFloat:
        """Take one optimizer step at `lr`. Return the mean loss of its micro-batches, on CUDA as a `DeferredLoss`."""
        self._rates.set(lr)
        return self._with_gradients(self._train)

    def forward(self) -> SupportsFloat:
        """Return the mean loss of the next micro-batches at the present weights, on CUDA as a `DeferredLoss`.

        It computes what a step computes before its backward pass, with the graph, because a loss may contain
        derivatives. A step at rate zero takes its place where the forward pass alone would draw other random numbers
        (an optimizer that takes a closure), or leave several processes in the middle of a step, and where losses are
        read on held-out data after it.
        """
        if self._gradients.takes_closure or self._processes.size > 1 or self._read_on == "validation":
            return self.step(0.0)
        self._timer.cancel()
        return self._with_gradients(self._evaluate_batches)

    def _train(self) -> SupportsFloat:
        loss = self._gradients.take(self._next_batch)
        return loss if self._read_on == "training" else self._held_out(self._gradients.read)

    def _evaluate_batches(self) -> SupportsFloat:
        return self._gradients.evaluate(self._next_batch)

    def _with_gradients(self, take: Callable[[], SupportsFloat]) -> SupportsFloat:
        self._is_drawing = False
        try:
            if torch.is_grad_enabled():
                return take()
            with torch.enable_grad():
                return take()
        except StopIteration as error:
            if self._is_drawing:
                raise  # the end of the data
            raise error_instead("the model, the loss or the optimizer") from error

    def is_blow_up(self, _: Exception) -> bool:
        """Return whether a rate that is too high may have caused this error: not the loader's, and of one process."""
        return self._processes.size == 1 and not self._is_drawing

    def evaluate(self) -> SupportsFloat | None:
        """Return the mean loss, or metric, over the held-out batches; None if there is no `val_loader`."""
        return None if self._val_loader is None else self._held_out(self._processes.reader(torch.device("cpu")))

    def seed(self, value: int) -> None:
        """Seed every random generator that the sweep uses."""
        seed_everything(value, self._loader, getattr(self._loader, "sampler", None))

    def set_momentum(self, value: float) -> bool:
        """Train the next steps at this momentum, in the groups that have one. Return whether any group has."""
        return self._rates.set_momentum(value)

    def bounds(self) -> dict[str, float]:
        """Return the bounds of a sweep if an optimizer needs others than most."""
        return self._rates.bounds()

    def facts(self) -> dict[str, Any]:
        """Return what the optimizers tell about the training, and its length if it was given in epochs."""
        length = {} if self._train_steps is None else {"train_steps": self._train_steps}
        return facts_of(self._rates.optimizers) | length

    def digest(self) -> Iterator[tuple[str, Any]]:
        """Yield names with values or checksums of everything that a step changes."""
        return digest_of(self._holders() | {"restore": self._restore}, self._loaders())

    def report(self) -> dict[str, Any]:
        """Return versions, and facts about the sweeps."""
        return {
            "versions": {"torch": str(torch.__version__)},
            "form": "loader",
            "optimizer": self._rates.names,
            "group_ratios": list(self._rates.ratios),
            "group_rates": self._rates.bases,
            "batches_taken": self._batches.taken,
            "one_shot_loader": self._batches.one_shot,
            "skipped_steps": self._gradients.skipped,
            "processes": self._processes.size,
            "reads": f"{self._read_on} {self._objective.reads}",
            **self._snapshots.report(),
        }

    def why_alone(self, count: int, measure: bool) -> str | None:
        """Return why `count` runs cannot be taken side by side, as far as is known without a step; None if they can."""
        return self._runs().why_alone(count, measure)

    def replica(self, sweep: Sweep, seed: int | None, reset: Callable[[], object] | None) -> Replica:
        """Return this run as one of several that may be taken side by side."""
        return self._runs().replica(sweep, seed, reset)

    def _runs(self) -> LoaderRuns:
        return LoaderRuns(
            self,
            model=self._model,
            loader=self._loader,
            accumulate=self._accumulate,
            ratios=self._rates.ratios,
            batches=self._batches,
            gradients=self._gradients,
            processes=self._processes,
            timer=self._timer,
            reads_validation=self._read_on == "validation",
            evaluates=self._val_loader is not None,
        )

    def _holders(self) -> dict[str, Any]:
        optimizers = self._rates.optimizers
        return {
            "model": self._model,
            "optimizer": optimizers[0] if len(optimizers) == 1 else optimizers,
            "loss_fn": self._objective.loss_fn,
            "metric": self._objective.metric,
            "scheduler": self._scheduler,
            "grad_scaler": self._scaler,
            "accelerate": accelerate_state(),
        }

    def _loaders(self) -> dict[str, Any]:
        return {"loader": self._loader, "val_loader": self._val_loader}

    def _next_batch(self) -> Any:
        self._is_drawing = True
        batch = self._processes.together(self._own_next_batch)
        self._is_drawing = False
        return batch

    def _own_next_batch(self) -> Any:
        return self._objective.checked(next(self._batches))

    def _held_out(self, read: Reader) -> SupportsFloat:
        with self._rates.evaluating():
            losses, values = self._processes.together(lambda: self._objective.evaluate(self._held_out_batches()))
            return self._objective.recorded(losses, values, read)

    def _held_out_batches(self) -> Iterator[Any]:
        self._is_drawing = True
        for batch in () if self._val_loader is None else self._val_loader:
            self._is_drawing = False
            yield batch
            self._is_drawing = True
        self._is_drawing = False

    def _put_gradients_back(self) -> None:
        for parameter, gradient in self._gradients_before:
            parameter.grad = gradient
        self._gradients_before = []
