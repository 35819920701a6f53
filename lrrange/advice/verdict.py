"""Whether an answer can be trusted, and the reasons if it cannot."""

import math
import statistics
from collections.abc import Iterator, Sequence

import attrs

from lrrange.advice.calibration import CONFIDENT_BELOW, Features, chance_of_bad, log_odds
from lrrange.advice.facts import TrainingFacts
from lrrange.advice.midway import FallAndBlowUp, find_fall_and_blow_up
from lrrange.advice.preconditions import HIGHEST_USEFUL_LR
from lrrange.advice.suggestion import Refusal, Suggestion
from lrrange.advice.ways_out import MORE_STEPS, join_ways
from lrrange.errors import NoSuggestion
from lrrange.sweep.curve import Curve
from lrrange.sweep.plan import SweepPlan
from lrrange.sweep.planned_steps import StopReason

# An interval wider than this is worth a word, and so are other heuristics further away than this; in decades.
_WIDE = 1.0

# If the lowest loss is this close to the last rate, in decades, the curve has no valley: it still falls.
_AT_THE_END = 0.4

# With fewer steps per decade than this, too few losses are measured at the rates that matter.
_SPARSE = 6.0

# A feature that adds this much to the log-odds of a bad answer is named as a reason.
_WORTH_NAMING = 0.5

# Slower falls and further answers, in decades, count as these.
_SLOWEST, _FURTHEST = 2.5, 2.0

# Trainings of this many steps or more are not short.
_LONG = 1000


@attrs.frozen(kw_only=True)
class Verdict:
    """The trust in an answer: `confident`, or uncertain for these `reasons`.

    Args:
        reasons: each with a way out, if there is one.
        chance_of_bad: the expected chance that a training at the rate gives away more than a tenth of what the best
            rate gains, as fitted on tasks whose best rate is known; None where that was not measured.
    """

    reasons: tuple[str, ...] = ()
    chance_of_bad: float | None = None

    @property
    def confident(self) -> bool:
        """Whether there is no reason to doubt the answer, and its chance to be bad, if known, is under 5 %."""
        return not self.reasons and (self.chance_of_bad is None or self.chance_of_bad < CONFIDENT_BELOW)

    def __str__(self) -> str:
        if self.confident:
            return "confident"
        return f"uncertain: {'; '.join(self.reasons) or f'{self.chance_of_bad:.0%} of such answers are bad'}"


@attrs.frozen(kw_only=True)
class Circumstances:
    """Everything beside the answer itself that a verdict depends on.

    Args:
        answers: the answers of all heuristics.
        curve, plan, stop_reason: what the answers were read from, as in an `Advice`.
        facts: what else is known of the training.
        untried: options of `find_lr` that could make the answer surer, as in a `Provenance`.
    """

    answers: Sequence[Suggestion | Refusal]
    curve: Curve
    plan: SweepPlan
    stop_reason: StopReason
    facts: TrainingFacts = attrs.field(factory=TrainingFacts)
    untried: Sequence[str] = ()


def falls_to_the_end(curve: Curve) -> bool:
    """Return whether the loss falls up to the last rate, so that the sweep should go on to higher rates.

    It is meant for a sweep that completed its plan.
    """
    finite = curve.finite
    if len(finite) < 2 or not finite.falls:
        return False
    return _decades(finite.lr[finite.lowest], finite.lr[-1]) < _AT_THE_END


def _decades(low: float, high: float) -> float:
    """Return how far `high` is above `low`, in decades."""
    ratio = high / low
    # The ratio of two extreme rates may be too large or too small for a float.
    return math.log10(ratio) if 0 < ratio < math.inf else math.log10(high) - math.log10(low)


def judge(chosen: Suggestion, around: Circumstances) -> Verdict:
    """Return the verdict on `chosen`, with every reason to doubt it and the way out of each."""
    reasons = list(_plain_reasons(chosen, around))
    reading = _read_again(chosen, around)
    if reading is None:
        ways = join_ways(around.untried, "confirm")
        name = f'how often "{chosen.heuristic}" is far off has not been measured: leave heuristic= out'
        reasons += [*_loose_ends(chosen, around), f"{name}, or give {ways}" if ways else name]
        return Verdict(reasons=tuple(reasons))
    features = read_features(reading, chosen, around)
    chance = chance_of_bad(features)
    if chance >= CONFIDENT_BELOW:
        added = log_odds(features)
        ordered = sorted((name for name in added if added[name] > 0), key=lambda name: -added[name])
        named = [name for name in ordered if added[name] >= _WORTH_NAMING] or ordered[:1]
        reasons += [_doubt(name, features, chosen, around) for name in named]
    return Verdict(reasons=tuple(reasons), chance_of_bad=chance)


def read_features(reading: FallAndBlowUp, chosen: Suggestion, around: Circumstances) -> Features:
    """Return the features on which the chance of a bad answer depends.

    Args:
        reading: the fall and the blow-up from which the default heuristic answers.
        chosen: that answer.
        around: what else is known.
    """
    facts = around.facts
    distances = [abs(_decades(chosen.lr, other.lr)) for other in _others(chosen, around)]
    climbing = _climbing(around.curve, reading.blow_up)
    return Features(
        no_fall=reading.fall is None,
        no_blow_up=not reading.blown_up,
        hidden=around.curve.baseline is not None,
        slow=0.0 if reading.fall is None else min(max(reading.fall - reading.begin, 0.0), _SLOWEST),
        abrupt=1.0 - min(max(climbing, 0.0), 1.0) if reading.blown_up else 0.0,
        disagreement=min(statistics.median(distances), _FURTHEST) if distances else 0.0,
        short=0.0 if facts.train_steps is None else max(0.0, math.log10(_LONG / facts.train_steps)),
        sign_steps=facts.optimizer == "sign",
        capped=facts.optimizer == "adafactor",
        plain_sgd=facts.optimizer == "sgd",
        goes_on=(facts.steps_taken or 0) > 0,
        unknown_optimizer=facts.optimizer is None,
        unknown_length=facts.train_steps is None,
    )


