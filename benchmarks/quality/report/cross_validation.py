"""Constants chosen on all tasks but one, and judged on that one."""

import functools
import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, TypeVar

import attrs
import numpy as np

from benchmarks.quality.asking import SEEDS
from benchmarks.quality.ground_truth import Protocol
from benchmarks.quality.recordings import replay
from benchmarks.quality.report.statistics import Truths
from benchmarks.quality.store import Store
from lrrange import Curve, NoSuggestion
from lrrange.advice.midway import FallAndBlowUp, find_fall_and_blow_up

Constants = TypeVar("Constants")


@attrs.frozen(kw_only=True)
class Choice(Generic[Constants]):
    """What was chosen without a task, and how it does on that task."""

    task: str
    constants: Constants
    regret: float


def choose(family: Sequence[Constants], regret: Callable[[Constants, str], float], tasks: Sequence[str]) -> Constants:
    """The member of the family with the lowest mean regret on these tasks; of equals the first."""
    return family[int(_table(family, regret, tasks).sum(1).argmin())]


def leave_one_out(
    family: Sequence[Constants], regret: Callable[[Constants, str], float], tasks: Sequence[str]
) -> list[Choice[Constants]]:
    """For each task, the choice of all others.

    Args:
        family: what may be chosen, the simplest first.
        regret: of a member on a task.
        tasks: by name.
    """
    table = _table(family, regret, tasks)
    choices = []
    for i, task in enumerate(tasks):
        chosen = int(np.delete(table, i, 1).sum(1).argmin())
        choices.append(Choice(task=task, constants=family[chosen], regret=float(table[chosen, i])))
    return choices


def _table(family: Sequence[Constants], regret: Callable[[Constants, str], float], tasks: Sequence[str]) -> np.ndarray:
    """Regrets, of shape (members, tasks)."""
    return np.array([[regret(constants, task) for task in tasks] for constants in family])


@attrs.frozen
class Distances:
    """The constants of lrrange's default that matter most; decades, but for the first.

    Args:
        part: of the way from the fall to the blow-up, in log rate.
        down: from there to the rate for constant training.
        down_one_cycle: from there to the peak of a one-cycle.
    """

    part: float
    down: float
    down_one_cycle: float

    @classmethod
    def released(cls) -> "Distances":
        """Those of the installed lrrange, from what it makes of a fall and a blow-up."""
        together, apart = (
            FallAndBlowUp(begin=-1.0, fall=0.0, blow_up=blow_up, blown_up=True) for blow_up in (0.0, 1.0)
        )
        return cls(*(round(value, 6) for value in (
            math.log10(apart.lr / together.lr), -math.log10(together.lr), -math.log10(together.max_lr)
        )))  # fmt: skip


_PARTS = [round(0.1 * k, 2) for k in range(11)]
_DOWNS = [round(0.05 * k, 2) for k in range(4, 27)]

FAMILY = [Distances(*values) for values in itertools.product(_PARTS, _DOWNS, _DOWNS)]


def recorded_readings(store: Store, tasks: Iterable[str]) -> dict[str, list[FallAndBlowUp | None]]:
    """What the default reads from each task's recorded sweeps of the default length, one a seed; None if it refuses."""
    return {
        task: [_read(replay(recorded, seed, 200)) for seed in SEEDS]
        for task in tasks
        for recorded in [store.sweeps(task)]
    }


def _read(curve: Curve) -> FallAndBlowUp | None:
    try:
        return find_fall_and_blow_up(curve)
    except NoSuggestion:
        return None


def regret_of_distances(
    found: dict[str, list[FallAndBlowUp | None]], truths: Truths
) -> Callable[[Distances, str], float]:
    """The regret on a task, had the default these constants; the mean over the seeds and both protocols."""

    @functools.cache
    def of_protocol(part: float, down: float, protocol: Protocol, task: str) -> float:
        rates = [None if one is None else 10 ** (between(one, part) - down) for one in found[task]]
        return float(np.mean([truths[task].regret(rate, protocol) for rate in rates]))

    def regret(constants: Distances, task: str) -> float:
        one_rate = of_protocol(constants.part, constants.down, "constant", task)
        return (one_rate + of_protocol(constants.part, constants.down_one_cycle, "onecycle", task)) / 2

    return regret


def between(found: FallAndBlowUp, part: float) -> float:
    """Where the default's two rates are weighed so; half a decade under the blow-up if there is no fall."""
    return found.blow_up - 0.5 if found.fall is None else found.fall + part * (found.blow_up - found.fall)


def study(
    found: dict[str, list[FallAndBlowUp | None]], truths: Truths, groups: dict[str, list[str]]
) -> list[dict[str, Any]]:
    """How the default does with constants chosen on some tasks and judged on others.

    Args:
        found: what it reads, by task.
        truths: of the tasks.
        groups: two parts of the tasks, by name; each part's choice is judged on the other.
    """
    regret = regret_of_distances(found, truths)
    tasks = list(truths)

    def mean(constants: Distances, on: Sequence[str]) -> float:
        return float(np.mean([regret(constants, task) for task in on]))

    def line(chosen: str, judged: str, constants: Distances, figure: float) -> dict[str, Any]:
        return {"chosen": chosen, "judged": judged, **attrs.asdict(constants), "regret": figure}

    released, best = Distances.released(), choose(FAMILY, regret, tasks)
    left_out = leave_one_out(FAMILY, regret, tasks)
    usual = Distances(
        *(
            float(np.median([getattr(choice.constants, field.name) for choice in left_out]))
            for field in attrs.fields(Distances)
        )
    )
    lines = [
        line("as released", "all tasks", released, mean(released, tasks)),
        line("on all tasks", "the same tasks (in-sample)", best, mean(best, tasks)),
        line("on all tasks but one", "the one left out, in turn", usual, float(np.mean([c.regret for c in left_out]))),
    ]
    for name, chosen_on in groups.items():
        constants = choose(FAMILY, regret, chosen_on)
        judged_on = [task for task in tasks if task not in chosen_on]
        lines.append(line(f"on the {name} tasks", "the others", constants, mean(constants, judged_on)))
    return lines
