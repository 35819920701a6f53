"""What the default heuristic sees in the recorded sweeps of the bank: the fall and the blow-up of each."""

import math
from collections.abc import Iterable, Iterator, Sequence

import attrs
import numpy as np

from benchmarks.quality.bank import sweeps
from benchmarks.quality.bank.generator import ORIGINS, STEPS_BEFORE, Origin
from benchmarks.quality.bank.measuring import END_LR, FURTHER, START_LR, STEPS, SWEEP_SEEDS
from benchmarks.quality.bank.store import BankStore
from benchmarks.quality.replays import told
from lrrange import Curve, NoSuggestion, Sweep, SweepPlan
from lrrange.advice.ending import Ending
from lrrange.advice.facts import TrainingFacts
from lrrange.advice.heuristics import DEFAULT, HEURISTICS
from lrrange.advice.midway import FallAndBlowUp, find_fall_and_blow_up
from lrrange.advice.readings import read_answers
from lrrange.advice.verdict import falls_to_the_end
from lrrange.finder.plan_defaults import is_too_coarse
from lrrange.sweep.curve import paired_curve


@attrs.frozen(kw_only=True)
class Seen:
    """One recorded sweep and what is seen in it.

    Args:
        task, seed: the training.
        facts: what else is known of it, but for its length.
        sweep: the sweep, replayed.
        curves: its curve, plain and paired.
        readings: what is seen in each; None for a refusal.
        earlier: what is seen in the sweep before it, which was too coarse; None if it is the first.
    """

    task: str
    seed: int
    facts: TrainingFacts
    sweep: Sweep
    curves: dict[str, Curve]
    readings: dict[str, FallAndBlowUp | None]
    earlier: "Seen | None" = None

    def form(self, name: str) -> str:
        """Return which curve is read with `paired=`: `"plain"`, `"paired"`, or for `"auto"` the one that it takes."""
        if name != "auto":
            return name
        plain = self.readings["plain"]
        return "plain" if plain is not None and plain.fall is not None else "paired"

    def is_too_coarse(self, paired: str) -> bool:
        """Return whether `find_lr` takes the sweep again in even steps with this option `paired=`."""
        curve = self.curves[self.form(paired)]
        ending = Ending(plan=self.sweep.plan, stop_reason=self.sweep.stop_reason)
        (answer,) = read_answers(curve, {DEFAULT: HEURISTICS[DEFAULT]}, (), ending, self.facts)
        return is_too_coarse(self.sweep, answer, curve)

    def steps(self, paired: str, forward: float) -> float:
        """Return the number of steps of the sweep and of those before it.

        Args:
            paired: as the option of `find_lr`.
            forward: part of a step that a forward pass counts as.
        """
        own = len(self.sweep.points) * (1 + (forward if self.form(paired) == "paired" else 0))
        return own + (0 if self.earlier is None else self.earlier.steps(paired, forward))


def facts_of(origin: Origin) -> TrainingFacts:
    """Return what a backend would know of a task."""
    kind = "sgd" if origin.recipe.kind == "momentum" else origin.recipe.kind
    momentum = origin.recipe.options.get("momentum") if kind == "sgd" else None
    return TrainingFacts(optimizer=kind, momentum=momentum, steps_taken=STEPS_BEFORE if origin.resumed else 0)


def look(
    task: str, store: BankStore, seeds: Sequence[int] = SWEEP_SEEDS, paired: str | None = "auto"
) -> Iterator[Seen]:
    """Yield each recorded sweep of a task with what is seen in it.

    Args:
        task: name of the task.
        store: has the sweeps.
        seeds: of the sweeps.
        paired: as the option of `find_lr`, which decides whether a default sweep is taken again in even steps; None for
            sweeps in 200 even steps alone.
    """
    with np.load(store.folder / f"{task}.npz") as arrays:
        losses, baselines = arrays["loss"].astype(float), arrays["baseline"].astype(float)
    origin = ORIGINS[task]
    default = None if paired is None else store.default_sweeps(task)
    for index, seed in enumerate(SWEEP_SEEDS):
        if seed not in seeds:
            continue
        seen = None
        if default is not None:
            seen = _see(task, seed, sweeps.replay(default[0][index], origin), default[1][index])
            if not seen.is_too_coarse(str(paired)):
                yield seen
                continue
        even = _in_even_steps(losses[index], sweeps.highest_of(origin))
        yield _see(task, seed, even, baselines[index], earlier=seen)


def _see(task: str, seed: int, sweep: Sweep, baseline: Iterable[float], earlier: Seen | None = None) -> Seen:
    facts, plain = facts_of(ORIGINS[task]), sweep.curve
    curves = {"plain": plain, "paired": paired_curve(plain, list(baseline)[: len(plain)])}
    readings = {form: _read(curve, facts) for form, curve in curves.items()}
    return Seen(task=task, seed=seed, facts=facts, sweep=sweep, curves=curves, readings=readings, earlier=earlier)


def _read(curve: Curve, facts: TrainingFacts) -> FallAndBlowUp | None:
    try:
        return find_fall_and_blow_up(curve, facts)
    except NoSuggestion:
        return None


def _in_even_steps(losses: np.ndarray, highest: float | None) -> Sweep:
    """Return the sweep that `find_lr` takes in even steps, with its early stop, maybe beyond its default end."""
    per_step = math.log10(END_LR / START_LR) / (STEPS - 1)
    if highest is None:
        plan = SweepPlan(start_lr=START_LR, end_lr=END_LR, num_steps=STEPS)
        # The recorded steps go on at the same density, which is two decades but for a fiftieth.
        further = attrs.evolve(plan, end_lr=END_LR * 10 ** (FURTHER * per_step), num_steps=STEPS + FURTHER)
    else:
        steps = math.floor(math.log10(highest / START_LR) / per_step + 1e-9) + 1
        plan = SweepPlan(start_lr=START_LR, end_lr=START_LR * 10 ** ((steps - 1) * per_step), num_steps=steps)
        further = None
    sweep = Sweep(plan, extend=lambda curve: further if further and falls_to_the_end(curve) else None)
    return told(sweep, losses)
