"""Kinds of objects with attributes: those of Python classes, modules of TorchScript, classes."""

from collections import OrderedDict
from collections.abc import Sequence
from functools import partial
from types import MemberDescriptorType
from typing import Any

import torch

from lrrange_torch.inventory.containers import undo_of_items
from lrrange_torch.inventory.kind import Child, HeldBy, Kind, undo_all
from lrrange_torch.inventory.machinery import PLAIN
from lrrange_torch.random_state import Undo

# Attributes of a module that are left out of names: `model.0.weight`, not `model._modules.0._parameters.weight`.
_REGISTRIES = frozenset({"_modules", "_parameters", "_buffers"})

UNSET = object()


class Objects(Kind):
    """Kind of objects with attributes, in a `__dict__`, in slots, or both.

    Args:
        slots: descriptors of the slots.
        content: the kind of what an object holds beside its attributes, such as the items of a subclass of dict.
        without: names of attributes that are left alone.
        hidden: why an object may hold more that cannot be put back; None if it cannot.
    """

    def __init__(
        self,
        slots: Sequence[MemberDescriptorType] = (),
        content: Kind | None = None,
        without: frozenset[str] = frozenset(),
        hidden: str | None = None,
    ) -> None:
        self._slots = slots
        self._content = content
        self._without = without
        self._hidden = hidden

    def children(self, value: Any) -> Sequence[Child]:
        """Return the attributes, and the content."""
        held = []
        for name, attribute in attributes_of(value).items():
            if _is_empty(attribute):
                continue
            if name in _REGISTRIES and isinstance(attribute, dict):
                held += [Child(f".{key}", item) for key, item in attribute.items()]
                held.append(Child("", attribute))
            elif name not in self._without:
                held_by = HeldBy.HOOK if name.endswith("_hooks") else HeldBy.TRAINING
                held.append(Child(f".{name}", attribute, held_by))
        for slot in self._slots:
            attribute = _slot_value(slot, value)
            if attribute is not UNSET:
                held.append(Child(f".{slot.__name__}", attribute))
        if self._content is not None:
            held += self._content.children(value)
        return held

    def undo(self, value: Any) -> Undo:
        """Return a function that puts the attributes and the content back."""
        attributes = attributes_of(value)
        undos: list[Undo] = [undo_of_items(attributes)]
        empty = [attribute for attribute in attributes.values() if _is_empty(attribute)]
        if empty:
            undos.append(partial(_empty_again, empty))
        if self._slots:
            undos.append(_undo_of_slots(value, self._slots))
        content = None if self._content is None else self._content.undo(value)
        if content is not None:
            undos.append(content)
        return undos[0] if len(undos) == 1 else undo_all(undos)

    def attributes(self, value: Any) -> dict[str, Any]:
        """Return the attributes of an object, those in slots included."""
        held = {slot.__name__: _slot_value(slot, value) for slot in self._slots}
        return attributes_of(value) | {name: attribute for name, attribute in held.items() if attribute is not UNSET}

    def put(self, value: Any, name: str, attribute: Any) -> None:
        """Give an object an attribute, past its `__setattr__`; or remove one, if `attribute` is `UNSET`."""
        slot: Any = next((slot for slot in self._slots if slot.__name__ == name), None)
        if slot is None:
            set_item(attributes_of(value), name, attribute)
        else:
            _set_slot(slot, value, attribute)

    def digest(self, value: Any) -> object:
        """Return the number of attributes, because empty ones have no entries, and the digest of the content."""
        return len(attributes_of(value)), None if self._content is None else self._content.digest(value)

    def why_unkept(self, _: Any, /) -> str | None:
        """Return why the object may hold more than can be put back."""
        return self._hidden


def set_item(items: dict[str, Any], name: str, item: Any) -> None:
    """Give a dict an item; or remove one, if `item` is `UNSET`."""
    if item is UNSET:
        del items[name]
    else:
        items[name] = item


def _is_empty(attribute: object) -> bool:
    """Return whether this is an empty dict or set, such as most of a module's, which hold hooks, parameters or names.

    A module has many of them. To keep them with their holder costs a quarter of keeping each by itself.
    """
    return type(attribute) in (OrderedDict, dict, set) and not attribute


