"""Copies of schedulers that can be stepped with no effect on the training: their optimizer is a copy, too.

`copy.deepcopy` is not enough. It would copy the model with the optimizer, and it shares functions, so that a schedule
that counts in a closure (`lambda epoch: next(rates)`) would move on. Here the param groups, closures and objects of the
scheduler's own are copied; modules, parameters, data sets and classes are shared.
"""

import copyreg
import io
import pickle
import types
from collections import defaultdict, deque
from collections.abc import Iterator
from types import NoneType
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader, Dataset

_SHARED = (
    *(types.ModuleType, types.CodeType, types.BuiltinFunctionType, type),
    *(nn.Module, nn.Parameter, Dataset, DataLoader, torch.Generator),
)


# A schedule that refers to more than this refers to a whole program, such as a trainer.
_MOST_OBJECTS = 20_000

# What is copied even where nothing but the schedulers' own attributes is.
_PLAIN = (dict, list, tuple, set, frozenset, deque, str, bytes, int, float, complex, NoneType, torch.Tensor)


class CannotCopy(TypeError):
    """A scheduler holds something that no copy can be made of, and that stepping would use up."""


class _Original:
    """Something that the copies share with the original."""

    def __init__(self, value: Any) -> None:
        self.value = value


class Copier(pickle.Pickler):
    """One copy of an optimizer's param groups and of some schedulers, which keep what they share among them.

    Args:
        optimizer: what the schedulers drive. The copy has its class and attributes, and param groups of its own. Its
            steps do nothing.
        schedulers: to copy.
        closures: whether to copy what functions and other objects of the schedulers refer to.

    Attributes:
        optimizer, schedulers: the copies.

    Raises: CannotCopy for a scheduler that holds an iterator that cannot be copied, such as a generator; any other
        error for something else that cannot be copied, or is too large.
    """

    def __init__(self, optimizer: Optimizer, schedulers: list[Any], closures: bool = True) -> None:
        self._closures = closures
        self._count = 0
        self._file = io.BytesIO()
        super().__init__(self._file, protocol=5)
        self._kept: list[Any] = []
        self._replaced: dict[int, tuple[Any, Any]] = {}
        self._cells: list[types.CellType] = []
        self._schedulers = {id(scheduler) for scheduler in schedulers}
        self.optimizer = self._optimizer(optimizer)
        self.dump(schedulers)
        reader = _Reader(self._file, self._kept)
        self._file.seek(0)
        self.schedulers: list[Any] = reader.load()
        while self._cells:
            self._fill(self._cells.pop(), reader)

    def persistent_id(self, value: Any) -> int | None:
        """Return the number of a value that is not copied here, or whose copy is made already; None for others."""
        if id(value) in self._replaced:
            return self._keep(self._replaced[id(value)][1])
        if type(value) is _Original:
            return self._keep(value.value)
        if isinstance(value, Optimizer):
            return self._keep(self._optimizer(value))
        self._count += 1
        if self._count > _MOST_OBJECTS:
            raise OverflowError(f"it refers to more than {_MOST_OBJECTS} objects")
        if not self._closures and not isinstance(value, _PLAIN) and id(value) not in self._schedulers:
            if isinstance(value, Iterator):
                raise CannotCopy(f"it reads its rates from a {type(value).__name__}")
            return self._keep(value)
        if isinstance(value, _SHARED) or (type(value) is types.FunctionType and not _has_state(value)):
            return self._keep(value)
        return None

    def reducer_override(self, value: Any) -> Any:
        """Return how to copy a value that pickle alone would not copy, or not here."""
        if type(value) is types.FunctionType:
            arguments = (_Original(value), value.__closure__, value.__defaults__, value.__kwdefaults__)
            return _function, arguments, vars(value) or None
        if type(value) is types.CellType:
            self._cells.append(value)
            return types.CellType, ()
        if isinstance(value, torch.Tensor):
            return _clone, (_Original(value),)
        if isinstance(value, io.IOBase):  # a log that a step writes to
            return (io.StringIO if isinstance(value, io.TextIOBase) else io.BytesIO), ()
        if id(value) in self._schedulers:  # whatever it leaves out when it is pickled
            return _instance, (_Original(type(value)),), vars(value), None, None, _set_attributes
        if type(value) in copyreg.dispatch_table:
            return NotImplemented
        try:
            reduced = value.__reduce_ex__(5)
        except Exception:
            if isinstance(value, Iterator):
                raise CannotCopy(f"it reads its rates from a {type(value).__name__}") from None
            reduced = None  # a lock, an open file
        return (_same, (_Original(value),)) if reduced is None or isinstance(reduced, str) else reduced

    def _keep(self, value: Any) -> int:
        self._kept.append(value)
        return len(self._kept) - 1

    def _replace(self, value: Any, copy: Any) -> Any:
        self._replaced[id(value)] = value, copy
        return copy

    def _optimizer(self, optimizer: Optimizer) -> Any:
        if id(optimizer) in self._replaced:
            return self._replaced[id(optimizer)][1]
        copy = self._replace(optimizer, object.__new__(type(optimizer)))
        for name, value in vars(optimizer).items():
            if isinstance(value, Optimizer):
                vars(copy)[name] = self._optimizer(value)
            elif name == "param_groups":
                vars(copy)[name] = self._groups(value)
            elif name == "state":
                states = {key: dict(state) if isinstance(state, dict) else state for key, state in value.items()}
                vars(copy)[name] = defaultdict(dict, states)
            else:
                vars(copy)[name] = value
        vars(copy).update(step=_no_step, zero_grad=_no_step)  # some schedulers call them, and the parameters are shared
        return copy

    def _groups(self, groups: list[dict[str, Any]]) -> Any:
        for group in groups:
            if id(group) not in self._replaced:
                self._replace(group, {key: self._field(value) for key, value in group.items()})
        if id(groups) not in self._replaced:
            self._replace(groups, [self._replaced[id(group)][1] for group in groups])
        return self._replaced[id(groups)][1]

    def _field(self, value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return (
                self._replace(value, _clone(value)) if id(value) not in self._replaced else self._replaced[id(value)][1]
            )
        return list(value) if type(value) is list else value

    def _fill(self, cell: types.CellType, reader: "_Reader") -> None:
        try:
            content = cell.cell_contents
        except ValueError:  # nothing in it yet
            return
        position = self._file.tell()
        self._file.seek(0, io.SEEK_END)
        self.dump((cell, content))
        self._file.seek(position)
        copied, value = reader.load()
        copied.cell_contents = value


class _Reader(pickle.Unpickler):
    """A reader of what a `Copier` has written in memory, and of nothing else.

    Args:
        file: the copier's.
        kept: what the copies share with the original, and copies that were made already.
    """

    def __init__(self, file: io.BytesIO, kept: list[Any]) -> None:
        super().__init__(file)
        self._kept = kept

    def persistent_load(self, number: int) -> Any:
        """Return what the copier kept under this number."""
        return self._kept[number]


class OriginalGroups:
    """The param groups of an optimizer whose copy is stepped. Methods that reach them by a global name change them.

    Args:
        optimizer: of which copies are stepped.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self._groups = [(group, dict(group)) for group in optimizer.param_groups]
        tensors = [value for group in optimizer.param_groups for key, value in group.items() if key != "params"]
        self._tensors = [(value, value._version, value.clone()) for value in tensors if isinstance(value, torch.Tensor)]

    def put_back(self) -> bool:
        """Undo all changes. Return whether there were any."""
        changed = False
        for group, before in self._groups:
            if group.keys() != before.keys() or any(group[key] is not value for key, value in before.items()):
                group.clear()
                group.update(before)
                changed = True
        for tensor, version, values in self._tensors:
            if tensor._version != version:
                tensor.copy_(values)
                changed = True
        return changed


def copy_of(optimizer: Optimizer, schedulers: list[Any]) -> Copier:
    """Return a copy with everything that the schedulers refer to, or with their own attributes if that is too much.

    Raises: as `Copier`.
    """
    try:
        return Copier(optimizer, schedulers)
    except CannotCopy:
        raise
    except Exception:
        return Copier(optimizer, schedulers, closures=False)


def _has_state(function: types.FunctionType) -> bool:
    """Return whether a function holds anything that a call may change: a closure, a default, an attribute."""
    return function.__closure__ is not None or bool(function.__defaults__ or function.__kwdefaults__ or vars(function))


def _function(original: Any, closure: Any, defaults: Any, keyword_defaults: Any) -> types.FunctionType:
    copy = types.FunctionType(original.__code__, original.__globals__, original.__name__, defaults, closure)
    copy.__kwdefaults__ = keyword_defaults
    return copy


def _clone(tensor: torch.Tensor) -> torch.Tensor:
    """Return a copy of a tensor, in double precision if it has any: rounding would look like another schedule."""
    copy = tensor.detach().clone()
    return copy.double() if copy.is_floating_point() and copy.device.type != "mps" else copy


def _no_step(*_: Any, **__: Any) -> None:
    """Train nothing."""


_no_step._wrapped_by_lr_sched = True  # type: ignore[attr-defined]  # as torch's schedulers want it


def _instance(kind: type) -> Any:
    return object.__new__(kind)


def _set_attributes(instance: Any, attributes: dict[str, Any]) -> None:
    vars(instance).update(attributes)


def _same(value: Any) -> Any:
    return value
