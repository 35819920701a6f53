"""Weights of several runs in one stack: batched passes, and updates of each run at its own rate."""

import contextlib
import copy
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.func import functional_call, vmap
from torch.optim import Optimizer
from torch.utils._pytree import tree_flatten, tree_unflatten

from lrrange_torch.optimizer.rates import set_rate
from lrrange_torch.snapshot.digest import digest_of
from lrrange_torch.vmap.eligibility import CannotBatch, Parts

# Losses and gradients that differ by more than this part are not the same but for rounding. Sums of products taken in
# another order differ by some units in the last place, and by a thousandth where a GPU multiplies in TF32.
_LEAST_TOLERANCE = 2e-3

# A gradient that is zero but for rounding, as that of a bias before a softmax, is the rounding of others. One that is
# smaller than this part of all of them may differ by as much as if it were not.
_SMALL_GRADIENT = 0.1


class _Passes(nn.Module):
    """The objective as a module, so that `functional_call` reaches the model that it calls."""

    def __init__(self, parts: Parts) -> None:
        super().__init__()
        self.model = parts.model
        self._objective = parts.objective

    def forward(self, batch: Any) -> tuple[torch.Tensor, Any]:
        return self._objective(batch, training=False)  # under vmap no tensor says that it requires a gradient


class Stacked:
    """The weights and optimizer states of several runs, and a step of all at once.

    Args:
        parts: of each run. They may be the same object; the models must be at their starts only when `fill` is called.
        shared: whether buffers and frozen parameters are the same for all, and need no stack.
    """

    def __init__(self, parts: Sequence[Parts], shared: bool) -> None:
        self._parts = parts
        self._passes = _Passes(parts[0])
        count, trained = len(parts), parts[0].trained
        self._stacks = {name: _stack(one, count) for name, one in trained.items()}
        self._slices = [
            {name: nn.Parameter(stack.detach()[run]) for name, stack in self._stacks.items()} for run in range(count)
        ]
        rest = {name: one for name, one in tensors_of(parts[0].model).items() if name not in trained}
        self._fixed = {name: one.detach().clone() if shared else _stack(one, count) for name, one in rest.items()}
        self._fixed_dim = None if shared else 0
        self._rates: list[tuple[int, float]] = []  # for each param group, whose it is and its part of that run's rate
        self._held: list[list[nn.Parameter]] = [[] for _ in parts]  # by the optimizer, of each run
        self._optimizer: Optimizer
        self.skipped = [0] * count

    @torch.no_grad()
    def fill(self, run: int) -> None:
        """Take a run's weights from its model, as they are now."""
        for name, value in tensors_of(self._parts[run].model).items():
            if name in self._stacks:
                self._slices[run][name].copy_(value)
            elif self._fixed_dim is not None:
                self._fixed[name][run].copy_(value)

    @torch.no_grad()
    def load(self, run: int) -> None:
        """Give a run's model its weights, as they are now."""
        for name, value in tensors_of(self._parts[run].model).items():
            if name in self._stacks:
                value.copy_(self._slices[run][name])
            else:
                value.copy_(self._fixed[name] if self._fixed_dim is None else self._fixed[name][run])

    def make_optimizer(self) -> None:
        """One optimizer for all runs, with each run's options and states."""
        states: dict[torch.Tensor, dict[str, Any]] = {}
        groups = []
        for run, parts in enumerate(self._parts):
            own = {id(one): self._slices[run][name] for name, one in parts.trained.items()}
            for group, ratio in zip(parts.optimizer.param_groups, parts.ratios, strict=True):
                held = [one for one in group["params"] if id(one) in own]
                if not held:
                    continue
                options = {key: _own(value) for key, value in group.items() if not key.startswith("param")}
                groups.append({**options, "params": [own[id(one)] for one in held]})
                self._held[run] += groups[-1]["params"]
                self._rates.append((run, ratio))
                state = parts.optimizer.state
                states.update({own[id(one)]: copy.deepcopy(state[one]) for one in held if one in state})
        make: Any = type(self._parts[0].optimizer)  # all of whose options are in the groups
        self._optimizer = make(groups)
        self._optimizer.state.update(states)

    def check(self, batches: Sequence[Any], runs: Sequence[int]) -> None:
        """Compare a batched pass with what the models of some runs, which are at their starts, compute themselves.

        Raises: CannotBatch if it differs, or cannot be made.
        """
        expected = {run: _own_pass(self._parts[run], batches[run % len(batches)]) for run in runs}
        try:
            losses, _ = self._batched_pass(batches)
        except CannotBatch:
            raise
        except Exception as error:
            said = str(error).strip().partition("\n")[0][:200]
            raise CannotBatch(f"{type(error).__name__}: {said}") from error
        tolerance = self._tolerance(losses)
        for run, (loss, grads) in expected.items():
            if not torch.isfinite(loss):
                raise CannotBatch(f"the first loss is {float(loss)}, which says nothing about those that follow")
            if not _agree(losses[run], loss, tolerance):
                raise CannotBatch(f"the loss of a batched pass is {float(losses[run]):.6g} and not {float(loss):.6g}")
            size = math.hypot(*(float(grad.norm()) for grad in grads.values() if grad is not None))
            for name, grad in grads.items():
                stack = self._stacks[name].grad
                if (stack is None) != (grad is None) or (
                    stack is not None
                    and grad is not None
                    and not _agree(stack[run], grad, tolerance, _SMALL_GRADIENT * size)
                ):
                    raise CannotBatch(f"the gradient of {name} in a batched pass is another")
            for name, parameter in self._parts[run].trained.items():
                # That gradient may be zero at the start, as one towards the initial weights is, and not later.
                if parameter.grad is not None:
                    raise CannotBatch(f"the loss finds {name} by another way than through the model")

    def step(self, batches: Sequence[Sequence[Any]], rates: Mapping[int, float], skip_non_finite: bool) -> torch.Tensor:
        """One optimizer step of some of the runs.

        Args:
            batches: as many as a step takes, each for every run or one for all.
            rates: by run; runs that have none are left as they are.
            skip_non_finite: read the losses now, and leave also those as they are whose loss is not finite.
        Returns: what is recorded of each run, shape (runs,).
        """
        parts = self._parts[0]
        self._drop_grads(range(len(self._parts)))
        passes = [self._pass(batch, rates) for batch in batches]
        losses = torch.stack([losses for losses, _ in passes]).sum(0)
        recorded = torch.stack([recorded for _, recorded in passes]).sum(0)
        if skip_non_finite:
            finite = torch.isfinite(losses).tolist()
            for run in rates:
                self.skipped[run] += not finite[run]
            rates = {run: rate for run, rate in rates.items() if finite[run]}
        self._drop_grads(run for run in range(len(self._parts)) if run not in rates)
        for (run, ratio), group in zip(self._rates, self._optimizer.param_groups, strict=True):
            if run in rates:
                set_rate(group, "lr", rates[run] * ratio)
        for run in rates:
            if (norm := self._parts[run].clip_norm) is not None:
                nn.utils.clip_grad_norm_(self._held[run], norm)
        self._optimizer.step()
        return recorded * (parts.objective.sign / len(batches))

    def _pass(self, batches: Sequence[Any], runs: Iterable[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Gradients of one batch each; the losses and what is recorded, of shape (runs,)."""
        passed = None
        with contextlib.suppress(Exception):  # of batches that have different shapes, say
            passed = self._batched_pass(batches)
        if passed is None:
            return self._single_passes(batches, runs)  # which raise what is wrong with one by itself
        for name, stack in self._stacks.items():
            if stack.grad is not None:
                for held, grad in zip(self._slices, stack.grad.unbind(), strict=True):
                    before = held[name].grad
                    held[name].grad = grad if before is None else before + grad
        return passed

    def _batched_pass(self, batches: Sequence[Any]) -> tuple[torch.Tensor, torch.Tensor]:
        for stack in self._stacks.values():
            stack.grad = None
        leaves, together = _joined(batches)

        def one(trained: dict[str, torch.Tensor], fixed: dict[str, torch.Tensor], *leaves: torch.Tensor) -> Any:
            tensors = {f"model.{name}": value for name, value in (*trained.items(), *fixed.items())}
            return functional_call(self._passes, tensors, (together(leaves),))

        losses, recorded = vmap(one, in_dims=(0, self._fixed_dim, *(0 for _ in leaves)))(
            self._stacks, self._fixed, *leaves
        )
        (losses.sum() / self._parts[0].accumulate).backward()
        return losses.detach().flatten(), recorded.detach().flatten()

    def _single_passes(self, batches: Sequence[Any], runs: Iterable[int]) -> tuple[torch.Tensor, torch.Tensor]:
        passed: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        for run in runs:
            fixed = self._fixed if self._fixed_dim is None else {name: one[run] for name, one in self._fixed.items()}
            tensors = {f"model.{name}": value for name, value in (*self._slices[run].items(), *fixed.items())}
            loss, value = functional_call(self._passes, tensors, (batches[run % len(batches)],))
            (loss / self._parts[0].accumulate).backward()
            passed[run] = loss.detach().reshape(()), torch.as_tensor(value, device=loss.device).reshape(())
        nothing = torch.zeros_like(loss.detach().reshape(()))
        losses, recorded = zip(*(passed.get(run, (nothing, nothing)) for run in range(len(self._parts))), strict=True)
        return torch.stack(losses), torch.stack(recorded)

    def _drop_grads(self, runs: Iterable[int]) -> None:
        for run in runs:
            for one in self._slices[run].values():
                one.grad = None

    def _tolerance(self, losses: torch.Tensor) -> float:
        kinds = {losses.dtype, self._parts[0].objective.autocast, *(stack.dtype for stack in self._stacks.values())}
        return max(_LEAST_TOLERANCE, *(math.sqrt(torch.finfo(kind).eps) for kind in kinds if kind is not None))


def _own_pass(parts: Parts, batch: Any) -> tuple[torch.Tensor, dict[str, torch.Tensor | None]]:
    """A model's loss and gradients. Raises: CannotBatch if a pass changes something that the next one may find."""
    before = list(_besides_parameters(parts.model))
    loss, _ = parts.objective(batch)
    (loss / parts.accumulate).backward()  # type: ignore[no-untyped-call]
    grads = {name: one.grad for name, one in parts.trained.items()}
    for one in parts.trained.values():
        one.grad = None
    for was, now in itertools.zip_longest(before, _besides_parameters(parts.model)):
        if was != now:
            raise CannotBatch(f"a forward pass changes {(now or was)[0]}")
    return loss.detach(), grads


def _besides_parameters(model: nn.Module) -> Iterator[tuple[str, Any]]:
    """Values and checksums of what a forward pass may change: buffers, other attributes, random states."""
    return digest_of(
        {
            f"{name}.{key}".removeprefix("."): value
            for name, module in model.named_modules()
            for key, value in (vars(module) | module._buffers).items()
            if key not in ("_parameters", "_buffers", "_modules")
        }
    )


def tensors_of(model: nn.Module) -> dict[str, torch.Tensor]:
    """Parameters and buffers, by name."""
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def _stack(tensor: torch.Tensor, count: int) -> torch.Tensor:
    """Room for so many of these; a leaf that requires a gradient if the tensor does."""
    return tensor.detach().new_empty((count, *tensor.shape)).requires_grad_(tensor.requires_grad)


def _own(value: Any) -> Any:
    """An option that can be set without setting that of another."""
    return value.clone() if isinstance(value, torch.Tensor) else value


def _agree(one: torch.Tensor, other: torch.Tensor, tolerance: float, least_size: float = 0.0) -> bool:
    """Whether they are the same but for rounding, or both beyond numbers."""
    difference, size = float((one - other).float().norm()), max(float(other.float().norm()), least_size)
    return difference <= tolerance * size or not bool(torch.isfinite(one).all() or torch.isfinite(other).all())


def _joined(batches: Sequence[Any]) -> tuple[list[torch.Tensor], Callable[[Sequence[torch.Tensor]], Any]]:
    """The tensors of several batches, stacked, and what makes a batch of one of each; none, if there is one batch.

    Raises: CannotBatch if they are not of one form and shape.
    """
    if len(batches) == 1:
        return [], lambda _: batches[0]
    flat = [tree_flatten(batch) for batch in batches]
    form = flat[0][1]
    if any(other != form for _, other in flat):
        raise CannotBatch("the batches have different forms")
    columns = list(zip(*(leaves for leaves, _ in flat), strict=True))
    stacked: list[torch.Tensor] = []
    for column in columns:
        if isinstance(column[0], torch.Tensor):
            if len({(value.shape, value.dtype) for value in column}) > 1:
                raise CannotBatch("the batches have different shapes")
            stacked.append(torch.stack(column))
        elif any(value != column[0] for value in column):
            raise CannotBatch(f"the batches hold different values of {type(column[0]).__name__}")

    def together(tensors: Sequence[torch.Tensor]) -> Any:
        waiting = iter(tensors)
        leaves = [next(waiting) if isinstance(column[0], torch.Tensor) else column[0] for column in columns]
        return tree_unflatten(leaves, form)

    return stacked, together