def _empty_again(containers: Sequence[dict[Any, Any] | set[Any]]) -> None:
    for container in containers:
        if container:
            container.clear()


def attributes_of(value: Any) -> dict[str, Any]:
    """Return the `__dict__` of an object; an empty one if it has none."""
    try:
        attributes = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return {}
    return attributes if isinstance(attributes, dict) else {}


def attributes_of_tensor(tensor: torch.Tensor) -> dict[str, Any]:
    """Return the attributes that were set on a tensor, without the marks of `torch.compile`."""
    return {name: item for name, item in attributes_of(tensor).items() if not name.startswith("_dynamo_")}


def put_tensor_attributes_back(tensor: torch.Tensor, before: dict[str, Any]) -> None:
    """Give a tensor the attributes that `attributes_of_tensor` has returned."""
    attributes = attributes_of(tensor)
    for name in attributes_of_tensor(tensor).keys() - before.keys():
        del attributes[name]
    attributes.update(before)


def _slot_value(slot: Any, value: Any) -> Any:
    try:
        return slot.__get__(value)
    except AttributeError:
        return UNSET


def _set_slot(slot: Any, value: Any, attribute: Any) -> None:
    if attribute is UNSET:
        slot.__delete__(value)
    else:
        slot.__set__(value, attribute)


def _undo_of_slots(value: Any, slots: Sequence[Any]) -> Undo:
    before = [(slot, _slot_value(slot, value)) for slot in slots]

    def undo() -> None:
        for slot, attribute in before:
            if _slot_value(slot, value) is not attribute:
                _set_slot(slot, value, attribute)

    return undo


class ParallelWrappers(Kind):
    """Kind of modules around a model, most of whose attributes mirror communication with other processes or devices.

    Args:
        names: the attributes that belong to the training.
    """

    def __init__(self, *names: str) -> None:
        self._names = names

    def children(self, value: Any) -> Sequence[Child]:
        """Return those attributes."""
        return [Child(f".{name}", getattr(value, name)) for name in self._names]

    def undo(self, value: Any) -> Undo:
        """Return a function that puts the wrapper's mode back."""
        return partial(setattr, value, "training", value.training)


class ScriptModules(Kind):
    """Kind of modules of TorchScript. Most of their attributes are held outside of Python."""

    def children(self, value: Any) -> Sequence[Child]:
        """Return attributes and sub-modules."""
        held = [Child(f".{name}", item) for name, item in _script_attributes(value).items()]
        held += [Child(f".{name}", item) for name, item in attributes_of(value).items()]
        return [*held, *(Child(f".{name}", module) for name, module in value.named_children())]

    def undo(self, value: Any) -> Undo:
        """Return a function that puts the attributes back."""
        attributes = _script_attributes(value)
        put_back = undo_of_items(attributes_of(value))

        def undo() -> None:
            put_back()
            for name, before in attributes.items():
                if value._c.getattr(name) is not before:
                    value._c.setattr(name, before)

        return undo


def _script_attributes(module: Any) -> dict[str, Any]:
    names = module._concrete_type.get_attributes() if hasattr(module, "_concrete_type") else {}
    return {name: module._c.getattr(name) for name in names if module._c.hasattr(name)}


class Classes(Kind):
    """Kind of the user's own classes that are named in `restore=`: their data attributes are put back."""

    def children(self, value: Any) -> Sequence[Child]:
        """Return the data attributes."""
        return [Child(f".{name}", item) for name, item in _data_of(value).items()]

    def undo(self, value: Any) -> Undo:
        """Return a function that puts the data attributes back, and removes those that are new."""
        before = _data_of(value)

        def undo() -> None:
            for name in _data_of(value).keys() - before.keys():
                delattr(value, name)
            for name, item in before.items():
                if vars(value).get(name, UNSET) is not item:
                    setattr(value, name, item)

        return undo


def _data_of(value: type) -> dict[str, Any]:
    data = {
        name: item
        for name, item in vars(value).items()
        if type(item) in PLAIN or isinstance(item, list | dict | set | torch.Tensor)
    }
    return {name: item for name, item in data.items() if not name.startswith("__")}
