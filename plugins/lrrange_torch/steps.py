"""Training steps on plain PyTorch: form A, from model, optimizer, loss and loader; form B, the user's own step."""

import contextlib
import inspect
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

import torch
from torch import nn
from torch.optim import Optimizer

from lrrange.errors import LossError, OptionError, TargetError
from lrrange_torch.batches import Batches, to_device
from lrrange_torch.rates import GroupRates
from lrrange_torch.state import Snapshot, seed_everything

BatchForm = Literal["inputs_and_targets", "whole"]

# Steps that a user's own step may take without the optimizer moving (accumulation, a GradScaler finding its scale).
_PATIENCE = 25


class _Optimizing:
    """What both forms share: rates set and checked at each optimizer step, state kept and put back."""

    def __init__(self, optimizers: Sequence[Optimizer]) -> None:
        self._rates = GroupRates(optimizers)
        self._lr = 0.0
        self._optimizer_steps = 0
        self._hooks: list[Any] = []

    def _watch(self) -> None:
        """Hear of each optimizer step. After the snapshot, which thus puts the hooks' tables back as well."""
        for optimizer in self._rates.optimizers:
            self._hooks.append(optimizer.register_step_pre_hook(self._about_to_step))

    def _unwatch(self) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()

    def _about_to_step(self, *_: Any) -> None:
        self._optimizer_steps += 1
        self._rates.check(self._lr)

    def _set(self, lr: float) -> None:
        self._lr = lr
        self._rates.set(lr)

    def _versions(self) -> dict[str, str]:
        return {"torch": str(torch.__version__)}


class LoaderStep(_Optimizing):
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

    A step whose loss is not finite does not move the weights: that would only destroy them for the steps that follow.
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
    ) -> None:
        _check_optimizer(optimizer)
        _check_trains(model, optimizer)
        _check_options(loss_fn, accumulate, clip_norm, batch_form)
        super().__init__([optimizer])
        self._model = model
        self._optimizer = optimizer
        self._loss_fn = loss_fn
        self._loader = loader
        self._batches = Batches(loader)
        self._scheduler = scheduler
        self._scaler = grad_scaler if grad_scaler is not None and grad_scaler.is_enabled() else None
        self._accumulate = accumulate
        self._clip_norm = clip_norm
        self._whole = batch_form == "whole"
        self._autocast = autocast or (torch.float16 if self._scaler else None)
        self._device = next(model.parameters()).device
        # LBFGS and its like evaluate the loss themselves, several times a step.
        closure = inspect.signature(optimizer.step).parameters.get("closure")
        self._takes_closure = closure is not None and closure.default is inspect.Parameter.empty
        if self._takes_closure and self._scaler:
            raise OptionError(f"a {type(optimizer).__name__} cannot be used with a GradScaler. Leave grad_scaler out.")
        self._skipped = 0

    def snapshot(self) -> Snapshot:
        """Keep everything, and set the present gradients aside."""
        state = Snapshot()
        parameters = [*self._model.parameters(), *self._parameters()]
        self._grads = [(parameter, parameter.grad) for parameter in parameters]
        for parameter in parameters:
            parameter.grad = None
        try:
            for holder in (self._model, self._optimizer, self._scheduler, self._scaler):
                state.keep(holder)
            state.keep_loader(self._loader)
            state.keep_random_state()
        except BaseException:
            self._put_grads_back()
            raise
        self._watch()
        if not self._model.training:
            self._model.train()
        return state

    def restore(self, state: Snapshot) -> None:
        """Put everything back."""
        self._unwatch()
        self._batches.close()
        state.restore()
        self._put_grads_back()

    def _put_grads_back(self) -> None:
        for parameter, grad in self._grads:
            parameter.grad = grad

    def seed(self, value: int) -> None:
        """Seed every generator that the sweep uses."""
        seed_everything(value, self._loader, getattr(self._loader, "sampler", None))

    def step(self, lr: float) -> float:
        """One optimizer step at `lr`; the mean loss of its micro-batches."""
        self._set(lr)
        batches = [self._checked(next(self._batches)) for _ in range(self._accumulate)]
        loss = self._optimizer.step(lambda: self._backward(batches)) if self._takes_closure else self._update(batches)
        return float(loss)

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
        }

    def _update(self, batches: list[Any]) -> float:
        loss = self._backward(batches)
        if not math.isfinite(loss):
            self._skipped += 1
            return loss
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
        return loss

    def _backward(self, batches: list[Any]) -> float:
        """Gradients of the mean loss over the micro-batches, and that mean."""
        self._optimizer.zero_grad()
        total = 0.0
        with torch.enable_grad():
            for batch in batches:
                loss = self._loss(batch)
                part = loss / len(batches)
                (self._scaler.scale(part) if self._scaler else part).backward()  # type: ignore[no-untyped-call]
                total += float(loss.detach()) / len(batches)
        return total

    def _loss(self, batch: Any) -> torch.Tensor:
        with torch.autocast(self._device.type, self._autocast) if self._autocast else contextlib.nullcontext():
            if self._whole:
                loss = self._loss_fn(self._model, batch)
            else:
                inputs, targets = batch
                loss = self._loss_fn(self._model(inputs), targets)
        if not isinstance(loss, torch.Tensor) or loss.numel() != 1:
            shape = f" of shape {tuple(loss.shape)}" if isinstance(loss, torch.Tensor) else ""
            raise LossError(
                f"loss_fn returned a {type(loss).__name__}{shape}, not a tensor of one number. Reduce it to its mean.",
                loss=loss,
            )
        if not loss.requires_grad:
            raise TargetError(
                "the loss does not depend on any parameter that requires a gradient, so nothing can be trained. Check "
                "for .detach(), torch.no_grad() or frozen parameters.",
            )
        return loss

    def _checked(self, batch: Any) -> Any:
        if not self._whole and not (isinstance(batch, (list, tuple)) and len(batch) == 2):
            length = f" of length {len(batch)}" if hasattr(batch, "__len__") else ""
            raise TargetError(
                f"the loader gives a {type(batch).__name__}{length}, not (inputs, targets). Say batch_form='whole' and "
                f"give a loss_fn(model, batch).",
            )
        return to_device(batch, self._device)

    def _parameters(self) -> list[torch.Tensor]:
        return [parameter for group in self._optimizer.param_groups for parameter in group["params"]]


