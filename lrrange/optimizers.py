"""What plug-ins do to your optimizer: set its rate, prove that it is used, and make a scheduler for it."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, cast

from lrrange.advice.advice import Advice
from lrrange.advice.ranges import LRRange
from lrrange.cyclical import bounds_for
from lrrange.errors import OptionError, TargetError
from lrrange.plugins import first_answer, make_manager, names_of
from lrrange.printable import describe
from lrrange.protocol.rate_proof import RateProof, check_steps
from lrrange.spelling import spell_checked
from lrrange.validators import as_number

_NO_DETAILS: Mapping[str, Any] = MappingProxyType({})


def set_rate(
    optimizer: object,
    lr: float,
    scheduler: object | None = None,
    details: Mapping[str, Any] = _NO_DETAILS,
    result: object = None,
) -> Mapping[str, Any]:
    """Set `lr` in an optimizer and its scheduler, by whichever plug-in knows the optimizer.

    Args:
        optimizer: of any framework that a plug-in knows, several in a list, or what else a plug-in takes.
        lr: the rate.
        scheduler: attached to the optimizer; None if there is none, or the plug-in finds it.
        details: what the backend reported of the sweep that the rate is from; empty for any other rate.
        result: the range test that the rate is from; None for any other rate.
    Returns: what was set, by name.
    Raises: TargetError if no plug-in knows the optimizer; PlanError if `lr` is no number.
    """
    applied = _answer_of(
        "lrrange_apply",
        lambda value: isinstance(value, Mapping),
        "a mapping of what was set, or None for an optimizer that is not its own",
        optimizer=optimizer,
        lr=as_number("lr", lr),
        scheduler=scheduler,
        details=details,
        result=result,
    )
    if applied is None:
        raise TargetError(
            f"no plug-in can set the rate of {describe(optimizer)}. Give the optimizer that trains: "
            f"result.apply(optimizer). `lrrange plugins` lists the plug-ins.",
            lr=lr,
        )
    return cast(Mapping[str, Any], applied)


def with_rate(state: object, lr: float, details: Mapping[str, Any] = _NO_DETAILS) -> Any:
    """Return a state like `state` that trains at `lr`, by whichever plug-in knows it.

    Raises: TargetError if no plug-in knows the state; PlanError if `lr` is no number.
    """
    applied = _answer_of(
        "lrrange_applied", lambda _: True, "a state", state=state, lr=as_number("lr", lr), details=details
    )
    if applied is None:
        raise TargetError(
            f"no plug-in makes a new state of {describe(state)}. What training changes in place takes the rate itself: "
            f"result.apply(optimizer). `lrrange plugins` lists the plug-ins.",
            lr=lr,
        )
    return applied


def prove_rate(
    target: object,
    lr: float,
    steps: int,
    scheduler: object | None,
    options: Mapping[str, Any],
    details: Mapping[str, Any] = _NO_DETAILS,
    result: object = None,
) -> RateProof:
    """Return a proof that the training of a target uses `lr`, by whichever plug-in knows it.

    Raises: TargetError if no plug-in knows the target; PlanError if `lr` is no number; OptionError if `steps` is none.
    """
    check_steps(steps)
    proof = _answer_of(
        "lrrange_verify",
        lambda value: isinstance(value, RateProof),
        "a lrrange.protocol.RateProof, or None for a target that is not its own",
        target=target,
        lr=as_number("lr", lr),
        steps=steps,
        scheduler=scheduler,
        options=options,
        details=details,
        result=result,
    )
    if proof is None:
        raise TargetError(
            f"no plug-in can watch the rate of {describe(target)}. Give what trains, such as the optimizer: "
            f"result.verify(optimizer). `lrrange plugins` lists the plug-ins.",
            lr=lr,
        )
    return cast(RateProof, proof)


def _answer_of(hook: str, fits: Callable[[Any], bool], expected: str, **arguments: Any) -> Any:
    """Return the first answer to a hook; None for none. Raises: the error of a plug-in, if none has answered."""
    answer = first_answer(make_manager(), hook, names_of(hook), fits, expected, **arguments)
    if answer.plugin is None:
        for problem in answer.problems.values():
            raise problem
    return answer.value


@spell_checked
def make_schedule(optimizer: object, bounds: Advice | LRRange, mode: str = "triangular2", **options: Any) -> Any:
    """Make a scheduler that cycles the rate of `optimizer` over a range, by whichever plug-in knows the optimizer.

    Args:
        optimizer: of any framework that a plug-in knows.
        bounds: a range, or a result, whose range for this mode is taken (see `lrrange.cyclical.bounds_for`).
        mode: `"triangular"`, `"triangular2"`, ..., as the plug-in offers.
        options: for the plug-in.
    Raises: OptionError if no plug-in makes such a scheduler.
    """
    schedule = make_manager().hook.lrrange_schedule
    scheduler = schedule(optimizer=optimizer, bounds=bounds_for(mode, bounds), mode=mode, options=options)
    if scheduler is None:
        raise OptionError(
            f"no plug-in makes a {mode!r} scheduler for {describe(optimizer)}. Give the optimizer that trains: "
            f"make_schedule(optimizer, result). `lrrange plugins` lists the plug-ins.",
            mode=mode,
        )
    return scheduler
