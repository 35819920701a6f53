"""Confirmation: short runs at a few rates around the answer, each from the same start.

A sweep passes each rate in a few steps; a trial stays at one. Rates half a decade apart are tried, the best two of them
again for twice as long (successive halving), and the answer moves most of the way to the winner.
"""

import math
from collections.abc import Callable, Sequence

from lrrange.advice.confirmation import Confirmation, Trial
from lrrange.averages import mean
from lrrange.errors import NoData, NoSuggestion, PlanError
from lrrange.protocol.blow_up import is_blow_up
from lrrange.sweep.curve import Curve
from lrrange.sweep.plan import ConstantPlan
from lrrange.sweep.planned_steps import PlannedSteps, Point, StopReason, note_rate
from lrrange.validators import whole_number

# Distances of the trial rates from the sweep's answer, in decades. More lie above than below, because where the sweep's
# answer is far off it is too low (`docs/quality.md`).
_OFFSETS = (-0.7, -0.2, 0.3, 0.8, 1.3)
_KEPT = 2

# The part of the way, in log rate, that the answer moves from the sweep's answer to the winner. The whole way would
# trust a short run too much: at a high rate the loss falls sooner, and ends higher.
_TRUST = 0.7

# The answer is lowered by this many decades more, for the same reason.
_SHORT_RUN = 0.1

# The peak of a one-cycle above the confirmed constant rate.
_PEAK = 10**0.3

# The interval holds every rate whose loss fell short of the best by no more than this part of the drop, and a quarter
# decade on either side of the answer.
_AS_GOOD = 0.05
_HALF_WIDTH = 10**0.25

_SHORTEST = 10

# The budget in units of the shortest trial: each rate once, and the finalists for twice as long.
_PARTS = len(_OFFSETS) + 2 * _KEPT

RunTrials = Callable[[Sequence[PlannedSteps]], object]
Evaluate = Callable[[], float | None]


