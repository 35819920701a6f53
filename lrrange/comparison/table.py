"""The table of a comparison, for terminals and notebooks."""

import math

from rich.console import Group
from rich.table import Table
from rich.text import Text

from lrrange.comparison.standings import Standing, Standings
from lrrange.errors import NoWinner
from lrrange.report.table import facts_below, new_table, plain_text


def as_rich(comparison: Standings) -> Group:
    """Return the table of a comparison: the policies, best first, then the verdict, the failed runs and other facts.

    Each policy is shown with its final loss and how far behind the winner that is.

    Returns: a group that `rich.print` shows.
    """
    return Group(_draw_standings(comparison), facts_below(_list_facts(comparison)))


def _draw_standings(comparison: Standings) -> Table:
    table = new_table()
    table.add_column("policy", no_wrap=True)
    for name in ("ends at", "spread", "behind by", "95 % interval", "on seeds"):
        table.add_column(name, no_wrap=True, justify="right")
    for rank, standing in enumerate(comparison.table):
        cells = (standing.policy, *_format_numbers(standing))
        style = "dim" if not standing.finals else "bold green" if rank == 0 else ""
        table.add_row(*map(plain_text, cells), style=style)
    return table


def _format_numbers(standing: Standing) -> list[str]:
    behind = standing.behind
    final = "failed" if not standing.finals else "diverged" if standing.diverged else f"{standing.mean:.4g}"
    if 0 < standing.diverged < len(standing.finals):
        final = f"{standing.diverged} of {len(standing.finals)} diverged"
    cells = [final, "" if math.isnan(standing.spread) else f"{standing.spread:.2g}"]
    if behind is None or not behind.gaps:
        return [*cells, "", "", ""]
    mean = f"{behind.mean:.3g}" if math.isfinite(behind.mean) else ""
    interval = "" if behind.interval is None else "{:.2g} to {:.2g}".format(*behind.interval)
    return [*cells, mean, interval, f"{behind.wins} of {len(behind.gaps)}"]


def _list_facts(comparison: Standings) -> list[tuple[str, Text]]:
    facts = []
    try:
        verdict = comparison.verdict
        facts.append(("winner", plain_text(comparison.headline, style="bold")))
        facts.append(("verdict", plain_text(str(verdict), style="" if verdict.confident else "yellow")))
    except NoWinner as reason:
        facts.append(("winner", plain_text(f"none: {reason}", style="bold red")))
    facts += [(standing.policy, plain_text(_describe_policy(comparison, standing))) for standing in comparison.table]
    facts.append(("judged by", plain_text(comparison.judged_by)))
    seeds = (
        f"{comparison.seeds[0]} to {comparison.seeds[-1]}" if len(comparison.seeds) > 1 else f"{comparison.seeds[0]}"
    )
    seconds = sum(run.wall_time for run in comparison.runs)
    text = f"{len(comparison.finished)} runs of {comparison.steps} steps, seeds {seeds}, {seconds:.3g} s in all"
    facts.append(("from", plain_text(f"{comparison.make_run}: {text}")))
    if comparison.range_test is not None:
        test = comparison.range_test.provenance
        text = f"{test.steps_run} steps in {test.wall_time:.3g} s, once for all policies"
        facts.append(("range test", plain_text(text)))
    facts += [
        ("failed", plain_text(f"{run.policy}, seed {run.seed}, attempt {run.attempts}: {run.error}", style="red"))
        for run in comparison.failed
    ]
    return facts


def _describe_policy(comparison: Standings, standing: Standing) -> str:
    about = comparison.policy(standing.policy).about
    return f"{about}, and momentum the other way" if standing.momentum else about
