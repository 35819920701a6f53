"""Form A: training steps made of a model, an optimizer, a loss function and a loader."""

import contextlib
import functools
import inspect
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, SupportsFloat

import torch
from torch import nn
from torch.optim import Optimizer

from lrrange import Sweep
from lrrange.errors import OptionError
from lrrange_torch.accelerate import accelerate_state, unprepared
from lrrange_torch.batches import Batches
from lrrange_torch.checks import check_options, check_trains
from lrrange_torch.deferred_loss import LateReading, read_now
from lrrange_torch.distributed import Alone, processes_of
from lrrange_torch.objective import BatchForm, MetricMode, Objective
from lrrange_torch.optimizer.rate_control import Optimizing
from lrrange_torch.snapshot.copy_on_write import LazySnapshot, why_not_lazy
from lrrange_torch.snapshot.copy_stores import Place, check_place, copies_in
from lrrange_torch.snapshot.digest import digest_of
from lrrange_torch.snapshot.snapshot import Snapshot, seed_everything
from lrrange_torch.vmap.eligibility import Parts
from lrrange_torch.vmap.runs import Replica, why_alone
from lrrange_torch.vmap.step_timer import Pace

# Enough for `Pace` to know.
_STEPS_TO_TIME = 10

ReadOn = Literal["training", "validation"]


