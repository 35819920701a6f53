"""Policies that a comparison trains under: each a name, and the rate (and perhaps the momentum) of every step."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lrrange.cyclical import Cycle, OneCycle, Schedule, bounds_for, one_cycle, triangular, triangular2
from lrrange.errors import PlanError, UnknownName
from lrrange.policy import Policy
from lrrange.result import RangeTestResult

PolicyLike = float | str | Schedule | Callable[[int], float]
Policies = Sequence[float | str] | Mapping[str, PolicyLike]

# Smith 2017, section 3.2: at least three cycles, and stop at the end of one.
_CYCLES = 3


def _found(result: RangeTestResult, steps: int) -> tuple[PolicyLike, str]:  # noqa: ARG001  the signature of a rule
    return result.lr, f"the range test's rate ({result.verdict})"


def _cycles(make: Callable[..., Cycle]) -> Callable[[RangeTestResult, int], tuple[PolicyLike, str]]:
    def rule(result: RangeTestResult, steps: int) -> tuple[PolicyLike, str]:
        half = math.ceil(steps / (2 * _CYCLES))
        # Smith 2017 cycles the rate alone.
        cycle = make(result, steps_per_half_cycle=half, base_momentum=None, max_momentum=None)
        bounds = bounds_for(cycle.mode, result)
        return cycle, f"{_CYCLES} cycles of {2 * half} steps over {_shown(cycle)}, the {bounds.rule} range"

    return rule


def _one_cycle(result: RangeTestResult, steps: int) -> tuple[PolicyLike, str]:
    cycle = one_cycle(result, total_steps=steps)
    return cycle, f"one cycle over {_shown(cycle)}, the {bounds_for('one_cycle', result).rule} range"


def _shown(cycle: Cycle | OneCycle) -> str:
    return f"{cycle.base_lr:.2e} to {cycle.max_lr:.2e}"


# What each name makes of a range test.
FROM_RANGE_TEST: dict[str, Callable[[RangeTestResult, int], tuple[PolicyLike, str]]] = {
    "found": _found,
    "clr": _cycles(triangular2),
    "triangular": _cycles(triangular),
    "triangular2": _cycles(triangular2),
    "one-cycle": _one_cycle,
}


def by_name(policies: Policies) -> dict[str, PolicyLike]:
    """The policies asked for, by name, with fixed rates as numbers.

    Raises: PlanError if there is none or two have one name; UnknownName for a text that is neither a rate nor a rule.
    """
    if isinstance(policies, str):
        raise PlanError(f"policies={policies!r} is one text. Give a list, such as [{policies!r}, 'one-cycle'].")
    named = list(policies.items()) if isinstance(policies, Mapping) else [(_name(one), one) for one in policies]
    if not named:
        raise PlanError(
            "there is no policy to train under. Give rates and names, such as [1e-3, 'found', 'one-cycle']."
        )
    asked: dict[str, PolicyLike] = {}
    for name, policy in named:
        if name in asked:
            raise PlanError(f"two policies are called {name!r}. Leave one out, or give a mapping with other names.")
        asked[name] = _recognised(policy)
    return asked


def needs_range_test(asked: Mapping[str, PolicyLike]) -> bool:
    """Whether any of them is read from a range test."""
    return any(isinstance(policy, str) for policy in asked.values())


def write_out(asked: Mapping[str, PolicyLike], steps: int, result: RangeTestResult | None) -> tuple[Policy, ...]:
    """The policies, step by step.

    Args:
        asked: as `by_name` returns them.
        steps: how many.
        result: of the range test, where `needs_range_test`.
    Raises: the reason, a `NoSuggestion`, if the test found no rate or no range; PlanError.
    """
    written = []
    for name, policy in asked.items():
        about = "given"
        if isinstance(policy, str):
            assert result is not None
            policy, about = FROM_RANGE_TEST[policy](result, steps)
        written.append(_written(name, policy, about, steps))
    return tuple(written)


def _written(name: str, policy: Any, about: str, steps: int) -> Policy:
    if isinstance(policy, float):
        return Policy(name=name, lr=(policy,) * steps, about=f"{policy:.2e} throughout, {about}")
    if not hasattr(policy, "lr_at"):
        return Policy(name=name, lr=tuple(map(policy, range(steps))), about=about)
    cycles_momentum = hasattr(policy, "momentum_at") and policy.momentum_at(0) is not None
    momentum = tuple(map(policy.momentum_at, range(steps))) if cycles_momentum else None
    return Policy(name=name, lr=tuple(map(policy.lr_at, range(steps))), momentum=momentum, about=about)


def _name(policy: object) -> str:
    if isinstance(policy, str):
        return policy
    if isinstance(policy, (int, float)):
        return f"{policy:g}"
    raise PlanError(
        f"a {type(policy).__name__} among the policies has no name. Give a mapping, such as "
        f"{{'name': schedule, 'found': 'found'}}."
    )


def _recognised(policy: PolicyLike) -> PolicyLike:
    """A rate as a float, the name of a rule, or the schedule itself."""
    if isinstance(policy, str) and policy in FROM_RANGE_TEST:
        return policy
    if isinstance(policy, (str, int, float)):
        try:
            return float(policy)
        except ValueError:
            known = ", ".join(FROM_RANGE_TEST)
            raise UnknownName(f"policy {policy!r} is neither a rate nor one of {known}.", name=policy) from None
    if not hasattr(policy, "lr_at") and not callable(policy):
        raise PlanError(
            f"a {type(policy).__name__} is no policy. Give a rate, a name, a schedule or a function of the step."
        )
    return policy
