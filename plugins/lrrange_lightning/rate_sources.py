"""Which number of a module `configure_optimizers` reads as the learning rate of each param group.

A name proves nothing: a module may have an `lr` that is never read, and read its rate from `self.args["step_size"]`. So
every number that the module holds is changed in turn, `configure_optimizers` is called, and the rates that it returns
are compared.
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

# How deep to look into the user's own configurations: `self.config.optimizer["lr"]` is three levels deep.
_DEPTH = 3

# Not configurations, though they have attributes.
_FOREIGN = (nn.Module, Optimizer, torch.Tensor, type)
_FOREIGN_PACKAGES = ("torch", "pytorch_lightning", "lightning", "torchmetrics")


@attrs.frozen(eq=False)
class NumberInModule:
    """A number that a module holds: an attribute, a hyper-parameter, or an entry of a configuration.

    Args:
        name: as the user would write it: `self.hparams.lr`.
        holder: the mapping that contains it. For an attribute, the `__dict__` of its object.
        key: its key in that mapping.
    """

    name: str
    holder: MutableMapping[Any, Any] = attrs.field(repr=False)
    key: Any = attrs.field(repr=False)

    @property
    def value(self) -> float:
        """The number as it is now."""
        return float(self.holder[self.key])

    def write(self, value: float) -> None:
        """Replace the number."""
        self.holder[self.key] = value


@attrs.frozen(eq=False)
class RateSource:
    """The source of one param group's learning rate.

    Args:
        rate: the nominal rate that `configure_optimizers` gives the group at present; see `nominal_rate`.
        number: the number that the rate is read from. None if the rate follows no number of the module, or if it
            follows several and not exactly one of them equals it.
    """

    rate: float
    number: NumberInModule | None


def numbers_in(module: nn.Module) -> list[NumberInModule]:
    """Return every number among the module's own attributes and hyper-parameters, and in configurations among them."""
    numbers: dict[tuple[int, Any], NumberInModule] = {}
    for number in _numbers("self", vars(module), _DEPTH):
        numbers.setdefault((id(number.holder), number.key), number)
    return list(numbers.values())


def find_rate_sources(module: Any, optimizers: list[Optimizer]) -> list[RateSource]:
    """Find the source of each param group's rate, in the order of `configure_optimizers`.

    A rate is read from a number if it follows two values written there in proportion. If it follows several numbers,
    the source is the one that equals the rate; another may be a batch size that the rate is scaled by.

    Args:
        module: its `configure_optimizers` is called once, and twice more for each number in the module. Everything that
            these calls change is put back.
        optimizers: of the running fit, because `configure_optimizers` may return the same ones again.
    Raises: what `configure_optimizers` raises while the module is unchanged.
    """
    state = LazySnapshot()
    state.keep(module)
    state.keep(optimizers)
    state.keep_random_state()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the fit shows them
            rates = configured_rates(module)
            followers = [(number, _groups_that_follow(module, number)) for number in numbers_in(module)]
    finally:
        state.restore()
    return [_source(index, rate, followers) for index, rate in enumerate(rates)]


def _source(index: int, rate: float, followers: list[tuple[NumberInModule, frozenset[int]]]) -> RateSource:
    read = [number for number, groups in followers if index in groups]
    equal = [number for number in read if same_rate(number.value, rate)]
    candidates = equal or read
    return RateSource(rate, candidates[0] if len(candidates) == 1 else None)


def nominal_rate(group: dict[str, Any]) -> float:
    """Return the rate that a user gives the param group: its peak under a one-cycle schedule, else its base rate."""
    return float(group["max_lr"]) if "max_lr" in group else base_rate(group)


def configured_rates(module: Any) -> list[float]:
    """Call `configure_optimizers`, and return the nominal rate of each param group that it makes."""
    optimizers = _optimizers_in(module.configure_optimizers())
    return [nominal_rate(group) for optimizer in optimizers for group in optimizer.param_groups]


def _optimizers_in(configured: Any) -> Iterator[Optimizer]:
    """Yield the optimizers in any form that `configure_optimizers` may return, in order."""
    if isinstance(configured, Optimizer):
        yield configured
    elif isinstance(configured, dict):
        yield from _optimizers_in(configured.get("optimizer"))
    elif isinstance(configured, (list, tuple)):
        for item in configured:
            yield from _optimizers_in(item)


def _groups_that_follow(module: Any, number: NumberInModule) -> frozenset[int]:
    """Return the indices of the param groups whose rates are proportional to the number."""
    before = number.holder[number.key]
    written = [part * (number.value or 1.0) for part in (0.5, 0.25)]
    rates = []
    try:
        for value in written:
            number.write(value)
            rates.append(configured_rates(module))
    except Exception:
        return frozenset()  # no rate: configure_optimizers does not accept half of it
    finally:
        number.holder[number.key] = before
    return frozenset(
        index
        for index, (first, second) in enumerate(zip(*rates, strict=False))
        if second > 0 and math.isclose(first / second, written[0] / written[1], rel_tol=1e-6)
    )


def _numbers(name: str, holder: MutableMapping[Any, Any], depth: int) -> Iterator[NumberInModule]:
    for key, value in list(holder.items()):
        # Lightning keeps hyper-parameters under a private name, and beside them a copy that nothing reads.
        path = (
            "self.hparams" if key == "_hparams" else f"{name}.{key}" if str(key).isidentifier() else f"{name}[{key!r}]"
        )
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
            yield NumberInModule(path, holder, key)
        elif depth and key != "_hparams_initial":
            configuration = _configuration(value)
            if configuration is not None:
                yield from _numbers(path, configuration, depth - 1)


def _configuration(value: Any) -> MutableMapping[Any, Any] | None:
    """Return an object that may hold numbers of the user's as a mapping; None for any other object."""
    if isinstance(value, MutableMapping):
        return value
    package = type(value).__module__.partition(".")[0]
    if isinstance(value, _FOREIGN) or callable(value) or package in _FOREIGN_PACKAGES or not hasattr(value, "__dict__"):
        return None
    attributes: MutableMapping[Any, Any] = vars(value)
    return attributes
