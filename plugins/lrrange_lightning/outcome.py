"""Say what a range test inside a fit found, and what it set."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from lrrange_torch.optimizer import groups_of
from torch.optim import Optimizer

from lrrange import NoSuggestion, RangeTestResult, Verdict

# A model with a param group for each layer has dozens.
_MOST_RATES = 4


def rates_of(optimizers: Sequence[Optimizer]) -> dict[str, float]:
    """Return the rate of each param group, by the name that `LRRangeTest.applied` has for it."""
    return {name: float(group["lr"]) for name, group in groups_of(optimizers)}


def say_outcome(
    trainer: Any, result: RangeTestResult, before: Mapping[str, float], applied: Mapping[str, float] | None
) -> None:
    """Write the rate, what was set, the range and the verdict to standard error, in one line of the first process.

    Lightning's own log would not do: its handler writes past the progress bar of Lightning, which then erases the line.

    Args:
        trainer: of the fit.
        result: of the range test.
        before: the rate of each param group before.
        applied: the rates that were set, by name; None if they were not to be set.
    """
    if not trainer.is_global_zero or sys.stderr is None:
        return
    if result.refusal is not None:
        text = f"no learning rate found: {result.refusal}"
    else:
        text = f"lr {result.lr:.2e}, {_describe_rates(trainer, before, applied)}{_describe_range(result)}; "
        text += _describe_verdict(result.verdict)
    sys.stderr.write(f"lrrange: {text}\n")
    sys.stderr.flush()


def _describe_rates(trainer: Any, before: Mapping[str, float], applied: Mapping[str, float] | None) -> str:
    if applied is None:
        return "not set because of apply=False"
    (first, *others) = trainer.optimizers
    kind = "" if others else f"{type(first).__name__} "
    rates = [
        f"{kind}{name}: {before[name]:.3g} -> {lr:.3g}" if name in before else f"{name} = {lr:.3g}"
        for name, lr in sorted(applied.items(), key=lambda item: item[0] not in before)
    ]
    more = f" and {len(rates) - _MOST_RATES} more" if len(rates) > _MOST_RATES else ""
    return f"set {', '.join(rates[:_MOST_RATES])}{more}"


def _describe_verdict(verdict: Verdict) -> str:
    """Return the verdict with its first reason alone, because several would be a paragraph in a log."""
    if len(verdict.reasons) < 2:
        return str(verdict)
    more = len(verdict.reasons) - 1
    return f"{verdict.word}: {verdict.reasons[0]}; and {more} more {'doubt' if more == 1 else 'doubts'}"


def _describe_range(result: RangeTestResult) -> str:
    try:
        return f", range {result.range.base_lr:.1e} to {result.range.max_lr:.1e}"
    except NoSuggestion:
        return ""
