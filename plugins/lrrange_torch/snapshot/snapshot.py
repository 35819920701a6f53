"""Everything that a training step can change, kept and put back to the last bit.

`state_dict` is not enough for that. It leaves out non-persistent buffers, `.grad`, train/eval modes, hooks that the
first step registers, attributes in which a module, a loss or a sampler counts, fields of an optimizer's `param_groups`
that were added since, and which tensor object stands where. So the objects of the inventory themselves are kept: each
holder with what it holds, each tensor with a copy of its values.
"""

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from lrrange.errors import TargetError
from lrrange_torch.inventory.attributes import (
    Classes,
    Objects,
    attributes_of,
    attributes_of_tensor,
    put_tensor_attributes_back,
)
from lrrange_torch.inventory.functions import undo_of_notebook, undo_of_notes
from lrrange_torch.inventory.inventory import Inventory, Item, Place, name_of
from lrrange_torch.inventory.kind import Kind
from lrrange_torch.inventory.kind_of import NOTHING, TENSORS, kind_of
from lrrange_torch.inventory.machinery import PLAIN
from lrrange_torch.random_state import Undo, undo_of_global_states
from lrrange_torch.snapshot.copy_stores import Copies, PutBack
from lrrange_torch.snapshot.tensor_bytes import is_freed, parts_of


