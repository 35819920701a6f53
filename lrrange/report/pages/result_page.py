"""The page of a range test, for terminals, logs and notebooks: the answer first, and on request where it comes from."""

from collections.abc import Iterator

from lrrange.advice.advice import Advice, Provenance
from lrrange.advice.confirmation import Confirmation
from lrrange.advice.ranges import DEFAULT_RANGE, LRRange
from lrrange.advice.suggestion import Refusal, Suggestion
from lrrange.advice.verdict import Verdict
from lrrange.report.formatting import (
    NO_INTERVAL,
    count_gaps,
    format_difference,
    format_interval,
    format_length,
    format_rate,
    format_stop,
    name_refusing,
    range_or_reason,
)
from lrrange.report.pages.groups import describe_groups
from lrrange.report.pages.page import Column, Fact, Facts, Page, Row, Rows
from lrrange.report.pages.reading import describe_reading, explain_confirmation
from lrrange.sweep.planned_steps import StopReason


def page_of(result: Advice, command: str | None = None) -> Page:
    """Return the page of a range test.

    The answer has the rate, the range, the verdict, what to do next, what the rate was read from, and the trials. The
    details have the answers of all heuristics, the other ranges, and the origin of the result.

    Args:
        result: a finished range test.
        command: on the command line, what to type again with further options, such as `"lrrange find m:make"`, or
            empty if there is none; None in Python.
    """
    answer: list[Facts | Rows] = [Facts(_list_answer(result, command))]
    if result.confirmation is not None:
        answer.append(_draw_trials(result.confirmation))
    answer.append(Facts(_list_sources(result)))
    return Page(answer=answer, details=[_draw_answers(result), Facts(_list_details(result))])


def list_verdict(verdict: Verdict) -> Iterator[Fact]:
    """Yield the verdict and its reasons, each in a line of its own."""
    chance = "" if verdict.chance_of_bad is None else f"{verdict.chance_of_bad:.0%} of such answers are bad"
    yield Fact(
        "verdict", verdict.word, f"({chance})" if chance else "", "bold green" if verdict.confident else "yellow"
    )
    for reason in verdict.reasons:
        yield Fact("", f"- {reason}")


def _list_answer(result: Advice, command: str | None) -> Iterator[Fact]:
    if result.refusal is not None:
        yield Fact("lr", "none", f"{name_refusing(result)} refused", "bold red")
        finding, _, remedy = str(result.refusal).partition(". ")
        yield Fact("reason", f"{finding}." if remedy else finding)
        if remedy:
            yield Fact("next", remedy)
        yield from _list_range(result)
        return
    groups = describe_groups(result.lr, result.provenance.details)
    yield Fact("lr", format_rate(result.lr), _describe_choice(result), "bold")
    for number, line in enumerate(groups):
        yield Fact("" if number else "groups", line)
    yield from _list_range(result)
    interval = result.interval
    yield Fact("best in", NO_INTERVAL if interval is None else " to ".join(map(format_rate, interval)))
    verdict = result.verdict
    yield from list_verdict(verdict)
    if step := _next_step(result, verdict, command):
        yield Fact("next", step, style="bold")


def _describe_choice(result: Advice) -> str:
    """Return who chose the rate, where it was not the default heuristic alone."""
    chosen = result.chosen
    by = "" if result.heuristic is None else f"{chosen.heuristic}, as asked"
    if result.confirmation is None or not isinstance(chosen, Suggestion):
        return by
    trials = f"{len(result.confirmation.trials)} trials"
    moved = f"confirmed by {trials}" if result.lr == chosen.lr else f"moved from {format_rate(chosen.lr)} by {trials}"
    return f"{by}, {moved}" if by else moved


def _next_step(result: Advice, verdict: Verdict, command: str | None) -> str:
    """Return what to type next; empty if nothing makes the answer surer."""
    if verdict.confident:
        return "result.apply(optimizer)" if command is None else f"train at lr={format_rate(result.lr)}"
    options = [_as_option(way) for way in verdict.ways if not way.startswith(("val_loader", "heuristic"))]
    if command and options:
        return f"{command} ... {' '.join(options)}"
    return f"find_lr(..., {', '.join(verdict.ways)})" if verdict.ways else ""


def _as_option(way: str) -> str:
    name, _, value = way.partition("=")
    option = f"--{name.replace('_', '-')}"
    if name == "paired":
        return f"{option} on"
    return {"True": option, "...": f"{option} N"}.get(value, f"{option} {value}")


def _list_range(result: Advice) -> Iterator[Fact]:
    bounds = range_or_reason(result)
    if isinstance(bounds, str):
        stands_above = isinstance(result.chosen, Refusal) and result.chosen.reason == bounds
        yield Fact("range", "none", "for the same reason" if stands_above else bounds)
        return
    refused = result.refusal is not None
    note = "though there is no rate" if refused else "from base_lr to max_lr of a cycle"
    by = "" if bounds.rule in (DEFAULT_RANGE, "confirmed") else f"{bounds.rule}, "
    yield Fact("range", _rates(bounds), by + note, "" if refused else "bold")


