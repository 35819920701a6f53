"""Keep everything that a fit may change: what the model holds, the random states, and the names that Keras has given.

A first fit builds layers, metrics, losses and optimizers, and a later one does not. So it is not enough to put values
back: what was not built before is not built afterwards, or the next fit would draw other batches.
"""

import importlib
import random
import sys
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import keras
import numpy
from keras.src.backend.common import global_state

Undo = Callable[[], object]

# Nothing of these can change in a fit, or is anyone's to put back.
_ATOMS = (int, float, complex, str, bytes, type, type(None), FunctionType, BuiltinFunctionType, MethodType, ModuleType)
_OPAQUE = sys.stdlib_module_names | {"tensorflow", "jax", "jaxlib", "numpy", "pandas", "scipy", "h5py"}

# A larger array of a dataset is its data, and not an order of batches that a fit shuffles. In bytes.
_LARGEST_ARRAY = 64 * 2**20


class KeptState:
    """The present state of some objects and of everything that they hold.

    Args:
        roots: models, datasets, and what else a fit may change.

    Attributes:
        generators: the random generators among these, with Keras's `SeedGenerator`.
    """

    def __init__(self, *roots: object) -> None:
        self.generators: list[Any] = []
        self._undo: list[Undo] = list(_undo_of_random_states())
        self._seen: dict[int, object] = {}  # which keeps them alive, so that no other object gets their id
        waiting: list[object] = [vars(global_state.GLOBAL_STATE_TRACKER), *roots]
        while waiting:
            value = waiting.pop()
            if isinstance(value, _ATOMS) or id(value) in self._seen:
                continue
            self._seen[id(value)] = value
            waiting.extend(self._keep(value))

    def restore(self) -> None:
        """Put everything back, in place: every object stays the one that it was."""
        for undo in reversed(self._undo):
            undo()

    def seed(self, value: int) -> None:
        """Seed Python, NumPy, the backend, and every generator that was found."""
        keras.utils.set_random_seed(value % 2**32)
        for index, generator in enumerate(self.generators):
            _seed(generator, (value + index) % 2**32)

    def _keep(self, value: Any) -> Iterator[object]:
        """Note how to put back what `value` itself holds, and yield what is in it."""
        kind = type(value)
        if issubclass(kind, dict):
            self._undo.append(partial(_put_back_items, value, list(dict.items(value))))
            yield from dict.values(value)
        elif issubclass(kind, (list, deque, set)):
            self._undo.append(partial(_put_back_elements, value, list(value)))
        if issubclass(kind, (list, deque, set, tuple, frozenset)):
            yield from value
        undo = _undo_of_generator(value)
        if undo is not None or isinstance(value, keras.random.SeedGenerator):
            self.generators.append(value)
        undo = undo or _undo_of_array(value)
        if undo is not None:
            self._undo.append(undo)
        elif kind.__name__ == "_DictWrapper":  # TensorFlow's, around a dict
            yield value.__wrapped__
        elif hasattr(value, "__dict__") and (
            kind.__module__.partition(".")[0] not in _OPAQUE or kind.__module__.endswith("trackable.data_structures")
        ):
            attributes = vars(value)
            self._undo.append(partial(_put_back_items, attributes, list(attributes.items())))
            yield from list(attributes.values())
            if isinstance(value, keras.Variable) and keras.config.backend() == "jax":
                # A fit deletes the arrays that it takes over. It is to take a copy, because these come back.
                attributes["_value"] = None if value._value is None else keras.ops.copy(value._value)


def _put_back_items(mapping: dict[Any, Any], items: list[tuple[Any, Any]]) -> None:
    present = list(dict.items(mapping))
    if len(present) == len(items) and all(
        name is key and value is kept for (name, value), (key, kept) in zip(present, items, strict=True)
    ):
        return
    kind = OrderedDict if issubclass(type(mapping), OrderedDict) else dict  # and none of Keras's, which would track
    kind.clear(mapping)
    kind.update(mapping, items)


def _put_back_elements(container: Any, elements: list[Any]) -> None:
    if len(container) == len(elements) and all(map(_is, container, elements)):
        return
    if issubclass(type(container), list):
        list.__setitem__(container, slice(None), elements)
        return
    kind = set if issubclass(type(container), set) else deque
    kind.clear(container)
    (set.update if kind is set else deque.extend)(container, elements)


def _is(first: object, second: object) -> bool:
    return first is second


def _undo_of_array(value: Any) -> Undo | None:
    """Return what puts the numbers of an array, a tensor of torch or a variable of TensorFlow back."""
    torch, tensorflow = sys.modules.get("torch"), sys.modules.get("tensorflow")
    if isinstance(value, numpy.ndarray):
        small = value.flags.writeable and not value.dtype.hasobject and value.nbytes <= _LARGEST_ARRAY
        return partial(numpy.copyto, value, value.copy()) if small else None
    if torch is not None and isinstance(value, torch.Tensor):
        gradient = value.grad if value.is_leaf else None
        copies = value.detach().clone(), None if gradient is None else gradient.detach().clone()
        return partial(_put_back_tensor, value, gradient, *copies)
    if tensorflow is not None and isinstance(value, tensorflow.Variable):
        return partial(value.assign, tensorflow.identity(value))
    return None


def _put_back_tensor(tensor: Any, gradient: Any, numbers: Any, slope: Any) -> None:
    with sys.modules["torch"].no_grad():
        tensor.copy_(numbers)
        if gradient is not None:
            gradient.copy_(slope)
    if tensor.is_leaf:
        tensor.grad = gradient


def _undo_of_generator(value: Any) -> Undo | None:
    """Return what gives a random generator its present state back; None for any other object."""
    torch = sys.modules.get("torch")
    if isinstance(value, random.Random):
        return partial(value.setstate, value.getstate())
    if isinstance(value, numpy.random.Generator):
        return partial(setattr, value.bit_generator, "state", value.bit_generator.state)
    if isinstance(value, numpy.random.RandomState):
        return partial(value.set_state, value.get_state())
    if torch is not None and isinstance(value, torch.Generator):
        return partial(value.set_state, value.get_state())
    return None


def _seed(generator: Any, value: int) -> None:
    if isinstance(generator, keras.random.SeedGenerator):
        generator.state.assign(numpy.array([value % 2**31, 0]))
    elif isinstance(generator, numpy.random.Generator):
        generator.bit_generator.state = type(generator.bit_generator)(value).state
    elif isinstance(generator, (random.Random, numpy.random.RandomState)):
        generator.seed(value)
    else:
        generator.manual_seed(value)


def _undo_of_random_states() -> Iterator[Undo]:
    """Yield what puts the global random states back, of each package that is loaded."""
    yield partial(random.setstate, random.getstate())
    yield partial(numpy.random.set_state, numpy.random.get_state())
    torch = sys.modules.get("torch")
    if torch is not None:
        yield partial(torch.set_rng_state, torch.get_rng_state())
        if torch.cuda.is_initialized():
            yield partial(torch.cuda.set_rng_state_all, torch.cuda.get_rng_state_all())
    if "tensorflow" in sys.modules:
        state = importlib.import_module("tensorflow.python.eager.context").context()
        generator = state._rng  # from which TensorFlow draws the seeds of its operations
        yield partial(setattr, state, "_seed", state._seed)
        yield partial(setattr, state, "_rng", generator)
        if generator is not None:
            yield partial(generator.setstate, generator.getstate())