class OwnStep(_Optimizing):
    """Form B: a `TrainingStep` made of the user's own `step()`, for GANs, closures, AMP, several inputs, no loader.

    Args:
        step: called once per rate without arguments; trains one step and returns its loss. `StopIteration` ends the
            sweep.
        optimizer: one, or several that share one multiplier.
        restore: everything else that `step` changes: modules, schedulers, scalers, loaders (their random states),
            tensors, generators, containers of these, anything with a `state_dict`. Parameters in the optimizer and the
            global random states are restored in any case.
    Raises: TargetError for an optimizer without a rate; when the sweep begins, for something that cannot be restored.
    """

    def __init__(self, step: Callable[[], Any], optimizer: Optimizer | Sequence[Optimizer], restore: Any) -> None:
        optimizers = [optimizer] if isinstance(optimizer, Optimizer) else list(optimizer)
        for one in optimizers:
            _check_optimizer(one)
        super().__init__(optimizers)
        self._step = step
        self._restore = tuple(restore) if isinstance(restore, (list, tuple)) else (restore,)
        self._steps = 0

    def snapshot(self) -> Snapshot:
        """Keep everything."""
        state = Snapshot()
        state.keep(list(self._rates.optimizers))
        for one in self._restore:
            state.keep_what_the_user_named(one)
        state.keep_random_state()
        self._watch()
        return state

    def restore(self, state: Snapshot) -> None:
        """Put everything back."""
        self._unwatch()
        state.restore()

    def seed(self, value: int) -> None:
        """Seed every generator that lrrange was told of."""
        seed_everything(value, *self._restore)

    def step(self, lr: float) -> Any:
        """One call of the user's step at `lr`."""
        self._set(lr)
        loss = self._step()
        self._steps += 1
        if self._steps == _PATIENCE and self._optimizer_steps == 0:
            raise TargetError(
                f"step() was called {self._steps} times and the optimizer given took no step, so no rate can change "
                f"anything. Give the optimizer that step() uses.",
            )
        return loss

    def report(self) -> dict[str, Any]:
        """Versions, and what happened besides the losses."""
        return {
            "versions": self._versions(),
            "form": "own step",
            "optimizer": ", ".join(type(one).__name__ for one in self._rates.optimizers),
            "group_ratios": list(self._rates.ratios),
            "optimizer_steps": self._optimizer_steps,
        }


def _check_optimizer(optimizer: object) -> None:
    if not isinstance(optimizer, Optimizer):
        raise OptionError(
            f"optimizer is a {type(optimizer).__name__}, not a torch.optim.Optimizer. Make it with the model's "
            f"parameters first.",
        )


def _check_trains(model: nn.Module, optimizer: Optimizer) -> None:
    if any(isinstance(parameter, nn.parameter.UninitializedParameter) for parameter in model.parameters()):
        raise TargetError(
            "the model has lazy parameters that no batch has given a shape yet. Run one batch through it, then make "
            "the optimizer, then call find_lr.",
        )
    trained = {id(parameter) for parameter in model.parameters() if parameter.requires_grad}
    if not trained:
        raise TargetError(
            f"no parameter of this {type(model).__name__} requires a gradient: it is frozen. Unfreeze what is to be "
            f"trained, with requires_grad_(True).",
        )
    if not any(id(parameter) in trained for group in optimizer.param_groups for parameter in group["params"]):
        raise TargetError(
            f"the optimizer holds none of the {len(trained)} trainable parameters of this {type(model).__name__}. Make "
            f"it anew from model.parameters(), after the last change to the model.",
            trainable=len(trained),
        )


def _check_options(loss_fn: object, accumulate: object, clip_norm: object, batch_form: object) -> None:
    if not callable(loss_fn):
        raise OptionError(f"loss_fn is a {type(loss_fn).__name__}, which cannot be called.")
    if not isinstance(accumulate, int) or accumulate < 1:
        raise OptionError(f"accumulate={accumulate!r} is not a whole number of micro-batches, 1 or more.")
    if clip_norm is not None and not (isinstance(clip_norm, (int, float)) and clip_norm > 0):
        raise OptionError(f"clip_norm={clip_norm!r} is not a positive norm.")
    if batch_form not in ("inputs_and_targets", "whole"):
        raise OptionError(f"batch_form={batch_form!r} is neither 'inputs_and_targets' nor 'whole'.")
