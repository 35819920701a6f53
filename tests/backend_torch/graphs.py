"""Random graphs of objects, and random changes of them."""

import array
import collections
import random
import types
from collections.abc import Callable
from typing import Any

import numpy
import torch
from torch import nn


class Open:
    """An object with any attributes."""


class Slotted:
    __slots__ = ("a", "b", "c")


class Both(Slotted):
    """Slots and attributes."""


class OwnList(list):  # type: ignore[type-arg]
    """A list with attributes."""


class OwnDict(dict):  # type: ignore[type-arg]
    def __bool__(self) -> bool:
        raise ValueError("no truth")

    def __eq__(self, other: object) -> bool:
        raise ValueError("no equality")

    __hash__ = object.__hash__


class Point(collections.namedtuple("Point", "x y")):
    """A named tuple."""

    __slots__ = ()


class Method:
    def __init__(self) -> None:
        self.held: list[Any] = []

    def call(self) -> None:
        """Do nothing."""


def buffered() -> nn.Module:
    module = nn.BatchNorm1d(3)
    module.plain = {"n": 0}
    return module


LEAVES: tuple[Callable[[random.Random], Any], ...] = (
    lambda r: r.randrange(5),
    lambda r: r.choice([0.0, -0.0, float("nan"), 1.5, True, None, "text", b"bytes"]),
    lambda r: torch.full((r.randrange(1, 4),), float(r.randrange(9))),
    lambda r: torch.arange(6.0).reshape(2, 3)[:, r.randrange(2) :],
    lambda r: torch.zeros(r.randrange(1, 3) << 13),
    lambda r: torch.eye(2).to_sparse(),
    lambda r: nn.Parameter(torch.ones(2), requires_grad=r.random() < 0.5),
    lambda r: numpy.arange(r.randrange(4), dtype=r.choice(["f4", "i8", "c16"])),
    lambda r: numpy.random.default_rng(r.randrange(9)),
    lambda r: numpy.random.RandomState(r.randrange(9)),
    lambda r: random.Random(r.randrange(9)),
    lambda r: torch.Generator().manual_seed(r.randrange(9)),
    lambda r: bytearray(b"abc"),
    lambda r: array.array("d", [1.0, 2.0]),
    lambda r: iter([1, 2, 3, 4]),
    lambda r: Method().call,
    lambda r: buffered(),
    lambda r: {r.randrange(9), "a"},
    lambda r: range(r.randrange(9)),
    lambda r: numpy.float32(r.random()),
)

HOLDERS: tuple[Callable[[], Any], ...] = (
    list,
    dict,
    Open,
    Slotted,
    Both,
    OwnList,
    OwnDict,
    collections.OrderedDict,
    lambda: collections.defaultdict(list),
    lambda: collections.deque(maxlen=5),
    types.SimpleNamespace,
    nn.Module,
    lambda: numpy.full(3, None, dtype=object),
)


class Graph:
    """A random graph of objects: nested, shared, with cycles.

    Args:
        seed: of the graph.
        size: number of objects.
    """

    def __init__(self, seed: int, size: int) -> None:
        self.random = random.Random(seed)
        self.root = Open()
        self.root.first = []  # type: ignore[attr-defined]
        self.nodes: list[Any] = [self.root, self.root.first]  # type: ignore[attr-defined]
        for _ in range(size):
            self.put(self.node())

    def node(self) -> Any:
        """Return a new object, or one that is in the graph already, maybe in a tuple."""
        choice = self.random.random()
        if choice < 0.2:
            return self.random.choice(self.nodes)
        made = self.random.choice(LEAVES)(self.random) if choice < 0.6 else self.random.choice(HOLDERS)()
        if choice > 0.9:
            made = self.random.choice([tuple, Point._make])((made, self.random.choice(self.nodes)))
        self.nodes.append(made)
        return made

    def put(self, item: Any) -> None:
        """Put an object somewhere into the graph."""
        holder = self.random.choice([node for node in self.nodes if can_hold(node)])
        name = self.random.choice("abc")
        if isinstance(holder, list | collections.deque):
            holder.append(item)
        elif isinstance(holder, dict):
            holder[name] = item
        elif isinstance(holder, numpy.ndarray):
            holder[self.random.randrange(len(holder))] = item
        else:
            try:
                setattr(holder, name, item)
            except (TypeError, KeyError):  # a module takes no object in place of a parameter
                delattr(holder, name)

    def change(self) -> str:
        """Change something at random, and return what."""
        if self.random.random() < 0.3:
            self.put(self.node())
            return "put"
        node = self.random.choice(self.nodes)
        try:
            return str(change(node, self.random) or "nothing")
        except (AttributeError, IndexError, KeyError, RuntimeError, StopIteration, TypeError, ValueError):
            return "nothing"


