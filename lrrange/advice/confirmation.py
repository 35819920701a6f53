"""What short runs at a few rates around the answer say of it."""

import math

import attrs

from lrrange.advice.midway import NARROWEST
from lrrange.advice.ranges import LRRange
from lrrange.advice.verdict import Verdict
from lrrange.errors import PlanError


def _rate(_: object, field: "attrs.Attribute[float]", lr: float) -> None:
    if not 0 < lr < math.inf:
        raise PlanError(f"{field.name}={lr!r} of a trial is not a positive, finite rate.", lr=lr)


@attrs.frozen(kw_only=True)
class Trial:
    """One short run at one rate.

    Args:
        lr: the rate.
        steps: how many it ran.
        loss: what it reached: the held-out loss at its end, or else the mean training loss of its second half; infinite
            if a loss was not finite.
    """

    lr: float = attrs.field(validator=_rate)
    steps: int
    loss: float


@attrs.frozen(kw_only=True)
class Confirmation:
    """What the trials say.

    Args:
        trials: in the order they ran; the finalists twice, the second time for longer.
        held_out: whether `loss` is that of held-out data.
        lr: the confirmed rate.
        low, high: the interval in which it lies.
        max_lr: the peak for a one-cycle.
    """

    trials: tuple[Trial, ...] = attrs.field(validator=attrs.validators.min_len(1))
    held_out: bool
    lr: float = attrs.field(validator=_rate)
    low: float = attrs.field(validator=_rate)
    high: float = attrs.field(validator=_rate)
    max_lr: float = attrs.field(validator=_rate)

    @property
    def steps(self) -> int:
        """Training steps that all trials took."""
        return sum(trial.steps for trial in self.trials)

    @property
    def best(self) -> Trial:
        """The finalist with the lowest loss."""
        return min(self.trials, key=lambda trial: (-trial.steps, trial.loss))

    @property
    def verdict(self) -> Verdict:
        """Uncertain if the best trial has no neighbour on one side: a better rate may lie further out."""
        tried = [trial.lr for trial in self.trials]
        which = {min(tried): "lowest", max(tried): "highest"}.get(self.best.lr)
        if which is None:
            return Verdict()
        return Verdict(reasons=(f"the best trial is the {which} rate tried, {self.best.lr:.2g}",))

    def range(self, base_lr: float) -> LRRange:
        """The confirmed range, from `base_lr` or well under the peak."""
        base_lr = min(base_lr, self.max_lr / NARROWEST)
        return LRRange(base_lr=base_lr, max_lr=self.max_lr, rule="confirmed", source="lrrange, docs/quality.md")
