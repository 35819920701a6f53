"""The confirmation of a suggested rate, by short training runs at a few rates around it."""

import math
import sys

import attrs

from lrrange.advice.midway import NARROWEST_CYCLE
from lrrange.advice.ranges import LRRange
from lrrange.advice.verdict import Verdict
from lrrange.errors import PlanError


def _positive_rate(_: object, field: "attrs.Attribute[float]", lr: float) -> None:
    if not sys.float_info.min <= lr < math.inf:  # the range starts at a part of a rate, which must not become 0
        raise PlanError(f"{field.name}={lr!r} is not a positive, finite rate.", lr=lr)


@attrs.frozen(kw_only=True)
class Trial:
    """One short training run at one rate.

    Args:
        lr: the rate.
        steps: number of training steps.
        loss: the held-out loss at the end, or without held-out data the mean training loss of the second half. It is
            infinite if a loss was not finite.
    """

    lr: float = attrs.field(validator=_positive_rate)
    steps: int
    loss: float


@attrs.frozen(kw_only=True)
class Confirmation:
    """The rate that the trials confirm, and the trials.

    Args:
        trials: in the order they ran. The finalists ran twice, the second time for more steps.
        held_out: whether the trials were judged by their loss on held-out data.
        lr: the confirmed rate.
        low, high: the interval in which the best rate lies.
        max_lr: the peak of a one-cycle.
    """

    trials: tuple[Trial, ...] = attrs.field(validator=attrs.validators.min_len(1))
    held_out: bool
    lr: float = attrs.field(validator=_positive_rate)
    low: float = attrs.field(validator=_positive_rate)
    high: float = attrs.field(validator=_positive_rate)
    max_lr: float = attrs.field(validator=_positive_rate)

    @property
    def steps(self) -> int:
        """Number of training steps of all trials together."""
        return sum(trial.steps for trial in self.trials)

    @property
    def best(self) -> Trial:
        """The finalist with the lowest loss."""
        return min(self.trials, key=lambda trial: (-trial.steps, trial.loss))

    @property
    def verdict(self) -> Verdict:
        """Uncertain if the best trial is at the lowest or highest rate tried: a better rate may lie further out."""
        rates = [trial.lr for trial in self.trials]
        edge = {min(rates): "lowest", max(rates): "highest"}.get(self.best.lr)
        if edge is None:
            return Verdict()
        return Verdict(reasons=(f"the best trial is the {edge} rate tried, {self.best.lr:.2g}",))

    def range(self, base_lr: float) -> LRRange:
        """Return the confirmed range, from `base_lr` (lowered if it is too near the peak) to `max_lr`."""
        base_lr = min(base_lr, self.max_lr / NARROWEST_CYCLE)
        return LRRange(base_lr=base_lr, max_lr=self.max_lr, rule="confirmed", source="lrrange, docs/quality.md")