def can_hold(node: Any) -> bool:
    """Return whether a graph may put an object into this one."""
    if isinstance(node, numpy.ndarray):
        return node.dtype == object
    own = (list, dict, collections.deque, Open, Slotted, types.SimpleNamespace, nn.Module)
    return isinstance(node, own)


def change(node: Any, r: random.Random) -> str | None:
    """Change an object in place, in one of the ways that there are for its kind."""
    if isinstance(node, torch.Tensor):
        if node.is_sparse:
            node._values().add_(1)
            return "sparse"
        ways: list[Callable[[], Any]] = [
            lambda: node.data.add_(1),
            lambda: node.data.view(torch.int32)[..., -1:].bitwise_xor_(1),
            lambda: setattr(node, "data", node.data.clone() + 1),
            lambda: setattr(node, "grad", torch.ones_like(node)),
            lambda: setattr(node, "mark", [1]),
            lambda: node.requires_grad_(not node.requires_grad),
            lambda: node.data.unsqueeze_(0),
            lambda: node.data.resize_(node.numel() + 5),
        ]
        r.choice(ways)()
    elif isinstance(node, nn.Module):
        way = r.randrange(4)
        if way == 0 and isinstance(node, nn.BatchNorm1d):
            node.train()(torch.randn(4, 3))
            node.plain["n"] += 1
        elif way == 1:
            node.register_buffer("late", torch.ones(1))
        elif way == 2:
            node.train(not node.training)
        else:
            node.__dict__.pop(r.choice(sorted(name for name in node.__dict__ if len(name) == 1)))
    elif isinstance(node, numpy.ndarray):
        ways = [lambda: node.fill(0), lambda: node.__setitem__(0, 7)]
        if node.dtype != object:  # NumPy itself crashes when it resizes one of objects and reads it
            ways += [lambda: node.__iadd__(1), lambda: node.resize(5, refcheck=False)]
        r.choice(ways)()
    elif isinstance(node, numpy.random.Generator):
        r.choice([lambda: node.random(), lambda: node.spawn(1)])()
    elif isinstance(node, numpy.random.RandomState):
        node.randn()
    elif isinstance(node, random.Random):
        node.gauss(0, 1)
    elif isinstance(node, torch.Generator):
        torch.rand(1, generator=node)
    elif isinstance(node, collections.deque):
        r.choice([node.popleft, lambda: node.rotate(1), node.clear, node.reverse])()
    elif isinstance(node, list):
        r.choice(
            [node.pop, node.reverse, node.clear, lambda: node.__setitem__(0, list(node)), lambda: r.shuffle(node)]
        )()
    elif isinstance(node, dict):
        key = r.choice(list(node))
        ways = [lambda: node.pop(key), node.clear, lambda: node.update({key: node.pop(key)})]
        ways.append(lambda: node.__setitem__(key, [node[key]]))
        r.choice(ways)()
    elif isinstance(node, set):
        r.choice([node.pop, lambda: node.add(r.random()), node.clear])()
    elif isinstance(node, bytearray | array.array):
        r.choice([node.pop, node.reverse, lambda: node.append(7)])()
    elif hasattr(node, "__next__"):
        next(node)
    elif isinstance(node, types.MethodType):
        node.__self__.held.append(r.random())
        node.__self__.__dict__["late"] = 1
    else:
        names = [name for name in "abc" if hasattr(node, name)]
        first, last = names[0], names[-1]
        held, other = getattr(node, first), getattr(node, last)
        swap = [lambda: setattr(node, first, other), lambda: setattr(node, last, held)]
        ways = [lambda: delattr(node, first), lambda: [one() for one in swap], lambda: setattr(node, first, [held])]
        ways.append(lambda: setattr(node, "c", type(held)))
        r.choice(ways)()
    return type(node).__name__
