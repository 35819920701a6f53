"""The share of one optimizer in the rate of a sweep over several."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch.optim import Optimizer

from lrrange.errors import OptionError
from lrrange_torch.optimizer.rates import GroupRates
from lrrange_torch.same_rate import same_rate
from lrrange_torch.wrappers import inner_optimizer


def rate_of_first(optimizer: Optimizer | Sequence[Optimizer], lr: float, details: Mapping[str, Any]) -> float:
    """Return the base rate of the first group of `optimizer` that has a rate, if the sweep was at `lr`.

    A sweep over several optimizers sets the first one's rate, and the others in proportion. One of them is recognised
    by its class, its number of param groups and, if that is not enough, its base rates.

    Args:
        optimizer: to set: all that were swept, or one of them.
        lr: a rate of the sweep.
        details: of the result's provenance. `optimizer` has the names of the classes, `group_rates` the base rates of
            the groups of each optimizer at the sweep.
    Raises: OptionError if it is one of several, and not known which one.
    """
    names = str(details.get("optimizer", "")).split(", ")
    if len(names) < 2 or not isinstance(optimizer, Optimizer):
        return lr
    swept: Sequence[Sequence[float]] = details.get("group_rates", ())
    inner = inner_optimizer(optimizer)
    bases, name = GroupRates([inner]).bases[0], type(inner).__name__
    alike = [rates for other, rates in zip(names, swept, strict=False) if other == name and len(rates) == len(bases)]
    shares = [_first_rate(rates) for rates in alike]
    if len(set(shares)) > 1:
        matching = [
            rates for rates in alike if all(same_rate(one, other) for one, other in zip(rates, bases, strict=True))
        ]
        shares = [_first_rate(rates) for rates in matching]
    reference = _first_rate([rate for rates in swept for rate in rates])
    if len(set(shares)) != 1 or reference == 0 or shares[0] == 0:
        raise OptionError(
            f"the sweep set the rates of {len(names)} optimizers ({', '.join(names)}) in their proportions, and it is "
            f"not known which part of lr={lr:.6g} this {name} had. Give all of them, in the order of the sweep: "
            f"result.apply([first, second]).",
            lr=lr,
        )
    return lr * (shares[0] / reference)


def _first_rate(rates: Sequence[float]) -> float:
    return next((rate for rate in rates if rate > 0), 0.0)
