"""The page of a comparison, for terminals, logs and notebooks."""

import math
from collections.abc import Iterator

from lrrange.comparison.standings import Standing, Standings
from lrrange.errors import NoWinner
from lrrange.quantity import Quantity
from lrrange.report.pages.page import Column, Fact, Facts, Page, Row, Rows
from lrrange.report.pages.result_page import list_verdict


def page_of(comparison: Standings) -> Page:
    """Return the page of a comparison: the winner, the verdict, and the policies, best first.

    Each policy is shown with its final loss and how far behind the winner that is. The details say where the rates of
    the policies come from, and what the runs took.
    """
    return Page(
        answer=[Facts(_list_answer(comparison)), _draw_standings(comparison), Facts(_list_sources(comparison))],
        details=[Facts(_list_details(comparison))],
    )


def _draw_standings(comparison: Standings) -> Rows:
    columns = (
        Column("policy", wraps=True),
        Column("ends at", right=True),
        Column("behind by", right=True),
        Column("95 % interval", right=True, spare=True),
        Column("on seeds", right=True, spare=True),
        Column("spread", right=True, spare=True),
    )
    rows = []
    for rank, standing in enumerate(comparison.table):
        style = "dim" if not standing.finals else "bold green" if rank == 0 else ""
        rows.append(Row((standing.policy, *_format_numbers(standing, comparison.quantity)), style))
    return Rows(columns, rows)


def _format_numbers(standing: Standing, quantity: Quantity) -> list[str]:
    behind = standing.behind
    mean = quantity.sign * standing.mean
    final = "failed" if not standing.finals else "diverged" if standing.diverged else f"{mean:.4g}"
    if 0 < standing.diverged < len(standing.finals):
        final = f"{standing.diverged} of {len(standing.finals)} diverged"
    spread = "" if math.isnan(standing.spread) else f"{standing.spread:.2g}"
    if behind is None or not behind.gaps:
        return [final, "", "", "", spread]
    amount = f"{behind.mean:.3g}" if math.isfinite(behind.mean) else ""
    interval = "" if behind.interval is None else "{:.2g} to {:.2g}".format(*behind.interval)
    return [final, amount, interval, f"{behind.wins} of {len(behind.gaps)}", spread]


def _list_answer(comparison: Standings) -> Iterator[Fact]:
    try:
        verdict = comparison.verdict
        yield Fact("winner", comparison.headline, style="bold")
        yield from list_verdict(verdict)
        if verdict.ways:
            yield Fact("next", f"compare(..., {', '.join(verdict.ways)})", style="bold")
    except NoWinner as reason:
        yield Fact("winner", "none", str(reason), "bold red")


def _list_sources(comparison: Standings) -> Iterator[Fact]:
    yield Fact("judged by", comparison.judged_by)
    for run in comparison.failed:
        yield Fact("failed", f"{run.policy}, seed {run.seed}, attempt {run.attempts}: {run.error}", style="red")


def _list_details(comparison: Standings) -> Iterator[Fact]:
    for standing in comparison.table:
        about = comparison.policy(standing.policy).about
        yield Fact(standing.policy, f"{about}, and momentum the other way" if standing.momentum else about)
    seeds = comparison.seeds
    listed = f"seeds {seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else f"seed {seeds[0]}"
    seconds = sum(run.wall_time for run in comparison.runs)
    text = f"{len(comparison.finished)} runs of {comparison.steps} steps, {listed}, {seconds:.3g} s in all"
    yield Fact("from", f"{comparison.make_run}: {text}")
    if comparison.range_test is not None:
        test = comparison.range_test.provenance
        yield Fact("range test", f"{test.steps_run} steps in {test.wall_time:.3g} s, once for all policies")
