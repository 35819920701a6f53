"""The hooks a plug-in may implement. `docs/hooks.md` has a heading and an example for each.

A plug-in is a module or an object with functions of these names, marked with `lrrange.hookimpl`, found through the
entry-point group `lrrange` or given to `lrrange.register`. Implementations may take fewer arguments than these.
"""

from collections.abc import Mapping
from typing import Any

import pluggy

from lrrange.advice.ranges import LRRange
from lrrange.advice.suggestion import Heuristic
from lrrange.policy import Policy, Run
from lrrange.protocol.training_step import Driver, TrainingStep
from lrrange.sweep.plan import SweepPlan
from lrrange.sweep.planned_steps import Point
from lrrange.sweep.sweep import Sweep

__all__ = [
    "hookimpl",
    "hookspec",
    "lrrange_adapt",
    "lrrange_advanced",
    "lrrange_apply",
    "lrrange_compared",
    "lrrange_finished",
    "lrrange_offer_heuristics",
    "lrrange_schedule",
    "lrrange_started",
]


hookspec = pluggy.HookspecMarker("lrrange")
hookimpl = pluggy.HookimplMarker("lrrange")


@hookspec(firstresult=True)
def lrrange_adapt(target: object, options: Mapping[str, Any]) -> TrainingStep | Driver | None:
    """Make `target` sweepable, or return None if it is not of your kind.

    Look at `target` without importing its framework: if the user made one, the framework is in `sys.modules` already.
    `options` are the keyword arguments of `find_lr` that it does not know itself; `lrrange.protocol.with_options` turns
    an unknown one into an error that names those there are.
    """


@hookspec
def lrrange_offer_heuristics() -> Mapping[str, Heuristic]:  # type: ignore[empty-body]
    """Heuristics by name: functions of a `Curve` that return a `Suggestion` or a rate, or raise `NoSuggestion`."""


@hookspec(firstresult=True)
def lrrange_schedule(optimizer: object, bounds: LRRange, mode: str, options: Mapping[str, Any]) -> object | None:
    """A scheduler of your framework that cycles `optimizer`'s rate over `bounds`, or None if it is not of your kind."""


@hookspec(firstresult=True)
def lrrange_apply(optimizer: object, lr: float, scheduler: object | None) -> Mapping[str, Any] | None:
    """Set `optimizer` (and the base of `scheduler`) to `lr`; return what was set, by name, or None if not your kind."""


@hookspec
def lrrange_started(plan: SweepPlan, sweep: Sweep) -> None:
    """A sweep is about to take its first step."""


@hookspec
def lrrange_advanced(point: Point, sweep: Sweep) -> None:
    """A sweep has taken a step. Slow work here makes every sweep slow."""


@hookspec
def lrrange_finished(sweep: Sweep) -> None:
    """A sweep is over and everything is restored. `sweep.stop_reason` says how it ended; None means with an error."""


@hookspec
def lrrange_compared(run: Run, policy: Policy) -> None:
    """A run of a comparison is over. Called where the comparison was asked for, wherever the run was made."""
