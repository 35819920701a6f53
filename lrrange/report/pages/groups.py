"""The rates of the param groups at the answer: a sweep sets one rate, and the other groups follow in proportion."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from lrrange.printable import brief

# More groups than this are summarised.
_MOST = 4


def describe_groups(lr: float, details: Mapping[str, Any]) -> list[str]:
    """Return the rate of each param group when the first one trains at `lr`, in a line for each optimizer.

    Args:
        lr: the rate of the answer.
        details: what the backend reported: `group_ratios`, `group_rates` and `optimizer`.
    Returns: no line if all groups train at `lr`, or the backend did not report them.
    """
    ratios = ratios_of(details)
    if len(ratios) < 2 or all(math.isclose(ratio, 1.0) for ratio in ratios):
        return []
    by_optimizer = _split(ratios, details.get("group_rates"))
    names = [brief(name, 24) for name in str(details.get("optimizer", "")).split(", ")]
    if len(names) != len(by_optimizer) or len(names) == 1:
        return [_describe(lr, ratios)]
    titles = [
        f"optimizer {index} ({name})" if names.count(name) > 1 else name  # two of a kind, as of a GAN
        for index, name in enumerate(names)
    ]
    lines = [f"{title}: {_describe(lr, part)}" for title, part in zip(titles, by_optimizer, strict=True)]
    return [*lines[:_MOST], *([f"and {len(lines) - _MOST} more optimizers"] if len(lines) > _MOST else [])]


def ratios_of(details: Mapping[str, Any]) -> list[float]:
    """Return the rate of each param group as a multiple of the first one's; none if the backend did not report them."""
    return _numbers(details.get("group_ratios"))


def _describe(lr: float, ratios: Sequence[float]) -> str:
    if len(ratios) == 1:
        return _rate(lr, ratios[0])
    if len(ratios) <= _MOST:
        return ", ".join(f"group {index} at {_rate(lr, ratio)}" for index, ratio in enumerate(ratios))
    least = min((index for index in range(len(ratios)) if ratios[index] > 0), key=ratios.__getitem__, default=0)
    most = max(range(len(ratios)), key=ratios.__getitem__)
    held = sum(ratio == 0 for ratio in ratios)
    lowest, highest = (f"{_rate(lr, ratios[index])} in group {index}" for index in (least, most))
    text = f"{len(ratios)} groups, from {lowest} to {highest}"
    return f"{text}; {held} at 0 stay there" if held else text


def _rate(lr: float, ratio: float) -> str:
    if ratio == 0:
        return "0"
    times = "" if math.isclose(ratio, 1.0) else f" ({ratio:.3g} times)"
    return f"{lr * ratio:.2e}{times}"


def _numbers(value: Any) -> list[float]:
    """Return a list of rates from a result, or nothing: a file may hold anything in its details."""
    if not isinstance(value, list) or not all(type(one) in (int, float) and 0 <= one < math.inf for one in value):
        return []
    return [float(one) for one in value]


def _split(ratios: list[float], rates: Any) -> list[list[float]]:
    """Return the ratios by optimizer, as the rates are; all together if the rates do not fit."""
    sizes = (
        [len(one) for one in rates] if isinstance(rates, list) and all(isinstance(one, list) for one in rates) else []
    )
    if sum(sizes) != len(ratios):
        return [ratios]
    starts = [sum(sizes[:number]) for number in range(len(sizes))]
    return [ratios[start : start + size] for start, size in zip(starts, sizes, strict=True)]
