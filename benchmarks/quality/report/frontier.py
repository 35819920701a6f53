"""What each finder, and each mode of lrrange, gives away for the steps that it takes."""

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import attrs
import numpy as np

from benchmarks.quality.finders.lrrange_finders import MODES, TOLD
from benchmarks.quality.report.measurements import PEERS, BankMeasurements, label
from benchmarks.quality.report.statistics import FinderRegret, difference, finder_regret
from benchmarks.quality.store import Row

# A forward pass alone costs about this part of a training step.
FORWARD = 1 / 3

# Options that change no answer.
_SILENT = ("parallel",)


@attrs.frozen(kw_only=True)
class Mark:
    """A finder, or a mode of lrrange, on the picture.

    Args:
        finder: its name.
        options: what a user of lrrange gives beside the training and its length; None for a finder of another package.
        told: whether it is told how long the training will be.
        fair: whether no constant of its rule was fitted on the training's architecture.
        rows: its suggestions.
        steps: mean number of steps that a suggestion took, see `steps_of`.
        regret: of its suggestions.
    """

    finder: str
    options: dict[str, Any] | None
    told: bool
    fair: bool
    rows: Sequence[Row] = attrs.field(repr=False)
    steps: float
    regret: FinderRegret

    @property
    def given(self) -> str:
        """What a user gives beside the training and its length, as in a call."""
        options = self.options or {}
        return ", ".join(f"{name}={value}" for name, value in options.items() if name not in _SILENT)

    @property
    def name(self) -> str:
        """Its name in a sentence."""
        return label(self.finder) if self.options is None else f"`{self.given}`" if self.given else "the default"

    def dominates(self, other: "Mark") -> bool:
        """Return whether this gives away no more for no more steps, and less of one of them."""
        ours, theirs = (self.steps, self.regret.mean), (other.steps, other.regret.mean)
        return ours[0] <= theirs[0] and ours[1] <= theirs[1] and ours != theirs


def steps_of(row: Row) -> float:
    """Return what a suggestion cost in training steps: its updates, and a third for each forward pass without one.

    Both were counted by hooks on the model and on the optimizer, in train mode and in evaluation mode.
    """
    forwards = row["forwards"] or 0
    updates = forwards if row.get("optimizer_steps") is None else min(row["optimizer_steps"], forwards)
    return updates + FORWARD * (forwards - updates + (row.get("evaluations") or 0))


def modes(bank: BankMeasurements) -> list[Mark]:
    """Return each mode of lrrange that ran on the bank, by its steps: with held-out constants if it ran with them."""
    found = []
    for (name, options), told in itertools.product(MODES.items(), (True, False)):
        finder = name + TOLD if told else name
        for fair, rows in ((True, bank.unseen.get(finder, [])), (False, bank.rows.get(finder, []))):
            regret = finder_regret(rows, bank.task_regrets)
            if regret is not None:
                found.append(_mark(bank, rows, regret, finder=finder, options=options, told=told, fair=fair))
                break
    return sorted(found, key=_by_steps)


def others(bank: BankMeasurements) -> list[Mark]:
    """Return each finder of another package, by its steps."""
    found = [
        _mark(bank, bank.rows[name], bank.finder_regrets[name], finder=name, options=None, told=False, fair=True)
        for name in bank.complete(PEERS)
    ]
    return sorted(found, key=_by_steps)


def _mark(bank: BankMeasurements, rows: Sequence[Row], regret: FinderRegret, **about: Any) -> Mark:
    judged = [row for row in rows if row["task"] in bank.task_regrets]
    return Mark(rows=rows, steps=float(np.mean([steps_of(row) for row in judged])), regret=regret, **about)


def _by_steps(mark: Mark) -> tuple[float, float]:
    return mark.steps, mark.regret.mean


def frontier(marks: Iterable[Mark]) -> list[Mark]:
    """Return the marks that no other one dominates, by their steps.

    What looks better than it is, because its constants were fitted on the same trainings, takes no part.
    """
    fair = sorted((mark for mark in marks if mark.fair), key=_by_steps)
    return [mark for mark in fair if not any(other.dominates(mark) for other in fair)]


def recommended(marks: Iterable[Mark], bank: BankMeasurements) -> list[Mark]:
    """Return which of these modes to take as the budget grows, by their steps.

    More steps must pay: each gives away less than the one before it, in 95 % of resampled sets of trainings.
    """
    found: list[Mark] = []
    for mark in frontier(marks):
        less = difference(mark.rows, found[-1].rows, bank.task_regrets) if found else None
        if less is None or less.high < 0:
            found.append(mark)
    return found
