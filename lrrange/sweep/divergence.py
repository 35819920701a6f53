"""When to stop a sweep: the loss has left the valley it fell into and will not come back.

Other finders stop when the loss passes four times the best loss. For a loss below zero that is at once, and for a loss
of 100 it is never. Here the rise above the best smoothed loss is compared with the drop before it and with the noise of
the curve, so neither the sign nor the scale of the loss matters.
"""

import bisect
import math
from itertools import pairwise

import attrs

from lrrange.spelling import spell_checked
from lrrange.sweep.noise import noise_from, rounding_of, second_difference, start_level
from lrrange.sweep.smoothing import OnlineSmoother
from lrrange.validators import checked_numbers, not_negative

# The usual step is measured without this many last steps. Otherwise a loss that doubles at each step would raise its
# own threshold.
_RECENT = 8


@spell_checked
@attrs.frozen(kw_only=True, field_transformer=checked_numbers)
class Divergence:
    """The stopping rule: the smoothed loss is above its best by more than `drops * drop + noises * noise`.

    `drop` is how far the loss has fallen so far, from the start of the curve to its best. `noise` is the standard
    deviation of a single loss, or the usual step from one loss to the next if that is larger. A metric that is a count
    may show no noise at most steps, and still move up a little before it falls. `noise` is then the largest step before
    the last few, and the sweep stops only while most of the last few steps go up.

    Args:
        drops: how far the loss must climb above its best, in multiples of its drop. With 2, the sweep shows where the
            loss passes its starting level, and by how much; heuristics read both.
        noises: how far it must climb in addition, in multiples of its noise.
        min_points: no sweep stops before it has this many finite losses, because its noise is not known yet.
    """

    drops: float = attrs.field(default=2.0, validator=not_negative)
    noises: float = attrs.field(default=6.0, validator=not_negative)
    min_points: int = attrs.field(default=8, validator=not_negative)


class DivergenceMonitor:
    """The stopping rule at work on one sweep: it smooths each finite loss and checks the rule."""

    def __init__(self, rule: Divergence) -> None:
        self._rule = rule
        self._smoother = OnlineSmoother()
        self._losses: list[float] = []
        self._deviations: list[float] = []  # sorted, so that its median is at hand
        self._steps_norm = 0.0  # of all but the recent steps
        self._largest_step = 0.0
        self._best = math.inf
        self._start = self._rounding = 0.0

    def add(self, lr: float, loss: float) -> float:
        """Record a finite loss, and return the online-smoothed loss."""
        self._losses.append(loss)
        if len(self._losses) <= 5:  # later losses change neither
            self._start, self._rounding = start_level(self._losses), rounding_of(self._losses)
        if len(self._losses) >= _RECENT + 2:
            before, after = self._losses[-_RECENT - 2 : -_RECENT]
            self._steps_norm = math.hypot(self._steps_norm, after - before)  # squares alone could overflow
            self._largest_step = max(self._largest_step, abs(after - before))
        if len(self._losses) >= 3:
            bisect.insort(self._deviations, abs(second_difference(*self._losses[-3:])))
        self.smoothed = self._smoother.add(lr, loss)
        if len(self._losses) >= 3:  # the smoother hides spikes from the third loss on
            self._best = min(self._best, self.smoothed)
        return self.smoothed

    @property
    def diverged(self) -> bool:
        """Whether the last loss meets the rule."""
        if len(self._losses) < max(self._rule.min_points, 1):
            return False
        drop = max(self._start - self._best, 0.0)
        noise = noise_from(self._deviations)
        if noise == 0.0:
            if not self._keeps_rising:
                return False
            noise = self._largest_step
        usual_step = self._steps_norm / math.sqrt(max(len(self._losses) - _RECENT, 1))
        noise = max(noise, usual_step) + self._rounding
        return self.smoothed - self._best > self._rule.drops * drop + self._rule.noises * noise

    @property
    def _keeps_rising(self) -> bool:
        """Whether most of the recent steps go up. A single step up, of a count for example, is not enough."""
        return sum(after > before for before, after in pairwise(self._losses[-_RECENT - 1 :])) > _RECENT // 2
