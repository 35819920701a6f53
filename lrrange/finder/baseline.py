"""The baseline of a sweep: its steps once more, from the same start and without updates."""

import math
from typing import Literal

from lrrange.errors import OptionError
from lrrange.sweep.curve import Curve
from lrrange.sweep.noise import significant_changes
from lrrange.sweep.plan import ConstantPlan
from lrrange.sweep.planned_steps import PlannedSteps, StopReason

Paired = bool | Literal["auto"]

# Two losses of the same batch differ by rounding, which is far below this part of what two batches differ by, and this
# part of the loss itself where all batches are equal.
_SAME_BATCH = 0.01
_ROUNDING = 1e-6


def check_paired(paired: object) -> None:
    """Raise OptionError unless this is a value of `paired=`."""
    if paired is not True and paired is not False and not (isinstance(paired, str) and paired == "auto"):
        raise OptionError(f"paired={paired!r} is none of True, False, 'auto'.")


class Baseline(PlannedSteps):
    """The steps of a sweep, taken once more from the same start without updates.

    They end at the first step if its loss is not the one of the sweep. No weight had moved before either of them, so
    then the batches, or the random numbers, are not the same a second time.

    Args:
        curve: of the sweep.
    """

    def __init__(self, curve: Curve) -> None:
        super().__init__(ConstantPlan(lr=0.0, num_steps=len(curve)), non_finite_limit=len(curve) + 1)
        self._curve = curve

    @property
    def losses(self) -> list[float]:
        """The losses so far."""
        return [point.loss for point in self._points]

    @property
    def also(self) -> list[float] | None:
        """The training's own losses so far where a metric is recorded in their place; None if they are not known."""
        losses = [None if point.metric is None else point.metric.loss for point in self._points]
        return None if None in losses else [math.nan if loss is None else loss for loss in losses]

    def why_unusable(self, forward_only: bool) -> str | None:
        """Return why the losses, of steps that have ended, are no baseline of the sweep; None if they are.

        Args:
            forward_only: whether the steps were forward passes. Others may move weights even at rate zero.
        """
        what = self._curve.quantity
        if self._error is not None:
            text = " ".join(str(self._error).split())
            return f"a step without updates raised {type(self._error).__name__}: {text}"
        if self._differs:
            first, again = what.oriented([self._curve.loss[0], self._points[0].loss])
            return (
                f"the first step gave {what.subject} {first:.7g}, and {again:.7g} when it was taken "
                f"again from the same start, so its batch or its random numbers were others. Give a loader that starts "
                f"again with the same batches, and a seed; or {what.subject} from before the update"
            )
        if self._stop_reason is not StopReason.COMPLETED:
            ended = str(self._stop_reason and self._stop_reason.value).replace("_", " ")
            return f"{len(self._points)} of {self.plan.num_steps} steps could be taken again ({ended})"
        if not forward_only and (moves := self._course()):
            return (
                f"{what.subject} {moves} at rate zero, too: something else than the rate of the swept optimizer "
                f"changes the training, and these are not the {what.values} of the initial weights"
            )
        return None

    @property
    def _differs(self) -> bool:
        """Whether the first loss is not the sweep's, up to rounding."""
        if not self._points:
            return False
        again, loss = self._points[0].loss, self._curve.loss[0]
        if not math.isfinite(loss):
            return math.isfinite(again)
        return not abs(again - loss) <= max(_SAME_BATCH * self._curve.noise, _ROUNDING * abs(loss))

    def _course(self) -> str:
        """Return "falls" or "rises" if the losses, or the metric, do so by more than their noise; else empty."""
        falls, rises = significant_changes([loss for loss in self.losses if math.isfinite(loss)])
        what = self._curve.quantity
        return f"{what.fall}s" if falls else f"{what.rise}s" if rises else ""

    def _has_diverged(self) -> bool:
        return len(self._points) == 1 and self._differs

    def _outlives_errors(self) -> bool:
        return True  # the sweep has its curve, with or without a baseline
