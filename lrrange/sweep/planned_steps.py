"""Steps at planned rates: a machine that hands out learning rates and is told the losses they produced.

Everything that a backend trains is one of these: a sweep, a short run that confirms its answer, a run of a comparison.
"""

import enum
import math
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import attrs

from lrrange.errors import LossError, SweepStateError
from lrrange.sweep.curve import Curve
from lrrange.sweep.plan import Plan
from lrrange.validators import whole_number

PlanKind = TypeVar("PlanKind", bound=Plan)


class StopReason(enum.Enum):
    """Why the steps ended."""

    COMPLETED = "completed"
    DIVERGED = "diverged"
    NON_FINITE = "non_finite"
    DATA_EXHAUSTED = "data_exhausted"
    INTERRUPTED = "interrupted"


# For each move, the ends it may bring. What has ended has no legal move at all.
_ENDS = {
    "tell": frozenset({StopReason.COMPLETED, StopReason.DIVERGED, StopReason.NON_FINITE}),
    "close": frozenset({StopReason.DATA_EXHAUSTED, StopReason.INTERRUPTED}),
}


@attrs.frozen(kw_only=True)
class Point:
    """One step.

    Args:
        step: counted from 0 by the machine itself.
        lr: the rate of this step.
        loss: the loss it produced, as told; may be NaN or infinite.
        smoothed: in a sweep the online, lagging average that the divergence stop reads; elsewhere the loss itself. NaN
            where `loss` is not finite.
    """

    step: int
    lr: float
    loss: float
    smoothed: float


class PlannedSteps(Generic[PlanKind]):
    """Hands out the rates of a plan, and is told the loss of each.

    Args:
        plan: the rates.
        non_finite_limit: this many losses in a row that are not finite end the steps.
        on_advance: called with each new point, after it was appended.
    """

    def __init__(
        self, plan: PlanKind, *, non_finite_limit: int = 3, on_advance: Callable[[Point], object] | None = None
    ) -> None:
        self.plan = plan
        self._non_finite_limit = whole_number("non_finite_limit", non_finite_limit)
        self._non_finite_run = 0
        self._on_advance = on_advance
        self._points: list[Point] = []
        self._stop_reason: StopReason | None = None

    def __repr__(self) -> str:
        state = self._stop_reason.name if self._stop_reason else f"running, lr={self.lr:g}"
        return f"<{type(self).__name__}: {len(self._points)} of {self.plan.num_steps} steps, {state}>"

    @property
    def running(self) -> bool:
        """Whether another loss is expected."""
        return self._stop_reason is None

    @property
    def stop_reason(self) -> StopReason | None:
        """Why the steps ended; None while they run."""
        return self._stop_reason

    @property
    def points(self) -> tuple[Point, ...]:
        """The steps so far."""
        return tuple(self._points)

    @property
    def curve(self) -> Curve | None:
        """The losses by rate, if the steps make a curve; None if they do not, because not all rates rise."""
        return None

    @property
    def lr(self) -> float:
        """The rate to train the next step at. Reading it changes nothing.

        Raises: SweepStateError if the steps have ended.
        """
        self._check_running("read the next rate of")
        return self.plan.lr_at(len(self._points))

    def tell(self, loss: Any) -> bool:
        """Record the loss that `lr` produced, and move on.

        Args:
            loss: one number, or a one-element tensor or array. NaN and infinity are accepted.
        Returns: whether another step follows.
        Raises: LossError if `loss` is not one number, SweepStateError if the steps have ended; nothing has changed.
        """
        if self._stop_reason is not None:
            self._check_running("tell a loss to")
        value = loss if type(loss) is float else _as_number(loss)
        lr, finite = self.plan.lr_at(len(self._points)), math.isfinite(value)
        smoothed = self._smoothed(lr, value) if finite else math.nan
        self._non_finite_run = 0 if finite else self._non_finite_run + 1
        self._points.append(Point(step=len(self._points), lr=lr, loss=value, smoothed=smoothed))
        if self._non_finite_run >= self._non_finite_limit:
            self._end("tell", StopReason.NON_FINITE)
        elif finite and self._has_diverged():
            self._end("tell", StopReason.DIVERGED)
        elif len(self._points) == self.plan.num_steps and not self._is_extended():
            self._end("tell", StopReason.COMPLETED)
        if self._on_advance is not None:
            self._on_advance(self._points[-1])
        return self._stop_reason is None

    def close(self, reason: StopReason) -> None:
        """End the steps from outside: the data ran out, or the user interrupted the training.

        Raises: SweepStateError if they have ended already, or if only losses can bring that reason about.
        """
        self._check_running("close")
        self._end("close", reason)

    def _smoothed(self, _lr: float, loss: float) -> float:
        """Return what `Point.smoothed` records of a finite loss."""
        return loss

    def _has_diverged(self) -> bool:
        """Return whether the last finite loss ends the steps before their plan is done."""
        return False

    def _is_extended(self) -> bool:
        """Return whether there is a longer plan to go on with, now that this one is done."""
        return False

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


def _as_number(loss: Any) -> float:
    if loss is None:
        raise LossError("the training step returned None instead of its loss. Return the loss from it.", loss=loss)
    if isinstance(loss, (str, bytes, bytearray)):
        raise LossError(f"the training step returned {loss!r}, which is text, not a number.", loss=loss)
    try:
        # A tensor that still has its graph may be converted, but some frameworks warn of it.
        return float(loss.detach() if hasattr(loss, "detach") else loss)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        shape = getattr(loss, "shape", None)
        what = f"a {type(loss).__name__}" + (f" of shape {tuple(shape)}" if shape is not None else "")
        raise LossError(
            f"the training step returned {what}, not one number ({error}). Reduce it first, with .mean() for example.",
            loss=loss,
        ) from error
