"""Confirmation: short runs at a handful of rates around the answer, each from the same start.

A sweep passes each rate in a few steps; a trial stays at one. Rates half a decade apart are tried, the better two for
twice as long (successive halving), and the answer moves most of the way to the winner.
"""

import math
import statistics
from collections.abc import Callable, Sequence

import attrs

from lrrange.advice.ranges import LRRange
from lrrange.advice.verdict import Verdict
from lrrange.errors import NoData, NoSuggestion, PlanError
from lrrange.sweep.curve import Curve
from lrrange.sweep.plan import ConstantPlan, whole_number
from lrrange.sweep.sweep import Point, StopReason, Sweep

# Distances of the trial rates from the sweep's answer, in decades: more above than below, because where the sweep's
# answer is far off it is too low (`docs/quality.md`).
_OFFSETS = (-0.7, -0.2, 0.3, 0.8, 1.3)
_KEPT = 2

# Part of the way, in log rate, from the sweep's answer to the winner. The whole way would trust a short run too much:
# at a high rate the loss falls sooner, and ends higher.
_TRUST = 0.7

# And so many decades less, for the same reason.
_SHORT_RUN = 0.1

# The peak of a one-cycle above the confirmed constant rate.
_PEAK = 10**0.3
_NARROWEST = 4.0

# The interval holds every rate that fell short of the best by no more than this, and a quarter decade about the answer.
_AS_GOOD = 0.05
_HALF_WIDTH = 10**0.25

_SHORTEST = 10


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
        base_lr = min(base_lr, self.max_lr / _NARROWEST)
        return LRRange(base_lr=base_lr, max_lr=self.max_lr, rule="confirmed", source="lrrange, docs/quality.md")


class _TrialRun(Sweep):
    """A trial as a driver sees it: a sweep whose rates are all one. It has no curve."""

    def __init__(self, lr: float, num_steps: int, evaluate: Callable[[], float] | None) -> None:
        super().__init__(
            ConstantPlan(lr=lr, num_steps=num_steps), divergence=None, non_finite_limit=1, on_advance=self._at_the_end
        )
        self._evaluate = evaluate
        self._held_out: float | None = None

    @property
    def curve(self) -> Curve:
        """Empty."""
        return Curve(lr=(), loss=())

    def _at_the_end(self, _: Point) -> None:
        # The training is still as the last step left it; the driver puts it back once this trial is over.
        if self.stop_reason is StopReason.COMPLETED and self._evaluate is not None:
            self._held_out = float(self._evaluate())

    @property
    def trial(self) -> Trial:
        """How it went."""
        reached = math.inf
        if self.stop_reason is StopReason.COMPLETED:
            half = [point.loss for point in self.points[len(self.points) // 2 :]]
            reached = statistics.fmean(half) if self._held_out is None else self._held_out
        lr = self.plan.lr_at(0)
        return Trial(lr=lr, steps=len(self.points), loss=reached if math.isfinite(reached) else math.inf)


def check_budget(confirm_steps: int) -> None:
    """Raise PlanError if the budget is too small for `confirm`."""
    if whole_number("confirm_steps", confirm_steps) < _SHORTEST * _parts():
        raise PlanError(
            f"confirm_steps={confirm_steps} leaves under {_SHORTEST} steps for the shortest trial. Give "
            f"{_SHORTEST * _parts()} or more; 648 is usual.",
            confirm_steps=confirm_steps,
        )


def confirm(
    lr: float,
    curve: Curve,
    take: Callable[[Sequence[Sweep]], object],
    *,
    confirm_steps: int,
    end_lr: float,
    evaluate: Callable[[], float] | None = None,
) -> Confirmation:
    """Try rates around `lr`, each from the same start, and move most of the way to the best.

    Args:
        lr: the sweep's answer.
        curve: the sweep's, for the loss before training and how far it falls.
        take: runs sweeps, each from the start, and puts everything back, as `Driver.run` does.
        confirm_steps: training steps of all trials together, at most.
        end_lr: no rate above this is tried.
        evaluate: the held-out loss of the training as it is; None to judge by the training loss.
    Raises: NoData if the data do not last; NoSuggestion if no trial stayed finite.
    """
    short = confirm_steps // _parts()
    rates = [lr * 10**offset for offset in _OFFSETS]
    rates = [rate for rate in rates if rate <= max(end_lr, lr)]
    first = _try(rates, short, take, evaluate)
    finalists = sorted(first, key=lambda trial: trial.loss)[:_KEPT]
    last = _try([trial.lr for trial in finalists if trial.loss < math.inf], 2 * short, take, evaluate)
    best = min(last, key=lambda trial: trial.loss, default=None)
    if best is None or best.loss == math.inf:
        raise NoSuggestion(
            f"at every rate from {rates[0]:.2g} to {rates[-1]:.2g} the loss became infinite or NaN within {2 * short} "
            f"steps. Check the inputs, or lower end_lr.",
            start_lr=rates[0],
            end_lr=rates[-1],
        )
    # A finalist's longer run says more than its shorter one.
    shortfall = _shortfalls(first, curve) | _shortfalls(last, curve)
    confirmed = lr * (best.lr / lr) ** _TRUST / 10**_SHORT_RUN
    as_good = [rate for rate, short in shortfall.items() if short <= _AS_GOOD]
    return Confirmation(
        trials=tuple(first + last),
        held_out=evaluate is not None,
        lr=confirmed,
        low=min(confirmed / _HALF_WIDTH, *as_good),
        high=max(confirmed * _HALF_WIDTH, *as_good),
        max_lr=confirmed * _PEAK,
    )


def _shortfalls(trials: Sequence[Trial], curve: Curve) -> dict[float, float]:
    """For each rate, how far its loss is from the lowest one, in parts of the lowest one's distance from the start."""
    lowest = min(trial.loss for trial in trials)
    if lowest == math.inf:
        return {}
    drop = max(curve.start - lowest, curve.drop)
    return {trial.lr: (trial.loss - lowest) / drop if trial.loss > lowest else 0.0 for trial in trials}


def _parts() -> int:
    """How many of the shortest trials the budget must hold."""
    return len(_OFFSETS) + 2 * _KEPT


def _try(
    rates: Sequence[float],
    steps: int,
    take: Callable[[Sequence[Sweep]], object],
    evaluate: Callable[[], float] | None,
) -> list[Trial]:
    runs = [_TrialRun(lr, steps, evaluate) for lr in rates]
    take(runs)
    for run in runs:
        if run.stop_reason not in (StopReason.COMPLETED, StopReason.NON_FINITE):
            raise NoData(
                f"the data ran out after {len(run.points)} of {steps} steps of a trial. confirm=True needs a loader "
                f"that starts again; a generator does not.",
                steps_run=len(run.points),
            )
    return [run.trial for run in runs]
