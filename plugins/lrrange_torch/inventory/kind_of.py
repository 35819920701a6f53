"""Which kind the objects of a type are of."""

import array
import ctypes
import enum
import functools
import io
import sys
import threading
import weakref
from types import (
    AsyncGeneratorType,
    BuiltinFunctionType,
    CoroutineType,
    FunctionType,
    GeneratorType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
    SimpleNamespace,
)
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader

from lrrange_torch.endless_batches import Batches
from lrrange_torch.inventory.arrays import Arrays, Bytes, CTypes, Frames
from lrrange_torch.inventory.attributes import Objects, ParallelWrappers, ScriptModules
from lrrange_torch.inventory.containers import DICTS, SEQUENCES, Tuples, Weak
from lrrange_torch.inventory.functions import Caches, Functions, Methods, Partials
from lrrange_torch.inventory.iterators import Buffers, EndlessBatches, Files, Iterators, Proxies
from lrrange_torch.inventory.kind import ByName, ByText, Kind, RandomStates, Stateful, Unkept
from lrrange_torch.inventory.machinery import is_machinery, is_standard
from lrrange_torch.random_state import is_generator_type

NOTHING = Kind()
"""The kind of objects that hold nothing which could change."""

TENSORS = Objects()
"""The kind of tensors, whose values a snapshot keeps itself."""

OF_A_TRAINING = (nn.Module, Optimizer, LRScheduler, torch.amp.GradScaler)
"""Classes whose objects are neither data nor machinery, wherever they are found."""

# A loader's running iterator is left alone: a sweep makes one of its own.
_LOADERS = Objects(without=frozenset({"_iterator"}))

_FILES = Files()

_CONTENTS: dict[type[Any], Kind] = {
    **DICTS,
    **SEQUENCES,
    tuple: Tuples(tuple),
    frozenset: Tuples(frozenset),
    bytearray: Bytes(),
    array.array: Bytes(),
    functools.partial: Partials(),
    weakref.WeakKeyDictionary: Weak(),
    weakref.WeakValueDictionary: Weak(),
    weakref.WeakSet: Weak(),
    io.BytesIO: Buffers(),
    io.StringIO: Buffers(),
    io.IOBase: _FILES,
}

_EXACT: dict[type[Any], Kind] = {
    **_CONTENTS,
    FunctionType: Functions(),
    MethodType: Methods(),
    functools._lru_cache_wrapper: Caches(),
    BuiltinFunctionType: ByName(),
    ModuleType: NOTHING,
    SimpleNamespace: Objects(),
    threading.local: Objects(),
    GeneratorType: Unkept("a generator"),
    AsyncGeneratorType: Unkept("a generator"),
    CoroutineType: Unkept("a coroutine"),
    Batches: EndlessBatches(),
    object: NOTHING,
}


class _Kinds(dict[type[Any], Kind]):
    """The kinds of the types that were met so far."""

    def __missing__(self, type_: type[Any]) -> Kind:
        kind = self[type_] = _find_kind(type_)
        return kind


_KINDS = _Kinds()


def kind_of(type_: type[Any]) -> Kind:
    """Return the kind of the objects of this type."""
    return _KINDS[type_]


def _find_kind(type_: type[Any]) -> Kind:
    module = type_.__module__
    if issubclass(type_, torch.Tensor):
        return NOTHING if module.startswith("torch._subclasses") else TENSORS
    if issubclass(type_, nn.parallel.DistributedDataParallel | nn.DataParallel):
        return ParallelWrappers("training", "module")
    if issubclass(type_, torch.jit.ScriptModule):
        return ScriptModules()
    if issubclass(type_, OF_A_TRAINING):
        return Objects(slots=_slots_of(type_))
    if type_ in _EXACT:
        return _EXACT[type_]
    if issubclass(type_, type):
        return ByName()
    if issubclass(type_, enum.Enum | str | bytes | int | float | complex):
        return ByText()
    pandas = sys.modules.get("pandas")
    if pandas is not None and issubclass(type_, pandas.DataFrame | pandas.Series):
        return Frames()
    content = _content_of(type_)
    if content is _FILES or issubclass(type_, BaseException | ModuleType) or is_machinery(module):
        return content or NOTHING
    if issubclass(type_, DataLoader):
        return _LOADERS
    if issubclass(type_, ctypes._SimpleCData | ctypes.Array | ctypes.Structure):
        return CTypes()
    if content is None and _is_foreign(type_):
        return _kind_of_foreign(type_, module)
    return Objects(_slots_of(type_), content)


def _content_of(type_: type[Any]) -> Kind | None:
    """Return the kind of what objects of this type hold beside their attributes; None for nothing of a known kind."""
    if is_generator_type(type_):
        return RandomStates()
    numpy = sys.modules.get("numpy")
    if numpy is not None and issubclass(type_, numpy.ndarray):
        return Arrays()
    managers = sys.modules.get("multiprocessing.managers")
    if managers is not None and issubclass(type_, managers.BaseProxy):
        return Proxies()
    return next((kind for base, kind in _CONTENTS.items() if issubclass(type_, base)), None)


def _kind_of_foreign(type_: type[Any], module: str) -> Kind:
    """Return the kind of objects that are not written in Python, or derived from such a class."""
    package = module.partition(".")[0]
    slots = _slots_of(type_)
    if hasattr(type_, "state_dict") and hasattr(type_, "load_state_dict"):
        return Objects(slots, Stateful())
    if hasattr(type_, "__next__") and module != "_io":
        return Iterators()
    if package in ("numpy", "torch", "pandas") or is_standard(module):
        return ByText() if package in ("numpy", "datetime", "decimal", "fractions") else NOTHING
    return Objects(slots, hidden=f"a {type_.__name__} of {package}, which is not written in Python")


def _slots_of(type_: type[Any]) -> tuple[MemberDescriptorType, ...]:
    bases = [base for base in type_.__mro__ if "__slots__" in vars(base)]
    return tuple(item for base in bases for item in vars(base).values() if isinstance(item, MemberDescriptorType))


def _is_foreign(type_: type[Any]) -> bool:
    """Return whether objects of this type hold more than attributes, in a class that is not written in Python.

    `copyreg` finds this out in the same way.
    """
    known = next(base for base in (SimpleNamespace, threading.local, object) if issubclass(type_, base))
    if not all(map(_is_python_class, type_.__mro__[: type_.__mro__.index(known)])):
        return True
    word = 8
    return type_.__basicsize__ > known.__basicsize__ + word * (len(_slots_of(type_)) + 2)  # `__dict__`, `__weakref__`


def _is_python_class(type_: type[Any]) -> bool:
    on_the_heap = bool(type_.__flags__ & 1 << 9)
    return on_the_heap and (type_.__dictoffset__ != 0 or "__slots__" in vars(type_))
