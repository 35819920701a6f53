"""A snapshot that copies a tensor when a step is about to change it, and of sparse tables only the rows it touches.

What makes that safe is PyTorch's own copy-on-write. A *guard* is a second tensor on the same memory. Whoever writes to
either first is given memory of its own, and that holds for every way to write that PyTorch knows: in place, through
`.data`, a view or `set_`, by a fused kernel, by an extension or numpy asking for the address. So no rule about which
code may write to what has to be right. The rules here only decide what is copied *in time*: before its optimizer
changes a tensor it is copied and its guard taken away, which leaves the tensor's memory where it is. A write that
nobody expected moves the tensor to new memory instead, the guard is left with the old memory and the old values, and
`restore` puts the tensor back there.

Tensors that share memory with others, that are small, or whose memory PyTorch did not allocate are copied at once.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.optim import SGD, Adagrad, Optimizer, SparseAdam
from torch.optim import optimizer as optimizer_module

from lrrange_torch.snapshot.copy_stores import Copies, PutBack
from lrrange_torch.snapshot.snapshot import Snapshot

# What this needs of torch and is no public name there.
_NEEDED = ("_is_cow_tensor", "_storage_Use_Count")

# Bytes from which on a guard is cheaper than a copy.
_WORTH_A_GUARD = 1 << 16

# Part of a table's rows from which on a batch is searched for rows that it names twice. The search takes as long as the
# copy, and what is copied twice until then is no more than this part.
_REPEATS_ARE_LOOKED_FOR = 1 / 32

# Optimizers that change, of a table with a sparse gradient and of their state for it, only the rows in that gradient,
# and in which of their param groups they do.
_ROW_BY_ROW: dict[type[Optimizer], Callable[[Mapping[str, Any]], bool]] = {
    # Momentum of earlier steps moves other rows too.
    SGD: lambda group: _is_zero(group["momentum"]) and _is_zero(group["weight_decay"]),
    Adagrad: lambda group: _is_zero(group["weight_decay"]),
    SparseAdam: lambda _: True,
}


def _has_copy_on_write() -> bool:
    return hasattr(torch, "_lazy_clone") and all(hasattr(torch._C, name) for name in _NEEDED)


def why_not_lazy(*models: nn.Module) -> str | None:
    """Why a training of these must be copied in full; None if it need not."""
    if not _has_copy_on_write():
        return f"torch {torch.__version__} has no copy-on-write"
    for module in (module for model in models for module in model.modules()):
        # Compiled code and captured graphs hold addresses, under which a guard could not see them write.
        if hasattr(module, "_orig_mod") or getattr(module, "_compiled_call_impl", None) is not None:
            return "the model is compiled"
        if "forward" in vars(module) and any(parameter.is_cuda for parameter in module.parameters()):
            return "a module's forward was replaced, maybe by a captured CUDA graph"
    return None


class LazySnapshot(Snapshot):
    """As `Snapshot`, for a training whose optimizers' steps it is told of.

    Args:
        optimizers: to be watched: their parameters and the state of these are copied when they are about to change.
        copies: where to; by default the tensor's own memory. What is copied of sparse tables is always there.
        within: a snapshot that is restored after this one. The tensors that it keeps, and their gradients, are left to
            it; `watch` and `copy_now` see to them too.

    Cost: one copy of what changes, and of small and shared tensors; a guard for the rest, which is no memory.
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
        self._guards: dict[int, _Guard] = {}
        self._waiting: list[_Waiting] = []
        self._open: list[_Guard] = []
        for key, (value, _) in within._kept.items() if within is not None else ():
            if isinstance(value, torch.Tensor):
                self._kept[key] = value, _leave

    def watch(self) -> list[Any]:
        """Hear of the optimizers' steps, once all is kept. Returns the hooks, to be removed before `restore`."""
        all_guards = self._all_guards()
        hooks: list[Any] = []
        # Compiled into a compiled step, they might take a guard away after the write and not before.
        before, after = map(torch.compiler.disable, (self._before_step, self._after_step))
        for optimizer in self._optimizers:
            waiting = list(_waiting_in(optimizer, all_guards))
            self._waiting += waiting
            if waiting:
                hooks.append(optimizer.register_step_pre_hook(before))
            if any(one.by_rows for one in waiting):
                hooks.append(optimizer.register_step_post_hook(after))
        return hooks

    def copy_now(self) -> None:
        """Copy all that is guarded, for a training that `why_not_lazy` speaks against."""
        for guard in self._all_guards().values():
            guard.copy()

    def _all_guards(self) -> dict[int, "_Guard"]:
        return self._guards if self._within is None else self._within._all_guards() | self._guards

    @property
    def copied_bytes(self) -> int:
        """Bytes of dense tensors that were copied so far, without those that are left to `within`."""
        return self._copied_bytes + sum(guard.copied_bytes for guard in self._guards.values())

    def _keep_values(self, tensor: torch.Tensor) -> Callable[[], None]:
        guard = _Guard.on(tensor, self._copies)
        if guard is None:
            return super()._keep_values(tensor)
        self._guards[id(tensor)] = guard
        return guard.put_back

    def _before_step(self, optimizer: Optimizer, args: Any, kwargs: Any) -> Any:
        if not any(callable(value) for value in (*args[1:], *kwargs.values())):
            self._copy_in_time(optimizer)
            return None
        # An optimizer that is given a closure makes the gradients itself, and what changes is known when it has them.
        # Should it change something sooner, the guards are there.
        return (args[0], *(self._then_copying(optimizer, value) for value in args[1:])), {
            name: self._then_copying(optimizer, value) for name, value in kwargs.items()
        }

    def _then_copying(self, optimizer: Optimizer, argument: Any) -> Any:
        if not callable(argument):
            return argument

        def closure() -> Any:
            loss = argument()
            self._copy_in_time(optimizer)
            return loss

        return closure

    @torch.no_grad()
    def _copy_in_time(self, optimizer: Optimizer) -> None:
        self._waiting = [one for one in self._waiting if one.optimizer is not optimizer or self._waits_on(one)]

    def _waits_on(self, waiting: "_Waiting") -> bool:
        """Copy what this step changes of these tensors. Returns whether some of them are still unchanged after it."""
        grad = waiting.parameter.grad
        if grad is None:
            return True
        rows = grad._indices()[0] if waiting.by_rows and grad.is_sparse and grad.sparse_dim() == 1 else None
        if rows is None:
            for guard in waiting.guards:
                guard.copy()
            return False
        for guard in waiting.guards:
            if guard.has_rows_of(waiting.parameter):
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


