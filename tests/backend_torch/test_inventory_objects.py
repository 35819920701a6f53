"""Objects of every kind that Python has are put back in place, and nothing is asked of them that they could refuse."""

import array
import collections
import ctypes
import dataclasses
import enum
import functools
import gc
import io
import itertools
import logging
import multiprocessing
import queue
import random
import re
import threading
import types
import typing
import uuid
import weakref
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import attrs
import numpy
import pytest
import torch
from lrrange_torch.snapshot import Snapshot
from torch import nn

from tests.backend_torch.sweeping import Trained, sweep


class Open:
    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)


class Slots:
    __slots__ = ("a", "b")


class MoreSlots(Slots):
    __slots__ = ("__weakref__", "c")


class SlotsAndDict(Slots):
    pass


class Mangled:
    __slots__ = ("__hidden",)

    def __init__(self) -> None:
        self.__hidden = [1]

    def grow(self) -> None:
        self.__hidden.append(1)
        self.__hidden = [*self.__hidden]


class OwnDict(dict):  # type: ignore[type-arg]
    """A dict whose methods raise, and which has attributes."""

    def _raise(self, *_: Any) -> Any:
        raise RuntimeError("not for others")

    items = keys = values = copy = clear = update = __iter__ = __len__ = _raise  # type: ignore[assignment]


class OwnList(list):  # type: ignore[type-arg]
    def _raise(self, *_: Any) -> Any:
        raise RuntimeError("not for others")

    __iter__ = __len__ = clear = extend = _raise  # type: ignore[assignment]


class OwnSet(set):  # type: ignore[type-arg]
    def __iter__(self) -> Any:
        raise RuntimeError("not for others")


class OwnTuple(tuple):  # type: ignore[type-arg]
    def __iter__(self) -> Any:
        raise RuntimeError("not for others")


class Lying:
    """An object that says it is equal to everything, empty, and of another class."""

    def __init__(self) -> None:
        self.calls = 0
        self.held: list[int] = []

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 1

    def __len__(self) -> int:
        return 0

    @property
    def __class__(self) -> Any:  # type: ignore[override]
        return dict


class Raising:
    """An object that raises whatever is asked of it."""

    def __init__(self) -> None:
        object.__setattr__(self, "held", [1])

    def _raise(self, *_: Any) -> Any:
        raise RuntimeError("not for others")

    __getattribute__ = __setattr__ = __delattr__ = __repr__ = __str__ = __eq__ = __hash__ = _raise  # type: ignore[assignment]
    __bool__ = __len__ = __iter__ = __contains__ = __getitem__ = __reduce__ = __reduce_ex__ = __copy__ = _raise
    __deepcopy__ = __dir__ = __format__ = __int__ = __float__ = __index__ = __getstate__ = __sizeof__ = _raise  # type: ignore[assignment]


class Everything:
    """An object that has every attribute, as mocks and proxies do."""

    def __init__(self) -> None:
        self.held = [1]

    def __getattr__(self, name: str) -> Any:
        return Everything()


class Proxy:
    def __init__(self, target: Any) -> None:
        object.__setattr__(self, "_target", target)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._target, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._target, name, value)


class Properties:
    def __init__(self) -> None:
        self._held = [1]

    @property
    def broken(self) -> Any:
        raise RuntimeError("not for others")

    @property
    def fresh(self) -> list[int]:
        self._held.append(1)
        return []

    def grow(self) -> None:
        self._held = [*self._held, 1]


@dataclasses.dataclass(frozen=True)
class Frozen:
    held: list[int] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(slots=True)
class SlottedData:
    count: int = 0
    held: list[int] = dataclasses.field(default_factory=list)


@attrs.define
class Attrs:
    count: int = 0
    held: list[int] = attrs.Factory(list)


@attrs.frozen
class FrozenAttrs:
    held: list[int] = attrs.Factory(list)


class Point(typing.NamedTuple):
    held: list[int]
    other: int


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Held:
    """An element of a class, found by nothing but the class."""


class Count(int):
    pass


class Structure(ctypes.Structure):
    _fields_ = (("a", ctypes.c_int), ("b", ctypes.c_double * 3))


class OwnPartial(functools.partial):  # type: ignore[type-arg]
    pass


class Local(threading.local):
    calls = 0


def slots(kind: type[Any], **values: Any) -> Any:
    made = kind()
    for name, value in values.items():
        setattr(made, name, value)
    return made


def own(kind: type[Any], *args: Any) -> Any:
    made = kind(*args)
    made.held = [1]
    return made


def grow(held: Any) -> None:
    held.append(len(held))


def deep(depth: int) -> list[Any]:
    held: list[Any] = [0]
    for _ in range(depth):
        held = [held]
    return held


def bottom(held: Any) -> Any:
    while type(held[0]) is list:
        held = held[0]
    return held