class Snapshot:
    """The state of everything that `keep` was given, at that time; `restore` puts it back.

    Args:
        copies: where tensors are copied to; by default beside them, on their own device.

    Attributes:
        not_kept: the name of each object that cannot be put back, with the reason.

    Cost: one copy of every tensor that can be reached from what is kept; tied tensors once. Of data, only tensors and
        arrays up to 64 KiB are copied. `lrrange_torch.snapshot.LazySnapshot` copies only what is about to change.
    """

    def __init__(self, copies: Copies | None = None) -> None:
        self._copies = Copies() if copies is None else copies
        self._inventory = Inventory()
        self._undos: list[Undo] = []
        self._tensors: dict[int, torch.Tensor] = {}
        # Of what cannot be put back: place, reason, a function that reads its state, and the state at present.
        self._watched: list[tuple[Place, str, Callable[[], object], object]] = []
        self._copied_bytes = 0
        self.not_kept: dict[str, str] = {}

    @property
    def copied_bytes(self) -> int:
        """Bytes of dense tensors that were copied so far, without data."""
        return self._copied_bytes

    def watch(self) -> list[Any]:
        """Register the hooks on optimizers that this snapshot needs, once all is kept. Return them.

        They are to be removed before `restore`. Only a `LazySnapshot` needs any.
        """
        return []

    @torch.no_grad()
    def keep(self, value: Any, name: str = "", is_data: bool = False) -> None:
        """Keep a value and everything that it holds.

        Args:
            value: an object of any type.
            name: of the value, for the names in `not_kept`.
            is_data: whether it is a loader. Of what it holds, large tensors and arrays are not copied.
        """
        for item in self._inventory.items(name, value, is_data):
            if item.kind is TENSORS:
                self._keep_tensor(item)
            elif item.is_notes:
                self._keep_notes(item)
            elif not item.is_too_large or item.kind.is_container:
                self._keep_item(item)

    def leave_out(self, value: object) -> None:
        """Leave an object out of everything that is kept from here on, and also what only it holds."""
        self._inventory.leave_out(value)

    def keep_what_the_user_named(self, value: Any, name: str = "restore") -> None:
        """Keep a value as `keep` does, and also by `state_dict` and `load_state_dict` if it has them.

        Raises: TargetError if there is no way to put `value` back.
        """
        kind = kind_of(type(value))
        if issubclass(type(value), type):
            kind = Classes()
            self._undos.append(kind.undo(value))
            for child in kind.children(value):
                self.keep(child.value, f"{name}{child.label}")
            return
        unkept = dict(self.not_kept)
        self.keep(value, name)
        if _has_state_dict(value):
            if not issubclass(type(value), nn.Module | torch.optim.Optimizer):
                self._undos.append(partial(value.load_state_dict, copy.deepcopy(value.state_dict())))
            self.not_kept = unkept
        elif kind is NOTHING or type(value) in PLAIN or not _can_be_put_back(value, kind):
            name_of_kind = type(value).__name__
            article = "an" if name_of_kind[0] in "aeiou" else "a"
            raise TargetError(
                f"restore= holds {article} {name_of_kind}, which lrrange cannot put back: it has no state_dict and "
                f"load_state_dict. Name the modules, tensors and generators in it instead.",
                kind=name_of_kind,
            )

    def keep_random_state(self) -> None:
        """Keep the global random states of python, numpy (if it is loaded), and torch on every device in use."""
        self._undos += [undo for _, undo in undo_of_global_states()]

    @torch.no_grad()
    def restore(self) -> None:
        """Put everything back. If an object cannot be put back, the others still are, and then its error is raised.

        If there are several such errors, the first is raised.
        """
        failures = []
        for undo in self._undos:
            try:
                undo()
            except Exception as error:
                failures.append(error)
        self._copies.close()
        self.not_kept |= {name_of(place): why for place, why, read, state in self._watched if read() != state}
        if failures:
            raise failures[0]

    def forget(self) -> None:
        """Drop everything that was kept, once it is restored and as the snapshot may outlive it.

        The traceback of an error may hold the snapshot for long, and so the iterators and worker processes of a fit.
        """
        self._undos.clear()
        self._watched.clear()
        self._tensors.clear()
        self._inventory = Inventory()

    def _keep_item(self, item: Item) -> None:
        why = item.kind.why_unkept(item.value)
        if why is not None:
            self._note_unkept(item, why)
        undo = item.kind.undo(item.value)
        if undo is not None:
            self._undos.append(undo)

    def _keep_notes(self, item: Item) -> None:
        """Keep what does not count as notes: a tensor in the place of a number, for example."""
        if isinstance(item.kind, Objects):
            self._undos.append(undo_of_notebook(item.value, item.kind))
        elif item.kind.is_container:
            undo = item.kind.undo(item.value)
            if undo is not None:
                self._undos.append(undo_of_notes(item.value, undo))

    def _note_unkept(self, item: Item, why: str) -> None:
        """Name an object that cannot be put back: now, or where its state can be read, once that has changed."""
        state = item.kind.digest(item.value)
        if state is None:
            self.not_kept[name_of(item.place)] = why
        else:
            self._watched.append((item.place, why, partial(item.kind.digest, item.value), state))

    def _keep_tensor(self, item: Item) -> None:
        tensor = item.value
        if item.is_too_large:
            if not tensor.is_inference():
                why = f"a tensor of {tensor.nbytes} bytes outside of a module, which is too large to copy"
                self._watched.append((item.place, why, partial(getattr, tensor, "_version"), tensor._version))
            return
        if not has_values(tensor):
            if is_freed(tensor):
                self._undos.append(partial(tensor.untyped_storage().resize_, 0))
            elif issubclass(type(tensor), nn.Parameter | nn.parameter.UninitializedBuffer) and not item.is_data:
                _refuse(tensor)
            return
        if torch._is_functional_tensor(tensor):
            self.not_kept[name_of(item.place)] = "a functional tensor"
            return
        if tensor.is_nested:
            self._undos += [_undo_of_values(part, _clone) for part in tensor.detach().unbind()]
            return
        if item.is_data:
            self._undos.append(_undo_of_values(tensor, _clone))
        else:
            self._tensors[id(tensor)] = tensor
            self._undos.append(self._undo_of_values(tensor))
        attributes = attributes_of_tensor(tensor)
        self._undos.append(partial(put_tensor_attributes_back, tensor, attributes))
        for name, attribute in attributes.items():
            self.keep(attribute, f"{name_of(item.place)}.{name}", item.is_data)
        if tensor.is_leaf:
            self._keep_grad(tensor, item)

    def _undo_of_values(self, tensor: torch.Tensor) -> Undo:
        if tensor.layout is torch.strided:
            self._copied_bytes += _without_repeats(local_part(tensor)).nbytes
        return _undo_of_values(tensor, self._copies.keep)

    def _keep_grad(self, tensor: torch.Tensor, item: Item) -> None:
        grad = tensor.grad
        if grad is not None:
            self.keep(grad, f"{name_of(item.place)}.grad", item.is_data)
        self._undos.append(partial(setattr, tensor, "grad", grad))


