"""Paired sweeps: each with its baseline, the losses of the initial weights on the same batches.

The baselines are measured after the sweeps, which go on as they would without them. With `paired="auto"` they are only
paid for where the answer leaves a doubt.
"""

import warnings
from collections.abc import Sequence

from lrrange.advice.midway import find_fall_and_blow_up
from lrrange.advice.suggestion import Refusal, Suggestion
from lrrange.errors import NoSuggestion, NotPairedWarning
from lrrange.finder.baseline import Baseline
from lrrange.finder.planned_run import PlannedRun
from lrrange.finder.restore_check import levels_to_the_user
from lrrange.finder.runner import Runner
from lrrange.sweep.curve import Curve, paired_curve
from lrrange.sweep.noise import rounding_of
from lrrange.sweep.planned_steps import StopReason
from lrrange.sweep.smoothing import SmoothingKind
from lrrange.sweep.sweep import Sweep

# Fewer losses have no noise that can be told from their course.
_FEWEST_POINTS = 4

# Refusals for which the noise of the losses is not the reason.
_NOT_OF_NOISE = ("TooFewPoints", "RatesTooFarApart", "NonFiniteLosses", "EndedEarly", "StillFalls")


def leaves_doubt(chosen: Suggestion | Refusal, curve: Curve) -> bool:
    """Return whether a curve with less noise could show more: no fall of the loss stands out of the noise of this one.

    Args:
        chosen: the answer that counts.
        curve: the curve that it was read from.
    """
    if not curve.noise > rounding_of(curve.finite.loss):
        return False
    if isinstance(chosen, Refusal):
        return chosen.kind not in _NOT_OF_NOISE
    try:
        return find_fall_and_blow_up(curve).fall is None
    except NoSuggestion:
        return True


def paired_curves(
    sweeps: Sequence[tuple[Sweep, PlannedRun]], runner: Runner, smoothing: SmoothingKind
) -> list[Curve] | str:
    """Measure the baseline of each sweep, and return the paired curves.

    Args:
        sweeps: sweeps that have ended, each with its run.
        runner: takes the runs.
        smoothing: of the curves.
    Returns: a curve for each sweep; or, if one of the sweeps cannot be paired, the reason.
    """
    curves = []
    for sweep, run in sweeps:
        if sweep.stop_reason is StopReason.INTERRUPTED:
            return "the sweep was interrupted"
        if len(sweep.curve) < _FEWEST_POINTS:
            return f"the sweep has {len(sweep.curve)} losses, and {_FEWEST_POINTS} are needed"
        baseline = Baseline(sweep.curve)
        again = runner.baseline(baseline, run)
        try:
            runner.run_all([again])
        except Exception as error:
            # A driver that restores itself lets an error of its training pass.
            if not baseline.running or not again.training.is_blow_up(error) or not baseline.fail(error):
                error.add_note("Raised after the sweep, while its steps were taken again without updates for paired=.")
                raise
        reason = baseline.why_unusable(again.forward_only)
        if reason is not None:
            return reason
        curves.append(paired_curve(sweep.curve, baseline.losses, smoothing, baseline.also))
    return curves


def describe_noise(curves: Sequence[Curve]) -> str:
    """Return what pairing made of the noise of the first curve, in words."""
    curve, what = curves[0], curves[0].quantity
    text = f"the noise of {'a loss' if what.name == 'loss' else what.name} is {curve.unpaired.noise:.2g}"
    if not curve.noise_at:
        return f"{text}; nothing is left of the curve after pairing"
    start, best = curve.noise_at[0], curve.noise_at[curve.lowest]
    return f"{text}; after pairing {start:.2g} at the start and {best:.2g} at the {what.best} {what.name}"


def warn_not_paired(reason: str) -> None:
    """Warn the user that the sweep was not paired.

    It is no error, because the answer is the one without `paired=`, and where batches do not repeat they are gone.
    """
    warnings.warn(
        f"the sweep is not paired, and its answer is read from the losses as measured: {reason}.",
        NotPairedWarning,
        stacklevel=levels_to_the_user(),
    )
