"""What a range test answers for each fine-tuning, in several forms."""

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import attrs

from benchmarks.fine_tuning.grid import Row, read_rows, save_rows
from benchmarks.fine_tuning.pretrained import Pretrained
from benchmarks.fine_tuning.tasks import Data, Task
from lrrange import NoSuggestion, RangeTestResult, find_lr
from lrrange.advice.heuristics import HEURISTICS

# The forms of lrrange's own advice. `confirm` judges by the Trainer's `eval_dataset`.
FORMS = ("plain", "paired", "confirm", "confirm, short")

# Trials of `confirm`, at most.
_TRIALS = 4


def options_of(form: str, task: Task) -> dict[str, Any]:
    """Return the options of `find_lr` for a form. The short trials are no longer than the training itself."""
    return {
        "plain": {},
        "paired": {"paired": True},
        "confirm": {"confirm": True},
        "confirm, short": {"confirm": True, "confirm_steps": _TRIALS * task.steps + 1},
    }[form]


# The plain form's curve, read without knowing the length of the training, which the Trainer tells.
UNTOLD = "untold"

# The rules that are read from the curve of the plain form: lrrange's names for Smith's and fastai's.
RULES = tuple(name for name in HEURISTICS if name != "midway")


def ask(task: Task, data: Data, pretrained: Pretrained, form: str, seed: int) -> RangeTestResult:
    """Run `find_lr` on a fresh Trainer of this task."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = task.trainer(task.model(pretrained, seed), data, lr=1e-3, seed=seed, folder=Path(folder))
        return find_lr(trainer, progress=False, **options_of(form, task))


def rows_of(task: Task, form: str, seed: int, result: RangeTestResult) -> Iterator[Row]:
    """Yield the answers of this result: lrrange's own, and for the plain form those of every rule on the same curve."""
    named: Row = {"task": task.name, "seed": seed}
    trials = 0 if result.confirmation is None else result.confirmation.steps
    yield named | {"form": form, **_advice(result), "steps": len(result.curve), "trial_steps": trials}
    if form != "plain":
        return
    untold = attrs.evolve(result, facts=attrs.evolve(result.facts, train_steps=None)).with_heuristic("midway")
    yield named | {"form": UNTOLD, **_advice(untold)}
    for rule in RULES:
        try:
            lr = _short(result.with_heuristic(rule).lr)
        except NoSuggestion as refusal:
            yield named | {"form": rule, "refused": str(refusal)}
        else:
            yield named | {"form": rule, "lr": lr, "peak": lr}


def _advice(result: RangeTestResult) -> Row:
    answer = result.to_dict()
    if "refused" not in answer:
        answer["peak"] = result.lr_for("linear", warmup=True).lr
    return {name: _short(value) for name, value in answer.items()}


def measure(
    folder: Path, pretrained: Pretrained, *, tasks: Iterable[Task], forms: Iterable[str], seeds: Iterable[int]
) -> Iterator[Row]:
    """Ask for the answers that are not stored in this folder yet, and store and yield them."""
    path = folder / "answers.json"
    rows = read_rows(path)
    done = {(row["task"], row["seed"], row["form"]) for row in rows}
    (folder / "sweeps").mkdir(parents=True, exist_ok=True)
    data = [(task, task.read(pretrained.tokenizer, pretrained.recipe.length)) for task in tasks]
    for seed in seeds:
        for task, examples in data:
            for form in forms:
                if (task.name, seed, form) in done:
                    continue
                result = ask(task, examples, pretrained, form, seed)
                if form == "plain":
                    result.save(folder / "sweeps" / f"{task.name}-{seed}.json")
                answers = [*rows_of(task, form, seed, result)]
                rows += answers
                save_rows(path, rows)
                yield from answers


def _short(value: Any) -> Any:
    return float(f"{value:.4g}") if isinstance(value, float) else value
