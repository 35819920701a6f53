"""A snapshot that copies a tensor when a step is about to change it, and of sparse tables only the rows it touches.

What makes that safe is PyTorch's own copy-on-write. A *guard* is a second tensor on the same memory. Whoever writes to
either first is given memory of its own, and that holds for every way to write that PyTorch knows: in place, through
`.data`, a view or `set_`, by a fused kernel, by an extension or numpy asking for the address. So no rule about which
code may write to what has to be right. The rules here only decide what is copied *in time*: before its optimizer
changes a tensor, the tensor is copied and its guard is removed, which leaves the tensor's memory where it is. An
unexpected write moves the tensor to new memory instead. Then the guard is left with the old memory and the old values,
and `restore` puts the tensor back there.

Only parameters, gradients and optimizer state have guards. Other tensors might be resized in place, which PyTorch's
copy-on-write does not survive, so they are copied at once. Tensors that share memory with others, that are small, or
whose memory PyTorch did not allocate are copied at once too.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.optim import SGD, Adagrad, Optimizer, SparseAdam
from torch.optim import optimizer as optimizer_module

from lrrange_torch.inventory.inventory import Item
from lrrange_torch.random_state import Undo
from lrrange_torch.snapshot.copy_stores import Copies
from lrrange_torch.snapshot.snapshot import Snapshot
from lrrange_torch.snapshot.tensor_guard import TensorGuard, has_copy_on_write

# Optimizers that change only the rows in a sparse gradient, both of the table and of their state for it; and in which
# of their param groups they do.
_ROW_BY_ROW: dict[type[Optimizer], Callable[[Mapping[str, Any]], bool]] = {
    # Momentum of earlier steps moves other rows too.
    SGD: lambda group: _is_zero(group["momentum"]) and _is_zero(group["weight_decay"]),
    Adagrad: lambda group: _is_zero(group["weight_decay"]),
    SparseAdam: lambda _: True,
}


def why_not_lazy(*models: nn.Module) -> str | None:
    """Return why a training of these models must be copied in full; None if a `LazySnapshot` will do."""
    if not has_copy_on_write():
        return f"torch {torch.__version__} has no copy-on-write"
    for module in (module for model in models for module in model.modules()):
        # Compiled code and captured graphs hold addresses. A guard could not see them write there.
        if is_compiled(module):
            return "the model is compiled"
        if "forward" in vars(module) and any(parameter.is_cuda for parameter in module.parameters()):
            return "a module's forward was replaced, maybe by a captured CUDA graph"
    return None


def is_compiled(module: nn.Module) -> bool:
    """Return whether this module is run by compiled code, by `torch.compile(module)` or `module.compile()`."""
    return hasattr(module, "_orig_mod") or module._compiled_call_impl is not None


class LazySnapshot(Snapshot):
    """A `Snapshot` for a training whose optimizers' steps it can watch: a tensor is copied before a step changes it.

    Args:
        optimizers: to watch. Their parameters and their state are copied when they are about to change.
        copies: where tensors are copied to; by default beside them. Rows of sparse tables are always copied
            beside them.
        within: a snapshot that is restored after this one. The tensors that it keeps, and their gradients, are left to
            it; `watch` and `copy_now` take care of them too.

    Cost: one copy of what changes, and of small and shared tensors. The other tensors get a guard, which takes no
        memory.
    """

    def __init__(
        self,
        optimizers: Sequence[Optimizer] = (),
        copies: Copies | None = None,
        *,
        within: "LazySnapshot | None" = None,
    ) -> None:
        super().__init__(copies)
        self._optimizers = optimizers
        self._within = within
        self._guards: dict[int, TensorGuard] = {}
        self._waiting: list[_GuardedParameter] = []
        self._open: list[TensorGuard] = []
        # Ids of tensors other than parameters that no step resizes: state of optimizers, and gradients.
        self._never_resized: set[int] = set()
        for tensor in within._tensors.values() if within is not None else ():
            self._inventory.leave_out(tensor)

    def watch(self) -> list[Any]:
        """Register hooks on the optimizers' steps, once all is kept. Return them, to be removed before `restore`."""
        all_guards = self._all_guards()
        hooks: list[Any] = []
        for optimizer in self._optimizers:
            waiting = list(_guarded_parameters(optimizer, all_guards))
            self._waiting += waiting
            if waiting:
                # Compiled into a compiled step, it might remove a guard after the write and not before.
                before = torch.compiler.disable(self._before_step)  # type: ignore[no-untyped-call]
                hooks.append(optimizer.register_step_pre_hook(before))
            if any(guarded.by_rows for guarded in waiting):
                after = torch.compiler.disable(self._after_step)  # type: ignore[no-untyped-call]
                hooks.append(optimizer.register_step_post_hook(after))
        return hooks

    def copy_now(self) -> None:
        """Copy everything that is guarded, for a training that must be copied in full (see `why_not_lazy`)."""
        for guard in self._all_guards().values():
            guard.copy()

    def _all_guards(self) -> dict[int, TensorGuard]:
        return self._guards if self._within is None else self._within._all_guards() | self._guards

    @property
    def copied_bytes(self) -> int:
        """Bytes of dense tensors that were copied so far, without those that are left to `within`."""
        return self._copied_bytes + sum(guard.copied_bytes for guard in self._guards.values())

    def _keep_item(self, item: Item) -> None:
        if issubclass(type(item.value), Optimizer):
            self._never_resized.update(map(id, _tensors_of(item.value)))
        super()._keep_item(item)

    def _keep_grad(self, tensor: torch.Tensor, item: Item) -> None:
        self._never_resized.add(id(tensor.grad))
        super()._keep_grad(tensor, item)

    def _undo_of_values(self, tensor: torch.Tensor) -> Undo:
        never_resized = isinstance(tensor, nn.Parameter) or id(tensor) in self._never_resized
        guard = TensorGuard.on(tensor, self._copies) if never_resized else None
        if guard is None:
            return super()._undo_of_values(tensor)
        self._guards[id(tensor)] = guard
        return guard.put_back

    def _before_step(self, optimizer: Optimizer, args: Any, kwargs: Any) -> Any:
        if not any(callable(value) for value in (*args[1:], *kwargs.values())):
            self._copy_in_time(optimizer)
            return None
        # An optimizer that is given a closure calls it to compute the gradients. Only then is it known what changes. If
        # the optimizer changes something sooner, the guards are there.
        return (args[0], *(self._then_copying(optimizer, value) for value in args[1:])), {
            name: self._then_copying(optimizer, value) for name, value in kwargs.items()
        }

    def _then_copying(self, optimizer: Optimizer, argument: Any) -> Any:
        """Return a closure that also copies what the step is about to change; any other argument unchanged."""
        if not callable(argument):
            return argument

        def closure() -> Any:
            loss = argument()
            self._copy_in_time(optimizer)
            return loss

        return closure

    @torch.no_grad()
    def _copy_in_time(self, optimizer: Optimizer) -> None:
        self._waiting = [
            guarded
            for guarded in self._waiting
            if guarded.optimizer is not optimizer or self._still_unchanged_after_step(guarded)
        ]

    def _still_unchanged_after_step(self, guarded: "_GuardedParameter") -> bool:
        """Copy what this step changes of these tensors. Return whether the step leaves a part of them unchanged."""
        grad = guarded.parameter.grad
        if grad is None:
            return True
        rows = grad._indices()[0] if guarded.by_rows and grad.is_sparse and grad.sparse_dim() == 1 else None
        if rows is None:
            for guard in guarded.guards:
                guard.copy()
            return False
        for guard in guarded.guards:
            if guard.has_rows_of(guarded.parameter):
                guard.copy_rows(rows)
                self._open.append(guard)
            else:
                guard.copy()
        return True

    @torch.no_grad()
    def _after_step(self, *_: Any) -> None:
        for guard in self._open:
            guard.close()
        self._open.clear()


