"""What drawing batches may change outside of JAX: random generators, and the attributes of the user's loader.

It is found by walking from the loader and the step: through attributes, containers, and the variables of functions.
"""

import random
import sys
import types
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy

# Puts something back as it was when the function was made.
Undo = Callable[[], object]

# Packages whose objects no loader changes, or whose objects hold arrays of the user only.
_NOT_WALKED = ("jax", "jaxlib", "flax", "optax", "equinox", "chex", "numpy", "builtins", "lrrange", "lrrange_jax")

_ONE_SHOT: tuple[type, ...] = (types.GeneratorType, type(iter([])), map, filter, zip, enumerate)


class HostState:
    """The random states of this process, and what the user's batches are drawn from, as they are now.

    Of the batches, everything is kept that is reached from them: lists, dicts and sets with their present items,
    objects with their present attributes, and arrays of integers in one dimension, which give an order of examples,
    with their present values. Other arrays are data, and no copy is made of them. Of the step, only random generators
    are kept, as it may count its calls, and none that are within a compiled function, which draws when it is traced.

    Args:
        batches: what the user gave.
        step: the user's step.

    Attributes:
        not_kept: iterators that the batches use, by name. What is taken from one of these cannot be put back.
    """

    def __init__(self, batches: Any, step: Any) -> None:
        self.not_kept: dict[str, str] = {}
        self._undo: list[Undo] = list(_undo_of_global_states())
        self._generators: list[Any] = []
        self._seen: dict[int, Any] = {}  # with the objects, whose ids would otherwise be given to others
        self._walk("batches", batches)
        undo, not_kept = list(self._undo), dict(self.not_kept)
        known = len(self._generators)
        self._walk("step", step)
        found = [_undo_of_generator(generator) for generator in self._generators[known:]]
        self._undo, self.not_kept = [*undo, *(each for each in found if each is not None)], not_kept

    def _walk(self, name: str, value: Any) -> None:
        waiting = deque([(name, value)])
        while waiting:
            name, value = waiting.popleft()
            if type(value) in _ATOMS or id(value) in self._seen:
                continue
            self._seen[id(value)] = value
            waiting.extend((f"{name}{part}", inside) for part, inside in self._keep(name, value))

    def restore(self) -> None:
        """Put everything back."""
        for undo in reversed(self._undo):
            undo()

    def seed(self, value: int) -> None:
        """Seed the random states of this process, and the generators that were found."""
        value &= 0xFFFFFFFF
        random.seed(value)
        numpy.random.seed(value)
        torch = sys.modules.get("torch")
        if torch is not None:
            torch.manual_seed(value)
        for number, generator in enumerate(self._generators):
            if isinstance(generator, random.Random):
                generator.seed(value + number)
            elif isinstance(generator, numpy.random.RandomState):
                generator.seed((value + number) & 0xFFFFFFFF)
            elif isinstance(generator, numpy.random.BitGenerator):
                generator.state = type(generator)([value, number]).state
            else:
                generator.manual_seed(value + number)

    def digest(self) -> list[str]:
        """Return the present states of the random generators, in words that differ if one has been drawn from."""
        states = [random.getstate(), numpy.random.get_state(), *map(_state_of, self._generators)]
        torch = sys.modules.get("torch")
        return [*map(_in_full, states), *([] if torch is None else [_in_full(torch.get_rng_state().numpy())])]

    def _keep(self, name: str, value: Any) -> Iterator[tuple[str, Any]]:
        """Keep one object. Yield what can be reached from it, with the name of its place."""
        undo = _undo_of_generator(value)
        if undo is not None:
            self._undo.append(undo)
            self._generators.append(value.bit_generator if isinstance(value, numpy.random.Generator) else value)
        elif isinstance(value, _ONE_SHOT):
            self.not_kept[name] = f"a {type(value).__name__} cannot start again"
        elif isinstance(value, numpy.ndarray):
            if value.ndim == 1 and value.dtype.kind in "iu" and value.flags.writeable:
                self._undo.append(partial(numpy.copyto, value, value.copy()))
        elif isinstance(value, (types.FunctionType, types.MethodType, partial)):
            yield from self._keep_function(value)
        else:
            yield from self._keep_items(value)

    def _keep_items(self, value: Any) -> Iterator[tuple[str, Any]]:
        if type(value) is dict:
            self._undo.append(partial(_refill_dict, value, dict(value)))
            yield from ((f"[{key!r}]", inside) for key, inside in value.items())
        elif type(value) in (list, deque):
            self._undo.append(partial(_refill_list, value, list(value)))
            yield from ((f"[{index}]", inside) for index, inside in enumerate(value))
        elif type(value) is set:
            self._undo.append(partial(_refill_set, value, set(value)))
        elif isinstance(value, tuple):
            yield from ((f"[{index}]", inside) for index, inside in enumerate(value))
        elif hasattr(value, "__dict__") and _is_walked(value):
            self._undo.append(partial(_refill_dict, vars(value), dict(vars(value))))
            yield from ((f".{key}", inside) for key, inside in vars(value).items())

    def _keep_function(self, function: Any) -> Iterator[tuple[str, Any]]:
        """Keep the variables of a function: those it encloses, its defaults, and the global ones that it names."""
        if isinstance(function, partial):
            yield from (("", inside) for inside in (function.func, *function.args, *function.keywords.values()))
            return
        if isinstance(function, types.MethodType):
            yield "", function.__self__
            function = function.__func__
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            try:
                inside = cell.cell_contents
            except ValueError:  # it has not been assigned yet
                continue
            self._undo.append(partial(setattr, cell, "cell_contents", inside))
            yield f" ({name})", inside
        yield from (("", inside) for inside in function.__defaults__ or ())
        for name in _global_names(function.__code__):
            if name in function.__globals__:
                inside = function.__globals__[name]
                self._undo.append(partial(function.__globals__.__setitem__, name, inside))
                yield f" ({name})", inside


