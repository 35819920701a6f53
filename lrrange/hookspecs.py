"""The hooks that a plug-in may implement.

The chapter *For plug-in authors* of the documentation has an example of each. A plug-in is a module or an object with
functions of these names, marked with `lrrange.hookimpl`. It is found through the entry-point group `lrrange`, or
registered with `lrrange.register`. An implementation may leave out arguments that it does not need.
"""

from collections.abc import Mapping
from typing import Any

import pluggy

from lrrange.advice.ranges import LRRange
from lrrange.advice.suggestion import Heuristic
from lrrange.policy import Policy, Run
from lrrange.protocol.rate_proof import RateProof
from lrrange.protocol.training_step import Driver, TrainingStep
from lrrange.sweep.plan import AnyPlan
from lrrange.sweep.planned_steps import Point, StopReason
from lrrange.sweep.sweep import Sweep

__all__ = [
    "hookimpl",
    "hookspec",
    "lrrange_adapt",
    "lrrange_advanced",
    "lrrange_applied",
    "lrrange_apply",
    "lrrange_compared",
    "lrrange_failed",
    "lrrange_finished",
    "lrrange_found",
    "lrrange_offer_heuristics",
    "lrrange_run_advanced",
    "lrrange_run_finished",
    "lrrange_run_started",
    "lrrange_schedule",
    "lrrange_started",
    "lrrange_trial_advanced",
    "lrrange_trial_finished",
    "lrrange_trial_started",
    "lrrange_verify",
]


hookspec = pluggy.HookspecMarker("lrrange")
hookimpl = pluggy.HookimplMarker("lrrange")


@hookspec(firstresult=True)
def lrrange_adapt(target: object, options: Mapping[str, Any]) -> TrainingStep | Driver | None:
    """Return a `TrainingStep` or `Driver` for `target`, or None if your plug-in does not handle its type.

    Check the type of `target` without importing its framework: if the user has such an object, the framework is in
    `sys.modules` already. `options` are the keyword arguments of `find_lr` that it does not know itself.
    `lrrange.protocol.with_options` turns an unknown option into an error that lists the known ones.
    """


@hookspec
def lrrange_offer_heuristics() -> Mapping[str, Heuristic]:  # type: ignore[empty-body]
    """Return the heuristics that your plug-in offers, by name.

    Each is a function of a `Curve`. It returns a `Suggestion` or a rate, or raises `NoSuggestion`.
    """


@hookspec(firstresult=True)
def lrrange_schedule(optimizer: object, bounds: LRRange, mode: str, options: Mapping[str, Any]) -> object | None:
    """Return a scheduler of your framework that cycles the rate of `optimizer` over `bounds`.

    Return None if your plug-in does not handle this optimizer or this mode.
    """


@hookspec(firstresult=True)
def lrrange_apply(
    optimizer: object, lr: float, scheduler: object | None, details: Mapping[str, Any], result: Any
) -> Mapping[str, Any] | None:
    """Set `lr` in `optimizer` and in the base rates of `scheduler`, and return the values that were set, by name.

    `optimizer` is whatever the user gave to `result.apply`: an optimizer, a list of several, a trainer, an estimator.
    `details` is what the backend reported of the sweep, and `result` the `RangeTestResult`; for a rate that the user
    gave, `details` is empty and `result` is None. Where your plug-in knows the schedule of the training, set
    `result.lr_for(schedule).lr` instead of `lr`. Return None if your plug-in does not handle this optimizer. Raise an
    error, and change nothing, if the rate would not stay in force.
    """


@hookspec(firstresult=True)
def lrrange_applied(state: object, lr: float, details: Mapping[str, Any]) -> object | None:
    """Return a new state like `state` that trains at `lr`, where states are values that nothing changes in place.

    Return None if your plug-in does not handle this state. Raise an error if the rate would not be in force.
    """


@hookspec(firstresult=True)
def lrrange_verify(
    target: object,
    lr: float,
    steps: int,
    scheduler: object | None,
    options: Mapping[str, Any],
    details: Mapping[str, Any],
    result: Any,
) -> RateProof | None:
    """Prove that the training of `target` uses `lr`, and return the proof.

    Watch the next `steps` steps of the training and raise RateNotInForce from the first that uses another rate. Where
    nobody can watch them, take the steps now, put everything back, and return a `lrrange.protocol.ProvedRate`.
    `options` are further keyword arguments of `result.verify`. `details` and `result` are those of `lrrange_apply`:
    where it sets `result.lr_for(schedule).lr`, that is the rate to prove. Return None if your plug-in does not handle
    this target.
    """


@hookspec
def lrrange_started(plan: AnyPlan, sweep: Sweep) -> None:
    """Called before the first step of a sweep."""


@hookspec
def lrrange_advanced(point: Point, sweep: Sweep) -> None:
    """Called after each step of a sweep. Slow work here makes every sweep slow."""


@hookspec
def lrrange_finished(sweep: Sweep) -> None:
    """Called when a sweep has ended and everything is restored.

    `sweep.stop_reason` says why it ended. It is None if an error ended it.
    """


@hookspec
def lrrange_trial_started(lr: float, steps: int) -> None:
    """Called before the first step of a trial, one of the short runs by which `confirm=True` judges the answer."""


@hookspec
def lrrange_trial_advanced(point: Point) -> None:
    """Called after each step of a trial. `point.lr` says of which one, as trials may be taken side by side."""


@hookspec
def lrrange_trial_finished(lr: float, stop_reason: StopReason | None) -> None:
    """Called when a trial has ended and everything is restored.

    `stop_reason` says why it ended. It is None if an error ended it.
    """


@hookspec
def lrrange_found(result: Any) -> None:
    """Called once for each range test that ends without an error, with the `RangeTestResult` that it returns.

    Its answer may be a refusal, for which `result.refusal` is not None. Of several processes, each calls it.
    """


@hookspec
def lrrange_failed(error: BaseException) -> None:
    """Called once for each range test that ends by an error, or by Ctrl-C, instead of `lrrange_found`."""


@hookspec
def lrrange_run_started(policy: Policy, seed: int, steps: int) -> None:
    """Called before the first step of a run of a comparison, in the process that called `compare`.

    It is not called for runs that an executor takes. It is called again if a run fails and is tried again.
    """


@hookspec
def lrrange_run_advanced(policy: Policy, seed: int, step: int, loss: float, point: Point) -> None:
    """Called after each step of a run of a comparison, under the same conditions. `step` is counted from 0.

    `step` and `loss` are those of `point`, whose `recorded` has a metric by its name.
    """


@hookspec
def lrrange_run_finished(policy: Policy, seed: int, error: BaseException | None) -> None:
    """Called when a run of a comparison has ended in any way, under the same conditions.

    `error` ended it; None if none did. A run that is not tried again is then given to `lrrange_compared`, except after
    an error that ends the comparison, such as Ctrl-C.
    """


@hookspec
def lrrange_compared(run: Run, policy: Policy) -> None:
    """Called when a run of a comparison has ended, in the process that called `compare`.

    The run itself may have been trained in another process or on another machine.
    """