def cyclic() -> Any:
    held = Open(name="a", others=[])
    held.others.append(Open(parent=held, others=held.others))
    held.me = held
    return held


def each(held: Any, name: str, value: Any) -> None:
    setattr(held, name, value)


KINDS: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "an object": (lambda: Open(a=1, b=[2]), lambda h: (each(h, "a", 2), grow(h.b), each(h, "c", 3))),
    "an attribute that is deleted": (lambda: Open(a=1), lambda h: h.__dict__.pop("a", None)),
    "slots": (lambda: slots(Slots, a=1), lambda h: (each(h, "a", 2), each(h, "b", 3))),
    "a slot that is deleted": (lambda: slots(Slots, a=1), lambda h: hasattr(h, "a") and delattr(h, "a")),
    "inherited slots": (lambda: slots(MoreSlots, a=1, c=[1]), lambda h: (grow(h.c), each(h, "b", 1))),
    "slots and attributes": (lambda: slots(SlotsAndDict, a=1, d=2), lambda h: (each(h, "a", 2), each(h, "d", 3))),
    "a private slot": (Mangled, lambda h: h.grow()),
    "a namespace": (lambda: types.SimpleNamespace(a=1, b=[1]), lambda h: (each(h, "a", 2), grow(h.b), each(h, "n", 1))),
    "a dict of its own": (lambda: own(OwnDict, {"a": 1}), lambda h: (h.__setitem__("b", 1), grow(h.held))),
    "a list of its own": (lambda: own(OwnList, [1]), lambda h: (h.append(2), grow(h.held))),
    "a set of its own": (lambda: own(OwnSet, [1]), lambda h: (h.add(2), grow(h.held))),
    "a tuple of its own": (lambda: OwnTuple([[1], 2]), lambda h: grow(tuple.__getitem__(h, 0))),
    "a deque of its own": (lambda: own(type("D", (collections.deque,), {}), [1, 2], 2), lambda h: h.append(3)),
    "an ordered dict": (lambda: collections.OrderedDict(a=1, b=2, c=3), lambda h: h.move_to_end("a")),
    "an ordered dict's front": (lambda: collections.OrderedDict(a=1, b=2), lambda h: h.move_to_end("b", last=False)),
    "a defaultdict": (lambda: collections.defaultdict(list, a=[1]), lambda h: (h["b"], grow(h["a"]))),
    "a defaultdict's factory": (lambda: collections.defaultdict(list), lambda h: each(h, "default_factory", dict)),
    "a counter": (lambda: collections.Counter("aab"), lambda h: h.update("abc")),
    "a chain map": (lambda: collections.ChainMap({"a": 1}, {"b": 2}), lambda h: h.update(a=2, c=3)),
    "a user's dict": (lambda: collections.UserDict(a=1), lambda h: h.update(a=2, b=3)),
    "a user's list": (lambda: collections.UserList([1]), lambda h: h.append(2)),
    "a full deque": (lambda: collections.deque([1, 2], maxlen=2), lambda h: h.append(3)),
    "a deque that rotates": (lambda: collections.deque([1, 2, 3]), lambda h: h.rotate(1)),
    "a dict with objects as keys": (lambda: {Slots: 1, Point([1], 2)[1]: 2, Open(): 3}, lambda h: h.clear()),
    "a dict whose keys hold lists": (lambda: {Open(a=[1]): 1}, lambda h: grow(next(iter(h)).a)),
    "a dict with tuples as keys": (lambda: {(1, "a"): [1]}, lambda h: grow(h[1, "a"])),
    "a dict with NaN as key": (lambda: {float("nan"): 1}, lambda h: h.update({float("nan"): 1})),
    "a view of a dict": (lambda: {"a": 1}.keys(), lambda h: None),
    "a mapping proxy": (lambda: types.MappingProxyType({"a": [1]}), lambda h: grow(h["a"])),
    "a set of objects": (lambda: {Open(a=[1])}, lambda h: (grow(next(iter(h)).a), h.clear()) if h else None),
    "a frozen set": (lambda: frozenset([Open(a=[1])]), lambda h: [grow(one.a) for one in h]),
    "a named tuple": (lambda: Point([1], 2), lambda h: grow(h.held)),
    "a frozen dataclass": (Frozen, lambda h: grow(h.held)),
    "a frozen dataclass that is forced": (Frozen, lambda h: object.__setattr__(h, "held", [3])),
    "a dataclass with slots": (SlottedData, lambda h: (each(h, "count", 1), grow(h.held))),
    "a class of attrs": (Attrs, lambda h: (each(h, "count", 1), grow(h.held))),
    "a frozen class of attrs": (FrozenAttrs, lambda h: grow(h.held)),
    "an enum": (lambda: [Colour.RED], lambda h: h.__setitem__(0, Colour.BLUE)),
    "a number of its own": (lambda: Open(n=Count(1)), lambda h: each(h, "n", Count(2))),
    "an object that lies": (Lying, lambda h: (each(h, "calls", 1), h.held.append(1))),
    "equal objects": (lambda: [Lying(), Lying()], lambda h: h.reverse()),
    "equal numbers": (lambda: [1, 0.0, 2], lambda h: (h.__setitem__(0, True), h.__setitem__(1, -0.0))),
    "an object that raises": (
        lambda: [Raising()],
        lambda h: object.__getattribute__(list.__getitem__(h, 0), "held").append(1),
    ),
    "a list of objects that raise": (lambda: [Raising()], lambda h: h.append(Raising())),
    "an object with every attribute": (Everything, lambda h: grow(h.held)),
    "a proxy": (lambda: Proxy(Open(a=1, b=[1])), lambda h: (each(h, "a", 2), grow(h.b))),
    "a proxy of a tensor": (lambda: Proxy(torch.zeros(2)), lambda h: h.add_(1)),
    "properties that raise": (Properties, lambda h: h.grow()),
    "a method": (lambda: Properties().grow, lambda h: h()),
    "a function's closure": (lambda: (lambda held: lambda: held)(Open(a=1)), lambda h: each(h(), "a", 2)),
    "a partial": (lambda: functools.partial(grow, OwnList()), lambda h: None),
    "a partial over an object": (lambda: functools.partial(each, Open(a=1), "a", 2), lambda h: h()),
    "a partial of its own": (lambda: OwnPartial(each, Open(a=1), "a", 2), lambda h: h()),
    "a cached function": (lambda: functools.lru_cache((lambda o: lambda: each(o, "a", 2))(Open(a=1))), lambda h: h()),
    "a cycle": (cyclic, lambda h: (grow(h.others), each(h.others[0], "parent", None))),
    "two thousand levels": (lambda: deep(2_000), lambda h: grow(bottom(h))),
    "a ctypes number": (lambda: ctypes.c_int(1), lambda h: each(h, "value", h.value + 1)),
    "a ctypes array": (lambda: (ctypes.c_double * 3)(1, 2, 3), lambda h: h.__setitem__(1, 9.0)),
    "a ctypes structure": (lambda: Structure(1), lambda h: each(h, "a", 5)),
    "a shared number": (lambda: multiprocessing.Value("i", 1), lambda h: each(h, "value", h.value + 1)),
    "a shared number without a lock": (
        lambda: multiprocessing.Value("i", 1, lock=False),
        lambda h: each(h, "value", 2),
    ),
    "a shared array": (lambda: multiprocessing.Array("d", [1, 2]), lambda h: h.__setitem__(0, 9)),
    "an array of numbers": (lambda: array.array("d", [1, 2]), lambda h: h.append(3)),
    "an array of numbers of its own": (lambda: own(type("A", (array.array,), {}), "d", [1]), lambda h: h.append(3)),
    "a memory view": (lambda: memoryview(bytearray(b"ab")), lambda h: h.__setitem__(0, 7)),
    "a weak reference": (lambda: (lambda o: [o, weakref.ref(o)])(Open(a=1)), lambda h: each(h[1](), "a", 2)),
    "a weak dict by key": (
        lambda: (lambda o: [o, weakref.WeakKeyDictionary({o: [1]})])(Open()),
        lambda h: (grow(h[1].setdefault(h[0], [])), h.append(Open()), h[1].update({h[-1]: 2}), h[1].pop(h[0])),
    ),
    "a weak dict by value": (
        lambda: (lambda o: [o, weakref.WeakValueDictionary(a=o)])(Open()),
        lambda h: (h.append(Open()), h[1].update(b=h[-1])),
    ),
    "a weak set": (
        lambda: (lambda o: [o, weakref.WeakSet([o])])(Open()),
        lambda h: (h[1].discard(h[0]), h.append(Open()), h[1].add(h[-1])),
    ),
    "a queue": (lambda: (lambda q: (q.put(1), q)[1])(queue.Queue()), lambda h: h.put(2)),
    "a lock": (threading.Lock, lambda h: h.acquire(blocking=False)),
    "locks": (lambda: [threading.RLock(), threading.Event(), threading.Condition()], lambda h: h.clear()),
    "a thread's own values": (lambda: slots(threading.local, a=1), lambda h: (each(h, "a", 2), each(h, "b", 3))),
    "a thread's own values of its own": (lambda: slots(Local, a=1), lambda h: (each(h, "a", 2), each(h, "calls", 3))),
    "a thread": (lambda: threading.Thread(target=print), lambda h: None),
    "a logger": (lambda: logging.getLogger("model"), lambda h: h.debug("a step")),
    "a file in memory": (lambda: io.BytesIO(b"abcdef"), lambda h: h.read(1)),
    "a text in memory": (lambda: io.StringIO("abcdef"), lambda h: h.write("xyz")),
    "values": (
        lambda: [Decimal(1), Fraction(1, 2), datetime(2020, 1, 1), uuid.UUID(int=1), Path("a")],
        lambda h: h.clear(),
    ),
    "a pattern": (lambda: re.compile("a"), lambda h: h.match("a")),
    "Ellipsis": (lambda: [..., NotImplemented, range(3), slice(1), None], lambda h: h.clear()),
    "a class": (lambda: Held, lambda h: None),
    "a module": (lambda: random, lambda h: h.random()),
    "a generic alias": (lambda: list[int], lambda h: None),
    "an exception": (lambda: ValueError("a"), lambda h: None),
    "operators": (lambda: [__import__("operator").itemgetter(1), max, str.upper, [].append], lambda h: h[3](1)),
    "a repeat": (lambda: itertools.repeat(1), lambda h: next(h)),
    "a random generator of the system": (random.SystemRandom, lambda h: h.random()),
    "a random generator of its own": (
        lambda: own(type("R", (random.Random,), {}), 1),
        lambda h: (h.random(), grow(h.held)),
    ),
    "a NumPy generator of its own": (
        lambda: numpy.random.Generator(numpy.random.PCG64(1)),
        lambda h: h.standard_normal(),
    ),
    "a NumPy generator and its bits": (
        lambda: (lambda bits: [numpy.random.Generator(bits), bits])(numpy.random.SFC64(1)),
        lambda h: (h[0].random(), h[1].random_raw()),
    ),
    "an array of its own": (
        lambda: own(lambda: numpy.ones(2).view(type("N", (numpy.ndarray,), {}))),
        lambda h: (h.__iadd__(1), grow(h.held)),
    ),
    "a tensor of its own": (lambda: own(type("T", (torch.Tensor,), {}), 2), lambda h: (h.zero_(), grow(h.held))),
    "a distribution": (lambda: torch.distributions.Normal(torch.zeros(1), torch.ones(1)), lambda h: h.loc.add_(1)),
    "a module in a list": (lambda: [nn.BatchNorm1d(2)], lambda h: h[0](torch.randn(3, 2))),
    "the same list twice": (lambda: (lambda one: [one, one, [1]])([1]), lambda h: (grow(h[0]), h.__setitem__(1, h[2]))),
}


