"""A picture of everything reachable from some objects, to compare before and after a sweep.

It shares no code with the snapshot, knows no limits of size, and asks no object for its truth, equality or length.
"""

import array
import copyreg
import ctypes
import functools
import io
import itertools
import logging
import operator
import random
import threading
import types
import weakref
from collections import OrderedDict, defaultdict, deque
from typing import Any

import numpy
import torch

# Values compared by type and text, which tells NaN, -0.0 and True from others.
_VALUES = (str, int, float, bool, complex, bytes, type(None), range, slice, torch.dtype, torch.device, torch.Size)
_LEAVES = (type, types.ModuleType, types.BuiltinFunctionType, types.CodeType, types.GeneratorType)
_LEAVES += (logging.Logger, threading.Thread, threading.Condition)

Node = tuple[str, str, list[tuple[str, Any]]]


class Picture:
    """What some objects hold: for each object its type, its own content, and which objects it holds where.

    Args:
        holders: the objects, by name.
    """

    def __init__(self, **holders: Any) -> None:
        self.nodes: dict[int, Node] = {}
        self._alive: list[object] = []  # so that no id is used twice
        self._random = _random_states()
        memory: dict[int, str] = {}
        waiting = list(holders.items())
        while waiting:
            path, value = waiting.pop()
            if id(value) in self.nodes or issubclass(type(value), _LEAVES) or type(value) in _VALUES:
                continue
            self._alive.append(value)
            content, held = _content(value)
            if issubclass(type(value), torch.Tensor) and value.layout is torch.strided and not value.is_nested:
                # Which tensors share memory matters, and not where it is: what is resized moves.
                memory.setdefault(value.untyped_storage()._cdata, path)
                content += memory[value.untyped_storage()._cdata]
            self.nodes[id(value)] = path, f"{type(value).__qualname__} {content}", [(n, _mark(v)) for n, v in held]
            waiting += [(f"{path}{name}", item) for name, item in held]

    def changed(self, **holders: Any) -> set[str]:
        """Return the names of what is different now: of a tensor or a container, or of an attribute."""
        now = Picture(**holders)
        names: set[str] = set()
        for key in self.nodes.keys() & now.nodes.keys():
            path, *before = self.nodes[key]
            _, *after = now.nodes[key]
            if before[0] != after[0]:
                names.add(path)
            if before[1] != after[1]:
                names |= {f"{path}{name}" for name, _ in set(before[1]) ^ set(after[1])}
        return names

    def differences(self, **named: Any) -> list[str]:
        """Return what is different now, as texts that begin with where it is."""
        now = Picture(**named)
        found = [] if self._random == now._random else ["random state"]
        for key in self.nodes.keys() | now.nodes.keys():
            before, after = self.nodes.get(key), now.nodes.get(key)
            if before is None or after is None:
                found.append(f"{(before or after)[0]} is {'new' if before is None else 'gone'}")
            elif before[1:] != after[1:]:
                was, is_ = (
                    [x for x in one[2] if x not in other[2]] for one, other in ((before, after), (after, before))
                )
                found.append(f"{before[0]}: {before[1][:60]} {was[:3]} -> {after[1][:60]} {is_[:3]}")
        return sorted(found)


def _mark(value: Any) -> Any:
    """Return what tells a held value from another: the value of a plain one, the identity of any other."""
    if type(value) in _VALUES:
        return type(value).__name__, repr(value)
    return id(value)


