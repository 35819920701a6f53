"""The weights of several runs in one stack: batched passes, and updates of each run at its own rate."""

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

from lrrange.protocol import is_blow_up, raised_by_a_signal
from lrrange_torch.optimizer.rates import set_rate
from lrrange_torch.snapshot.digest import digest_of
from lrrange_torch.vmap.eligibility import CannotBatch, TrainingSetup

# Losses and gradients that differ by more than this part differ by more than rounding. Sums of products in another
# order differ by some units in the last place, and by a thousandth where a GPU multiplies in TF32.
_LEAST_TOLERANCE = 2e-3

# A gradient that is zero in theory, for example of a bias before a softmax, is made of the rounding errors of others.
# So a gradient smaller than this part of all gradients may differ by as much as if it were of that size.
_SMALL_GRADIENT = 0.1


# What code that runs without vmap may raise under it: PyTorch's own errors, which have no class of their own, and
# errors of code that takes a batched tensor for an ordinary one. Any other error comes from the user's code
# or a watchdog, and is not caught: it might not be raised a second time.
_OF_A_BATCHED_PASS = (
    RuntimeError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    AssertionError,
)


class _ObjectiveModule(nn.Module):
    """An objective as a module, so that `functional_call` can replace the weights of the model that it calls."""

    def __init__(self, setup: TrainingSetup) -> None:
        super().__init__()
        self.model = setup.model
        self._objective = setup.objective

    def forward(self, batch: Any) -> tuple[torch.Tensor, Any]:
        return self._objective(batch, training=False)  # under vmap no tensor shows that it requires a gradient


