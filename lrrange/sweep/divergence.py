"""When a sweep has seen enough: the loss has left the valley it fell into and will not come back.

Peers stop when the loss passes four times the best one, which for a loss below zero is at once, and for a loss of 100
never. Here the rise over the best smoothed loss is measured against the drop before it and the noise of the curve, so
neither the sign nor the scale of the loss matters.
"""

import bisect
import math
from itertools import pairwise

import attrs

from lrrange.sweep.noise import noise_from, rounding_of, second_difference, start_level
from lrrange.sweep.smoothing import OnlineSmoother
from lrrange.validators import not_negative

# The last readings say nothing of what is usual: a loss that doubles at each step would raise its own threshold.
_RECENT = 8


@attrs.frozen(kw_only=True)
class Divergence:
    """The stopping rule: a smoothed loss above the best one by more than `drops * drop + noises * noise`.

    Args:
        drops: how many times the drop so far (start of the curve to its best) the loss must climb again. Two lets a
            sweep show where the loss passes its starting level, and by how much, which heuristics read.
        noises: how many standard deviations of one reading it must climb besides; or how many times the usual step from
            one reading to the next, where that is more; or the largest step, and by a run of steps up, where most
            readings have no noise at all: a metric that is a count still moves a little up before it falls.
        min_points: finite readings before which no sweep stops, because its noise is not known yet.
    """

    drops: float = attrs.field(default=2.0, validator=not_negative)
    noises: float = attrs.field(default=6.0, validator=not_negative)
    min_points: int = attrs.field(default=8, validator=not_negative)


class DivergenceMonitor:
    """Told finite readings one by one; smooths them, and says when the rule is met."""

    def __init__(self, rule: Divergence) -> None:
        self._rule = rule
        self._smoother = OnlineSmoother()
        self._losses: list[float] = []
        self._deviations: list[float] = []  # sorted, so that its median is at hand
        self._steps_norm = 0.0  # of the steps that are not recent
        self._largest_step = 0.0
        self._best = math.inf

    def add(self, lr: float, loss: float) -> float:
        """The online-smoothed loss after this reading."""
        self._losses.append(loss)
        if len(self._losses) >= _RECENT + 2:
            before, after = self._losses[-_RECENT - 2 : -_RECENT]
            self._steps_norm = math.hypot(self._steps_norm, after - before)  # squares alone could overflow
            self._largest_step = max(self._largest_step, abs(after - before))
        if len(self._losses) >= 3:
            bisect.insort(self._deviations, abs(second_difference(*self._losses[-3:])))
        self.smoothed = self._smoother.add(lr, loss)
        if len(self._losses) >= 3:  # before that a spike still shows
            self._best = min(self._best, self.smoothed)
        return self.smoothed

    @property
    def diverged(self) -> bool:
        """Whether the last reading met the rule."""
        if len(self._losses) < max(self._rule.min_points, 1):
            return False
        drop = max(start_level(self._losses) - self._best, 0.0)
        noise = noise_from(self._deviations)
        if noise == 0.0:
            if not self._keeps_rising:
                return False
            noise = self._largest_step
        usual_step = self._steps_norm / math.sqrt(max(len(self._losses) - _RECENT, 1))
        noise = max(noise, usual_step) + rounding_of(self._losses)
        return self.smoothed - self._best > self._rule.drops * drop + self._rule.noises * noise

    @property
    def _keeps_rising(self) -> bool:
        """Whether most of the recent steps go up. One step up by a count, say, says little, however rare it is."""
        return sum(after > before for before, after in pairwise(self._losses[-_RECENT - 1 :])) > _RECENT // 2