class _Waiting:
    """A parameter and the guards on it and its state, which wait for a step that changes them."""

    __slots__ = ("by_rows", "guards", "optimizer", "parameter")

    def __init__(self, optimizer: Optimizer, parameter: torch.Tensor, guards: list["_Guard"], by_rows: bool) -> None:
        self.optimizer = optimizer
        self.parameter = parameter
        self.guards = guards
        self.by_rows = by_rows


def _waiting_in(optimizer: Optimizer, guards: Mapping[int, "_Guard"]) -> Iterator[_Waiting]:
    row_by_row = _ROW_BY_ROW.get(type(optimizer)) if steps_alone(optimizer) else None
    for group in optimizer.param_groups:
        by_rows = row_by_row is not None and row_by_row(group)
        for parameter in group["params"]:
            state = optimizer.state.get(parameter, {})
            tensors = [parameter, *(value for value in state.values() if isinstance(value, torch.Tensor))]
            found = [guards[id(tensor)] for tensor in tensors if id(tensor) in guards]
            if found:
                yield _Waiting(optimizer, parameter, found, by_rows)


class _Guard:
    """One tensor's values, by copy-on-write until `copy`, then by a copy."""

    @classmethod
    @torch.no_grad()
    def on(cls, tensor: torch.Tensor, copies: Copies) -> "_Guard | None":
        """A guard on this tensor; None if it should rather be copied."""
        plain = type(tensor) in (torch.Tensor, nn.Parameter) and tensor.layout is torch.strided
        if (
            not (plain and _has_copy_on_write())
            or tensor.device.type not in ("cpu", "cuda")
            or tensor.nbytes < _WORTH_A_GUARD
        ):
            return None
        if 0 in tensor.stride():
            return None
        # Other tensors on this memory, a numpy array among them, could not follow the tensor to new memory and back.
        if _uses(tensor) != _uses(torch.empty(1)):
            return None
        try:
            return cls(tensor, copies)
        except RuntimeError:
            return None  # memory that is shared between processes, mapped from a file, or not from PyTorch

    def __init__(self, tensor: torch.Tensor, copies: Copies) -> None:
        self._tensor = tensor
        self._copies = copies
        self._alias = tensor.data
        self._requires_grad = tensor.requires_grad
        self._clone: torch.Tensor | None = torch._lazy_clone(self._alias)
        self._put_back: PutBack | None = None
        self._rows: list[tuple[torch.Tensor, torch.Tensor]] = []
        self._row_count = 0
        self._seen: torch.Tensor | None = None

    @property
    def copied_bytes(self) -> int:
        """Bytes that were copied so far."""
        whole = self._alias.nbytes if self._put_back is not None or self._moved else 0
        seen = self._seen.nbytes if self._seen is not None else 0
        return whole + seen + sum(index.nbytes + values.nbytes for index, values in self._rows)

    @property
    def _moved(self) -> bool:
        """Whether a write that nobody expected has moved the tensor, and left its old memory to the guard."""
        return self._clone is not None and not torch._C._is_cow_tensor(self._alias)  # type: ignore[attr-defined]

    @property
    def _is_safe(self) -> bool:
        """Whether what is written to the tensor from here on cannot reach the values."""
        return self._put_back is not None or self._moved or not _same_storage(self._tensor, self._alias)

    def has_rows_of(self, parameter: torch.Tensor) -> bool:
        """Whether rows of `parameter` are rows here too."""
        return self._alias.dim() > 0 and len(self._alias) == len(parameter)

    def copy(self) -> None:
        """Copy all of it: the next write is expected, and may change anything."""
        if not self._is_safe:
            self._put_back = self._copies.keep(self._alias)
            self._clone = None

    def copy_rows(self, index: torch.Tensor) -> None:
        """Copy these rows: the next write is expected and changes no others. `close` follows it."""
        if self._is_safe:
            return
        if not index.is_cuda:  # where finding the new ones among them would wait for the device
            if self._seen is None:
                self._seen = torch.zeros(len(self._alias), dtype=torch.bool)
            index = index.masked_select(~self._seen.index_select(0, index))
            if self._row_count + len(index) > len(self._alias) * _REPEATS_ARE_LOOKED_FOR:
                index = torch.unique(index)
            self._seen.index_fill_(0, index, True)
        elif self._row_count + len(index) > len(self._alias):
            self.copy()
            return
        else:
            index = index.clone()
        if len(index):
            self._rows.append((index, self._alias.index_select(0, index)))
            self._row_count += len(index)
        self._clone = None

    def close(self) -> None:
        """Guard it again, after a write that was expected."""
        if self._put_back is None and self._clone is None:
            self._clone = torch._lazy_clone(self._alias)

    def put_back(self) -> None:
        """Give the tensor its values and its memory back."""
        home = self._alias
        if self._moved and self._clone is not None:
            home = self._clone
        elif self._put_back is not None:
            self._put_back(home)
        self._clone = None
        for index, values in reversed(self._rows):  # a row that was copied twice had its first value at first
            home.index_copy_(0, index, values)
        home.data_ptr()  # asking for the address ends the copy-on-write, which has no other party any more
        if not (_same_storage(self._tensor, home) and _same_shape(self._tensor, home)):
            self._tensor.data = home
        if self._tensor.is_leaf and self._tensor.requires_grad != self._requires_grad:
            self._tensor.requires_grad_(self._requires_grad)


