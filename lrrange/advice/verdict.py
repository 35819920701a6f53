"""Whether an answer can be trusted, and the reasons if it cannot."""

import math
import statistics
from collections.abc import Iterable, Iterator, Sequence

import attrs

from lrrange.advice.calibration import CONFIDENT_BELOW, Features, chance_of_bad, log_odds
from lrrange.advice.facts import TrainingFacts
from lrrange.advice.midway import FallAndBlowUp, find_fall_and_blow_up
from lrrange.advice.preconditions import HIGHEST_USEFUL_LR, describe_jump
from lrrange.advice.suggestion import Refusal, Suggestion
from lrrange.advice.ways_out import MORE_STEPS, first_way, join_ways
from lrrange.errors import NoSuggestion
from lrrange.sweep.curve import Curve
from lrrange.sweep.plan import AnyPlan
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

# A start that is too high is divided by this.
_LOWER = 1000.0

# Trainings of this many steps or more are not short.
_LONG = 1000


@attrs.frozen
class Doubt:
    """A reason for doubt.

    Args:
        reason: in words, with the way out, if there is one.
        way: the arguments that may remove the doubt, as a user writes them; None if there are none.
    """

    reason: str
    way: str | None = None


@attrs.frozen(kw_only=True)
class Verdict:
    """The trust in an answer: `confident`, or uncertain for these `reasons`.

    Args:
        reasons: each with a way out, if there is one.
        ways: arguments that may make the answer surer, as a user writes them, such as `"confirm=True"`: those of
            `find_lr`, or of `compare` for the verdict on a comparison.
        chance_of_bad: the expected chance that a training at the rate gives away more than a tenth of what the best
            rate gains, as fitted on tasks whose best rate is known; None where that was not measured.
    """

    reasons: tuple[str, ...] = ()
    ways: tuple[str, ...] = ()
    chance_of_bad: float | None = None

    @property
    def confident(self) -> bool:
        """Whether there is no reason to doubt the answer, and its chance to be bad, if known, is under 5 %."""
        return not self.reasons and (self.chance_of_bad is None or self.chance_of_bad < CONFIDENT_BELOW)

    @property
    def word(self) -> str:
        """`"confident"` or `"uncertain"`."""
        return "confident" if self.confident else "uncertain"

    @classmethod
    def from_doubts(cls, doubts: Iterable["Doubt"], chance_of_bad: float | None = None) -> "Verdict":
        """Return the verdict with these reasons for doubt, each way out named once."""
        doubts = list(doubts)
        return cls(
            reasons=tuple(doubt.reason for doubt in doubts),
            ways=tuple(dict.fromkeys(way for doubt in doubts if doubt.way for way in doubt.way.split(", "))),
            chance_of_bad=chance_of_bad,
        )

    def __repr__(self) -> str:
        chance = "" if self.chance_of_bad is None else f", {self.chance_of_bad:.0%} chance of bad"
        reasons = f", {len(self.reasons)} {'reason' if len(self.reasons) == 1 else 'reasons'}" if self.reasons else ""
        return f"<Verdict {self.word}{reasons}{chance}>"

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
    plan: AnyPlan
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
    doubts = list(_plain_doubts(chosen, around))
    reading = _read_again(chosen, around)
    if reading is None:
        ways = join_ways(around.untried, "confirm")
        name = f'how often "{chosen.heuristic}" is far off has not been measured: leave heuristic= out'
        way = "confirm=True" if ways else "heuristic=None"
        return Verdict.from_doubts(
            [*doubts, *_loose_ends(chosen, around), Doubt(f"{name}, or give {ways}" if ways else name, way)]
        )
    features = read_features(reading, chosen, around)
    chance = chance_of_bad(features)
    if chance >= CONFIDENT_BELOW:
        added = log_odds(features)
        ordered = sorted((name for name in added if added[name] > 0), key=lambda name: -added[name])
        named = [name for name in ordered if added[name] >= _WORTH_NAMING] or ordered[:1]
        doubts += [_doubt(name, features, chosen, around) for name in named]
    return Verdict.from_doubts(doubts, chance)


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


