"""Steps at planned rates: a state machine that gives out learning rates and records the losses they produce.

A backend trains nothing else: a sweep, a short run that confirms its answer, and a run of a comparison are all such
steps.
"""

import enum
import math
from collections.abc import Callable
from typing import Any

import attrs

from lrrange.errors import LossError, SweepStateError
from lrrange.quantity import LOSS, MetricValue, Quantity, loss_beside
from lrrange.sweep.curve import Curve
from lrrange.sweep.plan import Plan
from lrrange.validators import whole_number


class StopReason(enum.Enum):
    """Why the steps ended."""

    COMPLETED = "completed"
    DIVERGED = "diverged"
    NON_FINITE = "non_finite"
    DATA_EXHAUSTED = "data_exhausted"
    INTERRUPTED = "interrupted"
    RAISED = "raised"


# The stop reasons that each move may lead to. After the end no move is legal.
_ENDS = {
    "tell": frozenset({StopReason.COMPLETED, StopReason.DIVERGED, StopReason.NON_FINITE}),
    "close": frozenset({StopReason.DATA_EXHAUSTED, StopReason.INTERRUPTED}),
    "fail": frozenset({StopReason.RAISED}),
}


@attrs.frozen(kw_only=True)
class Point:
    """One step.

    Args:
        step: number of the step, counted from 0 by `PlannedSteps` itself, not the framework's global step.
        lr: the learning rate of this step.
        loss: the loss it produced; may be NaN or infinite. Where a metric is recorded in its place, the metric, or its
            negative if higher is better.
        smoothed: in a sweep, the online average that the divergence stop reads, which lags; elsewhere the loss itself.
            NaN where `loss` is not finite.
        metric: the metric in its own sign, and the training's own loss; None where `loss` is that.
    """

    step: int
    lr: float
    loss: float
    smoothed: float
    metric: MetricValue | None = None

    @property
    def recorded(self) -> dict[str, float]:
        """Everything recorded at this step, in its own sign, by name: the loss, or a metric and the loss."""
        if self.metric is None:
            return {LOSS.name: self.loss}
        quantity, loss = self.metric.quantity, self.metric.loss
        metric = {quantity.name: self.metric.value}
        return metric if loss is None else metric | {loss_beside(quantity).name: loss}


