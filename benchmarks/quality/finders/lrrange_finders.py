"""lrrange as users call it: each mode, with the released constants and with held-out ones, and each heuristic."""

from typing import Any

from benchmarks.quality.family_rules import rules_without_family
from benchmarks.quality.finders.registry import Answer, Finder, MeteredTask, finder, shared
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


# The modes that users choose from, by the name of their finder: what they give beside the training.
MODES: dict[str, dict[str, Any]] = {
    "lrrange": {},
    "lrrange_100_steps": {"num_steps": 100},
    "lrrange_paired": {"paired": True},
    "lrrange_repeats_2": {"repeats": 2},
    "lrrange_repeats_3": {"repeats": 3},
    "lrrange_confirm": {"confirm": True, "parallel": "off"},
}

# Ends the name of a finder that is told how long the training will be, which costs nothing.
TOLD = "_train_steps"

# Ends the name of a finder whose constants were fitted without the family of the training. It runs on the bank alone.
UNSEEN = "_without_family"

# Told modes with the released constants. The others are measured with held-out constants alone.
_TOLD_IN_SAMPLE = ("lrrange", "lrrange_confirm")


def _register_mode(name: str, options: dict[str, Any]) -> None:
    def suggest(task: MeteredTask, seed: int) -> Answer:
        return _advice(_find(task, task.build(seed), **options))

    def told(task: MeteredTask, seed: int) -> Answer:
        return _advice(_find(task, task.build(seed), train_steps=task.steps, **options))

    # The default is the sweep that every heuristic reads.
    finder(name, "lrrange")(suggest if options else lambda task, seed: _advice(_sweep(task, seed)))
    if name in _TOLD_IN_SAMPLE:
        finder(f"{name}{TOLD}", "lrrange")(told)
    finder(f"{name}{UNSEEN}", "lrrange")(_unseen(suggest))
    finder(f"{name}{TOLD}{UNSEEN}", "lrrange")(_unseen(told))


def _unseen(suggest: Finder) -> Finder:
    """Return the finder with rules that were fitted without the family of the training."""

    def with_rules(task: MeteredTask, seed: int) -> Answer:
        with rules_without_family(task.name):
            return suggest(task, seed)

    return with_rules


for _name, _options in MODES.items():
    _register_mode(_name, _options)


@finder("lrrange_400_steps", "lrrange")
def twice_as_long(task: MeteredTask, seed: int) -> Answer:
    """Run `find_lr(num_steps=400)`, to see what more steps are good for."""
    return _advice(_find(task, task.build(seed), num_steps=400))


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


for _heuristic in HEURISTICS:
    _register_heuristic(_heuristic)


@finder("lrrange_smith_range", "lrrange")
def smith_range(task: MeteredTask, seed: int) -> Answer:
    """Suggest the upper end of the range that Smith's paper reads, and half of it for constant training.

    Source: Smith 2017, section 3.3: "the optimum learning rate is usually within a factor of two of the largest one
        that converges".
    """
    bounds = _sweep(task, seed).range_by("smith")
    return Answer(lr=bounds.max_lr / 2, max_lr=bounds.max_lr)
