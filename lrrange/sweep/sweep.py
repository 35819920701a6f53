"""The sweep: a machine that hands out learning rates and is told the losses they produced."""

import enum
import math
from collections.abc import Callable
from typing import Any

import attrs

from lrrange.errors import LossError, PlanError, SweepStateError
from lrrange.sweep.curve import Curve
from lrrange.sweep.divergence import Divergence, DivergenceMonitor
from lrrange.sweep.plan import ConstantPlan, SweepPlan, whole_number
from lrrange.sweep.smoothing import OnlineSmoother, SmoothingKind, check_kind, smooth


class StopReason(enum.Enum):
    """Why a sweep ended."""

    COMPLETED = "completed"
    DIVERGED = "diverged"
    NON_FINITE = "non_finite"
    DATA_EXHAUSTED = "data_exhausted"
    INTERRUPTED = "interrupted"


# For each move, the ends it may bring. An ended sweep has no legal move at all.
_ENDS = {
    "tell": frozenset({StopReason.COMPLETED, StopReason.DIVERGED, StopReason.NON_FINITE}),
    "close": frozenset({StopReason.DATA_EXHAUSTED, StopReason.INTERRUPTED}),
}


@attrs.frozen(kw_only=True)
class Point:
    """One step of a sweep.

    Args:
        step: counted from 0 by the sweep itself.
        lr: the rate of this step.
        loss: the loss it produced, as told; may be NaN or infinite.
        smoothed: the online, lagging average that the divergence stop reads; NaN where `loss` is not finite.
    """

    step: int
    lr: float
    loss: float
    smoothed: float


class Sweep:
    """Hands out the rates of a plan, and is told the loss of each.

    Whoever owns the training loop drives it:

    >>> sweep = Sweep(SweepPlan(start_lr=0.001, end_lr=1.0, num_steps=4))
    >>> while sweep.running:
    ...     _ = sweep.tell(1.0 - sweep.lr / 2)
    >>> sweep.stop_reason, sweep.curve.loss
    (<StopReason.COMPLETED: 'completed'>, (0.9995, 0.995, 0.95, 0.5))

    Args:
        plan: the rates.
        smoothing: how the finished curve is smoothed; see `lrrange.sweep.smoothing.smooth`.
        divergence: when to stop early; None never stops for a finite loss.
        non_finite_limit: this many losses in a row that are not finite end the sweep. Fewer are gaps in the curve.
        extend: asked once, with the curve, when the plan is done: a longer plan to go on with, or None. Its first steps
            count as taken.
        on_advance: called with each new point, after it was appended.
    """

    def __init__(
        self,
        plan: SweepPlan | ConstantPlan,
        *,
        smoothing: SmoothingKind = "ema",
        divergence: Divergence | None = Divergence(),  # noqa: B008  a frozen value, safe to share
        non_finite_limit: int = 3,
        extend: Callable[[Curve], SweepPlan | None] | None = None,
        on_advance: Callable[[Point], object] | None = None,
    ) -> None:
        if not isinstance(divergence, Divergence | None):
            raise PlanError(f"divergence={divergence!r} is no stopping rule. Give a Divergence, or None to never stop.")
        self.plan = plan
        self._smoothing = check_kind(smoothing)
        self._monitor = None if divergence is None else DivergenceMonitor(divergence)
        self._smooth = (self._monitor or OnlineSmoother()).add
        self._non_finite_limit = whole_number("non_finite_limit", non_finite_limit)
        self._non_finite_run = 0
        self._extend = extend
        self._on_advance = on_advance
        self._points: list[Point] = []
        self._curve: Curve | None = None  # of these points
        self._stop_reason: StopReason | None = None

    def __repr__(self) -> str:
        state = self._stop_reason.name if self._stop_reason else f"running, lr={self.lr:g}"
        return f"<Sweep: {len(self._points)} of {self.plan.num_steps} steps, {state}>"

    @property
    def running(self) -> bool:
        """Whether the sweep waits for another loss."""
        return self._stop_reason is None

    @property
    def stop_reason(self) -> StopReason | None:
        """Why the sweep ended; None while it runs."""
        return self._stop_reason

    @property
    def points(self) -> tuple[Point, ...]:
        """What was told so far."""
        return tuple(self._points)

    @property
    def lr(self) -> float:
        """The rate to train the next step at. Reading it changes nothing.

        Raises: SweepStateError if the sweep has ended.
        """
        self._check_running("read the next rate of")
        return self.plan.lr_at(len(self._points))

    @property
    def curve(self) -> Curve:
        """What was measured so far, smoothed for reading advice from."""
        if self._curve is None:
            lr = [point.lr for point in self._points]
            loss = [point.loss for point in self._points]
            self._curve = Curve(lr=lr, loss=loss, smoothed=smooth(lr, loss, self._smoothing))
        return self._curve

    def tell(self, loss: Any) -> bool:
        """Record the loss that `lr` produced, and move on.

        Args:
            loss: one number, or a one-element tensor or array. NaN and infinity are accepted.
        Returns: whether the sweep goes on.
        Raises: LossError if `loss` is not one number, SweepStateError if the sweep has ended; the sweep is unchanged.
        """
        if self._stop_reason is not None:
            self._check_running("tell a loss to")
        value = loss if type(loss) is float else _as_number(loss)
        lr, finite = self.plan.lr_at(len(self._points)), math.isfinite(value)
        smoothed = self._smooth(lr, value) if finite else math.nan
        self._non_finite_run = 0 if finite else self._non_finite_run + 1
        self._points.append(Point(step=len(self._points), lr=lr, loss=value, smoothed=smoothed))
        self._curve = None
        if self._non_finite_run >= self._non_finite_limit:
            self._end("tell", StopReason.NON_FINITE)
        elif finite and self._monitor is not None and self._monitor.diverged:
            self._end("tell", StopReason.DIVERGED)
        elif len(self._points) == self.plan.num_steps and not self._extended():
            self._end("tell", StopReason.COMPLETED)
        if self._on_advance is not None:
            self._on_advance(self._points[-1])
        return self._stop_reason is None

    def close(self, reason: StopReason) -> None:
        """End the sweep from outside: the data ran out, or the user interrupted it.

        Raises: SweepStateError if the sweep has ended already, or if only losses can bring that reason about.
        """
        self._check_running("close")
        self._end("close", reason)

    def _extended(self) -> bool:
        """Whether there is a longer plan to go on with."""
        extend, self._extend = self._extend, None
        longer = None if extend is None else extend(self.curve)
        self.plan = longer or self.plan
        return longer is not None

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
