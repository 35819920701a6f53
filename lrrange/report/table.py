"""A result as a table, for terminals and notebooks."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lrrange.advice.advice import Advice, Provenance
from lrrange.advice.confirmation import Confirmation
from lrrange.advice.suggestion import Refusal, Suggestion
from lrrange.errors import LRRangeError
from lrrange.report.formatting import gap_count, interval, rate, stopped
from lrrange.sweep.planned_steps import StopReason


def as_rich(result: Advice) -> Group:
    """Every heuristic's answer or refusal with the chosen one marked, the trials, the range, and where it came from.

    Returns: something that `rich.print` shows. The first of `result.ranges` is the range, the others alternatives.
    """
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    for name, text in _facts(result):
        facts.add_row(name, text)
    tables = [_answers(result)] if result.confirmation is None else [_answers(result), _trials(result.confirmation)]
    return Group(*tables, Padding(facts, (0, 0, 1, 1)))


def grid_as_rich(cells: Sequence[tuple[Mapping[str, Any], Advice]]) -> Table:
    """Return a table with a row for each setting of a grid: the rate and the range, or why there is none.

    Args:
        cells: each setting, value by name, and what the range test under it says.
    """
    names = list(cells[0][0])
    table = Table(box=SIMPLE_HEAD, pad_edge=True)
    for name in [*names, "lr", "base_lr", "max_lr"]:
        table.add_column(name, no_wrap=True, justify="right")
    table.add_column("lowest loss", justify="right")
    table.add_column("verdict", overflow="fold", min_width=24)
    for setting, advice in cells:
        values = [str(setting[name]) for name in names]
        table.add_row(*map(Text, [*values, *_cell_texts(advice)]))
    return table


def _cell_texts(result: Advice) -> list[str]:
    finite = result.curve.finite
    lowest = f"{finite.smoothed[finite.lowest]:.4g}" if len(finite) else ""
    try:
        bounds = result.range
        return [rate(result.lr), rate(bounds.base_lr), rate(bounds.max_lr), lowest, str(result.verdict)]
    except LRRangeError as error:
        return ["none", "", "", lowest, str(error)]


def _answers(result: Advice) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=True)
    table.add_column("", width=1)
    table.add_column("heuristic", no_wrap=True)
    table.add_column("lr", no_wrap=True, justify="right")
    table.add_column("interval", no_wrap=True)
    table.add_column("read from the curve", overflow="fold")
    first_with: dict[str, str] = {}
    for answer in result.answers:
        # A refused choice is no choice: the mark then stands only where the user asked for that heuristic.
        marked = answer is result.chosen and (isinstance(answer, Suggestion) or result.heuristic is not None)
        style = "dim" if isinstance(answer, Refusal) else "bold green" if marked else ""
        rate_text = rate(answer.lr) if isinstance(answer, Suggestion) else "refused"
        cells = ("*" if marked else "", answer.heuristic, rate_text, interval(answer), _reading(answer, first_with))
        table.add_row(*(Text(cell) for cell in cells), style=style)
    return table


def _trials(confirmation: Confirmation) -> Table:
    """A row for each rate that was tried, with the loss it reached after so many steps."""
    lengths = sorted({trial.steps for trial in confirmation.trials})
    what = "held-out loss" if confirmation.held_out else "training loss"
    table = Table(box=SIMPLE_HEAD, pad_edge=True)
    table.add_column("", width=1)
    table.add_column("trial at lr", no_wrap=True, justify="right")
    for steps in lengths:
        table.add_column(f"{what} by {steps} steps", justify="right")
    for lr in sorted({trial.lr for trial in confirmation.trials}):
        reached = {trial.steps: f"{trial.loss:.4g}" for trial in confirmation.trials if trial.lr == lr}
        best = lr == confirmation.best.lr
        cells = ["*" if best else "", rate(lr), *(reached.get(steps, "") for steps in lengths)]
        table.add_row(*map(Text, cells), style="bold green" if best else "")
    return table


def _reading(answer: Suggestion | Refusal, first_with: dict[str, str]) -> str:
    if isinstance(answer, Refusal):
        first = first_with.setdefault(answer.reason, answer.heuristic)
        return answer.reason if first == answer.heuristic else f"as {first}"
    parts = [] if answer.index is None else [f"step {answer.index + 1}"]  # counted as the bar counts
    if answer.slope is not None:
        parts.append(f"slope {answer.slope:.3g} per decade")
    return ", ".join(parts)


def _facts(result: Advice) -> list[tuple[str, Text]]:
    facts = []
    chosen = result.chosen
    if isinstance(chosen, Suggestion):
        asked = "as asked" if result.heuristic is not None else "lrrange's choice"
        how = f"{chosen.heuristic}, {asked}"
        if result.confirmation is not None:
            how += f", moved from {rate(chosen.lr)} by {result.confirmation.steps} steps of trials"
        facts.append(("lr", Text.assemble((rate(result.lr), "bold"), f"  {how}")))
        facts.append(("best in", Text(f"{rate(result.low)} to {rate(result.high)}")))
        verdict = result.verdict
        facts.append(("verdict", Text(str(verdict), style="" if verdict.confident else "yellow")))
    else:
        who = f'"{chosen.heuristic}" refused' if result.heuristic is not None else "every heuristic refused"
        facts.append(("lr", Text.assemble(("none", "bold red"), f"  {who}")))
    facts += _range_facts(result)
    sound = result.stop_reason in (StopReason.COMPLETED, StopReason.DIVERGED)
    facts.append(("stopped", Text(stopped(result), style="" if sound else "yellow")))
    if gaps := gap_count(result):
        facts.append(("gaps", Text(f"{gaps} of {len(result.curve)} losses were not finite and are left out")))
    return [*facts, ("from", Text(_origin(result.provenance)))]


def _range_facts(result: Advice) -> list[tuple[str, Text]]:
    if not result.ranges:
        try:
            reason = f"by {result.range.rule} only"  # a result made by hand may leave them out
        except LRRangeError as error:
            reason = str(error)
        refused = {answer.reason for answer in result.answers if isinstance(answer, Refusal)}
        return [("range", Text("none, for the same reason" if reason in refused else f"none: {reason}"))]
    bounds, *others = result.ranges
    if result.confirmation is not None:
        bounds, others = result.range, list(result.ranges)
    facts = [
        (
            "range",
            Text.assemble(
                (f"{rate(bounds.base_lr)} to {rate(bounds.max_lr)}", "bold"), f"  {bounds.rule}: {bounds.source}"
            ),
        )
    ]
    also = "; ".join(
        f"{other.rule} from {rate(other.base_lr)}"
        + ("" if other.max_lr == bounds.max_lr else f" to {rate(other.max_lr)}")
        for other in others
    )
    return [*facts, ("or", Text(also))] if also else facts


def _origin(provenance: Provenance) -> str:
    parts = [f"{provenance.backend}: {provenance.steps_run} steps in {provenance.wall_time:.3g} s"]
    if provenance.seed is not None:
        parts.append(f"seed {provenance.seed}")
    parts += [f"{name} {version}" for name, version in provenance.versions.items()]
    # Lists are for the file, and nothing counted is nothing to report.
    parts += [f"{name}={value}" for name, value in provenance.details.items() if value and not isinstance(value, list)]
    return ", ".join(parts)