_ATOMS = (int, float, bool, str, bytes, complex, type(None), type, types.ModuleType, types.BuiltinFunctionType)


def _is_walked(value: Any) -> bool:
    if isinstance(value, (type, types.ModuleType)):
        return False
    return type(value).__module__.partition(".")[0] not in _NOT_WALKED


def _global_names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _global_names(constant)


def _undo_of_global_states() -> Iterator[Undo]:
    yield partial(random.setstate, random.getstate())
    yield partial(numpy.random.set_state, numpy.random.get_state())
    torch = sys.modules.get("torch")
    if torch is not None:  # whose loaders draw their order from it
        yield partial(torch.set_rng_state, torch.get_rng_state())


def _undo_of_generator(value: Any) -> Undo | None:
    """Return a function that gives a random generator its present state back; None for any other object."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Generator):
        return partial(value.set_state, value.get_state())
    if isinstance(value, random.Random):
        return partial(value.setstate, value.getstate())
    if isinstance(value, numpy.random.Generator):
        value = value.bit_generator
    if isinstance(value, numpy.random.BitGenerator):
        return partial(setattr, value, "state", value.state)
    if isinstance(value, numpy.random.RandomState):
        return partial(value.set_state, value.get_state())
    return None


def _state_of(generator: Any) -> object:
    if isinstance(generator, random.Random):
        return generator.getstate()
    if isinstance(generator, numpy.random.BitGenerator):
        return generator.state
    state = generator.get_state()
    return state if isinstance(state, tuple) else state.numpy()


def _in_full(state: Any) -> str:
    """Return a state as text, with every number of its arrays."""
    if isinstance(state, Mapping):
        return repr({key: _in_full(value) for key, value in state.items()})
    if isinstance(state, tuple):
        return repr([_in_full(value) for value in state])
    return repr(state.tolist() if isinstance(state, numpy.ndarray) else state)


def _refill_dict(target: dict[Any, Any], items: dict[Any, Any]) -> None:
    if len(target) != len(items) or any(target.get(key, target) is not items[key] for key in items):
        target.clear()
        target.update(items)


def _refill_list(target: Any, items: list[Any]) -> None:
    if len(target) != len(items) or any(one is not other for one, other in zip(target, items, strict=True)):
        target.clear()
        target.extend(items)


def _refill_set(target: set[Any], items: set[Any]) -> None:
    target.clear()
    target.update(items)