class StackedWeights:
    """The weights and optimizer states of several runs, and a step of all at once.

    Args:
        setups: of each run; several runs may have the same. A model must be at the start of a run only when `fill` is
            called for that run.
        shared: whether buffers and frozen parameters are the same for all runs, and need no stack.

    Attributes:
        skipped: for each run, the number of steps that did not move its weights, because its loss was not finite.
        raised: by run, the error that its own pass raised, and that a rate that is too high may have caused. The run
            takes no further step.
    """

    def __init__(self, setups: Sequence[TrainingSetup], shared: bool) -> None:
        self._setups = setups
        self._module = _ObjectiveModule(setups[0])
        count, trained = len(setups), setups[0].trained
        self._stacks = {name: _stack(parameter, count) for name, parameter in trained.items()}
        self._slices = [
            {name: nn.Parameter(stack.detach()[run]) for name, stack in self._stacks.items()} for run in range(count)
        ]
        rest = {name: tensor for name, tensor in tensors_of(setups[0].model).items() if name not in trained}
        self._fixed = {name: t.detach().clone() if shared else _stack(t, count) for name, t in rest.items()}
        self._fixed_dim = None if shared else 0
        self._group_rates: list[tuple[int, float]] = []  # for each param group, its run and its part of the run's rate
        self._held: list[list[nn.Parameter]] = [[] for _ in setups]  # for each run, what the optimizer holds of it
        self._optimizer: Optimizer
        self.skipped = [0] * count
        self.raised: dict[int, Exception] = {}

    @torch.no_grad()
    def fill(self, run: int) -> None:
        """Copy a run's weights from its model, as they are now."""
        for name, value in tensors_of(self._setups[run].model).items():
            if name in self._stacks:
                self._slices[run][name].copy_(value)
            elif self._fixed_dim is not None:
                self._fixed[name][run].copy_(value)

    @torch.no_grad()
    def load(self, run: int) -> None:
        """Copy a run's weights into its model, as they are now."""
        for name, value in tensors_of(self._setups[run].model).items():
            if name in self._stacks:
                value.copy_(self._slices[run][name])
            else:
                value.copy_(self._fixed[name] if self._fixed_dim is None else self._fixed[name][run])

    def make_optimizer(self) -> None:
        """Make one optimizer for all runs, with each run's options and states."""
        states: dict[torch.Tensor, dict[str, Any]] = {}
        groups = []
        for run, setup in enumerate(self._setups):
            slice_of = {id(parameter): self._slices[run][name] for name, parameter in setup.trained.items()}
            for group, ratio in zip(setup.optimizer.param_groups, setup.ratios, strict=True):
                held = [parameter for parameter in group["params"] if id(parameter) in slice_of]
                if not held:
                    continue
                options = {key: _own_copy(value) for key, value in group.items() if not key.startswith("param")}
                groups.append({**options, "params": [slice_of[id(parameter)] for parameter in held]})
                self._held[run] += groups[-1]["params"]
                self._group_rates.append((run, ratio))
                state = setup.optimizer.state
                states.update({slice_of[id(p)]: copy.deepcopy(state[p]) for p in held if p in state})
        make: Any = type(self._setups[0].optimizer)  # the groups hold all of its options
        self._optimizer = make(groups)
        self._optimizer.state.update(states)

    def check(self, batches: Sequence[Any], runs: Sequence[int]) -> None:
        """Compare a batched pass with each model's own pass, while the models are at the starts of these runs.

        Raises: CannotBatch if it differs, or cannot be made.
        """
        expected = {run: _own_pass(self._setups[run], batches[run % len(batches)]) for run in runs}
        losses, _ = self._batched_pass(batches)
        tolerance = self._tolerance(losses)
        for run, (loss, gradients) in expected.items():
            if not torch.isfinite(loss):
                raise CannotBatch(f"the first loss is {float(loss)}, which says nothing about those that follow")
            if not _agree(losses[run], loss, tolerance):
                raise CannotBatch(f"the loss of a batched pass is {float(losses[run]):.6g} and not {float(loss):.6g}")
            size = math.hypot(*(float(gradient.norm()) for gradient in gradients.values() if gradient is not None))
            for name, gradient in gradients.items():
                stack = self._stacks[name].grad
                if (stack is None) != (gradient is None) or (
                    stack is not None
                    and gradient is not None
                    and not _agree(stack[run], gradient, tolerance, _SMALL_GRADIENT * size)
                ):
                    raise CannotBatch(f"the gradient of {name} differs in a batched pass")
            for name, parameter in self._setups[run].trained.items():
                # A gradient of the model's own parameters counts even if it is zero: with a penalty on the distance
                # from the initial weights, for example, it is zero only at the start.
                if parameter.grad is not None:
                    raise CannotBatch(f"the loss uses {name} directly, and not only through the model")

    def step(
        self, draw: Callable[[], Sequence[Any]], rates: Mapping[int, float], skip_non_finite: bool
    ) -> list[torch.Tensor]:
        """Take one optimizer step of some of the runs.

        Args:
            draw: returns the next micro-batch: one batch for every run, or one for all. It is called once for each
                micro-batch of the step, so that only one is in memory.
            rates: by run. Runs without one are left as they are.
            skip_non_finite: read the losses now, and leave a run as it is if its loss is not finite.
        Returns: the loss of each run, shape (runs,), and its metric if one is recorded.
        """
        self._drop_gradients(range(len(self._setups)))
        accumulate = self._setups[0].accumulate
        passes = [self._pass(draw(), rates) for _ in range(accumulate)]
        losses = torch.stack([losses for losses, _ in passes]).sum(0)
        recorded = [losses / accumulate]
        if self._setups[0].objective.quantity is not None:
            recorded.append(torch.stack([metrics for _, metrics in passes]).sum(0) / accumulate)
        rates = {run: rate for run, rate in rates.items() if run not in self.raised}
        if skip_non_finite:
            finite = torch.isfinite(losses).tolist()
            for run in rates:
                self.skipped[run] += not finite[run]
            rates = {run: rate for run, rate in rates.items() if finite[run]}
        self._drop_gradients(run for run in range(len(self._setups)) if run not in rates)
        for (run, ratio), group in zip(self._group_rates, self._optimizer.param_groups, strict=True):
            if run in rates:
                set_rate(group, "lr", rates[run] * ratio)
        for run in rates:
            if (norm := self._setups[run].clip_norm) is not None:
                nn.utils.clip_grad_norm_(self._held[run], norm)
        self._optimizer.step()
        return recorded

    def _pass(self, batches: Sequence[Any], runs: Iterable[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Compute the gradients of one batch for each run. Return the losses and recorded values, of shape (runs,)."""
        try:
            result = self._batched_pass(batches)
        except CannotBatch:  # for example if the batches have different shapes
            return self._single_passes(batches, runs)  # in which a faulty batch raises its own error
        for name, stack in self._stacks.items():
            if stack.grad is not None:
                for slices, gradient in zip(self._slices, stack.grad.unbind(), strict=True):
                    before = slices[name].grad
                    slices[name].grad = gradient if before is None else before + gradient
        return result

    def _batched_pass(self, batches: Sequence[Any]) -> tuple[torch.Tensor, torch.Tensor]:
        """Compute losses, recorded values and gradients of all runs in one pass. Raises: CannotBatch; other errors."""
        for stack in self._stacks.values():
            stack.grad = None
        leaves, batch_of = _joined(batches)

        def single(trained: dict[str, torch.Tensor], fixed: dict[str, torch.Tensor], *leaves: torch.Tensor) -> Any:
            tensors = {f"model.{name}": value for name, value in (*trained.items(), *fixed.items())}
            return functional_call(self._module, tensors, (batch_of(leaves),))

        try:
            losses, recorded = vmap(single, in_dims=(0, self._fixed_dim, *(0 for _ in leaves)))(
                self._stacks, self._fixed, *leaves
            )
            (losses.sum() / self._setups[0].accumulate).backward()
        except _OF_A_BATCHED_PASS as error:
            if raised_by_a_signal(error):
                raise
            text = str(error).strip().partition("\n")[0][:200]
            raise CannotBatch(f"{type(error).__name__}: {text}") from error
        return losses.detach().flatten(), recorded.detach().flatten()

    def _single_passes(self, batches: Sequence[Any], runs: Iterable[int]) -> tuple[torch.Tensor, torch.Tensor]:
        results: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        for run in (run for run in runs if run not in self.raised):
            try:
                results[run] = self._single_pass(batches[run % len(batches)], run)
            except Exception as error:
                if not is_blow_up(error):
                    raise
                self.raised[run] = error
        device = self._setups[0].objective.device
        zero = next((torch.zeros_like(loss) for loss, _ in results.values()), torch.zeros((), device=device))
        losses, recorded = zip(*(results.get(run, (zero, zero)) for run in range(len(self._setups))), strict=True)
        return torch.stack(losses), torch.stack(recorded)

    def _single_pass(self, batch: Any, run: int) -> tuple[torch.Tensor, torch.Tensor]:
        fixed = self._fixed if self._fixed_dim is None else {name: t[run] for name, t in self._fixed.items()}
        tensors = {f"model.{name}": value for name, value in (*self._slices[run].items(), *fixed.items())}
        loss, value = functional_call(self._module, tensors, (batch,))
        (loss / self._setups[0].accumulate).backward()
        return loss.detach().reshape(()), torch.as_tensor(value, device=loss.device).reshape(())

    def _drop_gradients(self, runs: Iterable[int]) -> None:
        for run in runs:
            for parameter in self._slices[run].values():
                parameter.grad = None

    def _tolerance(self, losses: torch.Tensor) -> float:
        dtypes = {losses.dtype, self._setups[0].objective.autocast, *(stack.dtype for stack in self._stacks.values())}
        return max(_LEAST_TOLERANCE, *(math.sqrt(torch.finfo(dtype).eps) for dtype in dtypes if dtype is not None))


def _own_pass(setup: TrainingSetup, batch: Any) -> tuple[torch.Tensor, dict[str, torch.Tensor | None]]:
    """Return a model's own loss and gradients. Raises: CannotBatch if a pass changes what the next pass may use."""
    before = list(_changeable(setup.model))
    loss, _ = setup.objective(batch)
    (loss / setup.accumulate).backward()  # type: ignore[no-untyped-call]
    gradients = {name: parameter.grad for name, parameter in setup.trained.items()}
    for parameter in setup.trained.values():
        parameter.grad = None
    for entry_before, entry_after in itertools.zip_longest(before, _changeable(setup.model)):
        if entry_before != entry_after:
            raise CannotBatch(f"a forward pass changes {(entry_after or entry_before)[0]}")
    return loss.detach(), gradients


def _changeable(model: nn.Module) -> Iterator[tuple[str, Any]]:
    """Yield values and checksums of what a forward pass may change: buffers, other attributes, random states."""
    return digest_of(
        {
            f"{name}.{key}".removeprefix("."): value
            for name, module in model.named_modules()
            for key, value in (vars(module) | module._buffers).items()
            if key not in ("_parameters", "_buffers", "_modules")
        }
    )


def tensors_of(model: nn.Module) -> dict[str, torch.Tensor]:
    """Return parameters and buffers, by name."""
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def _stack(tensor: torch.Tensor, count: int) -> torch.Tensor:
    """Return an empty stack for `count` such tensors: a leaf that requires a gradient if the tensor does."""
    return tensor.detach().new_empty((count, *tensor.shape)).requires_grad_(tensor.requires_grad)


def _own_copy(option: Any) -> Any:
    """Return an option of a param group, copied if it is a tensor, so that setting it changes no other group."""
    return option.clone() if isinstance(option, torch.Tensor) else option


def _agree(value: torch.Tensor, expected: torch.Tensor, tolerance: float, least_size: float = 0.0) -> bool:
    """Return whether two tensors are equal up to rounding, or both have numbers that are not finite."""
    difference, size = float((value - expected).float().norm()), max(float(expected.float().norm()), least_size)
    return difference <= tolerance * size or not bool(torch.isfinite(value).all() or torch.isfinite(expected).all())


def _joined(batches: Sequence[Any]) -> tuple[list[torch.Tensor], Callable[[Sequence[torch.Tensor]], Any]]:
    """Return the tensors of several batches, stacked, and a function that makes a batch of one slice of each stack.

    A single batch, for all runs, is not stacked: there are no tensors then, and the function returns the batch.

    Raises: CannotBatch if the batches are not of one form and shape.
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

    def batch_of(tensors: Sequence[torch.Tensor]) -> Any:
        remaining = iter(tensors)
        leaves = [next(remaining) if isinstance(column[0], torch.Tensor) else column[0] for column in columns]
        return tree_unflatten(leaves, form)

    return stacked, batch_of
