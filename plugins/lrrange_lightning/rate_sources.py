"""Where a module keeps the rates that its `configure_optimizers` gives to the optimizers.

Names prove nothing: a module may have an `lr` that is never read, and read its rate from `self.args["step_size"]`. So
numbers are written, `configure_optimizers` is asked, and the rates that it gives are compared.
"""

import math
import warnings
from collections.abc import Iterator, MutableMapping
from typing import Any

import attrs
import torch
from lrrange_torch.optimizer import base_rate, same_rate
from lrrange_torch.snapshot import LazySnapshot
from torch import nn
from torch.optim import Optimizer

# How deep into the user's own configurations to look: `self.config.optimizer["lr"]` is three deep.
_DEPTH = 3

# Not configurations, though they have attributes.
_FOREIGN = (nn.Module, Optimizer, torch.Tensor, type)
_FOREIGN_PACKAGES = ("torch", "pytorch_lightning", "lightning", "torchmetrics")


@attrs.frozen(eq=False)
class Place:
    """A number that the module holds.

    Args:
        name: as the user would write it: `self.hparams.lr`.
        holder: the mapping it is in; of an attribute, the object's `__dict__`.
        key: what it is called there.
    """

    name: str
    holder: MutableMapping[Any, Any] = attrs.field(repr=False)
    key: Any = attrs.field(repr=False)

    @property
    def value(self) -> float:
        """The number there."""
        return float(self.holder[self.key])

    def write(self, value: float) -> None:
        """Put another number there."""
        self.holder[self.key] = value


@attrs.frozen(eq=False)
class Source:
    """Where the rate of one param group comes from.

    Args:
        rate: that `configure_optimizers` gives to the group as the module is; see `nominal_rate`.
        place: that it reads; None if it reads none that could be found, or if several could be meant.
    """

    rate: float
    place: Place | None


def numbers_in(module: nn.Module) -> list[Place]:
    """Every number that the module itself holds, in its hyper-parameters too, and in configurations in either."""
    found: dict[tuple[int, Any], Place] = {}
    for place in _numbers("self", vars(module), _DEPTH):
        found.setdefault((id(place.holder), place.key), place)
    return list(found.values())


def sources(module: Any, optimizers: list[Optimizer]) -> list[Source]:
    """Where each param group's rate comes from, in the order of `configure_optimizers`.

    A rate is read from a place if it follows two numbers written there in proportion. Of several such places the one
    that holds the very rate is meant: the others may be, say, a batch size that the rate is scaled by.

    Args:
        module: its `configure_optimizers` is called twice for each number found; all that this changes is put back.
        optimizers: that the fit has by now, because `configure_optimizers` may return the same ones again.
    Raises: what `configure_optimizers` raises as the module is.
    """
    state = LazySnapshot()
    state.keep(module)
    state.keep(optimizers)
    state.keep_random_state()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the fit shows them
            rates = configured_rates(module)
            followed = [(place, _followers(module, place)) for place in numbers_in(module)]
    finally:
        state.restore()
    return [_source(index, rate, followed) for index, rate in enumerate(rates)]


def _source(index: int, rate: float, followed: list[tuple[Place, frozenset[int]]]) -> Source:
    read = [place for place, followers in followed if index in followers]
    exact = [place for place in read if same_rate(place.value, rate)]
    choice = exact or read
    return Source(rate, choice[0] if len(choice) == 1 else None)


def nominal_rate(group: dict[str, Any]) -> float:
    """The rate that a user calls the param group's own: the peak under a one-cycle schedule, else its base rate."""
    return float(group["max_lr"]) if "max_lr" in group else base_rate(group)


def configured_rates(module: Any) -> list[float]:
    """The nominal rate of each param group that `configure_optimizers` makes."""
    return [nominal_rate(group) for one in _optimizers_in(module.configure_optimizers()) for group in one.param_groups]


def _optimizers_in(configured: Any) -> Iterator[Optimizer]:
    """The optimizers in any form that `configure_optimizers` may return, in order."""
    if isinstance(configured, Optimizer):
        yield configured
    elif isinstance(configured, dict):
        yield from _optimizers_in(configured.get("optimizer"))
    elif isinstance(configured, (list, tuple)):
        for one in configured:
            yield from _optimizers_in(one)


def _followers(module: Any, place: Place) -> frozenset[int]:
    """The indices of the param groups whose rates follow the number at `place`."""
    before = place.holder[place.key]
    written = [part * (place.value or 1.0) for part in (0.5, 0.25)]
    answers = []
    try:
        for value in written:
            place.write(value)
            answers.append(configured_rates(module))
    except Exception:
        return frozenset()  # it cannot be a rate: configure_optimizers does not take half of it
    finally:
        place.holder[place.key] = before
    return frozenset(
        index
        for index, (first, second) in enumerate(zip(*answers, strict=False))
        if second > 0 and math.isclose(first / second, written[0] / written[1], rel_tol=1e-6)
    )


def _numbers(name: str, holder: MutableMapping[Any, Any], depth: int) -> Iterator[Place]:
    for key, value in list(holder.items()):
        # Lightning keeps hyper-parameters under a private name, and beside them a copy that nobody reads.
        called = (
            "self.hparams" if key == "_hparams" else f"{name}.{key}" if str(key).isidentifier() else f"{name}[{key!r}]"
        )
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
            yield Place(called, holder, key)
        elif depth and key != "_hparams_initial":
            inner = _configuration(value)
            if inner is not None:
                yield from _numbers(called, inner, depth - 1)


def _configuration(value: Any) -> MutableMapping[Any, Any] | None:
    """What may hold numbers of the user's own, as a mapping."""
    if isinstance(value, MutableMapping):
        return value
    package = type(value).__module__.partition(".")[0]
    if isinstance(value, _FOREIGN) or callable(value) or package in _FOREIGN_PACKAGES or not hasattr(value, "__dict__"):
        return None
    attributes: MutableMapping[Any, Any] = vars(value)
    return attributes
