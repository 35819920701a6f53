"""The confirmation of a suggested rate, by short training runs at a few rates around it."""

import math
import sys
from collections.abc import Iterator

import attrs

from lrrange.advice.evidence import CONSTANTS
from lrrange.advice.midway import NARROWEST_CYCLE
from lrrange.advice.ranges import LRRange
from lrrange.advice.verdict import Doubt, Verdict
from lrrange.errors import PlanError
from lrrange.printable import brief
from lrrange.quantity import LOSS, Quantity

# An interval wider than this many decades makes an answer uncertain.
_WIDE = 1.0

_OWN_RULE = "lrrange's own rule, a fixed distance above the confirmed rate"


def _positive_rate(_: object, field: "attrs.Attribute[float]", lr: float) -> None:
    if not sys.float_info.min <= lr < math.inf:  # the range starts at a part of a rate, which must not become 0
        raise PlanError(f"{field.name}={lr!r} is not a positive, finite rate.", lr=lr)


@attrs.frozen(kw_only=True)
class Trial:
    """One short training run at one learning rate.

    Args:
        lr: the rate.
        steps: number of training steps.
        loss: the mean of the losses that are compared: held-out losses, or without held-out data training losses, all
            of the last part of the run. It is infinite if a loss was not finite.
        difference: how far its losses are above those of the best trial, on the same batches; None if it is not known,
            as for a loss that is not finite, or in a file of an earlier version.
        error: half of the 95 % confidence interval of `difference`.
    """

    lr: float = attrs.field(validator=_positive_rate)
    steps: int
    loss: float
    difference: float | None = None
    error: float | None = None

    def __repr__(self) -> str:
        return f"<Trial lr={self.lr:.2e}: {self.steps} steps, loss {self.loss:.4g}>"

    @property
    def is_told_apart(self) -> bool:
        """Whether the loss is above the best trial's by more than the error of their difference."""
        if self.difference is None or self.error is None:
            return self.loss == math.inf
        return self.difference > self.error


@attrs.frozen(kw_only=True)
class Confirmation:
    """The learning rate that the trials confirm, and the trials.

    Args:
        trials: in the order they ran.
        held_out: whether the trials were judged by their loss on held-out data.
        lr: the confirmed rate. It is the sweep's answer if the trials cannot be told apart.
        low, high: the interval that probably holds the best rate.
        max_lr: the peak of a one-cycle.
        quantity: what the trials were judged by. Of a metric that is better when higher, `Trial.loss` is the negative.
        falls: whether the loss of the best trial fell below the loss before training by more than the noise of a batch.
        whole: whether the trials were as long as the training will be, so that longer ones would say no more.
    """

    trials: tuple[Trial, ...] = attrs.field(validator=attrs.validators.min_len(1))
    held_out: bool
    lr: float = attrs.field(validator=_positive_rate)
    low: float = attrs.field(validator=_positive_rate)
    high: float = attrs.field(validator=_positive_rate)
    max_lr: float = attrs.field(validator=_positive_rate)
    falls: bool = True
    whole: bool = False
    quantity: Quantity = LOSS

    def __repr__(self) -> str:
        judged = f"{'held-out' if self.held_out else 'training'} {brief(self.quantity.name, 16)}"
        rates = f"lr={self.lr:.2e}, {self.low:.2e} to {self.high:.2e}"
        return f"<Confirmation {rates}: {len(self.trials)} trials by {judged}, {self.verdict.word}>"

    @property
    def steps(self) -> int:
        """Number of training steps of all trials together."""
        return sum(trial.steps for trial in self.trials)

    @property
    def best(self) -> Trial:
        """The trial with the lowest loss, of those that ran for the most steps."""
        return min(self.trials, key=lambda trial: (-trial.steps, trial.loss))

    @property
    def told_apart(self) -> bool:
        """Whether the best trial is better than another one by more than the error of their difference."""
        return any(trial.is_told_apart or trial.difference is None for trial in self.trials)

    @property
    def verdict(self) -> Verdict:
        """Uncertain, with each reason and what to do about it, unless the trials enclose the best rate."""
        return Verdict.from_doubts(self._doubts())

    def _doubts(self) -> Iterator[Doubt]:
        twice = 2 * CONSTANTS.most * max(trial.steps for trial in self.trials)
        way = None if self.whole else f"confirm=True, confirm_steps={twice}"
        longer = "the trials are as long as the training" if self.whole else "give more confirm_steps"
        longer += "" if self.held_out else ", or held-out data" if way else ", so give held-out data"
        if not self.told_apart:
            yield Doubt(f"the {self.quantity.values} of the trials differ by less than their errors: {longer}", way)
        rates = [trial.lr for trial in self.trials]
        edge = {min(rates): "lowest", max(rates): "highest"}.get(self.best.lr)
        if edge is not None and self.told_apart:
            further = "below" if edge == "lowest" else "above"
            yield Doubt(
                f"the best trial is the {edge} rate tried, {self.best.lr:.2g}: a better one may lie {further}, so "
                f"compare {'runs' if self.whole else 'longer runs'} there",
                way,
            )
        if not self.falls:
            yield Doubt(
                f"no trial got {'above' if self.quantity.higher_is_better else 'below'} {self.quantity.subject} at the "
                f"start by more than the noise of a batch, as in a training that is nearly done: {longer}",
                way,
            )
        width = math.log10(self.high) - math.log10(self.low)
        if width > _WIDE:
            yield Doubt(f"the interval {self.low:.2g} to {self.high:.2g} is {width:.1f} decades wide: {longer}", way)

    def range(self, base_lr: float) -> LRRange:
        """Return the confirmed range, from `base_lr` (lowered if it is too near the peak) to `max_lr`."""
        base_lr = min(base_lr, self.max_lr / NARROWEST_CYCLE)
        return LRRange(base_lr=base_lr, max_lr=self.max_lr, rule="confirmed", source=_OWN_RULE)