@pytest.mark.parametrize("what", KINDS)
def test_is_put_back(what: str) -> None:
    make, change = KINDS[what]
    sweep(Trained(lambda module: change(module.held), held=make()), before=0)


@pytest.mark.parametrize("what", KINDS)
def test_a_new_one_does_not_replace_it(what: str) -> None:
    make, _ = KINDS[what]
    sweep(Trained(lambda module: setattr(module, "held", make()), held=make()), before=0)


def test_an_open_file_is_read_again_from_where_it_was(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("\n".join(map(str, range(100))))
    with open(tmp_path / "text", "rb") as bytes_, open(tmp_path / "text") as text, open(tmp_path / "log", "w") as log:

        def change(module: Any) -> None:
            module.held[0].readline(), module.held[1].readline(), module.held[2].write("a step\n")

        held = [bytes_, text, log]
        bytes_.readline()
        sweep(Trained(change, held=held), before=0)
        assert (bytes_.readline(), text.readline()) == (b"1\n", "0\n")
    assert (tmp_path / "log").read_text().count("a step") == 9


def test_a_file_that_is_iterated_is_named(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("\n".join(map(str, range(100))))
    with open(tmp_path / "text") as text:
        next(text)
        sweep(Trained(lambda module: next(module.held), held=text), before=0, not_kept=["model.held"])


class Lines:
    """An iterator of a class of its own."""

    def __init__(self) -> None:
        self.position = 0

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        self.position += 1
        return self.position


def test_an_iterator_of_ones_own_is_an_object_like_any_other() -> None:
    sweep(Trained(lambda module: next(module.held), held=Lines()))


def test_an_object_of_another_process_is_named_if_it_changes() -> None:
    with multiprocessing.get_context("fork").Manager() as manager:
        # Both live until the end, because all proxies of a manager share the set of those that are alive.
        changed, kept = manager.dict(a=1), manager.dict(a=1)
        sweep(Trained(lambda m: m.held.update(a=2), held=changed), before=0, not_kept=["model.held"])
        sweep(Trained(lambda _: gc.collect(), held=kept), before=0)


def test_ten_thousand_levels_are_put_back() -> None:
    held = deep(10_000)
    state = Snapshot()
    state.keep(held)
    bottom(held).append(1)
    state.restore()
    assert bottom(held) == [0]
