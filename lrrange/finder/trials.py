"""Confirmation: short runs at a few rates around the answer, each from the same start, compared pair by pair.

A sweep passes each rate in a few steps; a trial stays at one. The sweep's answer is tried, and a higher rate. While the
best rate tried is the lowest or the highest one by a difference that matters, one more is tried beyond it.
`lrrange.advice.evidence` weighs what they show against the sweep's answer.
"""

import math
from collections.abc import Callable, Sequence
from typing import SupportsFloat

import attrs

from lrrange.advice.confirmation import Confirmation, Trial
from lrrange.advice.evidence import BLOCKS, COMPARED, CONSTANTS, Constants, Evidence
from lrrange.averages import mean
from lrrange.errors import NoData, NoSuggestion, PlanError
from lrrange.protocol.blow_up import is_blow_up
from lrrange.quantity import LOSS, MetricValue
from lrrange.sweep.curve import Curve
from lrrange.sweep.plan import ConstantPlan
from lrrange.sweep.planned_steps import PlannedSteps, Point, StopReason, note_rate
from lrrange.validators import whole_number

# Held-out losses are measured after every other block that is compared, because each costs a pass over the data.
_BLOCKS_AN_EVALUATION = 2

# The peak of a one-cycle above the confirmed constant rate.
_PEAK = 10**0.3

# A sweep has not trained anything yet at rates this many times lower than its answer. The mean loss there is the loss
# before training, if there are enough of them.
_UNTRAINED, _FEWEST_UNTRAINED = 30.0, 5

_SMALLEST_BUDGET = 90

# The steps of the shortest trial. A training of fewer steps gets trials that are longer than itself.
_SHORTEST = (_SMALLEST_BUDGET - 1) // CONSTANTS.most

RunTrials = Callable[[Sequence[PlannedSteps]], object]
Evaluate = Callable[[], SupportsFloat | None]


class _Trial(PlannedSteps):
    """The steps of a trial, all at one rate, and its held-out losses where there are held-out data.

    Args:
        lr, num_steps: the rate, and the number of steps.
        evaluate, is_blow_up: see `confirm`.

    Attributes:
        held_out: held-out losses, after every other block that is compared.
        judged_by: the quantity to compare: the one that is held out, or without held-out data the one of the steps.
    """

    plan: ConstantPlan

    def __init__(
        self, lr: float, num_steps: int, evaluate: Evaluate | None, is_blow_up: Callable[[Exception], bool]
    ) -> None:
        super().__init__(ConstantPlan(lr=lr, num_steps=num_steps), non_finite_limit=1, on_advance=self._measure)
        self._evaluate = evaluate
        self._is_blow_up = is_blow_up
        block = int(COMPARED * num_steps) // BLOCKS
        self._ends = [num_steps - block * number for number in reversed(range(BLOCKS))]
        self._block = block
        self.held_out: list[float] = []
        self.judged_by = LOSS

    def is_evaluated_after(self, step: int) -> bool:
        """Return whether the held-out loss is measured after this step, counted from 1."""
        return self._evaluate is not None and step in self._ends[1::_BLOCKS_AN_EVALUATION]

    def _measure(self, _: Point) -> None:
        if not self.held_out:
            self.judged_by = self.quantity
        # The training is still as the last step left it.
        ended = self.stop_reason not in (None, StopReason.COMPLETED)
        if ended or self._evaluate is None or not self.is_evaluated_after(len(self.points)):
            return
        try:
            loss = self._evaluate()
        except Exception as error:
            if not self._is_blow_up(error):
                raise
            self._error = error
            self.held_out.append(math.inf)
            return
        if loss is None:
            self._evaluate = None
        else:
            self.judged_by = loss.quantity if isinstance(loss, MetricValue) else LOSS
            self.held_out.append(float(loss))

    def _outlives_errors(self) -> bool:
        return True  # as a trial that did not stay finite

    @property
    def compared(self) -> list[float] | None:
        """The losses to compare with those of other trials; None if one was not finite."""
        if self.stop_reason is not StopReason.COMPLETED or not all(map(math.isfinite, self.held_out)):
            return None
        if self.held_out:
            return self.held_out
        losses = [point.loss for point in self.points]
        return [mean(losses[end - self._block : end]) for end in self._ends]


def check_budget(confirm_steps: int) -> None:
    """Raise PlanError if the budget is too small for `confirm`."""
    if whole_number("confirm_steps", confirm_steps) < _SMALLEST_BUDGET:
        raise PlanError(
            f"confirm_steps={confirm_steps} leaves too few steps for {CONSTANTS.most} trials. Give "
            f"{_SMALLEST_BUDGET} or more; 500 is usual.",
            confirm_steps=confirm_steps,
        )