def _plain_doubts(chosen: Suggestion, around: Circumstances) -> Iterator[Doubt]:
    """Yield the doubts that are plain from the sweep, whatever was measured on tasks."""
    curve, stop_reason = around.curve, around.stop_reason
    if chosen.interval is None:
        way = first_way(around.untried, "confirm", "repeats", num_steps=around.plan.num_even_steps)
        yield Doubt("there is no interval around the rate", way)
    if (jump := describe_jump(curve)) is not None:
        yield Doubt(f"{jump}: lower it", f"start_lr={around.plan.start_lr / _LOWER:.2g}")
    if stop_reason is StopReason.RAISED and len(curve):
        way = f"end_lr={curve.lr[-1]:.2g}"
        yield Doubt(
            f"the training raised an error after lr={curve.lr[-1]:.2g}: lower end_lr, or mend the training", way
        )
    if stop_reason is StopReason.COMPLETED and falls_to_the_end(curve):
        falling = f"{curve.quantity.subject} still {curve.quantity.fall}s at end_lr={around.plan.end_lr:.2g}"
        if around.plan.end_lr >= HIGHEST_USEFUL_LR:
            yield Doubt(f"{falling}, and no training uses a higher rate")
        elif _blow_up_of_the_loss(around) is None:
            yield Doubt(f"{falling}: raise it", _higher_end(around))
    swept = _decades(curve.lr[0], curve.lr[-1]) if len(curve) else 0.0
    if swept > 0 and (density := (len(curve) - 1) / swept) < _SPARSE:
        yield Doubt(f"{density:.1f} steps a decade are few: raise num_steps", _more_steps(around))


def _higher_end(around: Circumstances) -> str:
    return f"end_lr={100 * around.plan.end_lr:.2g}"


def _more_steps(around: Circumstances) -> str:
    return f"num_steps={2 * around.plan.num_even_steps}"


def _loose_ends(chosen: Suggestion, around: Circumstances) -> Iterator[Doubt]:
    """Yield what makes an answer look uncertain whose chance to be bad was not measured."""
    interval, far = chosen.interval, _far(chosen, around)
    if interval is not None and (width := _decades(*interval)) > _WIDE:
        ways = "paired", "repeats", MORE_STEPS
        yield Doubt(
            f"the interval {interval[0]:.2g} to {interval[1]:.2g} is {width:.1f} decades wide: "
            f"give {join_ways(around.untried, *ways)}",
            first_way(around.untried, *ways, num_steps=around.plan.num_even_steps),
        )
    if far and 2 * len(far) >= len(_others(chosen, around)):
        yield Doubt(f"{_name(far)} lie more than a decade away")


def _name(answers: Sequence[Suggestion]) -> str:
    return ", ".join(f"{answer.heuristic} ({answer.lr:.2g})" for answer in answers)


def _blow_up_of_the_loss(around: Circumstances) -> float | None:
    """Return the rate at which the loss blows up that was recorded beside a metric; None if it does not."""
    if around.curve.also is None:
        return None
    try:
        seen = find_fall_and_blow_up(around.curve.also, around.facts)
    except NoSuggestion:
        return None
    return float(10**seen.blow_up) if seen.blown_up else None


def _doubt(name: str, features: Features, chosen: Suggestion, around: Circumstances) -> Doubt:
    """Return the doubt that this feature of the curve raises, with the options that may remove it."""
    what = around.curve.quantity
    match name:
        case "no_fall":
            reason = f"no {what.fall} of {what.subject} stands out of its noise"
        case "no_blow_up":
            reason = f"{what.subject} does not blow up, so the best rate may lie higher"
            if what.higher_is_better:
                reason = f"{what.subject} does not break down, so the best rate may lie higher"
            if (blow_up := _blow_up_of_the_loss(around)) is not None:
                reason = f"{reason}, though the loss blows up at {blow_up:.2g}"
            elif around.stop_reason is StopReason.COMPLETED and around.plan.end_lr < HIGHEST_USEFUL_LR:
                return Doubt(f"{reason}: raise end_lr={around.plan.end_lr:.2g}", _higher_end(around))
        case "hidden":
            reason = "only the paired losses show what the rate does"
        case "slow":
            reason = f"{what.subject} takes {features.slow:.1f} decades to {what.fall}"
        case "abrupt":
            reason = f"{what.subject} blows up abruptly"
            if what.higher_is_better:
                reason = f"{what.subject} breaks down abruptly"
        case "disagreement":
            far = _far(chosen, around)
            reason = f"{_name(far)} lie more than a decade away"
            if 2 * len(far) < len(_others(chosen, around)) or not far:
                reason = f"half of the other heuristics lie {features.disagreement:.1f} decades away or more"
        case "goes_on":
            reason = f"the optimizer has taken {around.facts.steps_taken} steps already, and this training goes on"
        case "unknown_length":
            return Doubt("it is not known how long the training will be: give train_steps=", "train_steps=...")
        case "short":
            reason = f"the best rate matters more in a short training of {around.facts.train_steps} steps"
        case "unknown_optimizer":
            reason = "the kind of the optimizer is not known"
        case "plain_sgd":
            reason = "the best rate of SGD differs much from one training to another"
        case _:
            reason = f'sweeps with an optimizer of the kind "{around.facts.optimizer}" are often far off'
    candidates = ("paired", "repeats", MORE_STEPS) if name == "no_fall" else ("confirm",)
    ways = join_ways(around.untried, *candidates)
    way = first_way(around.untried, *candidates, num_steps=around.plan.num_even_steps)
    return Doubt(f"{reason}: give {ways}" if ways else reason, way)