class PlannedSteps:
    """A run of training steps by a plan. It gives out the rate of each step and records the loss.

    Args:
        plan: the rates.
        non_finite_limit: number of losses in a row that are not finite, after which the steps end.
        on_advance: called with each new point, after it was appended.
    """

    def __init__(
        self, plan: Plan, *, non_finite_limit: int = 3, on_advance: Callable[[Point], object] | None = None
    ) -> None:
        self.plan: Plan = plan
        self._non_finite_limit = whole_number("non_finite_limit", non_finite_limit)
        self._non_finite_run = 0
        self._on_advance = [] if on_advance is None else [on_advance]
        self._points: list[Point] = []
        self._stop_reason: StopReason | None = None
        self._error: Exception | None = None
        self._watcher_failed = False

    def __repr__(self) -> str:
        state = self._stop_reason.name if self._stop_reason else f"running, lr={self.lr:g}"
        return f"<{type(self).__name__}: {len(self._points)} of {self.plan.num_steps} steps, {state}>"

    @property
    def running(self) -> bool:
        """Whether there is another step to take."""
        return self._stop_reason is None

    @property
    def stop_reason(self) -> StopReason | None:
        """Why the steps ended; None while they run."""
        return self._stop_reason

    @property
    def error(self) -> Exception | None:
        """The error that ended the steps as `RAISED`; None if none did."""
        return self._error

    @property
    def step_of_error(self) -> int:
        """The step after the last point, in which an error is raised; the last step, if it is raised after that."""
        return min(len(self._points), self.plan.num_steps - 1)

    @property
    def points(self) -> tuple[Point, ...]:
        """The steps so far."""
        return tuple(self._points)

    @property
    def quantity(self) -> Quantity:
        """What is recorded, as the first step gave it: the loss, or a metric in its place."""
        return LOSS if not self._points or (metric := self._points[0].metric) is None else metric.quantity

    @property
    def curve(self) -> Curve:
        """The losses by rate: none here, because the rates of a plan need not rise, as those of a curve do."""
        return Curve(lr=(), loss=())

    @property
    def lr(self) -> float:
        """The rate to train the next step at. Reading it changes nothing.

        Raises: SweepStateError if the steps have ended.
        """
        self._check_running("read the next rate of")
        return self.plan.lr_at(len(self._points))

    def tell(self, loss: Any) -> bool:
        """Record the loss that the step at `lr` produced, and move on to the next step.

        Args:
            loss: one number, or a one-element tensor or array. NaN and infinity are accepted. Or a `MetricValue`, to
                record a metric in place of the loss, and the loss beside it.
        Returns: whether another step follows.
        Raises: LossError if `loss` is not one number, or not the quantity of the steps before; SweepStateError if the
            steps have ended. Either changes nothing.
        """
        if self._stop_reason is not None:
            self._check_running("tell a loss to")
        metric: MetricValue | None = None
        if type(loss) is float:
            value = loss
        elif isinstance(loss, MetricValue):
            metric = _read(loss)
            value = float(metric)
        else:
            value = _as_number(loss)
        if self._points and (metric is not None or self._points[0].metric is not None):
            self._check_quantity(metric)
        lr, finite = self.plan.lr_at(len(self._points)), math.isfinite(value)
        smoothed = self._smoothed(lr, value) if finite else math.nan
        self._non_finite_run = 0 if finite else self._non_finite_run + 1
        self._points.append(Point(step=len(self._points), lr=lr, loss=value, smoothed=smoothed, metric=metric))
        if self._non_finite_run >= self._non_finite_limit:
            self._end("tell", StopReason.NON_FINITE)
        elif finite and self._has_diverged():
            self._end("tell", StopReason.DIVERGED)
        elif len(self._points) == self.plan.num_steps and not self._is_extended():
            self._end("tell", StopReason.COMPLETED)
        try:
            for on_advance in self._on_advance:
                on_advance(self._points[-1])
        except Exception:
            self._watcher_failed = True
            raise
        return self._stop_reason is None

    def watch(self, on_advance: Callable[[Point], object]) -> None:
        """Call this function, too, with each new point, after those that were given before it."""
        self._on_advance.append(on_advance)

    def unwatch(self, on_advance: Callable[[Point], object]) -> None:
        """No longer call a function that was given to `watch`."""
        self._on_advance.remove(on_advance)

    def is_evaluated_after(self, step: int) -> bool:
        """Return whether the held-out loss may be measured when the loss of this step, counted from 1, is told.

        The training must then be as that step left it, and not further.
        """
        return step == self.plan.num_steps

    def close(self, reason: StopReason) -> None:
        """End the steps from outside, because the data ran out or the user interrupted the training.

        Args:
            reason: `DATA_EXHAUSTED` or `INTERRUPTED`.
        Raises: SweepStateError if the steps have ended already, or if `reason` is one that only a loss can lead to.
        """
        self._check_running("close")
        self._end("close", reason)

    def fail(self, error: Exception) -> bool:
        """End the steps as `RAISED` because the training raised `error` at this rate, if they are worth keeping.

        If they are not, nothing changes, except that the error gets a note about the rate. It should be raised again.

        Returns: whether the steps have ended.
        Raises: SweepStateError if they had ended before.
        """
        self._check_running("fail")
        if self._watcher_failed:
            return False  # the error of a watcher, which no other rate would prevent
        if not self._outlives_errors():
            if self._points:
                note_rate(error, self, "The loss had not fallen by then.")
            return False
        self._error = error
        self._end("fail", StopReason.RAISED)
        return True

    def _outlives_errors(self) -> bool:
        """Return whether the steps so far are worth keeping if the training raises an error."""
        return False

    def _smoothed(self, _lr: float, loss: float) -> float:
        """Return the value for `Point.smoothed` after a finite loss."""
        return loss

    def _has_diverged(self) -> bool:
        """Return whether the last finite loss ends the steps early."""
        return False

    def _is_extended(self) -> bool:
        """Return whether the steps go on with a longer plan after the last step of this one."""
        return False

    def _check_quantity(self, metric: MetricValue | None) -> None:
        told = LOSS if metric is None else metric.quantity
        if told != self.quantity:
            raise LossError(
                f"the training step returned {told.name} after {self.quantity.name} in the steps before. Return the "
                f"same quantity at each step.",
                loss=metric,
            )

    def _check_running(self, move: str) -> None:
        if self._stop_reason is not None:
            raise SweepStateError(
                f"cannot {move} a sweep that ended after {len(self._points)} steps ({self._stop_reason.name}). "
                f"Check sweep.running first, or make a new Sweep.",
                stop_reason=self._stop_reason,
            )

    def _end(self, move: str, reason: StopReason) -> None:
        if reason not in _ENDS[move]:
            allowed = " or ".join(sorted(end.name for end in _ENDS[move]))
            raise SweepStateError(f"{move} cannot end a sweep as {reason!r}, only as {allowed}.", stop_reason=reason)
        self._stop_reason = reason


def note_rate(error: Exception, steps: PlannedSteps, text: str) -> None:
    """Add a note to an error of the training that says at which rate it was raised.

    Args:
        error: the error.
        steps: the steps that it ended.
        text: what follows from that.
    """
    step, num_steps = steps.step_of_error, steps.plan.num_steps
    error.add_note(f"lrrange: raised in step {step + 1} of {num_steps}, at lr={steps.plan.lr_at(step):.3g}. {text}")


def _read(metric: MetricValue) -> MetricValue:
    """Return the metric and the loss of a step as floats, which may wait for the device that computes them."""
    name = metric.quantity.name
    return MetricValue(
        quantity=metric.quantity,
        value=_as_number(metric.value, name),
        loss=None if metric.loss is None else _as_number(metric.loss),
    )


def _as_number(loss: Any, name: str = LOSS.name) -> float:
    if loss is None:
        raise LossError(f"the training step returned None instead of its {name}. Return the {name} from it.", loss=loss)
    if isinstance(loss, (str, bytes, bytearray)):
        raise LossError(
            f"the training step returned {loss!r}, which is text. Return the {name} as a number.", loss=loss
        )
    try:
        # Detached first: some frameworks warn if a tensor that still has its graph is converted to a number.
        return float(loss.detach() if hasattr(loss, "detach") else loss)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        shape = getattr(loss, "shape", None)
        returned = f"a {type(loss).__name__}" + (f" of shape {tuple(shape)}" if shape is not None else "")
        returned += "" if name == LOSS.name else f" as its {name}"
        raise LossError(
            f"the training step returned {returned}, not one number ({error}). "
            f"Reduce it first, with .mean() for example.",
            loss=loss,
        ) from error