def _uses(tensor: torch.Tensor) -> int:
    """How many tensors there are on this one's memory, itself and what asks included."""
    return int(torch._C._storage_Use_Count(tensor.untyped_storage()._cdata))


def _same_storage(one: torch.Tensor, other: torch.Tensor) -> bool:
    return bool(one.untyped_storage()._cdata == other.untyped_storage()._cdata)


def _same_shape(one: torch.Tensor, other: torch.Tensor) -> bool:
    where = one.storage_offset() == other.storage_offset() and one.stride() == other.stride()
    return bool(where and one.shape == other.shape and one.dtype == other.dtype)


def _leave() -> None:
    """What becomes of a tensor that another snapshot puts back."""


def _is_zero(value: object) -> bool:
    return isinstance(value, (int, float)) and value == 0


def steps_alone(optimizer: Optimizer) -> bool:
    """Whether a step is the optimizer's own code and no other: no hooks, no `step` in its class's place."""
    hooks = (
        optimizer._optimizer_step_pre_hooks,
        optimizer._optimizer_step_post_hooks,
        optimizer_module._global_optimizer_pre_hooks,
        optimizer_module._global_optimizer_post_hooks,
    )
    step = vars(optimizer).get("step")
    # The step that an LR scheduler puts there counts, and calls the class's.
    return not any(hooks) and (step is None or getattr(step, "_wrapped_by_lr_sched", False))
