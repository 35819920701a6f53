"""Cross-validation: constants of the default heuristic chosen on some tasks, and judged on others."""

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
from benchmarks.quality.report.statistics import TaskRegrets
from benchmarks.quality.store import Store
from lrrange import Curve, NoSuggestion
from lrrange.advice.midway import FallAndBlowUp, find_fall_and_blow_up

Constants = TypeVar("Constants")

# What the default heuristic reads from the recorded sweeps of each task: one for each seed, None where it refuses.
SweepReadings = dict[str, list[FallAndBlowUp | None]]


@attrs.frozen(kw_only=True)
class Choice(Generic[Constants]):
    """Constants chosen without a task, and their regret on that task."""

    task: str
    constants: Constants
    regret: float


def choose(
    candidates: Sequence[Constants], regret: Callable[[Constants, str], float], tasks: Sequence[str]
) -> Constants:
    """Return the candidate with the lowest mean regret on these tasks. Of equal ones, it is the first."""
    return candidates[int(_regrets(candidates, regret, tasks).sum(1).argmin())]


def leave_one_out(
    candidates: Sequence[Constants], regret: Callable[[Constants, str], float], tasks: Sequence[str]
) -> list[Choice[Constants]]:
    """Return the choice for each task, made on all other tasks.

    Args:
        candidates: what may be chosen, the simplest first.
        regret: returns the regret of a candidate on a task.
        tasks: names of the tasks.
    """
    regrets = _regrets(candidates, regret, tasks)
    choices = []
    for i, task in enumerate(tasks):
        chosen = int(np.delete(regrets, i, 1).sum(1).argmin())
        choices.append(Choice(task=task, constants=candidates[chosen], regret=float(regrets[chosen, i])))
    return choices


def _regrets(
    candidates: Sequence[Constants], regret: Callable[[Constants, str], float], tasks: Sequence[str]
) -> np.ndarray:
    """Return the regrets, of shape (candidates, tasks)."""
    return np.array([[regret(constants, task) for task in tasks] for constants in candidates])


@attrs.frozen
class Distances:
    """The three constants of the default heuristic that matter most.

    Args:
        part: where the answer lies on the way from the fall to the blow-up, in log rate; between 0 and 1.
        down: decades from there down to the rate for constant training.
        down_one_cycle: decades from there down to the peak of a one-cycle.
    """

    part: float
    down: float
    down_one_cycle: float

    @classmethod
    def released(cls) -> "Distances":
        """Return the constants of the installed lrrange, from its answers to two made-up readings."""
        at_once, apart = (FallAndBlowUp(begin=-1.0, fall=0.0, blow_up=blow_up, blown_up=True) for blow_up in (0.0, 1.0))
        return cls(*(round(value, 6) for value in (
            math.log10(apart.lr / at_once.lr), -math.log10(at_once.lr), -math.log10(at_once.max_lr)
        )))  # fmt: skip


_PARTS = [round(0.1 * k, 2) for k in range(11)]
_DOWNS = [round(0.05 * k, 2) for k in range(4, 27)]

CANDIDATES = [Distances(*values) for values in itertools.product(_PARTS, _DOWNS, _DOWNS)]


def read_recorded_sweeps(store: Store, tasks: Iterable[str]) -> SweepReadings:
    """Return what the default heuristic reads from the recorded sweeps of the default length."""
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


def regret_of_distances(sweep_readings: SweepReadings, task_regrets: TaskRegrets) -> Callable[[Distances, str], float]:
    """Return a function of constants and task: the mean regret over the seeds and both protocols."""

    @functools.cache
    def mean_regret(part: float, down: float, protocol: Protocol, task: str) -> float:
        rates = [
            None if reading is None else 10 ** (log_rate_between(reading, part) - down)
            for reading in sweep_readings[task]
        ]
        return float(np.mean([task_regrets[task].at(rate, protocol) for rate in rates]))

    def regret(constants: Distances, task: str) -> float:
        constant = mean_regret(constants.part, constants.down, "constant", task)
        return (constant + mean_regret(constants.part, constants.down_one_cycle, "onecycle", task)) / 2

    return regret


def log_rate_between(reading: FallAndBlowUp, part: float) -> float:
    """Return the log10 of the rate at this part of the way from the fall to the blow-up.

    Without a fall, it lies half a decade below the blow-up.
    """
    return reading.blow_up - 0.5 if reading.fall is None else reading.fall + part * (reading.blow_up - reading.fall)


def compare_choices(
    sweep_readings: SweepReadings, task_regrets: TaskRegrets, groups: dict[str, list[str]]
) -> list[dict[str, Any]]:
    """Return the default's regret with its released constants, and with constants chosen on some of the tasks.

    Args:
        sweep_readings: what it reads, by task.
        task_regrets: the tasks.
        groups: groups of tasks, by name. The constants chosen on a group are judged on all other tasks.
    Returns: lines of a table, with the keys `chosen`, `judged`, `part`, `down`, `down_one_cycle` and `regret`.
    """
    regret = regret_of_distances(sweep_readings, task_regrets)
    tasks = list(task_regrets)

    def mean(constants: Distances, judged_on: Sequence[str]) -> float:
        return float(np.mean([regret(constants, task) for task in judged_on]))

    def line(chosen: str, judged: str, constants: Distances, mean_regret: float) -> dict[str, Any]:
        return {"chosen": chosen, "judged": judged, **attrs.asdict(constants), "regret": mean_regret}

    released, best = Distances.released(), choose(CANDIDATES, regret, tasks)
    left_out = leave_one_out(CANDIDATES, regret, tasks)
    median = Distances(
        *(
            float(np.median([getattr(choice.constants, field.name) for choice in left_out]))
            for field in attrs.fields(Distances)
        )
    )
    left_out_regret = float(np.mean([choice.regret for choice in left_out]))
    lines = [
        line("as released", "all tasks", released, mean(released, tasks)),
        line("on all tasks", "the same tasks (in-sample)", best, mean(best, tasks)),
        line("on all tasks but one", "the one left out, in turn", median, left_out_regret),
    ]
    for name, chosen_on in groups.items():
        constants = choose(CANDIDATES, regret, chosen_on)
        judged_on = [task for task in tasks if task not in chosen_on]
        lines.append(line(f"on the {name} tasks", "the others", constants, mean(constants, judged_on)))
    return lines
