"""Tables of range tests, for terminals and notebooks."""

from collections.abc import Iterable, Mapping, Sequence
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
from lrrange.printable import printable
from lrrange.report.formatting import (
    NO_INTERVAL,
    count_gaps,
    format_difference,
    format_interval,
    format_length,
    format_rate,
    format_stop,
    format_verdict,
    name_refusing,
)
from lrrange.sweep.planned_steps import StopReason


def as_rich(result: Advice) -> Group:
    """Return the tables of a result: the answers, the trials, and facts such as the range and the provenance.

    The answer of every heuristic has a row, and the chosen one is marked. The first of `result.ranges` is shown as the
    range, the others as alternatives.

    Returns: a group that `rich.print` shows.
    """
    tables = [_draw_answers(result)]
    if result.confirmation is not None:
        tables.append(_draw_trials(result.confirmation))
    return Group(*tables, facts_below(_list_facts(result)))


def grid_as_rich(cells: Sequence[tuple[Mapping[str, Any], Advice]]) -> Table:
    """Return a table with a row for each setting of a grid: the rate and the range, or the reason why there is none.

    Args:
        cells: each setting, as values by name, and its range test.
    """
    names = list(cells[0][0])
    table = new_table()
    for name in [*names, "lr", "base_lr", "max_lr"]:
        table.add_column(plain_text(name), no_wrap=True, justify="right")
    table.add_column("lowest loss", justify="right")
    table.add_column("verdict", overflow="fold", min_width=24)
    for setting, advice in cells:
        values = [str(setting[name]) for name in names]
        table.add_row(*map(plain_text, [*values, *_format_cell(advice)]))
    return table


def new_table() -> Table:
    """Return an empty table in the style of all tables."""
    return Table(box=SIMPLE_HEAD, pad_edge=True)


def plain_text(text: str, style: str = "") -> Text:
    """Return text for a table, as it is: no markup, and nothing that acts on a terminal."""
    return Text(printable(text), style=style)