def confirm(
    lr: float,
    curve: Curve,
    run_trials: RunTrials,
    *,
    confirm_steps: int,
    end_lr: float,
    evaluate: Evaluate | None = None,
    is_blow_up: Callable[[Exception], bool] = is_blow_up,
    resumed: bool | None = None,
    train_steps: int | None = None,
    constants: Constants = CONSTANTS,
) -> Confirmation:
    """Try rates around `lr`, each from the same start, and move as far as their differences support.

    Args:
        lr: the sweep's answer.
        curve: of the sweep, for the loss before training and its noise.
        run_trials: runs the trials it is given, each from the same start, and puts everything back.
        confirm_steps: training steps of all trials together, at most.
        end_lr: no rate above this is tried.
        evaluate: returns the held-out loss of the training as it is, or None without held-out data. Trials are then
            judged by their training loss.
        is_blow_up: returns whether a rate that is too high may have caused an error of the training. A trial that ends
            by one counts as one that did not stay finite.
        resumed: whether the training goes on from an earlier one; None if that is not known.
        train_steps: number of steps that the rate will be used for; None if that is not known. A trial is no longer.
        constants: to weigh the trials by.
    Raises: NoData if the data run out; NoSuggestion if no trial stayed finite, or one was interrupted; the
        error of the first if all raised.
    """
    num_steps = (confirm_steps - 1) // constants.most  # one step is left for `_held_out_start`
    if train_steps is not None:
        num_steps = min(num_steps, max(train_steps, _SHORTEST))
    trials: list[_Trial] = []
    start = _start_in(curve, lr)
    evidence = Evidence(
        answer=lr,
        trials={},
        start=start,
        noise=curve.noise,
        resumed=resumed,
        train_steps=train_steps,
        constants=constants,
    )
    while rates := evidence.next_rates(max(end_lr, lr)):
        # A trial that did not stay finite has left steps for another one.
        if sum(len(trial.points) for trial in trials) + len(rates) * num_steps > confirm_steps - 1:
            break
        stage = [_Trial(rate, num_steps, evaluate, is_blow_up) for rate in rates]
        run_trials(stage)
        trials += stage
        _check(trials)
        if not evidence.trials and any(trial.held_out for trial in trials):
            start = _held_out_start(curve, run_trials, evaluate, is_blow_up)
        compared = {trial.plan.lr: trial.compared for trial in trials}
        evidence = attrs.evolve(evidence, trials=compared, start=start)
    if not evidence.finite:
        low, high = min(evidence.trials), max(evidence.trials)
        raise NoSuggestion(
            f"at every rate from {low:.2g} to {high:.2g} {curve.quantity.subject} became infinite or NaN within "
            f"{num_steps} steps. Check the inputs, or lower end_lr.",
            start_lr=low,
            end_lr=high,
        )
    answer = evidence.posterior
    return Confirmation(
        trials=tuple(_outcome(trial, evidence) for trial in trials),
        held_out=any(trial.held_out for trial in trials),
        lr=answer.lr,
        low=answer.low,
        high=answer.high,
        max_lr=answer.lr * _PEAK,
        falls=evidence.falls,
        whole=train_steps is not None and num_steps >= train_steps,
        quantity=next(trial.judged_by for trial in trials if trial.compared is not None),
    )


def _start_in(curve: Curve, lr: float) -> float:
    """Return the mean loss of the sweep while its rates were too low to train anything; NaN if no loss is finite."""
    finite = curve.finite
    untrained = [loss for rate, loss in zip(finite.lr, finite.loss, strict=True) if rate * _UNTRAINED <= lr]
    if len(untrained) < _FEWEST_UNTRAINED:
        return curve.start if len(finite) else math.nan
    return mean(untrained)


def _held_out_start(
    curve: Curve, run_trials: RunTrials, evaluate: Evaluate | None, is_blow_up: Callable[[Exception], bool]
) -> float:
    """Return the held-out loss before training, as good as, after one step at the lowest rate of the sweep."""
    trial = _Trial(curve.lr[0], 1, evaluate, is_blow_up)
    run_trials([trial])
    _check([trial])
    return trial.held_out[-1] if trial.held_out else math.nan


def _outcome(trial: _Trial, evidence: Evidence) -> Trial:
    rate, steps = trial.plan.lr, len(trial.points)
    if rate not in evidence.finite:
        return Trial(lr=rate, steps=steps, loss=math.inf)
    difference = evidence.difference(rate, evidence.best)
    return Trial(
        lr=rate,
        steps=steps,
        loss=mean(evidence.finite[rate]),
        difference=difference.mean,
        error=difference.error,
    )


def _check(trials: Sequence[_Trial]) -> None:
    """Raise an error if all of these trials raised one, or if one was interrupted or ran out of data."""
    errors = [trial.error for trial in trials if trial.error is not None]
    if len(errors) == len(trials):
        note_rate(errors[0], trials[0], "So did every other trial. Check the training, or lower end_lr.")
        raise errors[0]
    for trial in trials:
        if trial.stop_reason is StopReason.INTERRUPTED:
            raise NoSuggestion(
                f"the trial at lr={trial.plan.lr:.2g} was interrupted after {len(trial.points)} of "
                f"{trial.plan.num_steps} steps: nothing is confirmed. Run it again, or without confirm=True.",
                lr=trial.plan.lr,
            )
        if trial.stop_reason is StopReason.DATA_EXHAUSTED:
            raise NoData(
                f"the data ran out after {len(trial.points)} of {trial.plan.num_steps} steps of a trial. confirm=True "
                f"needs a loader that starts again; a generator does not.",
                steps_run=len(trial.points),
            )
