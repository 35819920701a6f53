"""The columns of a comparison: its steps, its runs or its policies, each in a row of its own."""

import math
from collections.abc import Sequence
from typing import Literal

from lrrange.comparison.standings import Standings
from lrrange.errors import OptionError
from lrrange.policy import Run

# What a row stands for.
Rows = Literal["steps", "runs", "policies"]

_NO_INTERVAL = (math.nan, math.nan)


def columns_of(comparison: Standings, rows: Rows) -> dict[str, Sequence[object]]:
    """Return the columns of a comparison, as `Comparison.to_pandas` describes them. Raises: OptionError."""
    if rows == "steps":
        return _of_steps(comparison)
    if rows == "runs":
        return _of_runs(comparison)
    if rows == "policies":
        return _of_policies(comparison)
    raise OptionError(f'rows={rows!r} is none of "steps", "runs" and "policies".', options=("rows",))


def _of_steps(comparison: Standings) -> dict[str, Sequence[object]]:
    taken = [(run, step) for run in comparison.runs for step in range(len(run.losses))]
    rate = {(policy.name, step): lr for policy in comparison.policies for step, lr in enumerate(policy.lr)}
    momentum = {
        (run.policy, run.seed, step): value
        for run in comparison.runs
        if run.momentum
        for step, value in enumerate(comparison.policy(run.policy).momentum or ())
    }
    own_sign = comparison.quantity.oriented
    held_out = {  # a checkpoint counts the steps before it, and belongs to the row of the last of them
        (run.policy, run.seed, checkpoint.step - 1): value
        for run in comparison.runs
        for checkpoint in run.held_out
        for value in own_sign([checkpoint.loss])
    }
    columns: dict[str, Sequence[object]] = {
        "policy": [run.policy for run, _ in taken],
        "seed": [run.seed for run, _ in taken],
        "step": [step for _, step in taken],
        "lr": [rate.get((run.policy, step), math.nan) for run, step in taken],
        comparison.quantity.name: own_sign(run.losses[step] for run, step in taken),
    }
    for name, values in (("momentum", momentum), ("held_out", held_out)):
        if values:
            columns[name] = [values.get((run.policy, run.seed, step), math.nan) for run, step in taken]
    return columns


def _of_runs(comparison: Standings) -> dict[str, Sequence[object]]:
    runs: Sequence[Run] = comparison.runs
    return {
        "policy": [run.policy for run in runs],
        "seed": [run.seed for run in runs],
        "steps": [len(run.losses) for run in runs],
        "final": comparison.quantity.oriented(run.final if run.finished else math.nan for run in runs),
        "diverged": [run.diverged for run in runs],
        "error": [run.error or "" for run in runs],
        "attempts": [run.attempts for run in runs],
        "wall_time": [run.wall_time for run in runs],
    }


def _of_policies(comparison: Standings) -> dict[str, Sequence[object]]:
    table = comparison.table
    behind = [standing.behind for standing in table]
    intervals = [(gap.interval if gap is not None else None) or _NO_INTERVAL for gap in behind]
    return {
        "policy": [standing.policy for standing in table],
        "final": comparison.quantity.oriented(standing.mean for standing in table),
        "spread": [standing.spread for standing in table],
        "behind": [math.nan if gap is None else gap.mean for gap in behind],
        "behind_low": [low for low, _ in intervals],
        "behind_high": [high for _, high in intervals],
        "seeds": [len(standing.finals) for standing in table],
        "diverged": [standing.diverged for standing in table],
        "failed": [standing.failed for standing in table],
        "about": [comparison.policy(standing.policy).about for standing in table],
    }