def facts_below(facts: Iterable[tuple[str, Text]]) -> Padding:
    """Return the lines that stand below a table, each a dimmed name and its text."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, text in facts:
        grid.add_row(plain_text(name), text)
    return Padding(grid, (0, 0, 1, 1))


def _format_cell(result: Advice) -> list[str]:
    """Return rate, range, lowest loss and verdict of one setting as texts, or the reason in place of the verdict."""
    finite = result.curve.finite
    lowest = f"{finite.smoothed[finite.lowest]:.4g}" if len(finite) else ""
    try:
        bounds = result.range
        rates = map(format_rate, (result.lr, bounds.base_lr, bounds.max_lr))
        return [*rates, lowest, str(result.verdict)]
    except LRRangeError as error:
        return ["none", "", "", lowest, str(error)]


def _draw_answers(result: Advice) -> Table:
    table = new_table()
    table.add_column("", width=1)
    table.add_column("heuristic", no_wrap=True)
    table.add_column("lr", no_wrap=True, justify="right")
    table.add_column("interval", no_wrap=True)
    table.add_column("read from the curve", overflow="fold")
    first_with: dict[str, str] = {}
    for answer in result.answers:
        marked = answer is result.chosen and (isinstance(answer, Suggestion) or result.heuristic is not None)
        style = "dim" if isinstance(answer, Refusal) else "bold green" if marked else ""
        lr = format_rate(answer.lr) if isinstance(answer, Suggestion) else "refused"
        source = _format_source(answer, first_with)
        cells = ("*" if marked else "", answer.heuristic, lr, format_interval(answer), source)
        table.add_row(*(plain_text(cell) for cell in cells), style=style)
    return table


def _draw_trials(confirmation: Confirmation) -> Table:
    """Return a table with a row for each trial, lowest rate first, and its difference from the best one."""
    table = new_table()
    table.add_column("", width=1)
    table.add_column("trial at lr", no_wrap=True, justify="right")
    table.add_column("steps", justify="right")
    table.add_column("held-out loss" if confirmation.held_out else "training loss", no_wrap=True, justify="right")
    table.add_column("above the best, on the same batches", overflow="fold")
    for trial in sorted(confirmation.trials, key=lambda trial: (trial.lr, trial.steps)):
        best = trial is confirmation.best
        cells = ["*" if best else "", format_rate(trial.lr), str(trial.steps), f"{trial.loss:.4g}"]
        table.add_row(
            *map(plain_text, [*cells, "" if best else format_difference(trial)]), style="bold green" if best else ""
        )
    return table


def _format_source(answer: Suggestion | Refusal, first_with: dict[str, str]) -> str:
    """Return where on the curve an answer was read, or why there is none.

    Args:
        answer: of one heuristic.
        first_with: the first heuristic that refused for each reason. It is updated, so that a reason is shown once.
    """
    if isinstance(answer, Refusal):
        first = first_with.setdefault(answer.reason, answer.heuristic)
        return answer.reason if first == answer.heuristic else f"as {first}"
    parts = [] if answer.index is None else [f"step {answer.index + 1}"]  # from 1, as in the progress bar
    if answer.slope is not None:
        parts.append(f"slope {answer.slope:.3g} per decade")
    return ", ".join(parts)


def _list_facts(result: Advice) -> list[tuple[str, Text]]:
    facts = []
    chosen = result.chosen
    if isinstance(chosen, Suggestion):
        chooser = "as asked" if result.heuristic is not None else "lrrange's choice"
        source = f"{chosen.heuristic}, {chooser}"
        if result.confirmation is not None:
            moved = "kept" if result.lr == chosen.lr else f"moved from {format_rate(chosen.lr)}"
            source += f", {moved} by {result.confirmation.steps} steps of trials"
        facts.append(("lr", Text.assemble((format_rate(result.lr), "bold"), printable(f"  {source}"))))
        bounds = result.interval
        best_in = NO_INTERVAL if bounds is None else " to ".join(map(format_rate, bounds))
        facts.append(("best in", plain_text(best_in)))
        verdict = result.verdict
        facts.append(("verdict", plain_text(format_verdict(verdict), style="" if verdict.confident else "yellow")))
    else:
        facts.append(("lr", Text.assemble(("none", "bold red"), printable(f"  {name_refusing(result)} refused"))))
    facts.append(("for", plain_text(format_length(result))))
    facts += _list_range_facts(result)
    sound = result.stop_reason in (StopReason.COMPLETED, StopReason.DIVERGED)
    facts.append(("stopped", plain_text(format_stop(result), style="" if sound else "yellow")))
    if gaps := count_gaps(result):
        facts.append(("gaps", plain_text(f"{gaps} of {len(result.curve)} losses were not finite and are left out")))
    if (paired := result.provenance.details.get("paired")) is not None:
        facts.append(("paired", plain_text(str(paired))))
    return [*facts, ("from", plain_text(_format_provenance(result.provenance)))]


def _list_range_facts(result: Advice) -> list[tuple[str, Text]]:
    if not result.ranges:
        try:
            reason = f"by {result.range.rule} only"  # a result that a user constructs may have no ranges
        except LRRangeError as error:
            reason = str(error)
        shown = {answer.reason for answer in result.answers if isinstance(answer, Refusal)}
        return [("range", plain_text("none, for the same reason" if reason in shown else f"none: {reason}"))]
    bounds, *others = result.ranges
    if result.confirmation is not None:
        bounds, others = result.range, list(result.ranges)
    refused = result.refusal is not None
    rates = (f"{format_rate(bounds.base_lr)} to {format_rate(bounds.max_lr)}", "" if refused else "bold")
    source = f"{bounds.rule}{', though there is no rate' if refused else ''}: {bounds.source}"
    facts = [("range", Text.assemble(rates, printable(f"  {source}")))]
    alternatives = "; ".join(
        f"{other.rule} from {format_rate(other.base_lr)}"
        + ("" if other.max_lr == bounds.max_lr else f" to {format_rate(other.max_lr)}")
        for other in others
    )
    return [*facts, ("or", plain_text(alternatives))] if alternatives else facts


def _format_provenance(provenance: Provenance) -> str:
    parts = [f"{provenance.backend}: {provenance.steps_run} steps in {provenance.wall_time:.3g} s"]
    if provenance.seed is not None:
        parts.append(f"seed {provenance.seed}")
    parts += [f"{name} {version}" for name, version in provenance.versions.items()]
    # Lists are for the saved file only. A count of 0, or another empty value, says nothing.
    # What came of pairing has a line of its own.
    shown = {name: value for name, value in provenance.details.items() if name != "paired"}
    parts += [f"{name}={value}" for name, value in shown.items() if value and not isinstance(value, list)]
    return ", ".join(parts)
