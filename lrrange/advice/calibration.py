"""The calibration of the default answer: its interval, and the chance that it is bad.

All numbers here are fitted on tasks whose best rate is known. The page *How good is the advice?* of the
documentation says on which, and how well they hold on others.
"""

import math
from collections.abc import Mapping

import attrs

# A rate is bad if a training at it gives away more than this part of what the best rate gains.
BAD_REGRET = 0.1

# An answer is called confident if its chance to be bad is under this.
CONFIDENT_BELOW = 0.05

# The part of tasks on which the interval holds the best rate.
COVERAGE = 0.8

# How far the interval reaches below and above the answer, in decades, by what the curve shows.
# The conformal quantiles at `COVERAGE` of log10(best rate / answer).
INTERVALS: dict[str, tuple[float, float]] = {
    "fall and blow-up": (0.67, 0.69),
    "fall only": (1.48, 3.07),
    "blow-up only": (2.13, 1.17),
}

# Of the logistic model: the log-odds of a bad answer are the intercept and, for each feature, its value times this.
COEFFICIENTS: dict[str, float] = {
    "intercept": -4.05,
    "no_fall": 0.76,
    "no_blow_up": 1.81,
    "hidden": 1.05,
    "slow": 0.24,
    "abrupt": 1.25,
    "disagreement": 0.44,
    "short": 0.46,
    "sign_steps": 2.22,
    "capped": 0.45,
    "plain_sgd": 0.67,
    "goes_on": 1.17,
    "unknown_optimizer": 0.83,
    "unknown_length": 0.40,
}


@attrs.frozen(kw_only=True)
class Features:
    """What is known of an answer of the default heuristic, as numbers. A truth counts as 0 or 1.

    Args:
        no_fall: whether no fall of the loss stands out of the noise.
        no_blow_up: whether the sweep saw no blow-up.
        hidden: whether the curve is paired, because the noise hides its fall or the user asked for it.
        slow: decades from where the loss begins to fall to where it has fallen; at most 2.5, and 0 without a fall.
        abrupt: 1 less the decades from the blow-up until the loss lies above its start by as much as it had fallen; 0
            if it takes a decade or more, and 1 if it explodes at once.
        disagreement: median distance of the other heuristics' answers, in decades, at most 2; 0 without any.
        short: how much shorter the training is than a thousand steps, in decades; 0 for longer ones, and where nobody
            knows how long it is.
        sign_steps: whether the optimizer's steps have one length whatever the gradient's, as Lion's.
        capped: whether the optimizer trains at no more than a rate of its own, as Adafactor does.
        plain_sgd: whether the optimizer is SGD, with momentum or without, and does not adapt to the gradients' scale.
        goes_on: whether the optimizer has taken steps already.
        unknown_optimizer: whether the kind of the optimizer is not known.
        unknown_length: whether it is not known how long the training will be.
    """

    no_fall: bool = False
    no_blow_up: bool = False
    hidden: bool = False
    slow: float = 0.0
    abrupt: float = 0.0
    disagreement: float = 0.0
    short: float = 0.0
    sign_steps: bool = False
    capped: bool = False
    plain_sgd: bool = False
    goes_on: bool = False
    unknown_optimizer: bool = False
    unknown_length: bool = False


def log_odds(features: Features, coefficients: Mapping[str, float] = COEFFICIENTS) -> dict[str, float]:
    """Return what each feature adds to the log-odds of a bad answer, by name."""
    return {name: coefficients[name] * float(value) for name, value in attrs.asdict(features).items()}


def chance_of_bad(features: Features, coefficients: Mapping[str, float] = COEFFICIENTS) -> float:
    """Return the expected chance that an answer gives away more than `BAD_REGRET`."""
    odds = coefficients["intercept"] + sum(log_odds(features, coefficients).values())
    # In this form nothing overflows.
    return 1 / (1 + math.exp(-odds)) if odds > 0 else math.exp(odds) / (1 + math.exp(odds))


def interval_around(lr: float, *, fall: bool, blow_up: bool) -> tuple[float, float]:
    """Return the interval that holds the best rate on the part `COVERAGE` of tasks.

    Args:
        lr: the answer.
        fall, blow_up: whether the curve shows these. An answer needs one of the two.
    """
    below, above = INTERVALS[category_of(fall=fall, blow_up=blow_up)]
    return lr / 10**below, lr * 10**above


def category_of(*, fall: bool, blow_up: bool) -> str:
    """Return the category of a curve in `INTERVALS`."""
    return ("fall and blow-up" if blow_up else "fall only") if fall else "blow-up only"
