"""Fit the verdict on the bank: the chance that an answer is bad, and the interval around it.

Both are fitted on answers of rules that were not fitted on the answer's architecture, so that they describe trainings
that were never seen.
"""

import math
from collections.abc import Sequence

import attrs
import numpy as np

from benchmarks.quality.bank.fitting import Case
from lrrange.advice.calibration import BAD_REGRET, COVERAGE, Features, category_of
from lrrange.advice.ending import Ending
from lrrange.advice.heuristics import DEFAULT, HEURISTICS
from lrrange.advice.preconditions import check_inside
from lrrange.advice.readings import read_answers
from lrrange.advice.rule import Rule
from lrrange.advice.suggestion import Suggestion
from lrrange.advice.verdict import Circumstances, read_features
from lrrange.errors import NoSuggestion

NAMES = tuple(field.name for field in attrs.fields(Features))
_PENALTY, _ROUNDS = 0.2, 30


@attrs.frozen(kw_only=True)
class Judged:
    """An answer whose regret is known.

    Args:
        case: the sweep.
        lr, max_lr: the rates, by a rule that was not fitted on the task.
        features: on which the chance of a bad answer depends.
    """

    case: Case
    lr: float
    max_lr: float | None
    features: Features

    @property
    def bad(self) -> bool:
        """Whether a constant training at the rate gives away too much."""
        return self.case.at(math.log10(self.lr)) > BAD_REGRET

    @property
    def miss(self) -> float:
        """How far the best rate lies above the answer, in decades."""
        return self.case.best - math.log10(self.lr)

    @property
    def category(self) -> str:
        """What the curve shows, as the interval tells it apart."""
        return category_of(fall=not self.features.no_fall, blow_up=not self.features.no_blow_up)


def judged(case: Case, constant: Rule, one_cycle: Rule, knows_steps: bool = True) -> Judged | None:
    """Return the answer of these rules to a case; None for a refusal."""
    reading, curve = case.seen.readings[case.form], case.seen.curves[case.form]
    if reading is None:
        return None
    facts = attrs.evolve(case.seen.facts, train_steps=case.steps if knows_steps else None)
    lr, max_lr = (10 ** rule.read(reading.fall, reading.blow_up, facts) for rule in (constant, one_cycle))
    try:
        check_inside(curve, DEFAULT, lr)
    except NoSuggestion:
        return None
    ending = Ending(plan=case.seen.sweep.plan, stop_reason=case.seen.sweep.stop_reason)
    answers = read_answers(curve, HEURISTICS, (), ending, facts)
    around = Circumstances(answers=answers, curve=curve, plan=ending.plan, stop_reason=ending.stop_reason, facts=facts)
    features = read_features(reading, Suggestion(heuristic=DEFAULT, lr=lr), around)
    return Judged(case=case, lr=lr, max_lr=max_lr, features=features)


def fit_chance(answers: Sequence[Judged]) -> dict[str, float]:
    """Return the coefficients of a logistic regression of `bad` on the features, by Newton's method.

    Those of the features are kept small by a ridge penalty, and not below 0: what speaks of a doubt must not make an
    answer surer.
    """
    weights = np.array([answer.case.weight for answer in answers])
    weights = weights * len({answer.case.seen.task for answer in answers}) / weights.sum()
    bad = np.array([answer.bad for answer in answers], float)
    kept = list(NAMES)
    while True:
        x = np.array([[1.0, *(float(getattr(answer.features, name)) for name in kept)] for answer in answers])
        w, penalty = np.zeros(x.shape[1]), np.diag([0.0] + [_PENALTY] * len(kept))
        for _ in range(_ROUNDS):
            chance = 1 / (1 + np.exp(-np.clip(x @ w, -30, 30)))
            gradient = x.T @ (weights * (chance - bad)) + penalty @ w
            hessian = (x * (weights * chance * (1 - chance))[:, None]).T @ x + penalty + 1e-6 * np.eye(len(w))
            w = w - np.linalg.solve(hessian, gradient)
        negative = [name for name, value in zip(kept, w[1:], strict=True) if value < 0]
        if not negative:
            fitted = dict(zip(["intercept", *kept], map(float, w), strict=True))
            return {name: round(fitted.get(name, 0.0), 2) for name in ("intercept", *NAMES)}
        kept = [name for name in kept if name not in negative]


def fit_intervals(answers: Sequence[Judged]) -> dict[str, tuple[float, float]]:
    """Return how far the intervals reach below and above an answer, in decades, by what the curve shows.

    Split conformal intervals (Vovk et al. 2005): equal shares of the best rates lie below and above, and each task has
    the same weight. A category with few tasks takes the misses of all.
    """
    intervals = {}
    for category in sorted({answer.category for answer in answers} | set(_CATEGORIES)):
        inside = [answer for answer in answers if answer.category == category]
        if len({answer.case.seen.task for answer in inside}) < _FEWEST_TASKS:
            inside = list(answers)
        tail = (1 - COVERAGE) / 2
        low, high = (_quantile(inside, share) for share in (tail, 1 - tail))
        intervals[category] = (round(max(0.1, -low), 2), round(max(0.1, high), 2))
    return intervals


_CATEGORIES = ("fall and blow-up", "fall only", "blow-up only")
_FEWEST_TASKS = 5


def _quantile(answers: Sequence[Judged], share: float) -> float:
    ordered = sorted((answer.miss, answer.case.weight) for answer in answers)
    total = sum(weight for _, weight in ordered)
    # As if one more task lay beyond the others, on the side of this tail.
    tasks = len({answer.case.seen.task for answer in answers})
    share = min(1.0, share * (tasks + 1) / tasks) if share > 0.5 else max(0.0, share - (1 - share) / tasks)
    reached = 0.0
    for miss, weight in ordered:
        reached += weight
        if reached >= share * total:
            return miss
    return ordered[-1][0]
