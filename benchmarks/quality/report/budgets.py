"""How the best rate moves with the length of the training."""

import attrs
import numpy as np

from benchmarks.quality.bank.generator import ORIGINS
from benchmarks.quality.bank.store import BankStore
from benchmarks.quality.ground_truth import Protocol
from benchmarks.quality.regret import TaskRegret

# A ladder has at least this many budgets.
_RUNGS = 4

# The best rate is taken as the middle, in log rate, of all rates with less regret than this: the lowest point of a
# flat curve jumps from one rate of the grid to another.
_AS_GOOD = 0.03

# The best rate is followed over the budgets of a task if the longest is this many times the shortest.
_FOLLOWED = 4


@attrs.frozen
class Ladder:
    """Tasks that differ in their budget alone.

    Args:
        name: what they have in common.
        best: the best rate by protocol and budget.
    """

    name: str
    best: dict[Protocol, dict[int, float]]


def ladders(tasks: list[str], store: BankStore) -> list[Ladder]:
    """Return the ladders among these tasks."""
    by_kind: dict[str, dict[int, str]] = {}
    for task in tasks:
        origin = ORIGINS[task]
        by_kind.setdefault(attrs.evolve(origin, steps=0).name, {})[origin.steps] = task
    return [
        Ladder(
            _kind_of(next(iter(rungs.values()))),
            {
                protocol: {
                    steps: middle_of_best(TaskRegret(task, store), protocol) for steps, task in sorted(rungs.items())
                }
                for protocol in ("constant", "onecycle")
            },
        )
        for rungs in by_kind.values()
        if len(rungs) >= _RUNGS
    ]


def common_budgets(found: list[Ladder]) -> list[int]:
    """Return the budgets that all of these ladders have."""
    return sorted(set.intersection(*(set(ladder.best["constant"]) for ladder in found)))


def _kind_of(task: str) -> str:
    origin = ORIGINS[task]
    return f"{origin.subject.name}, {origin.recipe.name}"


def middle_of_best(regret: TaskRegret, protocol: Protocol) -> float:
    """Return the middle, in log rate, of the rates that are as good as the best."""
    rates = np.geomspace(regret.lr[0], regret.lr[-1], 40 * len(regret.lr))
    good = [rate for rate in rates if regret.at(float(rate), protocol) <= _AS_GOOD]
    return float(np.exp(np.mean(np.log(good)))) if good else regret.best_lr(protocol)


def slopes(tasks: list[str], store: BankStore) -> dict[str, list[float]]:
    """Return how many decades the best constant rate moves while the budget grows tenfold, by kind of optimizer.

    One run gives the losses at several budgets, so each task has a slope of its own.
    """
    found: dict[str, list[float]] = {}
    for task in tasks:
        budgets = store.ground_truth(task)["budgets"]
        if budgets[-1] < _FOLLOWED * budgets[0]:
            continue
        best = {
            budget: middle_of_best(TaskRegret(task, attrs.evolve(store, budget=budget)), "constant")
            for budget in budgets
        }
        found.setdefault(ORIGINS[task].recipe.kind, []).append(slope_of(best))
    return found


def slope_of(best: dict[int, float]) -> float:
    """Return how many decades these rates move while the budget grows tenfold, by least squares."""
    return float(np.polyfit(np.log10([*best]), np.log10([*best.values()]), 1)[0])