def _rates(bounds: LRRange) -> str:
    return f"{format_rate(bounds.base_lr)} to {format_rate(bounds.max_lr)}"


def _list_sources(result: Advice) -> Iterator[Fact]:
    """Yield what the answer was read from, and what went wrong on the way."""
    chosen = result.chosen
    details = result.provenance.details
    if isinstance(chosen, Suggestion) and (reading := describe_reading(chosen, result.facts, result.curve.quantity)):
        yield Fact("read", reading)
    if isinstance(chosen, Suggestion) and result.confirmation is not None:
        yield Fact("trials", explain_confirmation(result.confirmation, chosen.lr, result.facts))
    sound = result.stop_reason in (StopReason.COMPLETED, StopReason.DIVERGED)
    yield Fact("stopped", format_stop(result), style="" if sound else "yellow")
    if gaps := count_gaps(result):
        values = result.curve.quantity.values
        yield Fact("gaps", f"{gaps} of {len(result.curve)} {values} were not finite and are left out")
    if (paired := details.get("paired")) is not None:
        yield Fact("paired", str(paired))
    if not_kept := details.get("not_kept"):
        listed = (
            ", ".join(f"{name} ({why})" for name, why in not_kept.items()) if isinstance(not_kept, dict) else not_kept
        )
        yield Fact("not kept", str(listed), style="yellow")
    if set_aside := details.get("set_aside"):
        yield Fact("set aside", str(set_aside), style="yellow")


def _list_details(result: Advice) -> Iterator[Fact]:
    yield Fact("for", format_length(result))
    bounds = range_or_reason(result)
    max_lr = None
    if isinstance(bounds, LRRange):
        yield Fact("range by", f"{bounds.rule}: {bounds.source}")
        max_lr = bounds.max_lr
    others = [
        f"{other.rule} from {format_rate(other.base_lr)}"
        + ("" if other.max_lr == max_lr else f" to {format_rate(other.max_lr)}")
        for other in result.ranges
        if other != bounds
    ]
    if others:
        yield Fact("or", "; ".join(others))
    yield from _list_origin(result.provenance)


def _list_origin(provenance: Provenance) -> Iterator[Fact]:
    seed = "" if provenance.seed is None else f", seed {provenance.seed}"
    yield Fact("from", f"{provenance.backend}: {provenance.steps_run} steps in {provenance.wall_time:.3g} s{seed}")
    if provenance.versions:
        yield Fact("versions", ", ".join(f"{name} {version}" for name, version in provenance.versions.items()))
    # Lists are for the saved file only. A count of 0, or another empty value, says nothing. Some have their own lines.
    shown = [
        f"{name}={value}"
        for name, value in provenance.details.items()
        if value and not isinstance(value, (list, dict)) and name not in ("paired", "set_aside", "not_kept")
    ]
    if shown:
        yield Fact("details", ", ".join(shown))


def _draw_answers(result: Advice) -> Rows:
    """Return a table with the answer of every heuristic, or the reason why there is none. The chosen one is marked."""
    columns = (
        Column(""),
        Column("heuristic"),
        Column("lr", right=True),
        Column("interval", spare=True),
        Column("read from the curve", wraps=True),
    )
    first_with: dict[str, str] = {}
    rows = []
    for answer in result.answers:
        marked = answer is result.chosen and (isinstance(answer, Suggestion) or result.heuristic is not None)
        mark = "*" if marked else ""
        if isinstance(answer, Refusal):
            # Each reason is shown once. That of the chosen heuristic stands above the table.
            above = "for the reason above" if answer is result.chosen else answer.reason
            reason = first_with.get(answer.reason, above)
            first_with.setdefault(answer.reason, f"as {answer.heuristic}")
            rows.append(Row((mark, answer.heuristic, "refused", "", reason), "dim"))
        else:
            reading = describe_reading(answer, result.facts, result.curve.quantity, rule=False)
            cells = (mark, answer.heuristic, format_rate(answer.lr), format_interval(answer), reading)
            rows.append(Row(cells, "bold green" if marked else ""))
    return Rows(columns, rows)


def _draw_trials(confirmation: Confirmation) -> Rows:
    """Return a table with a row for each trial, lowest rate first, and its difference from the best one."""
    quantity = confirmation.quantity
    columns = (
        Column(""),
        Column("trial at lr", right=True),
        Column("steps", right=True, spare=True),
        Column(f"{'held-out' if confirmation.held_out else 'training'} {quantity.name}", right=True),
        Column("below the best" if quantity.higher_is_better else "above the best", wraps=True),
    )
    rows = []
    for trial in sorted(confirmation.trials, key=lambda trial: (trial.lr, trial.steps)):
        best = trial is confirmation.best
        difference = "best" if best else format_difference(trial)
        value = f"{quantity.sign * trial.loss:.4g}"
        cells = ("*" if best else "", format_rate(trial.lr), str(trial.steps), value, difference)
        rows.append(Row(cells, "bold green" if best else ""))
    return Rows(columns, rows)