class LoaderStep(Optimizing):
    """Form A: a `TrainingStep` made of a model, its optimizer, a loss function and a loader.

    Args:
        model: in train mode during the sweep; one that is already keeps the modes of its sub-modules.
        optimizer: of (some of) the model's parameters. Param groups keep the proportions of their rates.
        loss_fn: `loss_fn(model(inputs), targets)`, or `loss_fn(model, batch)` with `batch_form="whole"`; a mean.
        loader: any iterable of batches; it goes round if it is shorter than the sweep.
        scheduler: an attached LR scheduler, left as it was. It takes no steps during the sweep.
        grad_scaler: a `torch.amp.GradScaler`; the forward pass then runs under autocast. Steps it skips are counted.
        accumulate: micro-batches per optimizer step. The loss recorded is the mean of theirs.
        clip_norm: clip the gradients' total norm to this before each step.
        batch_form: `"inputs_and_targets"` for batches of two, `"whole"` for any other.
        autocast: dtype of the forward pass; by default float16 if there is a `grad_scaler`, else none.
        val_loader: held-out batches, the same ones each time; `find_lr(confirm=True)` then judges by them.
        read_on: `"validation"` records, for each rate, the loss over all of `val_loader` after the step instead of the
            step's own. It costs a pass over `val_loader` each step.
        metric: what to record instead of the loss: `metric(outputs, targets)`, or `metric(model, batch)` for whole
            batches, a mean over the batch. Training still follows the loss.
        metric_mode: `"max"` if higher is better; what is recorded is then the negative, so that a curve falls as it
            learns.
        snapshot: where what training changes is copied to: `"device"`, beside it; `"cpu"`, main memory, or `"disk"`, a
            temporary file, for a model that fills its device.

    Where losses are read in their step, which is everywhere but on CUDA, one that is not finite does not move the
    weights: that would only destroy them for the steps that follow. On CUDA losses are read some steps late, so that no
    step waits for the device, and a loss that destroys the weights ends the sweep.

    A model that is wrapped in DistributedDataParallel, or sharded by `fully_shard`, is swept in all its processes
    together. They read the mean of their losses, in its step everywhere; where one of them raises, all end the sweep.
    Raises: TargetError, OptionError or NoData for what cannot be trained.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer,
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
        snapshot: Place = "device",
    ) -> None:
        optimizer = unprepared(optimizer, grad_scaler)
        super().__init__([optimizer])
        check_trains(model, optimizer)
        check_place(snapshot)
        check_options(accumulate, clip_norm, read_on, val_loader)
        self._objective = Objective(model, loss_fn, batch_form, metric, metric_mode)
        self._model = model
        self._optimizer = optimizer
        self._loader = loader
        self._batches = Batches(loader)
        self._scheduler = unprepared(scheduler)
        self._scaler = grad_scaler if grad_scaler is not None and grad_scaler.is_enabled() else None
        self._accumulate = accumulate
        self._clip_norm = clip_norm
        self._objective.autocast = autocast or (torch.float16 if self._scaler else None)
        # LBFGS and its like evaluate the loss themselves, several times a step.
        closure = inspect.signature(optimizer.step).parameters.get("closure")
        self._takes_closure = closure is not None and closure.default is inspect.Parameter.empty
        if self._takes_closure and self._scaler:
            raise OptionError(f"a {type(optimizer).__name__} cannot be used with a GradScaler. Leave grad_scaler out.")
        zero_grad = type(optimizer).zero_grad
        self._own_zero_grad = zero_grad is not Optimizer.zero_grad or "zero_grad" in vars(optimizer)
        self._skipped = 0
        self._processes = processes_of([model], self._parameters())
        self._read = self._processes.reader(self._objective.device)
        self._late = self._read is LateReading
        self._not_lazy = why_not_lazy(model)
        self._pace = Pace()
        self._place = snapshot
        self._copied_bytes = 0
        self._plain = (
            type(self._processes) is Alone
            and self._read is read_now
            and self._objective.records_loss
            and read_on == "training"
            and accumulate == 1
            and not (self._scaler or clip_norm or self._takes_closure)
        )
        self.parts = Parts(
            model=model,
            optimizer=optimizer,
            loader=loader,
            objective=self._objective,
            ratios=self._rates.ratios,
            accumulate=accumulate,
            clip_norm=clip_norm,
            obstacle=self._obstacle(read_on),
        )
        self._read_on = read_on
        self._val_loader = val_loader
        if val_loader is not None:
            self.evaluate = self._evaluate  # its presence says that there are held-out data

    def snapshot(self) -> Snapshot:
        """Keep everything, and set the present gradients aside."""
        self._processes.reshard()
        copies = copies_in(self._place)
        state = LazySnapshot([self._optimizer], copies) if self._not_lazy is None else Snapshot(copies)
        parameters = [*self._model.parameters(), *self._parameters()]
        self._grads = [(parameter, parameter.grad) for parameter in parameters]
        for parameter in parameters:
            parameter.grad = None
        try:
            for holder in (self._model, self._optimizer, self._scheduler, self._scaler, accelerate_state()):
                state.keep(holder)
            state.keep_loader(self._loader)
            state.keep_random_state()
            self._watch(state)
        except BaseException:
            self._unwatch()
            state.restore()  # of what was kept by then, which ends the copy-on-write
            self._put_grads_back()
            raise
        if not self._model.training:
            self._model.train()
        self._pace.begin(self._batches.taken)
        return state

    def restore(self, state: Snapshot) -> None:
        """Put everything back."""
        self._pace.end(self._batches.taken)
        self._unwatch()
        self._batches.close()
        self._processes.reshard()
        self._copied_bytes = state.copied_bytes
        state.restore()
        self._put_grads_back()

    def _put_grads_back(self) -> None:
        for parameter, grad in self._grads:
            parameter.grad = grad
        self._grads = []

    def digest(self) -> Iterator[tuple[str, Any]]:
        """Values and checksums of all that a step changes."""
        holders = {
            "model": self._model,
            "optimizer": self._optimizer,
            "scheduler": self._scheduler,
            "grad_scaler": self._scaler,
        }
        return digest_of(holders, [self._loader])

    def seed(self, value: int) -> None:
        """Seed every generator that the sweep uses."""
        seed_everything(value, self._loader, getattr(self._loader, "sampler", None))

    def step(self, lr: float) -> SupportsFloat:
        """One optimizer step at `lr`; the mean loss of its micro-batches, as a number or on its way to be one."""
        self._set(lr)
        if self._plain and torch.is_grad_enabled():
            return self._plain_step()
        batches = self._processes.together(self._next_batches)
        with contextlib.nullcontext() if torch.is_grad_enabled() else torch.enable_grad():
            reading = self._closure_step(batches) if self._takes_closure else self._update(batches)
        if self._read_on == "validation":
            return self._objective.evaluate(self._val_loader or (), self._read) if self._late else self._evaluate()
        return reading

    def _plain_step(self) -> float:
        """What the rest of `step` comes to in most trainings. Where models are small, the way there costs as much."""
        batch = self._objective.checked(next(self._batches))
        self._drop_grads()
        loss, _ = self._objective(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        value = loss.item()
        if math.isfinite(value):
            self._optimizer.step()
        else:
            self._skipped += 1
        return value

    def _next_batches(self) -> list[Any]:
        return [self._objective.checked(next(self._batches)) for _ in range(self._accumulate)]

    def _evaluate(self) -> float:
        return self._processes.mean(lambda: float(self._objective.evaluate(self._val_loader or (), read_now)))

    def why_alone(self, count: int, measure: bool) -> str | None:
        """Why so many runs cannot be taken together, or why that would not pay; None if it may."""
        return why_alone(self.parts, count, measure)

    def replica(self, sweep: Sweep, seed: int | None, reset: Callable[[], object] | None) -> Replica:
        """One run of several that may be taken together."""
        return Replica(self, sweep, seed, reset)

    def seconds_a_step(self, lr: float) -> float:
        """How long a step takes by itself: as in the runs so far, or else in some that are taken now, at this rate."""
        if self._pace.seconds is None:
            state = self.snapshot()
            try:
                for _ in range(_STEPS_TO_TIME // self._accumulate + 1):
                    float(self.step(lr))
            finally:
                self.restore(state)
        return (self._pace.seconds or math.inf) * self._accumulate

    def count(self, batches: int, skipped: int) -> None:
        """Report these as well, which were taken together with others."""
        self._batches.taken += batches
        self._skipped += skipped

    def _obstacle(self, read_on: ReadOn) -> str | None:
        """What is done here besides forward and backward passes and steps of the optimizer, and cannot be batched."""
        obstacles = {
            "it is trained in several processes": self._processes.size > 1,
            f"{type(self._optimizer).__name__} evaluates the loss itself": self._takes_closure,
            "a GradScaler skips steps": self._scaler is not None,
            "the optimizer's zero_grad is its own": self._own_zero_grad,
            "the loader cannot start again": self._batches.one_shot,
            "validation losses are read": read_on == "validation",
        }
        return next((obstacle for obstacle, is_there in obstacles.items() if is_there), None)

    def report(self) -> dict[str, Any]:
        """Versions, and what happened besides the losses."""
        return {
            "versions": self._versions(),
            "form": "loader",
            "optimizer": type(self._optimizer).__name__,
            "group_ratios": list(self._rates.ratios),
            "batches_taken": self._batches.taken,
            "one_shot_loader": self._batches.one_shot,
            "skipped_steps": self._skipped,
            "processes": self._processes.size,
            "reads": f"{self._read_on} {self._objective.reads}",
            "snapshot": "lazy" if self._not_lazy is None else f"full: {self._not_lazy}",
            "copied_bytes": self._copied_bytes,
            "copied_to": self._place,
        }

    def _closure_step(self, batches: list[Any]) -> SupportsFloat:
        first: list[SupportsFloat] = []

        def closure() -> torch.Tensor:
            losses, reading = self._backward(batches)
            first.append(reading)
            return torch.stack(losses).mean()

        self._optimizer.step(closure)  # type: ignore[arg-type]  # torch says float, and its own closures give tensors
        return first[0]

    def _update(self, batches: list[Any]) -> SupportsFloat:
        losses, reading = self._backward(batches)
        if not self._late and not math.isfinite(self._mean(losses, reading)):
            self._skipped += 1
            return reading
        if self._clip_norm is not None:
            if self._scaler:
                self._scaler.unscale_(self._optimizer)
            nn.utils.clip_grad_norm_(self._parameters(), self._clip_norm)
        if self._scaler:
            before = self._optimizer_steps
            self._scaler.step(self._optimizer)
            self._scaler.update()
            self._skipped += self._optimizer_steps == before
        else:
            self._optimizer.step()
        return reading

    def _backward(self, batches: list[Any]) -> tuple[list[torch.Tensor], SupportsFloat]:
        """Gradients of the mean loss over the micro-batches; their losses, and the mean of what is recorded."""
        self._drop_grads()
        losses, recorded = [], []
        for batch in batches:
            loss, reading = self._processes.together(functools.partial(self._objective, batch))
            part = loss if len(batches) == 1 else loss / len(batches)
            (self._scaler.scale(part) if self._scaler else part).backward()  # type: ignore[no-untyped-call]
            losses.append(loss.detach())
            recorded.append(reading)
        return losses, self._read(recorded, self._objective.sign / len(recorded))

    def _mean(self, losses: list[torch.Tensor], reading: SupportsFloat) -> float:
        """The mean loss, which has been read already unless a metric is recorded in its place."""
        if self._objective.records_loss:
            return float(reading)
        return self._processes.mean(lambda: sum(map(float, losses)) / len(losses))

    def _drop_grads(self) -> None:
        if self._own_zero_grad:
            self._optimizer.zero_grad()
            return
        # As torch's own does, without its range for the profiler, which takes longer than all the rest of it.
        for group in self._optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    def _parameters(self) -> list[torch.Tensor]:
        return [parameter for group in self._optimizer.param_groups for parameter in group["params"]]
