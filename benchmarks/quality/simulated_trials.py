"""Confirmation without training anything: `lrrange.finder.trials.confirm` on recorded training runs.

A trial at any rate is read between the two nearest recorded rates, of the same seed and so of the same batches.
"""

import contextlib
import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from benchmarks.quality.asking import SEEDS
from benchmarks.quality.bank.measuring import BLOCK
from benchmarks.quality.ground_truth import PROTOCOLS
from benchmarks.quality.recordings import END_LR, EVERY, START_LR, replay
from benchmarks.quality.regret import TaskRegret
from benchmarks.quality.replays import told
from benchmarks.quality.store import RESULTS, Store
from benchmarks.quality.tasks.registry import group_of
from lrrange import Confirmation, Curve, NoSuggestion, Sweep, SweepPlan
from lrrange.advice.evidence import CONSTANTS, Constants
from lrrange.advice.heuristics import HEURISTICS
from lrrange.advice.ranges import range_rule
from lrrange.finder.trials import confirm
from lrrange.sweep.planned_steps import PlannedSteps

# How far off the answers are that confirmation starts from, in decades.
OFFSETS = (0.0, -0.7, -0.3, 0.3, 0.7)

CONFIRM_STEPS = 500

_COVERED = 0.02

# Whether the optimizer's state tells that a training of the bank goes on, by its family.
_RESUMED = {"fresh": False, "resumed": True}


