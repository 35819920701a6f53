"""The sweep: planned steps at rising rates, with their curve and an early stop."""

import math
from collections.abc import Callable, Sequence

from lrrange.errors import PlanError
from lrrange.quantity import loss_beside
from lrrange.spelling import spell_checked
from lrrange.sweep.curve import Curve
from lrrange.sweep.divergence import Divergence, DivergenceMonitor
from lrrange.sweep.pace import Pace, denser
from lrrange.sweep.plan import AdaptivePlan, AnyPlan
from lrrange.sweep.planned_steps import PlannedSteps, Point
from lrrange.sweep.smoothing import OnlineSmoother, SmoothingKind, check_kind, smooth


@spell_checked
class Sweep(PlannedSteps):
    """A sweep of the learning rate. It gives out the rate of each step, records the loss, and stops if it diverges.

    The owner of the training loop drives it:

    >>> from lrrange import SweepPlan
    >>> sweep = Sweep(SweepPlan(start_lr=0.001, end_lr=1.0, num_steps=4))
    >>> while sweep.running:
    ...     _ = sweep.tell(1.0 - sweep.lr / 2)
    >>> sweep.stop_reason, sweep.curve.loss
    (<StopReason.COMPLETED: 'completed'>, (0.9995, 0.995, 0.95, 0.5))

    Args:
        plan: the rates. An `AdaptivePlan` is revised on the way, unless `adapts` is False.
        smoothing: how the finished curve is smoothed; see `lrrange.sweep.smoothing.smooth`.
        divergence: when to stop early. With None, no finite loss stops the sweep.
        non_finite_limit: number of losses in a row that are not finite, after which the sweep ends. Fewer are gaps in
            the curve.
        extend: called once, with the curve, after the last step of the plan. It returns a longer plan to go on with,
            whose first steps count as taken, or None to end the sweep.
        adapts: whether the rates of an `AdaptivePlan` come closer once the loss moves.
        on_advance: called with each new point, after it was appended.
    """

    plan: AnyPlan

    def __init__(
        self,
        plan: AnyPlan,
        *,
        smoothing: SmoothingKind = "ema",
        divergence: Divergence | None = Divergence(),  # noqa: B008  a frozen value, safe to share
        non_finite_limit: int = 3,
        extend: Callable[[Curve], AnyPlan | None] | None = None,
        adapts: bool = True,
        on_advance: Callable[[Point], object] | None = None,
    ) -> None:
        if plan is None or isinstance(plan, (str, int, float)):
            raise PlanError(f"plan={plan!r} is not a plan. Give one such as SweepPlan(num_steps=200).")
        check_divergence(divergence)
        super().__init__(plan, non_finite_limit=non_finite_limit, on_advance=on_advance)
        self._smoothing = check_kind(smoothing)
        self._monitor = None if divergence is None else DivergenceMonitor(divergence)
        self._smoother = self._monitor or OnlineSmoother()
        self._extend = extend
        self._pace = Pace() if adapts and isinstance(plan, AdaptivePlan) else None
        self._curve: Curve | None = None

    @property
    def curve(self) -> Curve:
        """The rates and losses so far, smoothed to read advice from. Its `also` has the loss beside a metric."""
        if self._curve is None or len(self._curve) != len(self._points):
            lr = [point.lr for point in self._points]
            loss = [point.loss for point in self._points]
            smoothed = smooth(lr, loss, self._smoothing)
            also = self._curve_of_losses(lr)
            self._curve = Curve(lr=lr, loss=loss, smoothed=smoothed, quantity=self.quantity, also=also)
        return self._curve

    def _curve_of_losses(self, lr: Sequence[float]) -> Curve | None:
        """Return the curve of the training's own losses where a metric is recorded in their place, or None."""
        metrics = [point.metric for point in self._points if point.metric is not None]
        if not any(metric.loss is not None for metric in metrics):
            return None
        loss = [math.nan if metric.loss is None else metric.loss for metric in metrics]
        smoothed = smooth(lr, loss, self._smoothing)
        return Curve(lr=lr, loss=loss, smoothed=smoothed, quantity=loss_beside(self.quantity))

    def _smoothed(self, lr: float, loss: float) -> float:
        if self._pace is not None and self._pace.add(loss):
            assert isinstance(self.plan, AdaptivePlan)
            self.plan = denser(self.plan, len(self._points) + 1)
        return self._smoother.add(lr, loss)

    def _has_diverged(self) -> bool:
        return self._monitor is not None and self._monitor.diverged

    def _outlives_errors(self) -> bool:
        return self.curve.falls

    def _is_extended(self) -> bool:
        extend, self._extend = self._extend, None
        longer = None if extend is None else extend(self.curve)
        self.plan = longer or self.plan
        return longer is not None


def check_divergence(divergence: object) -> None:
    """Raise PlanError unless `divergence` is a stopping rule or None."""
    if not isinstance(divergence, Divergence | None):
        raise PlanError(
            f"divergence={divergence!r} is not a stopping rule. Give a Divergence, or None for no early stop."
        )
