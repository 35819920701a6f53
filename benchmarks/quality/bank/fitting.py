"""Fit the rule of the default advice on the bank, and judge it on families of tasks that it was not fitted on.

The rule is linear in log10 of the rate (`lrrange.advice.rule`). Its numbers minimise the mean regret over the tasks,
each with the same weight, plus a small penalty that keeps the answer near the best rate where regret is flat. Regret is
averaged over a sixth of a decade around the answer, so that the minimum is not sought in the noise of the grid.
"""

import functools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import attrs
import numpy as np
import torch

from benchmarks.quality.bank.generator import ORIGINS
from benchmarks.quality.bank.landmarks import Seen
from benchmarks.quality.bank.store import BankStore
from benchmarks.quality.ground_truth import Protocol
from benchmarks.quality.regret import TaskRegret
from lrrange.advice.facts import TrainingFacts
from lrrange.advice.midway import FallAndBlowUp
from lrrange.advice.rule import Rule, decades_of_steps, gap, kind_of

KINDS = ("sgd", "momentum", "rmsprop", "adagrad", "adafactor", "sign", "muon")
_GRID = np.arange(-9.0, 3.0001, 0.05)
_SMOOTHING, _NEAR_BEST, _RIDGE = 0.15, 0.03, 0.003
_ROUNDS = 150


@attrs.frozen(kw_only=True)
class Case:
    """One sweep of one task, and the budget that its answer is judged at.

    Args:
        seen: the sweep.
        form: which of its curves is read.
        steps: the budget.
        regret: regret on a grid of rates.
        best: log10 of the best rate.
        weight: a task's weight, divided among its cases.
    """

    seen: Seen
    form: str
    steps: int
    regret: np.ndarray = attrs.field(repr=False)
    best: float
    weight: float

    def at(self, x: float | None) -> float:
        """Return the regret of a rate, given as log10; 1 for no rate."""
        return 1.0 if x is None else float(np.interp(x, _GRID, self.regret))


@functools.cache
def _truth(task: str, store: BankStore, protocol: Protocol) -> tuple[np.ndarray, float]:
    regret = TaskRegret(task, store)
    return np.array([regret.at(10**x, protocol) for x in _GRID]), math.log10(regret.best_lr(protocol))


def cases_of(seen: Iterable[Seen], store: BankStore, protocol: Protocol, paired: str, ladder: bool) -> list[Case]:
    """Return the cases of these sweeps.

    Args:
        seen: the sweeps.
        store: has the ground truth.
        protocol: how the rate is used.
        paired: as the option of `find_lr`.
        ladder: judge constant rates at every measured budget of a task, and not only at its own.
    """
    seen = list(seen)
    sweeps = {task: sum(s.task == task for s in seen) for task in {s.task for s in seen}}
    cases = []
    for sweep in seen:
        own = ORIGINS[sweep.task].steps
        budgets = store.ground_truth(sweep.task)["budgets"] if ladder and protocol == "constant" else [own]
        for budget in budgets:
            of_budget = attrs.evolve(store, budget=budget) if protocol == "constant" else store
            regret, best = _truth(sweep.task, of_budget, protocol)
            weight = 1 / sweeps[sweep.task] / len(budgets)
            form = sweep.form(paired)
            cases.append(Case(seen=sweep, form=form, steps=budget, regret=regret, best=best, weight=weight))
    return cases


@attrs.frozen(kw_only=True)
class Model:
    """Which facts the rule may read.

    Args:
        kinds: the kind of the optimizer.
        steps: the length of the training.
    """

    kinds: bool = True
    steps: bool = True


