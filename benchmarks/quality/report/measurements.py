"""Everything that the report is made from, read once."""

import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import attrs

from benchmarks.quality.bank.generator import AXES, ORIGINS
from benchmarks.quality.bank.learnable import learnable
from benchmarks.quality.bank.measuring import SEEDS
from benchmarks.quality.bank.store import BankStore
from benchmarks.quality.finders import PACKAGES
from benchmarks.quality.finders.lrrange_finders import UNSEEN
from benchmarks.quality.regret import TaskRegret
from benchmarks.quality.report.budgets import Ladder, ladders, slopes
from benchmarks.quality.report.statistics import FinderRegret, TaskRegrets, finder_regret
from benchmarks.quality.store import RESULTS, Row, Store

DEFAULT = "lrrange"

# The finders of other packages.
PEERS = [name for name, package in PACKAGES.items() if package != "lrrange"]

# The forms of lrrange that are judged on held-out families, and the names that they are shown by. The first is what
# the others are compared with.
OURS, UNTOLD = "default", "no train_steps"
FORMS = {
    OURS: "lrrange (train_steps=)",
    UNTOLD: "lrrange",
    "paired": "lrrange (train_steps=, paired=True)",
    "never paired": "lrrange (train_steps=, paired=False)",
    "in even steps": "lrrange (train_steps=, num_steps=200)",
    "no facts": "lrrange (kind of optimizer unknown)",
}

# The finders that are the default one with a sweep of another length, by the number of its steps.
LENGTHS = {100: "lrrange_100_steps", 400: "lrrange_400_steps"}


@attrs.frozen(slots=False)
class TaskMeasurements:
    """The measurements of some tasks.

    Args:
        task_regrets: by task.
        rows: suggestions by finder.
    """

    task_regrets: TaskRegrets
    rows: dict[str, list[Row]]

    @functools.cached_property
    def finder_regrets(self) -> dict[str, FinderRegret]:
        """The regret of each finder that ran on all tasks, lowest mean first."""
        by_finder = {
            name: regret for name, rows in self.rows.items() if (regret := finder_regret(rows, self.task_regrets))
        }
        return dict(sorted(by_finder.items(), key=lambda item: (item[1].mean, item[0])))

    def complete(self, names: Iterable[str] | None = None) -> list[str]:
        """Return those of these finders, or of all, that ran on every task, lowest mean regret first."""
        wanted = None if names is None else set(names)
        return [name for name in self.finder_regrets if wanted is None or name in wanted]


@attrs.frozen(slots=False, kw_only=True)
class BankMeasurements(TaskMeasurements):
    """The measurements of the tasks of the bank that are judged.

    Args:
        left_out: the tasks that are not judged, because next to nothing can be learnt on them.
        held_out: answers of lrrange with constants fitted without the task's family. They have the columns `axis`,
            `form`, `chance_of_bad` and `steps` beside those of a suggestion.
        unseen: suggestions of finders of lrrange that ran with constants fitted without the task's architecture, by the
            name of the finder that has the released constants.
        ladders, slopes: how the best rate moves with the budget.
    """

    left_out: list[str]
    held_out: list[Row]
    unseen: dict[str, list[Row]]
    ladders: list[Ladder]
    slopes: dict[str, list[float]]

    @classmethod
    def read(cls, store: BankStore) -> "BankMeasurements":
        """Read all measurements of a store."""
        measured = store.measured()
        kept = [task for task in measured if learnable(store.ground_truth(task))]
        rows = {name: store.suggestions(name) for name in store.finders()}
        unseen = [name for name in rows if name.endswith(UNSEEN)]
        return cls(
            {task: TaskRegret(task, store) for task in kept},
            unseen={name.removesuffix(UNSEEN): rows.pop(name) for name in unseen},
            rows=rows,
            left_out=[task for task in measured if task not in kept],
            # The ground truth starts from the same weights and has the same batches as sweeps with its seeds.
            held_out=[row for row in store.held_out() if row["task"] in kept and row["seed"] not in SEEDS],
            ladders=ladders(kept, store),
            slopes=slopes(kept, store),
        )

    def families(self, axis: str) -> dict[str, TaskRegrets]:
        """Return the tasks of each family."""
        found: dict[str, TaskRegrets] = {}
        for task, regret in self.task_regrets.items():
            found.setdefault(ORIGINS[task].families[axis], {})[task] = regret
        return found

    def forms(self) -> list[str]:
        """Return the forms that were judged on held-out families, those with a name first."""
        names = {row["form"] for row in self.held_out if row["axis"] in AXES}
        return [*(name for name in FORMS if name in names), *sorted(names - set(FORMS))]

    def axes_of(self, form: str) -> list[str]:
        """Return what families were held out by for a form."""
        return [axis for axis in AXES if self.of_form(form, axis)]

    def of_form(self, form: str, *axes: str) -> list[Row]:
        """Return the answers of a form with the families held out by these axes. Default: by each of them."""
        return [row for row in self.held_out if row["form"] == form and row["axis"] in (axes or AXES)]


@attrs.frozen
class Measurements:
    """All measurements: of the bank, and of the tasks that were made by hand."""

    bank: BankMeasurements
    by_hand: TaskMeasurements

    @classmethod
    def read(cls, root: Path = RESULTS) -> "Measurements":
        """Read all measurements of a folder."""
        store = Store(root)
        by_hand = TaskMeasurements(
            {task: TaskRegret(task, store) for task in store.measured()},
            {name: store.suggestions(name) for name in store.finders()},
        )
        return cls(BankMeasurements.read(BankStore(root)), by_hand)


def label(name: str) -> str:
    """Return a finder's name as it is shown: the package in words, and what it was asked for."""
    return _LABELS.get(name, name.replace("_", " "))


_LABELS: dict[str, Any] = {
    "lrrange_confirm": "lrrange (confirm=True)",
    "lrrange_confirm_held_out": "lrrange (confirm=True, val_loader=)",
    "lrrange_confirm_train_steps": "lrrange (confirm=True, train_steps=)",
    "lrrange_train_steps": "lrrange (train_steps=)",
    "lrrange_paired": "lrrange (paired=True)",
    "lrrange_repeats_2": "lrrange (repeats=2)",
    "lrrange_repeats_3": "lrrange (repeats=3)",
    "lrrange_100_steps": "lrrange (100 steps)",
    "lrrange_400_steps": "lrrange (400 steps)",
    "fastai_valley": "fastai valley",
    "fastai_valley_200": "fastai valley (200 steps)",
    "fastai_minimum": "fastai minimum",
    "fastai_minimum_200": "fastai minimum (200 steps)",
    "fastai_slide": "fastai slide",
    "fastai_slide_200": "fastai slide (200 steps)",
    "fastai_steep": "fastai steep",
    "fastai_steep_200": "fastai steep (200 steps)",
    "torch_lr_finder": "torch-lr-finder",
    "lightning": "PyTorch Lightning",
    "ignite": "Ignite",
    "monai": "MONAI",
    "default": "usual rate of the optimizer",
    "always_1e-3": "always 1e-3",
    "oracle_constant": "best constant rate",
    "oracle_onecycle": "best peak rate",
}
