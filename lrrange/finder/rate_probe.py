"""The probe of the rate: whether the losses of a sweep depend on the rates that its steps were given.

A training step that ignores its rate gives a curve of noise, and a heuristic may answer from it.
"""

from collections.abc import Callable, Sequence

import attrs

from lrrange.errors import RateNotInForce
from lrrange.sweep.planned_steps import PlannedSteps, Point, StopReason

PROVED = "proved by the backend"
_PROBED = "probed"
_NOT_TOLD = "not told apart: {}"

Run = Callable[[PlannedSteps], object]


@attrs.frozen
class _Rates:
    """A plan with these rates."""

    rates: tuple[float, ...]

    @property
    def num_steps(self) -> int:
        """Number of steps."""
        return len(self.rates)

    def lr_at(self, step: int) -> float:
        """Return the learning rate of step `step`, counted from 0."""
        return self.rates[step]


class _Replay(PlannedSteps):
    """The first steps of a sweep, taken again from the same start. They end at the first loss that differs.

    Args:
        rates: the rate of each step.
        points: the steps of the sweep.
    """

    def __init__(self, rates: Sequence[float], points: Sequence[Point]) -> None:
        super().__init__(_Rates(tuple(rates)), non_finite_limit=1)
        self._swept = points

    @property
    def differs(self) -> bool:
        """Whether the last loss differs from the sweep's at the same step, or an error was raised. NaN equals NaN."""
        if self.error is not None:
            return True  # the rate is in force, as the sweep has taken this step without an error
        if not self._points:
            return False
        loss, swept = self._points[-1].loss, self._swept[len(self._points) - 1].loss
        return loss != swept and (loss == loss or swept == swept)

    def _outlives_errors(self) -> bool:
        return True

    def _has_diverged(self) -> bool:
        return self.differs


def probe_rate(sweep: PlannedSteps, run: Run, kind: str) -> str:
    """Take the steps of a sweep again at another rate, until a loss differs. Return what that shows, in words.

    The first step is taken at the same rate as before, because some trainings copy the rate at their first step and
    ignore every later one. The other rate is the one in the middle of the sweep, at which the training has not failed.
    The third step usually gives another loss, because the second was taken at another rate. The steps up to there are
    then taken once more at the rates of the sweep: if they give the losses of the sweep to the last bit, the rate alone
    made the difference. Otherwise the training has noise of its own that the restore does not put back, or data that
    have been used up. If no loss differs, the last rate of the plan is tried too, because rates that are close together
    may round to the same losses.

    Args:
        sweep: a sweep that has ended.
        run: trains steps from the start of the sweep, and puts everything back.
        kind: name of the training's class.
    Raises: RateNotInForce if no loss differs.
    """
    points = sweep.points
    if len(points) < 3:
        return _NOT_TOLD.format("the sweep is too short")
    if all(point.loss == points[0].loss for point in points):
        return _NOT_TOLD.format("the loss is constant")  # which no heuristic answers from
    rates = points[len(points) // 2].lr, sweep.plan.lr_at(sweep.plan.num_steps - 1)
    for lr in rates:
        other = _Replay([points[0].lr, *[lr] * (len(points) - 1)], points)
        run(other)
        if other.differs:
            return _judge_difference(other, points, run)
        if other.stop_reason is not StopReason.COMPLETED:
            ran_out = other.stop_reason is StopReason.DATA_EXHAUSTED
            return _NOT_TOLD.format("the data ran out" if ran_out else "the loss is not finite")
    raise RateNotInForce(
        f"the {len(points)} steps of the sweep, at rates from {points[0].lr:.2g} to {points[-1].lr:.2g}, were taken "
        f"again at lr={rates[0]:.2g} and lr={rates[1]:.2g} from the second step on, and gave exactly the same losses: "
        f"this {kind} does not train at the rate that it is given. Set the rate where the optimizer reads it at every "
        f"step, with no schedule of its own, and check that the optimizer holds the parameters.",
        wanted=rates[0],
        steps_seen=len(points),
    )


def _judge_difference(other: _Replay, points: Sequence[Point], run: Run) -> str:
    """Return whether the rate alone made the last loss of a replay differ."""
    same = _Replay([point.lr for point in points[: len(other.points)]], points)
    run(same)
    if same.stop_reason is StopReason.DATA_EXHAUSTED:
        return _NOT_TOLD.format("the data ran out")
    return _NOT_TOLD.format("the same steps again give other losses") if same.differs else _PROBED
