"""Fit the constants of the confirmation to recorded trials, and judge them on tasks that were held out.

`python -m benchmarks.quality.fitted_trials` prints the regret of every candidate, and of those chosen without a task or
without a family of tasks.
"""

import itertools
import math
from collections.abc import Sequence
from pathlib import Path

import attrs
import click
import numpy as np

from benchmarks.quality.simulated_trials import Bank, Case, Confirm, Outcome, play, recorded_cases
from benchmarks.quality.store import RESULTS, Store
from lrrange import Confirmation
from lrrange.advice.evidence import CONSTANTS, Constants

# What else may be chosen for each constant. The present choices are those of `CONSTANTS`.
CHOICES = {
    "spread": (0.4, 0.6, 0.8),
    "step": (0.5, 0.7),
    "shortfall": (0.01, 0.03, 0.06),
    "short_run": (0.0, 0.1, 0.2, 0.3),
    "noise": (0.5, 2.0, 4.0),
    "goes_on": (0.0, 0.5, 1.0),
    "rises": (0.25, 0.5, 1.0),
    "matters": (0.0, 0.03),
}

# A confirmation that adds this much regret has made an answer worse.
WORSE = 0.02


def candidates(two_at_a_time: bool) -> list[Constants]:
    """Return the present constants, then those with one other choice, and then with two if these are asked for."""
    single = [(name, value) for name, values in CHOICES.items() for value in values]
    changes = [(), *((one,) for one in single)]
    if two_at_a_time:
        changes += [pair for pair in itertools.combinations(single, 2) if pair[0][0] != pair[1][0]]
    return [attrs.evolve(CONSTANTS, **dict(change)) for change in changes]


def summary(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Return the mean regrets and other statistics of confirmations, for the tables."""
    before, after = (np.array([getattr(one, when) for one in outcomes]) for when in ("before", "after"))
    sure = np.array([one.confident for one in outcomes])
    return {
        "constant before": before[:, 0].mean(),
        "constant after": after[:, 0].mean(),
        "one-cycle before": before[:, 1].mean(),
        "one-cycle after": after[:, 1].mean(),
        "worse": (after[:, 0] - before[:, 0] > WORSE).mean(),
        "bad": (after[:, 0] > 0.1).mean(),
        "catastrophic": (after[:, 0] > 0.5).mean(),
        "steps": np.mean([one.steps for one in outcomes]),
        "most steps": max(one.steps for one in outcomes),
        "covered": np.mean([one.covered for one in outcomes]),
        "confident": sure.mean(),
        "confident and bad": (after[sure, 0] > 0.1).mean() if sure.any() else math.nan,
    }


def held_out_choices(regrets: np.ndarray, groups: Sequence[str]) -> tuple[float, list[int]]:
    """Return the mean regret of candidates that are chosen without the group they are judged on, and the choices.

    Args:
        regrets: by candidate and case, shape (candidates, cases).
        groups: the group of each case, such as its task or one of its families.
    """
    chosen, judged = [], np.empty(regrets.shape[1])
    for group in dict.fromkeys(groups):
        inside = np.array([one == group for one in groups])
        choice = int(regrets[:, ~inside].mean(1).argmin()) if not inside.all() else 0
        chosen.append(choice)
        judged[inside] = regrets[choice, inside]
    return float(judged.mean()), chosen


@click.command()
@click.option("--bank", type=click.Path(path_type=Path), default=RESULTS / "bank", help="The folder of the bank.")
@click.option("--pairs", is_flag=True, help="Also change two constants at a time: ten times as long.")
@click.option("--held-out", is_flag=True, help="Judge trials by held-out losses, of the tasks that have them.")
def main(bank: Path, pairs: bool, held_out: bool) -> None:
    """Fit the constants of the confirmation, and judge them on tasks and families that were held out."""
    own = list(recorded_cases(Store(), held_out))
    cases = own if held_out else [*own, *Bank(bank).cases()]
    _print_kinds(cases)
    options = candidates(pairs)
    played = [play(cases, _with(constants)) for constants in options]
    regrets = np.array([[sum(one.after) / 2 for one in outcomes] for outcomes in played])
    for constants, outcomes, mean in zip(options, played, regrets.mean(1), strict=True):
        changed = {k: v for k, v in attrs.asdict(constants).items() if v != getattr(CONSTANTS, k)}
        click.echo(f"{changed or 'now'}: {mean:.4f}, " + _line(summary(outcomes)))
    kinds = {"task": [one.task for one in played[0]]}
    for kind in sorted({kind for case in cases for kind in case.families}):
        kinds[kind] = [one.families.get(kind, "none") for one in played[0]]
    for kind, groups in kinds.items():
        regret, chosen = held_out_choices(regrets, groups)
        stayed = chosen.count(0)
        click.echo(f"chosen without a {kind}: {regret:.4f}; {stayed} of {len(chosen)} choices are the present one")


def _print_kinds(cases: Sequence[Case]) -> None:
    outcomes = play(cases)
    click.echo("all: " + _line(summary(outcomes)))
    for offset in sorted({one.offset for one in outcomes}):
        click.echo(f"off by {offset:+.1f}: " + _line(summary([one for one in outcomes if one.offset == offset])))
    for kind in sorted({kind for case in cases for kind in case.families}):
        for family in sorted({one.families[kind] for one in outcomes if kind in one.families}):
            inside = [one for one in outcomes if one.families.get(kind) == family]
            click.echo(f"{kind} {family} ({len(inside)}): " + _line(summary(inside)))


def _line(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.3g}" for name, value in values.items())


def _with(constants: Constants) -> Confirm:
    def confirmed(case: Case, offset: float) -> Confirmation:
        return case.confirm(offset, constants)

    return confirmed


if __name__ == "__main__":
    main()
