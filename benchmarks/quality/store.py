"""The store of measurements: JSON files for the report, compressed arrays for further study."""

import json
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from benchmarks.quality.tasks.registry import GROUPS, TASKS, Group, group_of

RESULTS = Path(__file__).resolve().parent / "results"

Row = dict[str, Any]


@attrs.frozen
class Store:
    """A folder of measurements, by group of tasks.

    Args:
        root: the folder. Default: the one in the repository.
    """

    root: Path = RESULTS

    def ground_truth(self, task: str) -> dict[str, Any]:
        """Return a task's grid of complete training runs."""
        return json.loads(self._ground_truth(task).read_text())

    def save_ground_truth(self, task: str, measured: dict[str, Any], trajectories: np.ndarray) -> None:
        """Store a grid, and the training losses of its constant runs, of shape (rates, seeds, steps)."""
        folder = self._folder(task, "trajectories")
        np.savez_compressed(folder / f"{task}.npz", lrs=measured["lr"], loss=trajectories)
        self._folder(task, "ground_truth")
        self._ground_truth(task).write_text(json.dumps(measured, indent=1) + "\n")

    def measured(self) -> list[str]:
        """Return the tasks that have a ground truth."""
        return [task for task in TASKS if self._ground_truth(task).exists()]

    def _ground_truth(self, task: str) -> Path:
        return self.root / group_of(task) / "ground_truth" / f"{task}.json"

    def constant_answer(self, task: str) -> float:
        """Return the validation loss of the best output that ignores the input."""
        return json.loads((self.root / group_of(task) / "constant_answer.json").read_text())[task]

    def save_constant_answers(self, group: Group, answers: dict[str, float]) -> None:
        """Store these answers, and keep the stored answers of the group's other tasks."""
        path = self.root / group / "constant_answer.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        before = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps({**before, **answers}, indent=1) + "\n")

    def suggestions(self, finder: str) -> list[Row]:
        """Return a finder's suggestions, one row for each task and seed."""
        return [row for group in GROUPS for row in self._rows(self._suggestions(group, finder))]

    def save_suggestions(self, finder: str, rows: list[Row]) -> None:
        """Store these rows. They replace the finder's earlier rows for the same tasks."""
        for group in GROUPS:
            new = [row for row in rows if group_of(row["task"]) == group]
            if not new:
                continue
            path = self._suggestions(group, finder)
            path.parent.mkdir(parents=True, exist_ok=True)
            replaced = {row["task"] for row in new}
            order = list(TASKS)
            kept = [row for row in self._rows(path) if row["task"] not in replaced] + new
            kept.sort(key=lambda row: (order.index(row["task"]), row["seed"]))
            path.write_text("[\n" + ",\n".join(json.dumps(row) for row in kept) + "\n]\n")

    def finders(self) -> list[str]:
        """Return the finders that have suggestions."""
        return sorted({path.stem for group in GROUPS for path in (self.root / group / "suggestions").glob("*.json")})

    def _suggestions(self, group: Group, finder: str) -> Path:
        return self.root / group / "suggestions" / f"{finder}.json"

    @staticmethod
    def _rows(path: Path) -> list[Row]:
        if not path.exists():
            return []
        return [{"max_lr": row["lr"], **row} for row in json.loads(path.read_text())]

    def sweeps(self, task: str) -> dict[str, Any]:
        """Return a task's recorded sweeps."""
        return json.loads((self.root / group_of(task) / "sweeps" / f"{task}.json").read_text())

    def save_sweeps(self, task: str, measured: dict[str, Any]) -> None:
        """Store a task's recorded sweeps."""
        (self._folder(task, "sweeps") / f"{task}.json").write_text(json.dumps(measured) + "\n")

    def arrays(self, task: str, kind: str) -> dict[str, np.ndarray]:
        """Return a task's arrays of one kind: `"trajectories"` or `"held_out"`."""
        with np.load(self.root / group_of(task) / kind / f"{task}.npz") as stored:
            return dict(stored)

    def save_held_out(self, task: str, **measured: np.ndarray) -> None:
        """Store a task's runs with their held-out losses."""
        np.savez_compressed(self._folder(task, "held_out") / f"{task}.npz", **measured)

    def _folder(self, task: str, kind: str) -> Path:
        folder = self.root / group_of(task) / kind
        folder.mkdir(parents=True, exist_ok=True)
        return folder
