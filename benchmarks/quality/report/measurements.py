"""Everything that the report is made from, read from a store once."""

import functools
from typing import Any

import attrs

from benchmarks.quality.regret import TaskRegret
from benchmarks.quality.report.cross_validation import SweepReadings, compare_choices, read_recorded_sweeps
from benchmarks.quality.report.statistics import FinderRegret, TaskRegrets, finder_regret
from benchmarks.quality.store import Row, Store
from benchmarks.quality.tasks.registry import GROUPS, group_of

DEFAULT = "lrrange"

# The finders that are shown task by task.
SHOWN = (DEFAULT, "lrrange_confirm", "lrrange_confirm_held_out", "fastai_valley", "fastai_minimum", "ignite", "default")

# The finders that are the default one with a sweep of another length, by the number of its steps.
LENGTHS = {100: "lrrange_100_steps", 400: "lrrange_400_steps"}


@attrs.frozen(slots=False)
class Measurements:
    """All measurements of the tasks that have a ground truth.

    Args:
        task_regrets: by task.
        rows: suggestions by finder.
        readings: what the default heuristic reads from the recorded sweeps, by task.
    """

    task_regrets: TaskRegrets
    rows: dict[str, list[Row]]
    readings: SweepReadings

    @classmethod
    def read(cls, store: Store) -> "Measurements":
        """Read all measurements of a store."""
        task_regrets = {task: TaskRegret(task, store) for task in store.measured()}
        rows = {name: store.suggestions(name) for name in store.finders()}
        return cls(task_regrets, rows, read_recorded_sweeps(store, task_regrets))

    def group(self, name: str) -> TaskRegrets:
        """Return the tasks of one group."""
        return {task: regret for task, regret in self.task_regrets.items() if group_of(task) == name}

    def groups(self) -> dict[str, TaskRegrets]:
        """Return all tasks, and the tasks of each group."""
        return {"all": self.task_regrets, **{name: self.group(name) for name in GROUPS}}

    @functools.cached_property
    def finder_regrets(self) -> dict[str, dict[str, FinderRegret]]:
        """By group, the regret of each finder that ran on all tasks of the group, lowest mean first."""
        by_group = {}
        for group, tasks in self.groups().items():
            by_finder = {name: regret for name, rows in self.rows.items() if (regret := finder_regret(rows, tasks))}
            by_group[group] = dict(sorted(by_finder.items(), key=lambda item: (item[1].mean, item[0])))
        return by_group

    def complete(self) -> list[str]:
        """Return the finders that ran on every task, lowest mean regret first."""
        return list(self.finder_regrets["all"])

    def shown(self) -> list[str]:
        """Return the finders to show task by task. One that did not run on every task is left out."""
        return [name for name in SHOWN if name in self.complete()]

    @functools.cached_property
    def choices(self) -> list[dict[str, Any]]:
        """The regret of the default heuristic with constants chosen on some tasks and judged on others."""
        groups = {f"{name} {len(tasks)}": tasks for name in GROUPS for tasks in [list(self.group(name))] if tasks}
        return compare_choices(self.readings, self.task_regrets, groups if len(groups) > 1 else {})