class _GuardedParameter:
    """A parameter, and the guards on it and on the optimizer's state for it, until a step changes all of them."""

    __slots__ = ("by_rows", "guards", "optimizer", "parameter")

    def __init__(self, optimizer: Optimizer, parameter: torch.Tensor, guards: list[TensorGuard], by_rows: bool) -> None:
        self.optimizer = optimizer
        self.parameter = parameter
        self.guards = guards
        self.by_rows = by_rows


def _guarded_parameters(optimizer: Optimizer, guards: Mapping[int, TensorGuard]) -> Iterator[_GuardedParameter]:
    row_by_row = _ROW_BY_ROW.get(type(optimizer)) if steps_alone(optimizer) else None
    for group in optimizer.param_groups:
        by_rows = row_by_row is not None and row_by_row(group)
        for parameter in group["params"]:
            state = optimizer.state.get(parameter, {})
            tensors = [parameter, *(value for value in state.values() if isinstance(value, torch.Tensor))]
            own_guards = [guards[id(tensor)] for tensor in tensors if id(tensor) in guards]
            if own_guards:
                yield _GuardedParameter(optimizer, parameter, own_guards, by_rows)


def _tensors_of(optimizer: Optimizer) -> Iterator[torch.Tensor]:
    """Yield the parameters of an optimizer, and the tensors of its state."""
    for group in optimizer.param_groups:
        yield from group["params"]
    for state in optimizer.state.values():
        if isinstance(state, dict):
            yield from (value for value in state.values() if isinstance(value, torch.Tensor))


def _is_zero(value: object) -> bool:
    return isinstance(value, (int, float)) and value == 0


def steps_alone(optimizer: Optimizer) -> bool:
    """Return whether a step runs the optimizer's own code only: no hooks, and no `step` that replaces its class's."""
    hooks = (
        optimizer._optimizer_step_pre_hooks,
        optimizer._optimizer_step_post_hooks,
        optimizer_module._global_optimizer_pre_hooks,
        optimizer_module._global_optimizer_post_hooks,
    )
    step = vars(optimizer).get("step")
    # A step that an LR scheduler has put there only counts steps and calls the class's.
    return not any(hooks) and (step is None or getattr(step, "_wrapped_by_lr_sched", False))
