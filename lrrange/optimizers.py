"""What plug-ins do to your optimizer: set its rate, and make a scheduler for it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, cast

from lrrange.advice.advice import Advice
from lrrange.advice.ranges import LRRange
from lrrange.cyclical import bounds_for
from lrrange.errors import OptionError, TargetError
from lrrange.plugins import first_answer, make_manager, names_of
from lrrange.printable import describe
from lrrange.spelling import spell_checked
from lrrange.validators import as_number


def set_rate(
    optimizer: object, lr: float, scheduler: object | None = None, details: Mapping[str, Any] = MappingProxyType({})
) -> Mapping[str, Any]:
    """Set `lr` in an optimizer and its scheduler, by whichever plug-in knows the optimizer.

    Args:
        optimizer: of any framework that a plug-in knows, or several in a list.
        lr: the rate.
        scheduler: attached to the optimizer; None if there is none, or the plug-in finds it.
        details: what the backend reported of the sweep that the rate is from; empty for any other rate.
    Returns: what was set, by name.
    Raises: TargetError if no plug-in knows the optimizer; PlanError if `lr` is no number.
    """
    lr = as_number("lr", lr)
    answer = first_answer(
        make_manager(),
        "lrrange_apply",
        names_of("lrrange_apply"),
        lambda applied: isinstance(applied, Mapping),
        "a mapping of what was set, or None for an optimizer that is not its own",
        optimizer=optimizer,
        lr=lr,
        scheduler=scheduler,
        details=details,
    )
    if answer.plugin is None:
        for problem in answer.problems.values():
            raise problem
        raise TargetError(
            f"no plug-in can set the rate of {describe(optimizer)}. Give the optimizer that trains: "
            f"result.apply(optimizer). `lrrange plugins` lists the plug-ins.",
            lr=lr,
        )
    return cast(Mapping[str, Any], answer.value)


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
