"""The policies of a comparison: what users give, parsed, named and written out step by step."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, SupportsFloat, cast, runtime_checkable

from lrrange.cyclical import Cycle, OneCycle, Schedule, bounds_for, one_cycle, triangular, triangular2
from lrrange.errors import PlanError, UnknownName
from lrrange.policy import Policy
from lrrange.result import RangeTestResult
from lrrange.spelling import did_you_mean
from lrrange.validators import takes


@runtime_checkable
class RateSchedule(Protocol):
    """A learning rate for every step. A `Schedule` has a momentum too."""

    def lr_at(self, step: int) -> float:
        """Return the learning rate of step `step`, counted from 0."""


PolicyLike = float | str | RateSchedule | Callable[[int], float]
Policies = Sequence[float | str] | Mapping[str, PolicyLike]

# Smith 2017, section 3.2: at least three cycles, and stop at the end of one.
_CYCLES = 3


# Reads a policy from a range test, for runs of this many steps. Returns it with its description for the table.
Rule = Callable[[RangeTestResult, int], tuple[PolicyLike, str]]


def _read_rate(result: RangeTestResult, steps: int) -> tuple[PolicyLike, str]:  # noqa: ARG001  the signature of a Rule
    return result.lr, f"the range test's rate ({result.verdict})"


def _cycle_rule(make_cycle: Callable[..., Cycle]) -> Rule:
    def read_cycles(result: RangeTestResult, steps: int) -> tuple[PolicyLike, str]:
        half = math.ceil(steps / (2 * _CYCLES))
        # Without momentum, because Smith 2017 cycles only the rate.
        cycle = make_cycle(result, steps_per_half_cycle=half, base_momentum=None, max_momentum=None)
        bounds = bounds_for(cycle.mode, result)
        return cycle, f"{_CYCLES} cycles of {2 * half} steps over {_format_range(cycle)}, the {bounds.rule} range"

    return read_cycles


def _read_one_cycle(result: RangeTestResult, steps: int) -> tuple[PolicyLike, str]:
    cycle = one_cycle(result, total_steps=steps)
    return cycle, f"one cycle over {_format_range(cycle)}, the {bounds_for('one_cycle', result).rule} range"


def _format_range(cycle: Cycle | OneCycle) -> str:
    return f"{cycle.base_lr:.2e} to {cycle.max_lr:.2e}"


# The rule of each name that stands for a policy from a range test.
FROM_RANGE_TEST: dict[str, Rule] = {
    "found": _read_rate,
    "clr": _cycle_rule(triangular2),
    "triangular": _cycle_rule(triangular),
    "triangular2": _cycle_rule(triangular2),
    "one-cycle": _read_one_cycle,
}


def name_policies(policies: Policies) -> dict[str, PolicyLike]:
    """Return the user's policies by name, with fixed rates as numbers.

    Raises: PlanError if there is none, two have the same name, or one is not a policy; UnknownName for a string that is
        neither a rate nor the name of a rule.
    """
    if isinstance(policies, str):
        raise PlanError(f"policies={policies!r} is a string. Give a list, such as [{policies!r}, 'one-cycle'].")
    if isinstance(policies, RangeTestResult):
        raise PlanError("policies is a RangeTestResult. Give policies=['found', 'one-cycle'] and result=result.")
    if callable(policies):
        raise PlanError(
            "policies is a function. The function goes first: compare(make_run, [1e-3, 'found'], steps=...)."
        )
    if not isinstance(policies, Iterable):
        raise PlanError(f"policies={policies!r} is not a list. Give one, such as [{policies!r}, 'one-cycle'].")
    if isinstance(policies, Mapping):
        pairs = list(policies.items())
    else:
        pairs = [(_make_name(policy), policy) for policy in policies]
    if not pairs:
        raise PlanError(
            "there is no policy to train under. Give rates and names, such as [1e-3, 'found', 'one-cycle']."
        )
    named: dict[str, PolicyLike] = {}
    for name, policy in pairs:
        if name in named:
            raise PlanError(f"two policies are called {name!r}. Leave one out, or give a mapping with other names.")
        named[name] = _parse(policy)
        if not isinstance(policy, RateSchedule) and callable(policy) and not takes(policy, 0):
            raise PlanError(
                f"the policy {name!r} cannot be called with a step. Give a function of the step alone, such as "
                f"lambda step: 0.1 / (step + 1).",
                name=name,
            )
    return named


def needs_range_test(named: Mapping[str, PolicyLike]) -> bool:
    """Return whether any of these policies is read from a range test."""
    return any(isinstance(policy, str) for policy in named.values())


def write_out(named: Mapping[str, PolicyLike], steps: int, result: RangeTestResult | None) -> tuple[Policy, ...]:
    """Return the policies with the rate of every step.

    Args:
        named: policies by name, as `name_policies` returns them.
        steps: number of steps to write out.
        result: result of the range test; it may be None unless `needs_range_test`.
    Raises: the `NoSuggestion` with the reason, if the test found no rate or no range; PlanError.
    """
    written = []
    for name, policy in named.items():
        about = "given"
        if isinstance(policy, str):
            assert result is not None
            policy, about = FROM_RANGE_TEST[policy](result, steps)
        written.append(_write_out_policy(name, policy, about, steps))
        _check_first_rate(written[-1])
    return tuple(written)


def _check_first_rate(policy: Policy) -> None:
    """Raise PlanError for a policy that begins at rate 0. Later rates may be 0, as at the end of a schedule."""
    if policy.lr[0] == 0:
        raise PlanError(
            f"the policy {policy.name!r} gives the rate 0 at its first step, which trains nothing. Begin above 0: a "
            f"warm-up of n steps can be max_lr * (step + 1) / n.",
            name=policy.name,
            step=0,
        )


def _write_out_policy(name: str, policy: Any, about: str, steps: int) -> Policy:
    if isinstance(policy, float):
        return Policy(name=name, lr=(policy,) * steps, about=f"{policy:.2e} throughout, {about}")
    if not isinstance(policy, RateSchedule):
        return Policy(name=name, lr=_rates(policy, steps), about=about)
    momentum = None
    if isinstance(policy, Schedule) and policy.momentum_at(0) is not None:
        momentum = cast(tuple[float, ...], tuple(map(policy.momentum_at, range(steps))))  # None at no step or at all
    return Policy(name=name, lr=_rates(policy.lr_at, steps), momentum=momentum, about=about)


def _rates(lr_at: Callable[[int], Any], steps: int) -> tuple[float, ...]:
    """Return the rates of all steps. NumPy's and other numbers become floats; the rest is refused later."""
    rates = [lr_at(step) for step in range(steps)]
    return tuple([float(rate) if isinstance(rate, SupportsFloat) else rate for rate in rates])


def _make_name(policy: object) -> str:
    if isinstance(policy, str):
        return policy
    if isinstance(policy, (int, float)):
        return f"{policy:g}"
    raise PlanError(
        f"a {type(policy).__name__} among the policies has no name. Give a mapping, such as "
        f"{{'name': schedule, 'found': 'found'}}."
    )


def _parse(policy: PolicyLike) -> PolicyLike:
    """Return a rate as a float; the name of a rule, a schedule or a function as it is."""
    if isinstance(policy, str) and policy in FROM_RANGE_TEST:
        return policy
    if isinstance(policy, (str, int, float)):
        try:
            return float(policy)
        except ValueError:
            known = ", ".join(FROM_RANGE_TEST)
            raise UnknownName(
                f"policy {policy!r} is neither a rate nor one of {known}.{did_you_mean(policy, FROM_RANGE_TEST)}",
                name=policy,
            ) from None
    if not isinstance(policy, RateSchedule) and not callable(policy):
        raise PlanError(
            f"a {type(policy).__name__} is not a policy. Give a rate, a name, a schedule or a function of the step."
        )
    return policy
