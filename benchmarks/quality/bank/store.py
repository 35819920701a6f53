"""The measurements of the bank: one file for each task, and one for the suggestions of each finder."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from benchmarks.quality.bank.generator import BANK
from benchmarks.quality.store import RESULTS, Row

# The columns of a stored suggestion. Those after the seed are left out if all rows of a finder lack them.
_COLUMNS = ("seed", "lr", "max_lr", "low", "high", "confident", "forwards", "optimizer_steps", "evaluations", "error")
_HELD_OUT = ("seed", "lr", "max_lr", "low", "high", "chance_of_bad", "steps")
_DIGITS, _CHARACTERS = 4, 100


@attrs.frozen
class BankStore:
    """The measurements of the bank.

    Args:
        root: the folder of all measurements. Default: the one in the repository.
        budget: the budget, in steps, whose constant runs count as the ground truth. Default: each task's own.
    """

    root: Path = RESULTS
    budget: int | None = None

    @property
    def folder(self) -> Path:
        """The folder of the tasks."""
        return self.root / "bank"

    def measured(self) -> list[str]:
        """Return the tasks that have a ground truth, in the order of the generator."""
        return [task for task in BANK if (self.folder / f"{task}.json").exists()]

    def ground_truth(self, task: str) -> dict[str, Any]:
        """Return a task's grid of complete training runs, with the constant runs of one budget."""
        measured = json.loads((self.folder / f"{task}.json").read_text())
        budget = self.budget or measured["steps"]
        return {
            **measured,
            "constant": measured["constant"][str(budget)],
            "budgets": list(map(int, measured["constant"])),
        }

    def constant_answer(self, task: str) -> float:
        """Return the validation loss of the best output that ignores the input; infinity if that means nothing."""
        answer = self.ground_truth(task)["constant_answer"]
        return math.inf if answer is None else float(answer)

    def finders(self) -> list[str]:
        """Return the finders that have suggestions."""
        return sorted(path.stem for path in (self.folder / "suggestions").glob("*.json"))

    def suggestions(self, finder: str) -> list[Row]:
        """Return a finder's suggestions, one row for each task and seed."""
        path = self._suggestions(finder)
        if not path.exists():
            return []
        stored = json.loads(path.read_text())
        empty = dict.fromkeys(_COLUMNS) | {"version": stored["version"]}
        return [
            {"task": task, **empty, **dict(zip(stored["columns"], values, strict=True))}
            for task, rows in stored["rows"].items()
            for values in rows
        ]

    def save_suggestions(self, finder: str, rows: list[Row]) -> None:
        """Store these rows. They replace the finder's earlier rows for the same tasks."""
        replaced = {row["task"] for row in rows}
        kept = [row for row in self.suggestions(finder) if row["task"] not in replaced] + rows
        columns = [name for name in _COLUMNS if name == "seed" or any(row[name] is not None for row in kept)]
        by_task: dict[str, list[list[Any]]] = {task: [] for task in BANK}
        for row in kept:
            by_task[row["task"]].append([_short(row[name]) for name in columns])
        lines = [f"  {json.dumps(task)}: {json.dumps(values)}" for task, values in by_task.items() if values]
        version = json.dumps(next((row["version"] for row in rows), None))
        head = f' "version": {version},\n "columns": {json.dumps(columns)},\n "rows": {{\n'
        path = self._suggestions(finder)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{\n" + head + ",\n".join(lines) + "\n }\n}\n")

    def forget_suggestions(self, finder: str) -> None:
        """Delete a finder's suggestions."""
        self._suggestions(finder).unlink(missing_ok=True)

    def default_sweeps(self, task: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the losses of a task's default sweeps, and of the initial weights; NaN at the end.

        Each has the shape (seeds, steps).
        """
        with np.load(self.root / "bank_sweeps.npz") as arrays:
            losses, baselines = arrays[task].astype(float)
        return losses, baselines

    def save_default_sweeps(self, stored: Mapping[str, np.ndarray]) -> None:
        """Store these arrays: for each task, losses and those of the initial weights, by seed and step."""
        np.savez_compressed(self.root / "bank_sweeps.npz", **stored)

    def held_out(self) -> list[Row]:
        """Return the answers of lrrange with constants fitted without a task's family; none if they are not stored.

        Each row has the columns `task`, `axis` (what the family was held out by; "none" for in-sample answers) and
        `form`, and those of `_HELD_OUT`.
        """
        path = self.root / "bank_held_out.json"
        if not path.exists():
            return []
        stored = json.loads(path.read_text())
        return [
            {"form": form, "axis": axis, "task": task, **dict(zip(stored["columns"], values, strict=True))}
            for form, axes in stored["rows"].items()
            for axis, tasks in axes.items()
            for task, rows in tasks.items()
            for values in rows
        ]

    def save_held_out(self, rows: list[Row]) -> None:
        """Store these rows in place of the stored ones."""
        parts: dict[str, dict[str, dict[str, list[list[Any]]]]] = {}
        for row in rows:
            of_task = parts.setdefault(row["form"], {}).setdefault(row["axis"], {}).setdefault(row["task"], [])
            of_task.append([_short(row[name]) for name in _HELD_OUT])
        text = json.dumps({"columns": _HELD_OUT, "rows": parts}, separators=(",", ":"))
        (self.root / "bank_held_out.json").write_text(text.replace("]],", "]],\n") + "\n")

    def _suggestions(self, finder: str) -> Path:
        return self.folder / "suggestions" / f"{finder}.json"


def _short(value: Any) -> Any:
    if isinstance(value, str):
        return value[:_CHARACTERS]
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value
