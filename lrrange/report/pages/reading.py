"""Where an answer comes from, in words: what its heuristic read from the curve, and why trials moved it."""

import math

from lrrange.advice.confirmation import Confirmation
from lrrange.advice.evidence import CONSTANTS, USUAL_TRAINING, bias_of_trials
from lrrange.advice.facts import TrainingFacts
from lrrange.advice.rule import ASSUMED_TRAIN_STEPS, LONGEST_KNOWN, SHORTEST_KNOWN, WIDEST, kind_of
from lrrange.advice.suggestion import Suggestion
from lrrange.printable import brief
from lrrange.quantity import LOSS, Quantity

# How optimizers are called, by the kinds that the rule tells apart.
_KINDS = {
    "sgd": "SGD",
    "momentum": "SGD with momentum",
    "adam": "Adam",
    "rmsprop": "RMSprop",
    "adagrad": "Adagrad",
    "adadelta": "Adadelta",
    "adafactor": "Adafactor",
    "sign": "steps by signs",
    "muon": "Muon",
    "lbfgs": "L-BFGS",
}

# Rates nearer to each other than this factor are the same in what is said of them.
_SAME = 1.05

_TERMS = ("fall", "blow_up", "last", "usual_fall", "part", "shift")


def describe_reading(answer: Suggestion, facts: TrainingFacts, quantity: Quantity = LOSS, *, rule: bool = True) -> str:
    """Return what a heuristic read from the curve, and what it made of that.

    Args:
        answer: of the heuristic.
        facts: of the training.
        quantity: what the curve shows.
        rule: whether to say how the rate follows from what was read.
    """
    read = answer.read
    parts = []
    if answer.index is not None:
        parts.append(f"step {answer.index + 1}")  # from 1, as in the progress bar
    if answer.slope is not None:
        parts.append(f"slope {quantity.sign * answer.slope:.3g} per decade")
    if not {"blow_up", "last"} & set(read):
        return ", ".join([*parts, *(f"{brief(name)} {value:.3g}" for name, value in read.items())])
    parts.append(_describe_fall(read, "rise" if quantity.higher_is_better else "fall", corrected=rule))
    parts.append(f"blow-up {read['blow_up']:.2e}" if "blow_up" in read else f"no blow-up up to {read['last']:.2e}")
    parts += [f"{brief(name)} {value:.3g}" for name, value in read.items() if name not in _TERMS]
    if not rule:
        return ", ".join(parts)
    way, training = _describe_rule(read), _describe_training(facts)
    return f"{', '.join(parts)}; {f'{way} ({training})' if way else training}"


def _describe_training(facts: TrainingFacts) -> str:
    """Return the kind of the optimizer and the length of the training as far as they are known, or what is assumed."""
    kind = kind_of(facts)
    optimizer = "optimizer not known" if kind is None else _KINDS.get(kind, brief(kind))
    if facts.train_steps is None:
        return f"{optimizer}, {ASSUMED_TRAIN_STEPS} steps assumed"
    counted = min(max(facts.train_steps, SHORTEST_KNOWN), LONGEST_KNOWN)
    length = f"{facts.train_steps:,} step{'' if facts.train_steps == 1 else 's'}"
    return f"{optimizer}, {length}" + ("" if counted == facts.train_steps else f" (counted as {counted:,})")


def _describe_fall(read: dict[str, float], word: str, *, corrected: bool) -> str:
    if "fall" not in read:
        return f"no {word} stands out of the noise"
    fall, usual = read["fall"], read.get("usual_fall", read["fall"])
    text = f"{word} {fall:.2e}"
    if not corrected or _near(fall, usual):
        return text
    return f"{text} (as {usual:.2e} at 25 steps per decade)"


def _describe_rule(read: dict[str, float]) -> str:
    """Return how the answer follows from the fall and the blow-up; empty if that is not known."""
    if "shift" not in read:
        return ""
    shift = f"{abs(read['shift']):.2g} decades {'down' if read['shift'] < 0 else 'up'}"
    if not {"usual_fall", "part"} <= set(read):
        return f"{shift} from the blow-up"
    top, bottom = read.get("blow_up", read.get("last", math.nan)), read["usual_fall"]
    if not bottom < top:
        return f"{shift} from the fall"
    way = (
        f"{read['part']:.0%} of the way up" if top <= bottom * 10**WIDEST else f"{read['part'] * WIDEST:.2g} decades up"
    )
    return f"{way}, then {shift}"


def explain_confirmation(confirmation: Confirmation, answer: float, facts: TrainingFacts) -> str:
    """Return why the confirmed rate lies where it does.

    Args:
        confirmation: the trials, and the rate that follows from them.
        answer: the rate that the sweep suggested.
        facts: of the training.
    """
    lr, best = confirmation.lr, confirmation.best
    if _near(lr, answer, 1.005):
        if not confirmation.told_apart:
            return "no trial can be told from the others, so the sweep's answer stays."
        weighed = "the sweep's answer stays: the trials favour neither a higher rate nor a lower one."
        return weighed + _length(best.steps, facts)
    far = f"{max(lr / answer, answer / lr):.3g} times {'above' if lr > answer else 'below'} the sweep's {answer:.2e}"
    if _near(best.lr, answer):
        place = f"{far}, though the trial there was the best"
    elif (best.lr > answer) == (lr > answer):
        between = "between that and" if (best.lr > lr) == (lr > answer) else "past"
        place = f"{far}, {between} the best trial, at {best.lr:.2e}"
    else:
        place = f"{far}, away from the best trial, at {best.lr:.2e}"
    weights = (
        f"The sweep is taken to be right within a factor of {10**CONSTANTS.spread:.0f}, and a rate counts less the "
        f"further its trial is from the best one, beyond the error."
    )
    return f"{place}. {weights}{_length(best.steps, facts)}"


def _length(steps: int, facts: TrainingFacts) -> str:
    """Return how the length of the trials moves the answer, as a further sentence; empty if it does not."""
    bias = bias_of_trials(facts.train_steps)
    if not bias:
        return ""
    length = facts.train_steps or USUAL_TRAINING
    assumed = "" if facts.train_steps is not None else " (assumed)"
    return (
        f" The best rate of {steps} steps is taken to be {10**bias:.2g} times that of the whole training, of "
        f"{length:,} steps{assumed}."
    )


def _near(rate: float, other: float, factor: float = _SAME) -> bool:
    return max(rate, other) <= factor * min(rate, other)
