"""What the default heuristic sees in the recorded sweeps of the bank: the fall and the blow-up of each."""

import itertools
import math
from collections.abc import Iterator, Sequence

import attrs
import numpy as np

from benchmarks.quality.bank.generator import ORIGINS, STEPS_BEFORE, Origin
from benchmarks.quality.bank.measuring import END_LR, FURTHER, START_LR, STEPS, SWEEP_SEEDS
from benchmarks.quality.bank.store import BankStore
from lrrange import Curve, NoSuggestion, Sweep, SweepPlan
from lrrange.advice.facts import TrainingFacts
from lrrange.advice.midway import FallAndBlowUp, find_fall_and_blow_up
from lrrange.advice.verdict import falls_to_the_end
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
    """

    task: str
    seed: int
    facts: TrainingFacts
    sweep: Sweep
    curves: dict[str, Curve]
    readings: dict[str, FallAndBlowUp | None]

    def form(self, name: str) -> str:
        """Return which curve is read with `paired=`: `"plain"`, `"paired"`, or for `"auto"` the one that it takes."""
        if name != "auto":
            return name
        plain = self.readings["plain"]
        return "plain" if plain is not None and plain.fall is not None else "paired"


def facts_of(origin: Origin) -> TrainingFacts:
    """Return what a backend would know of a task."""
    kind = "sgd" if origin.recipe.kind == "momentum" else origin.recipe.kind
    momentum = origin.recipe.options.get("momentum") if kind == "sgd" else None
    return TrainingFacts(optimizer=kind, momentum=momentum, steps_taken=STEPS_BEFORE if origin.resumed else 0)


def look(task: str, store: BankStore, seeds: Sequence[int] = SWEEP_SEEDS) -> Iterator[Seen]:
    """Yield each recorded sweep of a task with what is seen in it."""
    with np.load(store.folder / f"{task}.npz") as arrays:
        losses, baselines = arrays["loss"].astype(float), arrays["baseline"].astype(float)
    facts = facts_of(ORIGINS[task])
    for index, seed in enumerate(SWEEP_SEEDS):
        if seed not in seeds:
            continue
        sweep = _replay(losses[index], _highest(ORIGINS[task]))
        plain = sweep.curve
        curves = {"plain": plain, "paired": paired_curve(plain, baselines[index][: len(plain)])}
        readings = {form: _read(curve, facts) for form, curve in curves.items()}
        yield Seen(task=task, seed=seed, facts=facts, sweep=sweep, curves=curves, readings=readings)


def _read(curve: Curve, facts: TrainingFacts) -> FallAndBlowUp | None:
    try:
        return find_fall_and_blow_up(curve, facts)
    except NoSuggestion:
        return None


def _highest(origin: Origin) -> float | None:
    """Return the rate above which an optimizer's own cap makes all rates equal; None without a cap."""
    if origin.recipe.kind != "adafactor":
        return None
    return 1 / math.sqrt((STEPS_BEFORE if origin.resumed else 0) + 1)


def _replay(losses: np.ndarray, highest: float | None) -> Sweep:
    """Return the sweep that `find_lr` would have taken, with its early stop and its way on beyond the default end."""
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
    told = itertools.chain(losses, itertools.repeat(math.nan))
    while sweep.running:
        sweep.tell(float(next(told)))
    return sweep