def _content(value: Any) -> tuple[str, list[tuple[str, Any]]]:
    content, held = "", []
    if type(value).__module__.partition(".")[0] == "pandas":
        return value.to_csv() if hasattr(value, "to_csv") else "", []
    if issubclass(type(value), torch.Tensor):
        content = _of_tensor(value)
        if value.is_leaf and value.grad is not None:
            held.append((".grad", value.grad))
    elif issubclass(type(value), numpy.ndarray):
        content = repr((value.shape, value.dtype.str, value.size and value.strides, value.flags.writeable))
        if value.dtype.hasobject:
            held += [(f"[{i}]", item) for i, item in enumerate(value.reshape(-1).tolist())]
        else:
            content += value.tobytes().hex()
    elif issubclass(type(value), (weakref.WeakKeyDictionary, weakref.WeakValueDictionary)):
        return content, [(f"[{i}]", part) for i, item in enumerate(list(value.items())) for part in item]
    elif issubclass(type(value), weakref.WeakSet):
        return content, [(f"[{i}]", item) for i, item in enumerate(list(value))]
    elif issubclass(type(value), dict):
        base = next(base for base in (OrderedDict, defaultdict, dict) if issubclass(type(value), base))
        for i, (key, item) in enumerate(base.items(value)):
            held += [(f" key {i}", key), (f"[{key!r}]" if type(key) in _VALUES else f"[{i}]", item)]
        if base is defaultdict:
            held.append((".default_factory", value.default_factory))
    elif issubclass(type(value), (list, deque, tuple)):
        base = next(base for base in (list, deque, tuple) if issubclass(type(value), base))
        held += [(f"[{i}]", item) for i, item in enumerate(base.__iter__(value))]
        content = repr(value.maxlen) if base is deque else ""
    elif issubclass(type(value), (set, frozenset)):
        base = set if issubclass(type(value), set) else frozenset
        elements = list(base.__iter__(value))
        held += [
            (" element", item) for item in sorted(elements, key=lambda item: (type(item).__name__, str(_mark(item))))
        ]
    elif issubclass(type(value), (bytearray, array.array)) or issubclass(
        type(value), (ctypes._SimpleCData, ctypes.Array, ctypes.Structure)
    ):
        content = bytes(value).hex()
    elif issubclass(type(value), torch.Generator):
        content = bytes(value.get_state().numpy()).hex()
    elif issubclass(type(value), random.Random) and not issubclass(type(value), random.SystemRandom):
        content = repr(value.getstate())
    elif issubclass(type(value), (numpy.random.Generator, numpy.random.RandomState, numpy.random.BitGenerator)):
        bits = getattr(value, "_bit_generator", value)
        bits = getattr(value, "bit_generator", bits)
        content = repr([(k, v.tolist() if hasattr(v, "tolist") else v) for k, v in _flat(bits.state)])
        content += repr(getattr(getattr(bits, "seed_seq", None), "n_children_spawned", None))
    elif issubclass(type(value), torch.jit.ScriptModule):
        held += _of_script(value)
    elif issubclass(type(value), (itertools.count, itertools.repeat)):
        content = repr(value)
    elif issubclass(type(value), (io.BytesIO, io.StringIO)):
        content = repr((value.getvalue(), value.tell()))
    elif hasattr(type(value), "__length_hint__"):
        content = repr(operator.length_hint(value))
    elif issubclass(type(value), types.FunctionType):
        held += [(f" variable {i}", cell) for i, cell in enumerate(value.__closure__ or ())]
        held += [(" defaults", value.__defaults__), (" keyword defaults", value.__kwdefaults__)]
    elif issubclass(type(value), types.CellType):
        held += [(" content", _of_cell(value))]
    elif issubclass(type(value), types.MethodType):
        held += [(".__self__", value.__self__), (".__func__", value.__func__)]
    elif issubclass(type(value), functools.partial):
        held += [(".func", value.func), (".args", value.args), (".keywords", value.keywords)]
    return content, held + _attributes(value)


def _attributes(value: Any) -> list[tuple[str, Any]]:
    try:
        attributes = object.__getattribute__(value, "__dict__")
    except AttributeError:
        attributes = {}
    # The dict itself is no object of its own: Python makes it when it is asked for. Its order is part of the state.
    held = [(f".{name}", item) for name, item in dict.items(attributes)] if isinstance(attributes, dict) else []
    if issubclass(type(value), torch.Tensor):
        held = [(name, item) for name, item in held if not name.startswith("._dynamo")]
    for name in copyreg._slotnames(type(value)):  # type: ignore[attr-defined]
        try:
            held.append((f".{name}", object.__getattribute__(value, name)))
        except AttributeError:
            held.append((f".{name}", "no value"))
    return held


def _of_tensor(tensor: torch.Tensor) -> str:
    if tensor.is_nested:
        return repr([_of_tensor(part) for part in tensor.detach().unbind()])
    about = (str(tensor.dtype), tuple(tensor.shape), tensor.requires_grad, str(tensor.layout))
    if tensor.is_meta or (tensor.layout is torch.strided and tensor.numel() and not tensor.untyped_storage().nbytes()):
        return repr(about)
    if tensor.layout is not torch.strided:
        parts = [tensor._indices(), tensor._values()] if tensor.layout is torch.sparse_coo else [tensor.to_dense()]
    else:
        about += (tensor.stride(), tensor.storage_offset())
        parts = [tensor]
    return repr((about, [_bytes(part).hex() for part in parts]))


def _bytes(tensor: torch.Tensor) -> bytes:
    flat = tensor.detach().resolve_conj().resolve_neg().reshape(-1).contiguous()
    return flat.clone().view(torch.uint8).numpy().tobytes()  # memory that NumPy has seen cannot be resized


def _of_script(module: Any) -> list[tuple[str, Any]]:
    held: list[tuple[str, Any]] = [(f" buffer {name}", _of_tensor(item)) for name, item in module.named_buffers()]
    held += [(f" parameter {name}", _of_tensor(item)) for name, item in module.named_parameters()]
    for name in module._concrete_type.get_attributes() if hasattr(module, "_concrete_type") else ():
        item = module._c.getattr(name)
        held.append((f" attribute {name}", repr(item) if not isinstance(item, torch.Tensor) else _of_tensor(item)))
    return held


def _of_cell(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return "no value"


def _flat(state: Any, name: str = "") -> list[tuple[str, Any]]:
    if isinstance(state, dict):
        return [pair for key, item in state.items() for pair in _flat(item, f"{name}.{key}")]
    return [(name, state)]


def _random_states() -> list[Any]:
    return [random.getstate(), repr(_flat_numpy()), _bytes(torch.get_rng_state())]


def _flat_numpy() -> Any:
    name, keys, *rest = numpy.random.get_state()
    return name, keys.tolist(), rest