@attrs.frozen(eq=False)
class RecordedRuns:
    """Training losses at constant rates, all from the same start and on the same batches.

    Args:
        lr: n rates, rising; shape (n,).
        loss: losses by rate and step, shape (n, steps); not finite from the step on at which a run blew up.
        start: loss before training.
        every: number of steps between held-out losses.
        held_out: held-out losses by rate, before the first step and after every `every` steps; None without.
    """

    lr: np.ndarray
    loss: np.ndarray
    start: float
    every: int = 1
    held_out: np.ndarray | None = None

    def at(self, lr: float) -> np.ndarray:
        """Return the losses at this rate."""
        return self._between(self.loss, lr)

    def held_out_at(self, lr: float, step: int) -> float:
        """Return the held-out loss at this rate after this many steps."""
        assert self.held_out is not None
        losses = self._between(self.held_out, lr)
        return float(np.interp(step / self.every, np.arange(len(losses)), losses))

    def _between(self, losses: np.ndarray, lr: float) -> np.ndarray:
        if lr >= self.lr[-1]:
            return losses[-1]
        if lr < self.lr[0]:  # to first order, the improvement is proportional to the rate
            width = max(len(losses[0]) // 10, 1)
            edges = (width // 2, width - 1 - width // 2)
            level = np.convolve(np.pad(losses[0], edges, "edge"), np.ones(width) / width, "valid")
            return losses[0] + (self.start - level) * (1 - lr / self.lr[0])
        above = int(np.searchsorted(self.lr, lr, side="right"))
        part = math.log(lr / self.lr[above - 1]) / math.log(self.lr[above] / self.lr[above - 1])
        low, high = losses[above - 1], losses[above]
        with np.errstate(invalid="ignore", over="ignore"):
            mixed = (1 - part) * low + part * high if part else low
        return np.where(np.isfinite(mixed), mixed, high if part > 0.5 else low)


@attrs.frozen(eq=False)
class Case:
    """A sweep's answer to one task, and what trials around it would have measured.

    Args:
        task: name of the task.
        families: families of the task, by kind.
        regret: of the task.
        runs: the recorded runs.
        curve: of the sweep.
        lr, max_lr: the sweep's answers, for constant training and as the peak of a one-cycle.
        train_steps: how long the task is trained, if confirmation is to know it.
    """

    task: str
    families: dict[str, str]
    regret: TaskRegret
    runs: RecordedRuns
    curve: Curve
    lr: float
    max_lr: float
    train_steps: int | None = None

    def confirm(
        self, offset: float = 0.0, constants: Constants = CONSTANTS, budget: int = CONFIRM_STEPS
    ) -> Confirmation:
        """Return the confirmation of an answer that is `offset` decades above the sweep's."""
        now: list[PlannedSteps] = []

        def run_trials(trials: Sequence[PlannedSteps]) -> None:
            for trial in trials:
                now[:] = [trial]
                losses = self.runs.at(trial.lr)
                while trial.running:
                    trial.tell(losses[len(trial.points)])

        def evaluate() -> float:
            (trial,) = now
            return self.runs.held_out_at(trial.points[-1].lr, len(trial.points))

        return confirm(
            self.lr * 10**offset,
            self.curve,
            run_trials,
            confirm_steps=min(budget, constants.most * self.runs.loss.shape[1]),
            end_lr=math.inf,
            evaluate=None if self.runs.held_out is None else evaluate,
            resumed=_RESUMED.get(self.families.get("state", "")),
            train_steps=self.train_steps,
            constants=constants,
        )


def recorded_cases(store: Store, held_out: bool = False) -> Iterator[Case]:
    """Yield the cases of the tasks with recorded runs, three for each. Tasks without an answer are left out.

    Args:
        store: their measurements.
        held_out: judge trials by held-out losses, of the tasks that have them.
    """
    for task in store.measured():
        try:
            arrays = store.arrays(task, "held_out" if held_out else "trajectories")
        except FileNotFoundError:
            continue
        recorded, regret = store.sweeps(task), TaskRegret(task, store)
        for number in range(arrays["loss"].shape[1]):
            curve = replay(recorded, SEEDS[number], steps=200)
            runs = _runs(
                arrays["lrs"],
                arrays["loss"][:, number],
                curve,
                every=EVERY,
                held_out=arrays["held_out"][:, number] if held_out else None,
            )
            yield from _case(task, {"group": group_of(task)}, regret, runs, curve)


class Bank:
    """The measurements of the bank's tasks, in the form of a `Store`.

    Args:
        root: their folder.
    """

    def __init__(self, root: Path = RESULTS / "bank") -> None:
        self._root = root

    def tasks(self) -> list[str]:
        """Return the tasks that were measured."""
        return sorted(path.stem for path in self._root.glob("*.json") if path.with_suffix(".npz").exists())

    def ground_truth(self, task: str) -> dict[str, Any]:
        """Return a task's grid of complete training runs, of its whole budget."""
        measured = json.loads((self._root / f"{task}.json").read_text())
        return {**measured, "constant": measured["constant"][str(measured["steps"])]}

    def constant_answer(self, task: str) -> float:
        """Return the validation loss of the best output that ignores the input; infinite if it was not measured."""
        answer = self.ground_truth(task)["constant_answer"]
        return math.inf if answer is None else float(answer)

    def cases(self) -> Iterator[Case]:
        """Yield the cases of all tasks, one for each seed of the grid. Tasks without an answer are left out."""
        for task in self.tasks():
            measured = self.ground_truth(task)
            with np.load(self._root / f"{task}.npz") as stored:
                blocks, sweeps = stored["trials"], stored["loss"]
            regret = TaskRegret(task, self)  # type: ignore[arg-type]
            for number in range(blocks.shape[1]):
                curve = _swept(sweeps[number])
                runs = _runs(np.array(measured["lr"]), np.repeat(blocks[:, number], BLOCK, 1), curve)
                yield from _case(task, measured["families"], regret, runs, curve)


def _swept(losses: np.ndarray) -> Curve:
    return told(Sweep(SweepPlan(start_lr=START_LR, end_lr=END_LR, num_steps=200)), losses).curve


def _runs(lr: np.ndarray, loss: np.ndarray, curve: Curve, **options: Any) -> RecordedRuns:
    loss = loss.astype(float)
    lost = np.logical_or.accumulate(~np.isfinite(loss), axis=1)
    start = curve.start if len(curve.finite) else math.nan
    return RecordedRuns(lr, np.where(lost, np.inf, loss), start, **options)


def _case(task: str, families: dict[str, str], regret: TaskRegret, runs: RecordedRuns, curve: Curve) -> Iterator[Case]:
    with contextlib.suppress(NoSuggestion):
        lr, max_lr = HEURISTICS["midway"](curve), range_rule("midway")(curve).max_lr
        case = Case(task, families, regret, runs, curve, getattr(lr, "lr", lr), max_lr)
        # Where no rate of the grid is better than doing nothing, there is no regret.
        if not any(math.isnan(regret.at(case.lr, protocol)) for protocol in PROTOCOLS):
            yield case


@attrs.frozen(kw_only=True)
class Outcome:
    """The regrets before and after a confirmation, for constant training and as the peak of a one-cycle.

    Args:
        task, families: of the case.
        offset: how far off the answer was from the sweep's.
        before, after: regrets of both.
        steps: of the trials.
        covered: whether the interval holds a rate whose regret is at most 0.02, as good as none.
        confident: whether the verdict is.
    """

    task: str
    families: dict[str, str]
    offset: float
    before: tuple[float, float]
    after: tuple[float, float]
    steps: int
    covered: bool
    confident: bool


Confirm = Callable[[Case, float], Confirmation]


def play(cases: Iterable[Case], confirmed: Confirm = Case.confirm, offsets: Iterable[float] = OFFSETS) -> list[Outcome]:
    """Confirm each case from answers that are off by each of these offsets."""
    offsets = list(offsets)
    return [_outcome(case, confirmed, offset) for case in cases for offset in offsets]


def _outcome(case: Case, confirmed: Confirm, offset: float) -> Outcome:
    at = case.regret.at
    before = (at(case.lr * 10**offset, "constant"), at(case.max_lr * 10**offset, "onecycle"))
    facts: dict[str, Any] = {"task": case.task, "families": case.families, "offset": offset, "before": before}
    try:
        got = confirmed(case, offset)
    except NoSuggestion:  # because every trial blew up
        return Outcome(**facts, after=(1.0, 1.0), steps=0, covered=False, confident=False)
    return Outcome(
        **facts,
        after=(at(got.lr, "constant"), at(got.max_lr, "onecycle")),
        steps=got.steps,
        covered=min(at(float(lr), "constant") for lr in np.geomspace(got.low, got.high, 20)) <= _COVERED,
        confident=got.verdict.confident,
    )