def fit(cases: Sequence[Case], model: Model = Model()) -> Rule:
    """Return the rule that fits these cases best."""
    read = [(case, reading) for case in cases if (reading := case.seen.readings[case.form])]
    start = _tensor([reading.blow_up if reading.fall is None else reading.fall for _, reading in read])
    features = _tensor([_features(case, reading, model) for case, reading in read])
    weight = _tensor([case.weight for case, _ in read])
    weight = weight / weight.sum()
    best = _tensor([case.best for case, _ in read])
    regret = _smoothed(_tensor([case.regret for case, _ in read]))
    squares = (features * weight[:, None]).T @ features + 0.01 * torch.eye(features.shape[1], dtype=torch.float64)
    w = torch.linalg.solve(squares, (features * weight[:, None]).T @ (best - start)).requires_grad_(True)
    optimizer = torch.optim.Adam([w], lr=0.02)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.01, _ROUNDS)
    for _ in range(_ROUNDS):
        x = start + features @ w
        distance = torch.nn.functional.huber_loss(x, best, reduction="none")
        loss = (weight * (_interpolate(regret, x) + _NEAR_BEST * distance)).sum() + _RIDGE * (w[_FREE:] ** 2).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    part, shift, lower, per_decade, of_signs, *kinds = w.tolist()
    return Rule(
        part=round(part, 2),
        shift=round(shift, 2),
        without_fall=round(shift + lower, 2),
        per_decade_of_steps=round(per_decade, 2),
        of_signs=round(of_signs, 2),
        kinds={name: round(value, 2) for name, value in zip(KINDS, kinds, strict=True)},
    )


# The first features, whose coefficients are not kept small.
_FREE = 2


def _features(case: Case, reading: FallAndBlowUp, model: Model) -> list[float]:
    kind = kind_of(case.seen.facts) if model.kinds else None
    steps = decades_of_steps(TrainingFacts(train_steps=case.steps)) if model.steps else 0.0
    hidden = reading.fall is None
    distance = 0.0 if reading.fall is None else gap(reading.fall, reading.blow_up)
    return [distance, 1.0, float(hidden), steps, steps * (kind == "sign"), *(float(kind == name) for name in KINDS)]


def _tensor(values: Any) -> torch.Tensor:
    return torch.tensor(np.array(values), dtype=torch.float64)


def answer(case: Case, rule: Rule, model: Model = Model()) -> float | None:
    """Return log10 of the rate that the rule reads; None for a refusal."""
    reading = case.seen.readings[case.form]
    if reading is None:
        return None
    facts = case.seen.facts if model.kinds else TrainingFacts()
    steps = case.steps if model.steps else None
    return rule.read(reading.fall, reading.blow_up, attrs.evolve(facts, train_steps=steps))


def _smoothed(regret: torch.Tensor) -> torch.Tensor:
    offsets = torch.arange(-12, 13) * 0.05
    kernel = torch.exp(-0.5 * (offsets / _SMOOTHING) ** 2).double()
    padded = torch.nn.functional.pad(regret[:, None], (12, 12), mode="replicate")
    return torch.nn.functional.conv1d(padded, (kernel / kernel.sum())[None, None])[:, 0]


def _interpolate(regret: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    position = ((x - _GRID[0]) / 0.05).clamp(0, len(_GRID) - 1.001)
    below = position.floor().long()[:, None]
    part = (position - below[:, 0])[:, None]
    return (regret.gather(1, below) * (1 - part) + regret.gather(1, below + 1) * part)[:, 0]


def families_of(cases: Sequence[Case], axis: str) -> list[str]:
    """Return the families of these cases along one axis, such as `"optimizer"`."""
    return sorted({ORIGINS[case.seen.task].families[axis] for case in cases})


def held_out(
    cases: Sequence[Case], judged: Sequence[Case], axis: str, fit_rule: Callable[[Sequence[Case]], Rule]
) -> list[tuple[Case, Rule]]:
    """Return each judged case with the rule that was fitted without the case's family.

    Args:
        cases: the rule is fitted on those of other families.
        judged: the cases to judge.
        axis: the family is held out along this axis; `"none"` for the rule that was fitted on all.
    """
    if axis == "none":
        rule = fit_rule(cases)
        return [(case, rule) for case in judged]
    pairs = []
    for family in families_of(judged, axis):
        rule = fit_rule([case for case in cases if ORIGINS[case.seen.task].families[axis] != family])
        pairs += [(case, rule) for case in judged if ORIGINS[case.seen.task].families[axis] == family]
    return pairs


def mean_regret(pairs: Sequence[tuple[Case, Rule]], model: Model = Model()) -> tuple[float, float, float]:
    """Return the weighted mean regret, and the shares of bad and of catastrophic answers."""
    regrets = np.array([case.at(answer(case, rule, model)) for case, rule in pairs])
    weights = np.array([case.weight for case, _ in pairs])
    weights = weights / weights.sum()
    return (
        float((weights * regrets).sum()),
        float((weights * (regrets > 0.1)).sum()),
        float((weights * (regrets > 0.5)).sum()),
    )
