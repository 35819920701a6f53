"""lrrange as users call it: with its defaults, with confirmation, and each heuristic by itself."""

from typing import Any

from benchmarks.quality.finders.registry import Answer, MeteredTask, finder, shared
from benchmarks.quality.tasks.task import Batch, Problem
from lrrange import LRRangeError, NoSuggestion, RangeTestResult, find_lr
from lrrange.advice.heuristics import HEURISTICS


def _find(task: MeteredTask, problem: Problem, **options: Any) -> RangeTestResult:
    return find_lr(
        problem.model,
        optimizer=problem.optimizer(task.default_lr),
        loss_fn=problem.criterion,
        loader=problem.loader(),
        **options,
    )


@shared
def _sweep(task: MeteredTask, seed: int) -> RangeTestResult:
    """Run one sweep with the defaults. Every heuristic reads the same sweep."""
    return _find(task, task.build(seed))


def _advice(result: RangeTestResult) -> Answer:
    """Return the rate for constant training, the upper end of the range for one-cycle, the interval and the verdict."""
    try:
        max_lr = result.range.max_lr
    except NoSuggestion:
        max_lr = None
    low, high = _interval(result)
    return Answer(lr=result.lr, max_lr=max_lr, low=low, high=high, confident=result.verdict.confident)


def _interval(result: RangeTestResult) -> tuple[float | None, float | None]:
    try:
        return result.low, result.high
    except LRRangeError:  # a rate without an interval
        return None, None


@finder("lrrange", "lrrange")
def default_advice(task: MeteredTask, seed: int) -> Answer:
    """Run `find_lr` with its defaults: one sweep."""
    return _advice(_sweep(task, seed))


@finder("lrrange_train_steps", "lrrange")
def knowing_the_budget(task: MeteredTask, seed: int) -> Answer:
    """Run `find_lr(train_steps=...)`, which is told how long the training will be."""
    return _advice(_find(task, task.build(seed), train_steps=task.steps))


@finder("lrrange_paired", "lrrange")
def paired(task: MeteredTask, seed: int) -> Answer:
    """Run `find_lr(paired=True)`, which measures the initial weights on the same batches as well."""
    return _advice(_find(task, task.build(seed), paired=True))


def _register_length(num_steps: int) -> None:
    @finder(f"lrrange_{num_steps}_steps", "lrrange")
    def suggest(task: MeteredTask, seed: int) -> Answer:
        return _advice(_find(task, task.build(seed), num_steps=num_steps))


for _steps in (100, 400):  # half and twice the default
    _register_length(_steps)


@finder("lrrange_confirm", "lrrange")
def confirmed(task: MeteredTask, seed: int) -> Answer:
    """Run `find_lr(confirm=True)`, which judges its short runs by their training loss."""
    return _advice(_find(task, task.build(seed), confirm=True, parallel="off"))


@finder("lrrange_confirm_train_steps", "lrrange")
def confirmed_knowing_the_budget(task: MeteredTask, seed: int) -> Answer:
    """Run `find_lr(confirm=True, train_steps=...)`."""
    return _advice(_find(task, task.build(seed), confirm=True, train_steps=task.steps, parallel="off"))


@finder("lrrange_confirm_held_out", "lrrange")
def confirmed_on_held_out_data(task: MeteredTask, seed: int) -> Answer:
    """Run `find_lr(confirm=True, val_loader=...)` with a part of the training set held out as `val_loader`.

    No finder sees the validation set, which the ground truth is measured on.
    """
    problem, held_out = task.build(seed).hold_out()
    val_loader: list[Batch] = [held_out]
    return _advice(_find(task, problem, confirm=True, val_loader=val_loader, parallel="off"))


def _register_heuristic(heuristic: str) -> None:
    @finder("lrrange_" + heuristic.replace("/", "_"), "lrrange")
    def suggest(task: MeteredTask, seed: int) -> Answer:
        chosen = _sweep(task, seed).with_heuristic(heuristic)
        low, high = _interval(chosen)
        return Answer(lr=chosen.lr, max_lr=chosen.lr, low=low, high=high)


for _name in HEURISTICS:
    _register_heuristic(_name)


@finder("lrrange_smith_range", "lrrange")
def smith_range(task: MeteredTask, seed: int) -> Answer:
    """Suggest the upper end of the range that Smith's paper reads, and half of it for constant training.

    Source: Smith 2017, section 3.3: "the optimum learning rate is usually within a factor of two of the largest one
        that converges".
    """
    bounds = _sweep(task, seed).range_by("smith")
    return Answer(lr=bounds.max_lr / 2, max_lr=bounds.max_lr)
