"""The pace of a sweep: few steps a decade while nothing moves, many where the curve turns.

A sweep begins at rates that are too low to train anything, because nobody knows beforehand where a training moves. What
is read from the curve lies in the last decades before it blows up. So the first rates are far apart, and come closer
twice: from `QUIET_BELOW` on, and once the loss has moved.
"""

import bisect
import math
from collections.abc import Sequence

from lrrange.averages import mean
from lrrange.sweep.noise import noise_from, rounding_of, second_difference
from lrrange.sweep.plan import AdaptivePlan

# Steps a decade: below `QUIET_BELOW`, from there on, and once the loss moves.
QUIET, APPROACHING, MOVING = 4, 16, 20

# Few trainings move below this rate. If one does, that is seen, too.
QUIET_BELOW = 1e-4

# The loss moves if the mean of this many losses differs from the mean of those before, by this many standard errors.
# Seen too late, a movement would be passed in few steps. So little is enough, and noise alone looks so in four sweeps
# of five before their end: they take a few steps more than they need to.
_RECENT, _MOVED = 6, 2.0

# No movement is looked for in fewer losses, because their noise is not known yet.
_FEWEST = 10

# Losses may be told this many steps late. A change of pace comes later than that, so that it does not depend on it.
MOST_LATE = 4


def plan_to_begin_with(start_lr: float, end_lr: float) -> AdaptivePlan:
    """Return the plan of a sweep in which nothing moves."""
    rates = _on_to([start_lr], min(QUIET_BELOW, end_lr), QUIET)
    return AdaptivePlan(rates=_up_to(rates, end_lr, APPROACHING, kept=1))


def denser(plan: AdaptivePlan, taken: int) -> AdaptivePlan:
    """Return the plan with denser rates, but for those of the first `taken` steps and of some more.

    By the time a loss is told, up to `MOST_LATE` further steps may have been taken.
    """
    kept = plan.rates[: taken + MOST_LATE]
    if len(kept) == plan.num_steps:
        return plan
    return AdaptivePlan(rates=_up_to(kept, plan.end_lr, MOVING, kept=len(kept)))


def further(plan: AdaptivePlan, end_lr: float) -> AdaptivePlan:
    """Return the plan with dense rates after its last one, up to a higher end."""
    return AdaptivePlan(rates=_up_to(plan.rates, end_lr, MOVING, kept=plan.num_steps))


def _up_to(rates: Sequence[float], end_lr: float, per_decade: float, *, kept: int) -> list[float]:
    """Return the rates and so many more a decade, up to exactly `end_lr`. The last distance may be half as long.

    A rate that is nearer to `end_lr` is left out, unless it is one of the first `kept`.
    """
    more = _on_to(rates, end_lr, per_decade)
    if len(more) > kept and math.log10(end_lr / more[-1]) < 0.5 / per_decade:
        more.pop()
    return more if more[-1] == end_lr else [*more, end_lr]


def _on_to(rates: Sequence[float], end_lr: float, per_decade: float) -> list[float]:
    """Return the rates and so many more a decade that do not lie above `end_lr`."""
    last = rates[-1]
    steps = math.floor(per_decade * math.log10(end_lr / last) + 1e-9) if end_lr > last else 0
    return [*rates, *(last * math.pow(10.0, step / per_decade) for step in range(1, steps + 1))]


class Pace:
    """Watches the losses of a sweep, and makes its rates denser when they begin to move."""

    def __init__(self) -> None:
        self._losses: list[float] = []
        self._deviations: list[float] = []  # of all but the recent losses, sorted
        self._sum = 0.0  # of the same losses, from the first on
        self.is_moving = False

    def add(self, loss: float) -> bool:
        """Record a finite loss. Return whether the losses have begun to move with it."""
        if self.is_moving:
            return False
        losses = self._losses
        losses.append(loss)
        before = len(losses) - _RECENT
        if before > 0:
            self._sum += losses[before - 1] - losses[0]
        if before > 2:
            bisect.insort(self._deviations, abs(second_difference(*losses[before - 3 : before])))
        if len(losses) < _FEWEST:
            return False
        noise = noise_from(self._deviations) + rounding_of(losses)
        moved = mean(losses[-_RECENT:]) - losses[0] - self._sum / before
        self.is_moving = abs(moved) > _MOVED * noise * math.sqrt(1 / _RECENT + 1 / before)
        return self.is_moving
