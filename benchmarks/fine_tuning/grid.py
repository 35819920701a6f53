"""Complete fine-tunings over a grid of rates: the loss on held-out data, and the loss on the pretraining's domain."""

import json
import math
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.fine_tuning.pretrained import Pretrained, language_modelling
from benchmarks.fine_tuning.tasks import Data, Task, accuracy, as_language_model, mean_loss

RATES = tuple(float(f"{10 ** (half / 2):.3g}") for half in range(-10, -2))
SEEDS = (0, 1, 2)

# Where a fine-tuning starts. Random weights are for comparison.
STARTS = ("pretrained", "random")

Row = dict[str, Any]


def read_rows(path: Path) -> list[Row]:
    """Return the rows that are stored here."""
    return json.loads(path.read_text()) if path.exists() else []


def save_rows(path: Path, rows: Iterable[Row]) -> None:
    """Store these rows, one a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")


def fine_tune(
    task: Task, data: Data, pretrained: Pretrained, before: list[dict[str, Any]], *, start: str, lr: float, seed: int
) -> Row:
    """Fine-tune once with the Trainer. Return the losses before and after it: None if they are not finite.

    Args:
        before: held-out examples of the pretraining's domain.
        start: one of `STARTS`.
        lr: the peak rate of the schedule; 0 for no training.
    """
    model = task.model(pretrained, seed, fresh=start == "random")
    with tempfile.TemporaryDirectory() as folder:
        if lr:
            task.trainer(model, data, lr=lr, seed=seed, folder=Path(folder)).train()
    row: Row = {"task": task.name, "start": start, "lr": lr, "seed": seed, "loss": _short(mean_loss(model, data.test))}
    if task.labels is not None:
        row["accuracy"] = round(accuracy(model, data.test), 4)
    if start == "pretrained":
        row["before"] = _short(mean_loss(as_language_model(model), before))
    return row


def measure(
    path: Path,
    pretrained: Pretrained,
    *,
    tasks: Iterable[Task],
    starts: Iterable[str],
    rates: Iterable[float],
    seeds: Iterable[int],
) -> Iterator[Row]:
    """Run the fine-tunings that are not stored here yet, and store and yield each."""
    rows = read_rows(path)
    done = {(row["task"], row["start"], row["lr"], row["seed"]) for row in rows}
    before = language_modelling(pretrained.held_out())
    data = [(task, task.read(pretrained.tokenizer, pretrained.recipe.length)) for task in tasks]
    for start in starts:
        for seed in seeds:
            for task, examples in data:
                for lr in (0.0, *rates):
                    if (task.name, start, lr, seed) in done:
                        continue
                    row = fine_tune(task, examples, pretrained, before, start=start, lr=lr, seed=seed)
                    rows.append(row)
                    save_rows(path, rows)
                    yield row


def _short(value: float) -> float | None:
    return round(value, 4) if math.isfinite(value) else None
