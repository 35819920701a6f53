"""A comparison as a table, for terminals and notebooks."""

import math

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lrrange.comparison.standings import Standing, Standings
from lrrange.errors import NoWinner


def as_rich(comparison: Standings) -> Group:
    """The policies, best first, with what each ended at and how far behind the winner; the verdict; what failed.

    Returns: something that `rich.print` shows.
    """
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    for name, text in _facts(comparison):
        facts.add_row(name, text)
    return Group(_standings(comparison), Padding(facts, (0, 0, 1, 1)))


def _standings(comparison: Standings) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=True)
    table.add_column("policy", no_wrap=True)
    for name in ("ends at", "spread", "behind by", "95 % interval", "on seeds"):
        table.add_column(name, no_wrap=True, justify="right")
    for place, standing in enumerate(comparison.table):
        cells = (standing.policy, *_numbers(standing))
        style = "bold green" if place == 0 and standing.finals else "" if standing.finals else "dim"
        table.add_row(*map(Text, cells), style=style)
    return table


def _numbers(standing: Standing) -> list[str]:
    behind = standing.behind
    ends = "failed" if not standing.finals else "diverged" if standing.diverged else f"{standing.mean:.4g}"
    if 0 < standing.diverged < len(standing.finals):
        ends = f"{standing.diverged} of {len(standing.finals)} diverged"
    cells = [ends, "" if math.isnan(standing.spread) else f"{standing.spread:.2g}"]
    if behind is None or not behind.gaps:
        return [*cells, "", "", ""]
    mean = f"{behind.mean:.3g}" if math.isfinite(behind.mean) else ""
    interval = "" if behind.interval is None else "{:.2g} to {:.2g}".format(*behind.interval)
    return [*cells, mean, interval, f"{behind.wins} of {len(behind.gaps)}"]


def _facts(comparison: Standings) -> list[tuple[str, Text]]:
    facts = []
    try:
        verdict = comparison.verdict
        facts.append(("winner", Text(comparison.headline, style="bold")))
        facts.append(("verdict", Text(str(verdict), style="" if verdict.confident else "yellow")))
    except NoWinner as reason:
        facts.append(("winner", Text(f"none: {reason}", style="bold red")))
    facts += [(standing.policy, Text(_about(comparison, standing))) for standing in comparison.table]
    facts.append(("judged by", Text(comparison.judged_by)))
    seeds = (
        f"{comparison.seeds[0]} to {comparison.seeds[-1]}" if len(comparison.seeds) > 1 else f"{comparison.seeds[0]}"
    )
    seconds = sum(run.wall_time for run in comparison.runs)
    text = f"{len(comparison.finished)} runs of {comparison.steps} steps, seeds {seeds}, {seconds:.3g} s in all"
    facts.append(("from", Text(f"{comparison.make_run}: {text}")))
    if comparison.range_test is not None:
        test = comparison.range_test.provenance
        facts.append(("range test", Text(f"{test.steps_run} steps in {test.wall_time:.3g} s, once for all policies")))
    facts += [
        ("failed", Text(f"{run.policy}, seed {run.seed}, attempt {run.attempts}: {run.error}", style="red"))
        for run in comparison.failed
    ]
    return facts


def _about(comparison: Standings, standing: Standing) -> str:
    about = comparison.policy(standing.policy).about
    return f"{about}, and momentum the other way" if standing.momentum else about
