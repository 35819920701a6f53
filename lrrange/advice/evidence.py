"""The evidence of trials about the best rate, weighed against the sweep's answer.

Every trial trains at one rate, from the same start and on the same batches. The losses of two trials are therefore
compared step by step: the batches, which are most of the noise, cancel in the difference. What is left gives an error,
and a difference no larger than its error counts as none.

The sweep's answer is the prior, a normal one over the logarithm of the rate. A rate whose loss falls short of the best
becomes less probable, the more it falls short, as a part of what training gains. The answer is the mean of the
posterior. So it stays where it was if the trials cannot be told apart, and moves as far as their differences support.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from functools import cached_property

import attrs

from lrrange.averages import mean, standard_deviation
from lrrange.sweep.noise import rounding_of

# The losses of a trial are compared in this last part of it, in this many blocks of steps. Means of blocks are nearly
# independent of each other, single losses are not.
COMPARED = 0.4
BLOCKS = 8

# Half of the two-sided 95 % interval of a mean, in standard errors, by the number of blocks. Source: Student 1908.
_REACH = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78, 6: 2.57, 7: 2.45, 8: 2.36}

# The posterior is computed this far around the sweep's answer and the rates tried, at these distances, in decades.
_AROUND, _GRID = 2.0, 0.02


@attrs.frozen(kw_only=True)
class Constants:
    """Constants that were chosen by the regret on tasks whose best rate is known. Distances are in decades.

    The page *How good is the advice?* of the documentation says on which tasks, and how well they hold.

    Args:
        spread: standard deviation of the sweep's answer about the best rate.
        step: distance between neighbouring trials.
        most: number of trials that stay finite, at most.
        shortfall: a shortfall of this part of the gain makes a rate e times less probable.
        short_run: how far the best rate of a short run lies above the best rate of a whole training of
            `USUAL_TRAINING` steps. At a high rate the loss falls sooner, and ends higher.
        longer: how much further above it lies for a training of ten times as many steps.
        noise: standard deviations of a batch's loss that are added to the gain. They count for a training that is near
            its minimum already: there the gain of a short run is small, and most of it is noise that a lower rate
            averages out, however far the training could still go.
        goes_on: a training goes on from an earlier one, if no trial gains more than this many standard deviations of a
            batch's loss. The answer is then never moved down, unless the loss rises at the sweep's answer.
        rises: the loss rises if it is above the loss before training by this many standard deviations of a batch's
            loss.
        matters: another trial is added beyond the outermost one if that is better than all others by this part of the
            gain.
        coverage: the interval holds this part of the posterior.
    """

    spread: float = 0.5
    step: float = 0.6
    most: int = 4
    shortfall: float = 0.02
    short_run: float = 0.15
    longer: float = 0.2
    noise: float = 1.0
    goes_on: float = 0.75
    rises: float = 0.75
    matters: float = 0.01
    coverage: float = 0.8


CONSTANTS = Constants()

# The length of a training that is assumed if it is not known.
USUAL_TRAINING = 500


def bias_of_trials(train_steps: int | None, constants: Constants = CONSTANTS) -> float:
    """Return how far the best rate of the trials lies above the best rate of the training, in decades."""
    length = math.log10((train_steps or USUAL_TRAINING) / USUAL_TRAINING)
    return max(constants.short_run + constants.longer * length, 0.0)


@attrs.frozen(kw_only=True)
class PairedDifference:
    """The mean difference of two trials' losses on the same batches.

    Args:
        mean: mean difference; positive if the first trial's losses are higher.
        error: half of its 95 % confidence interval.
    """

    mean: float
    error: float

    @classmethod
    def between(cls, levels: Sequence[float], others: Sequence[float]) -> "PairedDifference":
        """Return the difference of these losses and the others, pair by pair.

        Args:
            levels, others: at least 2 finite losses each, those of the same steps in the same places.
        """
        gaps = [level - other for level, other in zip(levels, others, strict=True)]
        difference = mean(gaps)
        if not abs(difference) > rounding_of([mean(levels), mean(others)]):
            difference = 0.0
        if not math.isfinite(difference):  # two losses as far apart as floats can be
            return cls(mean=difference, error=math.inf)
        reach = _REACH[min(len(gaps), max(_REACH))]
        return cls(mean=difference, error=reach * standard_deviation(gaps) / math.sqrt(len(gaps)))

    @property
    def is_told(self) -> bool:
        """Whether the difference is larger than its error."""
        return abs(self.mean) > self.error

    @property
    def certain(self) -> float:
        """The difference, shrunk by the part of it that its error explains; 0 if its error explains all of it.

        Source: the positive-part estimator of James and Stein, 1961.
        """
        return self.mean * (1 - (self.error / self.mean) ** 2) if self.is_told else 0.0


@attrs.frozen(kw_only=True)
class Posterior:
    """What is known about the best rate after the trials.

    Args:
        lr: the answer.
        low, high: the interval that holds most of the probability, and every rate tried that cannot be told from the
            best of them.
    """

    lr: float
    low: float
    high: float


@attrs.frozen(kw_only=True, slots=False)
class Evidence:
    """The sweep's answer, and the losses of trials around it.

    Args:
        answer: the sweep's answer.
        trials: by rate, the losses to compare: means of the last blocks of steps, or held-out losses after these
            steps; None for a trial whose loss did not stay finite.
        start: the loss before training, of the same kind as those of the trials; NaN if it is not known.
        noise: standard deviation of the loss of a batch.
        resumed: whether the training goes on from an earlier one; None if that is not known.
        train_steps: number of steps that the rate will be used for; None if that is not known.
        constants: to weigh by.
    """

    answer: float
    trials: Mapping[float, Sequence[float] | None]
    start: float
    noise: float
    resumed: bool | None = None
    train_steps: int | None = None
    constants: Constants = CONSTANTS

    @cached_property
    def finite(self) -> dict[float, Sequence[float]]:
        """The trials whose loss stayed finite, by rate, lowest first."""
        return {rate: levels for rate, levels in sorted(self.trials.items()) if levels is not None}

    @cached_property
    def best(self) -> float:
        """The rate with the lowest mean loss. At least one trial must have stayed finite."""
        return min(self.finite, key=lambda rate: mean(self.finite[rate]))

    @cached_property
    def reference(self) -> float:
        """The rate that all others are compared with: the sweep's answer, or the best if that did not stay finite."""
        return self.answer if self.answer in self.finite else self.best

    @cached_property
    def gain(self) -> float:
        """How far the best trial's loss lies below the loss before training; 0 if it does not."""
        gain = self.start - mean(self.finite[self.best])
        return gain if gain > 0 else 0.0

    @property
    def falls(self) -> bool:
        """Whether a trial gains more than the noise of a batch, unlike in a training that goes on, near its end."""
        return self.gain > self.constants.goes_on * self.noise

    @property
    def goes_on(self) -> bool:
        """Whether this is a training that goes on, and whose loss does not rise at the sweep's answer.

        It may then look best at any lower rate, because that averages out noise at once.
        """
        rise = mean(self.finite[self.answer]) - self.start if self.answer in self.finite else math.inf
        return self.resumed is not False and not self.falls and not rise > self.constants.rises * self.noise

    @property
    def _scale(self) -> float:
        return self.gain + self.constants.noise * self.noise

    def difference(self, rate: float, other: float) -> PairedDifference:
        """Return the difference between the trials at two rates. Both must have stayed finite.

        A loss that has climbed over the loss before training counts as no higher than the best one lies below it: how
        far and how wildly it explodes says nothing more.
        """
        ceiling = self.start + self._scale if self._scale > 0 else math.inf
        levels, others = ([min(level, ceiling) for level in self.finite[each]] for each in (rate, other))
        return PairedDifference.between(levels, others)

    @cached_property
    def shortfalls(self) -> dict[float, float]:
        """For each rate, lowest first, how far its loss is above the reference's, as a part of the gain.

        It is negative if the loss is below, and 0 where the two cannot be told apart. A trial that did not stay finite
        is a whole gain above all others.
        """
        parts = {rate: self._part(self.difference(rate, self.reference).certain) for rate in self.finite}
        lost = 1 + max(parts.values())
        return {rate: parts.get(rate, lost) for rate in sorted(self.trials)}

    def _part(self, above: float) -> float:
        """Return a difference as a part of the gain. If there is neither gain nor noise, only its sign counts."""
        return above / self._scale if self._scale > 0 else math.copysign(1.0, above) if above else 0.0

    def next_rates(self, highest: float) -> list[float]:
        """Return the rates to try next; none if what is known will do. The caller stops when its steps are used up.

        Args:
            highest: no rate above this is tried.
        """
        apart = 10**self.constants.step
        if not self.trials:
            higher = self.answer * apart
            return [self.answer, higher if higher <= highest else self.answer / apart]
        if len(self.finite) >= self.constants.most or len(self.trials) >= 2 * self.constants.most:
            return []
        rates = sorted(self.trials)
        if not self.finite:
            return [rates[0] / apart]
        if self._stands_out(rates[-1]) and rates[-1] * apart <= highest:
            return [rates[-1] * apart]
        if rates[0] == self.answer and not self.falls:  # perhaps the answer is too high to gain anything
            return [rates[0] / apart]
        return [rates[0] / apart] if self._stands_out(rates[0]) and not self.goes_on else []

    def _stands_out(self, rate: float) -> bool:
        """Return whether the trial at this rate is better than all others, by a part of the gain that matters."""
        others = [part for other, part in self.shortfalls.items() if other != rate]
        return bool(others) and self.shortfalls[rate] < min(others) - self.constants.matters

    @cached_property
    def posterior(self) -> Posterior:
        """The answer and its interval. At least one trial must have stayed finite."""
        tried = [math.log10(rate / self.answer) for rate in self.shortfalls]
        first, last = (round((end + out) / _GRID) for end, out in ((tried[0], -_AROUND), (tried[-1], _AROUND)))
        away = [number * _GRID for number in range(first, last + 1)]
        surprise = [self._surprise(x, tried) for x in away]
        least = min(surprise)
        weights = [math.exp(least - value) for value in surprise]
        total = math.fsum(weights)
        middle = math.fsum(weight * x for weight, x in zip(weights, away, strict=True)) / total
        # A rate beyond those that were tried may be better, but nobody has seen it.
        lowest = 0.0 if self.goes_on else tried[0]
        highest = math.log10(max(self.finite) / self.answer)
        middle = min(max(middle, lowest), highest) if any(self.shortfalls.values()) else 0.0
        below = list(itertools.accumulate(weights))
        tail = (1 - self.constants.coverage) / 2 * total
        low = next(x for x, sum_so_far in zip(away, below, strict=True) if sum_so_far >= tail)
        high = next(x for x, sum_so_far in zip(away, below, strict=True) if sum_so_far >= total - tail)
        low, high = min(low, middle) - _GRID / 2, max(high, middle) + _GRID / 2
        alike = [rate for rate in self.finite if not self.difference(rate, self.best).is_told]
        return Posterior(
            lr=self.answer * 10**middle,
            low=min(self.answer * 10**low, *alike),
            high=max(self.answer * 10**high, *alike),
        )

    @property
    def _bias(self) -> float:
        return bias_of_trials(self.train_steps, self.constants)

    def _surprise(self, x: float, tried: Sequence[float]) -> float:
        """Return minus the logarithm of the posterior, up to a constant, `x` decades above the sweep's answer."""
        short = interpolate(x + self._bias, tried, list(self.shortfalls.values()))
        return short / self.constants.shortfall + (x / self.constants.spread) ** 2 / 2


def interpolate(x: float, xs: Sequence[float], ys: Sequence[float]) -> float:
    """Return the value at `x` on the straight lines between the points.

    Beyond them, the outermost line goes on if it rises outwards. If it falls, the value is that of the last point.
    """
    if x < xs[0]:
        return interpolate(-x, [-each for each in reversed(xs)], ys[::-1])
    for (left, low), (right, high) in itertools.pairwise(zip(xs, ys, strict=True)):
        if x <= right or (right == xs[-1] and high > low):
            return low + (high - low) * (x - left) / (right - left)
    return ys[-1]