def _climbing(curve: Curve, blow_up: float) -> float:
    """Return the decades from the blow-up on until the loss lies above its start by its drop, or until the last rate.

    Args:
        curve: the curve.
        blow_up: log10 of the rate at which the loss has climbed over its start.
    """
    finite = curve.finite
    top = finite.start + finite.drop
    points = zip(finite.lr, finite.unpaired.loss, strict=True)
    exploded = (math.log10(lr) for lr, loss in points if loss > top and math.log10(lr) >= blow_up)
    return next(exploded, math.log10(finite.lr[-1])) - blow_up


def _read_again(chosen: Suggestion, around: Circumstances) -> FallAndBlowUp | None:
    """Return what the default heuristic sees on the curve; None if the answer is another's."""
    if chosen.heuristic != "midway":
        return None
    try:
        return find_fall_and_blow_up(around.curve, around.facts)
    except NoSuggestion:  # the answer was not read from this curve
        return None


def _others(chosen: Suggestion, around: Circumstances) -> list[Suggestion]:
    return [answer for answer in around.answers if isinstance(answer, Suggestion) and answer != chosen]


def _far(chosen: Suggestion, around: Circumstances) -> list[Suggestion]:
    return [other for other in _others(chosen, around) if abs(_decades(chosen.lr, other.lr)) > _WIDE]


def _plain_reasons(chosen: Suggestion, around: Circumstances) -> Iterator[str]:
    """Yield the reasons that are plain from the sweep, whatever was measured on tasks."""
    curve, stop_reason = around.curve, around.stop_reason
    if chosen.interval is None:
        yield "there is no interval around the rate"
    if stop_reason is StopReason.RAISED and len(curve):
        yield f"the training raised an error after lr={curve.lr[-1]:.2g}: lower end_lr, or mend the training"
    if stop_reason is StopReason.COMPLETED and falls_to_the_end(curve):
        yield f"the loss still falls at end_lr={around.plan.end_lr:.2g}: raise it"
    swept = _decades(curve.lr[0], curve.lr[-1]) if len(curve) else 0.0
    if swept > 0 and (density := (len(curve) - 1) / swept) < _SPARSE:
        yield f"{density:.1f} steps a decade are few: raise num_steps"


def _loose_ends(chosen: Suggestion, around: Circumstances) -> Iterator[str]:
    """Yield what makes an answer look uncertain whose chance to be bad was not measured."""
    interval, far = chosen.interval, _far(chosen, around)
    if interval is not None and (width := _decades(*interval)) > _WIDE:
        ways = join_ways(around.untried, "paired", "repeats", MORE_STEPS)
        yield f"the interval {interval[0]:.2g} to {interval[1]:.2g} is {width:.1f} decades wide: give {ways}"
    if far and 2 * len(far) >= len(_others(chosen, around)):
        yield f"{_name(far)} lie more than a decade away"


def _name(answers: Sequence[Suggestion]) -> str:
    return ", ".join(f"{answer.heuristic} ({answer.lr:.2g})" for answer in answers)


def _doubt(name: str, features: Features, chosen: Suggestion, around: Circumstances) -> str:
    """Return the reason for doubt in words, and the options that may remove it."""
    match name:
        case "no_fall":
            reason = "no fall of the loss stands out of its noise"
        case "no_blow_up":
            reason = "the loss does not blow up, so the best rate may lie higher"
            if around.stop_reason is StopReason.COMPLETED and around.plan.end_lr < HIGHEST_USEFUL_LR:
                return f"{reason}: raise end_lr={around.plan.end_lr:.2g}"
        case "hidden":
            reason = "only the paired losses show what the rate does"
        case "slow":
            reason = f"the loss takes {features.slow:.1f} decades to fall"
        case "abrupt":
            reason = "the loss explodes as soon as it blows up"
        case "disagreement":
            far = _far(chosen, around)
            reason = f"{_name(far)} lie more than a decade away"
            if 2 * len(far) < len(_others(chosen, around)) or not far:
                reason = f"half of the other heuristics lie {features.disagreement:.1f} decades away or more"
        case "goes_on":
            reason = f"the optimizer has taken {around.facts.steps_taken} steps already, and this training goes on"
        case "unknown_length":
            return "it is not known how long the training will be: give train_steps="
        case "short":
            reason = f"the best rate matters more in a short training of {around.facts.train_steps} steps"
        case "unknown_optimizer":
            reason = "the kind of the optimizer is not known"
        case "plain_sgd":
            reason = "the best rate of SGD differs much from one training to another"
        case _:
            reason = f'sweeps with an optimizer of the kind "{around.facts.optimizer}" are often far off'
    ways = join_ways(around.untried, *(("paired", "repeats", MORE_STEPS) if name == "no_fall" else ("confirm",)))
    return f"{reason}: give {ways}" if ways else reason