def snapshot_of_random_state(loader: Any) -> Snapshot:
    """Return a snapshot of every random state that the batches of `loader` are drawn from."""
    state = Snapshot()
    state.keep(loader, is_data=True)
    state.keep_random_state()
    return state


def local_part(tensor: torch.Tensor) -> torch.Tensor:
    """Return the part that this process holds of a tensor spread over several processes; any other tensor unchanged."""
    part: torch.Tensor = tensor.to_local() if hasattr(tensor, "to_local") else tensor
    return part


def _undo_of_values(tensor: torch.Tensor, keep: Callable[[torch.Tensor], PutBack]) -> Undo:
    # An alias made by `.data`, because optimizers and users may give the same tensor other memory by assigning to its
    # `.data`, and because writing through the alias leaves autograd's version counter alone.
    alias = tensor.data
    puts_back = [(part, keep(part)) for part in parts_of(local_part(_without_repeats(alias)))]
    requires_grad = tensor.requires_grad
    size = alias.untyped_storage().nbytes() if alias.layout is torch.strided else 0

    def undo() -> None:
        if size and alias.untyped_storage().nbytes() < size:
            alias.untyped_storage().resize_(size)
        if not _same_memory(tensor, alias):
            tensor.data = alias
        for part, put_back in puts_back:
            put_back(part)
        if tensor.is_leaf and tensor.requires_grad != requires_grad:
            tensor.requires_grad_(requires_grad)

    return undo


def _clone(tensor: torch.Tensor) -> PutBack:
    values = tensor.clone()
    return lambda home: home.copy_(values)


def has_values(tensor: torch.Tensor) -> bool:
    """Return whether a tensor has values: a shape, and memory that was not freed."""
    return not (tensor.is_meta or nn.parameter.is_lazy(tensor) or is_freed(tensor))


def _has_state_dict(value: object) -> bool:
    names = dir(type(value)) + list(attributes_of(value))  # the object itself may answer to any name
    return "state_dict" in names and "load_state_dict" in names


def _can_be_put_back(value: object, kind: Kind) -> bool:
    return kind.why_unkept(value) is None or (type(kind) is not Objects and kind.undo(value) is not None)


def _refuse(tensor: torch.Tensor) -> None:
    """Raise TargetError for a tensor without values."""
    if nn.parameter.is_lazy(tensor):
        raise TargetError(
            "the model has lazy parameters that no batch has given a shape yet. Run one batch through it, then make "
            "the optimizer, then call find_lr.",
        )
    raise TargetError("the model has parameters on the meta device, without values. Materialise them first.")


def _without_repeats(tensor: torch.Tensor) -> torch.Tensor:
    """Return the tensor without its expanded dimensions, along which all elements share one place in memory."""
    if tensor.layout is not torch.strided or 0 not in tensor.stride():
        return tensor
    return tensor[tuple(slice(0, 1) if stride == 0 else slice(None) for stride in tensor.stride())]


def _same_memory(tensor: torch.Tensor, alias: torch.Tensor) -> bool:
    if tensor.layout is not torch.strided:
        return False  # assigning the alias once more costs nothing and is right in any case
    return (
        tensor.data_ptr() == alias.data_ptr()
        and tensor.shape == alias.shape
        and tensor.stride() == alias.stride()
        and tensor.dtype == alias.dtype
    )
