"""Kinds of functions, and what in their variables counts as notes that a user takes of the training."""

import array
import functools
import itertools
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Sequence
from functools import partial
from types import CodeType
from typing import Any

from lrrange_torch.inventory.attributes import UNSET, Objects, set_item
from lrrange_torch.inventory.kind import Child, HeldBy, Kind, undo_all
from lrrange_torch.inventory.machinery import PLAIN, is_machinery, is_users
from lrrange_torch.random_state import Undo

_CONTAINERS = frozenset(
    {list, dict, set, tuple, frozenset, bytearray, OrderedDict, defaultdict, Counter, deque, array.array}
)
_NOTES = PLAIN | _CONTAINERS | {itertools.count}


class Functions(Kind):
    """Kind of Python functions: what their variables hold; of the user's own functions, what global ones hold too."""

    def children(self, value: Any) -> Sequence[Child]:
        """Return what the function reads without being given it."""
        if is_machinery(str(value.__module__)):
            return ()
        held = [
            Child(f", variable {name}", cell.cell_contents, HeldBy.FUNCTION)
            for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True)
            if _has_content(cell)
        ]
        held += [
            Child(f", default {index}", item, HeldBy.FUNCTION) for index, item in enumerate(value.__defaults__ or ())
        ]
        held += [
            Child(f", default {name}", item, HeldBy.FUNCTION) for name, item in (value.__kwdefaults__ or {}).items()
        ]
        held += [Child(f", global {name}", item, HeldBy.FUNCTION) for name, item in _globals_of(value).items()]
        if is_users(value.__code__):
            held.append(Child(", attributes", value.__dict__))
        return held

    def undo(self, value: Any) -> Undo | None:
        """Return a function that puts back what the variables hold, apart from notes."""
        undos = [
            undo_except_notes(partial(_content_of, cell), partial(_put_into, cell)) for cell in value.__closure__ or ()
        ]
        names = _names_read(value.__code__) if is_users(value.__code__) else ()
        if names:
            undos.append(undo_except_notes(partial(_globals_of, value), partial(set_item, value.__globals__)))
        return undo_all(undos) if undos else None

    def digest(self, value: Any) -> object:
        """Return the function's name."""
        return value.__qualname__


class Methods(Kind):
    """Kind of bound methods."""

    def children(self, value: Any) -> Sequence[Child]:
        """Return the object and the function."""
        return [Child(".__self__", value.__self__), Child(".__func__", value.__func__)]


class Partials(Kind):
    """Kind of `functools.partial` objects."""

    def children(self, value: Any) -> Sequence[Child]:
        """Return the function and the arguments."""
        held = [Child(".func", value.func)]
        held += [Child(f".args[{index}]", item, HeldBy.FUNCTION) for index, item in enumerate(value.args)]
        return held + [Child(f".keywords[{name}]", item, HeldBy.FUNCTION) for name, item in value.keywords.items()]


class Caches(Kind):
    """Kind of functions under `functools.lru_cache`. One that has kept no result yet is emptied again."""

    def children(self, value: Any) -> Sequence[Child]:
        """Return the function."""
        return [Child("", value.__wrapped__)]

    def undo(self, value: Any) -> Undo | None:
        """Return a function that empties the cache; None if it holds something, which no Python code can put back."""
        return None if value.cache_info().currsize else value.cache_clear


def are_notes(value: object, depth: int = 3) -> bool:
    """Return whether a function may use this value for notes of its calls: a number, a text, a container of these."""
    type_ = type(value)
    if type_ in PLAIN or type_ is itertools.count:
        return True
    if type_ not in _CONTAINERS or depth == 0:
        return False
    elements: Any = value.values() if isinstance(value, dict) else value
    if not set(map(type, elements)) <= _NOTES:
        return False
    return all(are_notes(element, depth - 1) for element in itertools.islice(elements, 64))


def undo_except_notes(read: Callable[[], dict[str, Any]], write: Callable[[str, Any], None]) -> Undo:
    """Return a function that puts variables back, except where one held notes before and holds notes afterwards.

    Args:
        read: returns what the variables hold.
        write: gives a variable of this name what it held, or removes what it holds if that is `UNSET`.
    """
    before = {name: (content, are_notes(content)) for name, content in read().items()}

    def undo() -> None:
        now = read()
        for name in [*before, *(now.keys() - before.keys())]:
            held, was_notes = before.get(name, (UNSET, True))
            holds = now.get(name, UNSET)
            if holds is not held and not (was_notes and (holds is UNSET or are_notes(holds))):
                write(name, held)

    return undo


def undo_of_notebook(value: Any, kind: Objects) -> Undo:
    """Return a function that puts the attributes of an object of this kind back, except for notes."""
    return undo_except_notes(partial(kind.attributes, value), partial(kind.put, value))


def undo_of_notes(value: Any, undo: Undo) -> Undo:
    """Return a function that puts a container back if it has been given more than notes, such as tensors."""
    return lambda: None if are_notes(value) else undo()


def _content_of(cell: Any) -> dict[str, Any]:
    return {"": cell.cell_contents} if _has_content(cell) else {}


def _put_into(cell: Any, _: str, content: Any) -> None:
    if content is UNSET:
        del cell.cell_contents
    else:
        cell.cell_contents = content


def _has_content(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018  reading it is the question
    except ValueError:
        return False
    return True


def _globals_of(function: Any) -> dict[str, Any]:
    """Return the global variables that one of the user's own functions reads; none for a function of a library."""
    if not is_users(function.__code__):
        return {}
    variables = function.__globals__
    return {name: variables[name] for name in _names_read(function.__code__) if name in variables}


@functools.cache
def _names_read(code: CodeType) -> tuple[str, ...]:
    inner = [_names_read(constant) for constant in code.co_consts if isinstance(constant, CodeType)]
    return tuple(dict.fromkeys([*code.co_names, *(name for names in inner for name in names)]))
