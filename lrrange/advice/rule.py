"""The rule of the default advice: which rate follows from the fall and the blow-up of a curve, and from other facts.

In log10, the answer lies part of the way from the fall to the blow-up, and a fixed distance from there. How far depends
on the kind of the optimizer and on how long the training will be.

All numbers are fitted on a bank of trainings whose best rate is known. The page *How good is the advice?* of the
documentation says how, and how well they do on families of trainings that they were not fitted on.
"""

import math

import attrs

from lrrange.advice.facts import TrainingFacts

# The number of steps that a training is taken to have if nobody says how many.
ASSUMED_TRAIN_STEPS = 500

# The trainings of the bank have between these many steps, and beyond them the effect of the length is not extrapolated.
SHORTEST_KNOWN, LONGEST_KNOWN = 150, 5000

# A blow-up further above the fall than this, in decades, says no more about the best rate.
WIDEST = 3.0


def kind_of(facts: TrainingFacts) -> str | None:
    """Return the kind of the optimizer as this rule tells them apart: SGD with momentum is a kind of its own."""
    if facts.optimizer == "sgd" and facts.momentum:
        return "momentum"
    return facts.optimizer


@attrs.frozen(kw_only=True)
class Rule:
    """A linear rule in log10 of the rate. All distances are in decades.

    Args:
        part: part of the way from the fall to the blow-up.
        shift: distance of the answer from there, for Adam and a training of `ASSUMED_TRAIN_STEPS`.
        without_fall: distance of the answer from the blow-up, if the curve has no fall.
        per_decade_of_steps: further shift for a training of ten times the steps.
        of_signs: addition to that for an optimizer that steps by signs: its weights move a distance in proportion to
            the rate and to the steps, whatever the gradients.
        kinds: further shift by the kind of the optimizer; 0 for others.
    """

    part: float
    shift: float
    without_fall: float
    per_decade_of_steps: float
    of_signs: float
    kinds: dict[str, float]

    def read(self, fall: float | None, blow_up: float, facts: TrainingFacts) -> float:
        """Return log10 of the rate.

        Args:
            fall: log10 of the rate at which the loss has fallen; None if no fall was seen.
            blow_up: log10 of the rate at which it blows up.
            facts: what else is known of the training.
        """
        start = blow_up if fall is None else fall + self.part * gap(fall, blow_up)
        return start + self.shift_for(facts, has_fallen=fall is not None)

    def shift_for(self, facts: TrainingFacts, *, has_fallen: bool) -> float:
        """Return the distance of the answer from its place between the fall and the blow-up, or from the blow-up alone.

        Args:
            facts: what is known of the training.
            has_fallen: whether a fall was seen.
        """
        kind = kind_of(facts)
        slope = self.per_decade_of_steps + (self.of_signs if kind == "sign" else 0.0)
        shift = self.shift if has_fallen else self.without_fall
        return shift + slope * decades_of_steps(facts) + self.kinds.get(kind or "", 0.0)


def gap(fall: float, blow_up: float) -> float:
    """Return how far the blow-up lies above the fall. Further than `WIDEST` counts as this far."""
    return min(max(blow_up - fall, 0.0), WIDEST)


def decades_of_steps(facts: TrainingFacts) -> float:
    """Return how much longer a training is than `ASSUMED_TRAIN_STEPS`, in decades, within the known lengths."""
    steps = min(max(facts.train_steps or ASSUMED_TRAIN_STEPS, SHORTEST_KNOWN), LONGEST_KNOWN)
    return math.log10(steps / ASSUMED_TRAIN_STEPS)


CONSTANT = Rule(
    part=0.48,
    shift=-0.99,
    without_fall=-1.55,
    per_decade_of_steps=-0.41,
    of_signs=-0.43,
    kinds={
        "sgd": 0.40,
        "momentum": 0.04,
        "rmsprop": 0.08,
        "adagrad": 0.32,
        "adafactor": 0.12,
        "sign": -0.35,
        "muon": -0.30,
    },
)

ONE_CYCLE = Rule(
    part=0.53,
    shift=-0.67,
    without_fall=-1.10,
    per_decade_of_steps=-0.44,
    of_signs=-0.44,
    kinds={
        "sgd": 0.22,
        "momentum": 0.06,
        "rmsprop": 0.15,
        "adagrad": 0.30,
        "adafactor": 0.23,
        "sign": -0.44,
        "muon": -0.22,
    },
)