class _Trial(PlannedSteps):
    """The steps of a trial, all at one rate, and the held-out loss after the last of them."""

    plan: ConstantPlan

    def __init__(
        self, lr: float, num_steps: int, evaluate: Evaluate | None, is_blow_up: Callable[[Exception], bool]
    ) -> None:
        plan = ConstantPlan(lr=lr, num_steps=num_steps)
        super().__init__(plan, non_finite_limit=1, on_advance=self._evaluate_at_the_end)
        self._evaluate = evaluate
        self._is_blow_up = is_blow_up
        self.held_out: float | None = None

    def _evaluate_at_the_end(self, _: Point) -> None:
        # The training is still as the last step left it. The driver puts it back once this trial is over.
        if self.stop_reason is StopReason.COMPLETED and self._evaluate is not None:
            try:
                loss = self._evaluate()
            except Exception as error:
                if not self._is_blow_up(error):
                    raise
                self._error, loss = error, math.inf
            self.held_out = None if loss is None else float(loss)

    def _outlives_errors(self) -> bool:
        return True  # as a trial that did not stay finite

    @property
    def result(self) -> Trial:
        """The outcome of the trial."""
        reached = math.inf
        if self.stop_reason is StopReason.COMPLETED:
            half = [point.loss for point in self.points[len(self.points) // 2 :]]
            reached = mean(half) if self.held_out is None else self.held_out
        loss = reached if math.isfinite(reached) else math.inf
        return Trial(lr=self.plan.lr, steps=len(self.points), loss=loss)


def check_budget(confirm_steps: int) -> None:
    """Raise PlanError if the budget is too small for `confirm`."""
    if whole_number("confirm_steps", confirm_steps) < _SHORTEST * _PARTS:
        raise PlanError(
            f"confirm_steps={confirm_steps} leaves under {_SHORTEST} steps for the shortest trial. Give "
            f"{_SHORTEST * _PARTS} or more; 648 is usual.",
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
) -> Confirmation:
    """Try rates around `lr`, each from the same start, and move most of the way to the best.

    Args:
        lr: the sweep's answer.
        curve: of the sweep, for the loss before training and its drop.
        run_trials: runs the trials it is given, each from the same start, and puts everything back.
        confirm_steps: training steps of all trials together, at most.
        end_lr: no rate above this is tried.
        evaluate: returns the held-out loss of the training as it is, or None without held-out data. Trials are then
            judged by their training loss.
        is_blow_up: returns whether a rate that is too high may have caused an error of the training. A trial that ends
            by one counts as one that did not stay finite.
    Raises: NoData if the data run out; NoSuggestion if no trial stayed finite, or one was interrupted; the
        error of the first if all raised.
    """
    short = confirm_steps // _PARTS
    rates = [lr * 10**offset for offset in _OFFSETS]
    rates = [rate for rate in rates if rate <= max(end_lr, lr)]
    first, held_out = _try(rates, short, run_trials, evaluate, is_blow_up)
    finalists = sorted(first, key=lambda trial: trial.loss)[:_KEPT]
    finite = [trial.lr for trial in finalists if trial.loss < math.inf]
    last, _ = _try(finite, 2 * short, run_trials, evaluate, is_blow_up)
    best = min(last, key=lambda trial: trial.loss, default=None)
    if best is None or best.loss == math.inf:
        raise NoSuggestion(
            f"at every rate from {rates[0]:.2g} to {rates[-1]:.2g} the loss became infinite or NaN within {2 * short} "
            f"steps. Check the inputs, or lower end_lr.",
            start_lr=rates[0],
            end_lr=rates[-1],
        )
    # The longer run of a finalist replaces its shorter one.
    shortfall = _shortfalls(first, curve) | _shortfalls(last, curve)
    confirmed = lr * (best.lr / lr) ** _TRUST / 10**_SHORT_RUN
    as_good = [rate for rate, part in shortfall.items() if part <= _AS_GOOD]
    return Confirmation(
        trials=tuple(first + last),
        held_out=held_out,
        lr=confirmed,
        low=min(confirmed / _HALF_WIDTH, *as_good),
        high=max(confirmed * _HALF_WIDTH, *as_good),
        max_lr=confirmed * _PEAK,
    )


def _shortfalls(trials: Sequence[Trial], curve: Curve) -> dict[float, float]:
    """Return for each rate how far its loss is above the lowest one, as a part of the drop to the lowest one.

    A training that is done already, or that hardly moves, has no drop. Differences are then parts of the noise.
    """
    lowest = min(trial.loss for trial in trials)
    if lowest == math.inf:
        return {}
    drop = max(curve.start - lowest, curve.drop) if len(curve.finite) else 0.0
    scale = drop or curve.noise
    parts = {}
    for trial in trials:
        above = trial.loss - lowest
        parts[trial.lr] = 0.0 if above <= 0 else above / scale if scale > 0 else math.inf
    return parts


def _try(
    rates: Sequence[float],
    num_steps: int,
    run_trials: RunTrials,
    evaluate: Evaluate | None,
    is_blow_up: Callable[[Exception], bool],
) -> tuple[list[Trial], bool]:
    """Return the trials at these rates, and whether they were judged by held-out losses."""
    trials = [_Trial(lr, num_steps, evaluate, is_blow_up) for lr in rates]
    run_trials(trials)
    errors = [trial.error for trial in trials if trial.error is not None]
    if trials and len(errors) == len(trials):
        note_rate(errors[0], trials[0], "So did every other trial. Check the training, or lower end_lr.")
        raise errors[0]
    for trial in trials:
        if trial.stop_reason is StopReason.INTERRUPTED:
            raise NoSuggestion(
                f"the trial at lr={trial.plan.lr:.2g} was interrupted after {len(trial.points)} of {num_steps} steps: "
                f"nothing is confirmed. Run it again, or without confirm=True.",
                lr=trial.plan.lr,
            )
        if trial.stop_reason is StopReason.DATA_EXHAUSTED:
            raise NoData(
                f"the data ran out after {len(trial.points)} of {num_steps} steps of a trial. confirm=True needs a "
                f"loader that starts again; a generator does not.",
                steps_run=len(trial.points),
            )
    return [trial.result for trial in trials], any(trial.held_out is not None for trial in trials)
