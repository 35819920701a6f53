"""Several runs of the same training, or of trainings that are alike, taken side by side where a backend can."""

import contextlib
from collections.abc import Sequence
from typing import Literal, get_args

from lrrange.errors import OptionError
from lrrange.finder.planned_run import PlannedRun, announced
from lrrange.finder.restore_check import RestoreCheck
from lrrange.protocol.optional import Replica

Parallel = Literal["auto", "vmap", "off"]


def check_parallel(parallel: object) -> None:
    """Raise OptionError unless this is a value of `parallel=`."""
    if parallel not in get_args(Parallel):
        raise OptionError(f"parallel={parallel!r} is none of {', '.join(map(repr, get_args(Parallel)))}.")


def why_alone(run: PlannedRun, count: int, measure: bool) -> str | None:
    """Return why `count` runs like this one cannot be taken side by side, as far as is known without a step.

    Args:
        run: one of them.
        count: number of runs.
        measure: also return a reason if taking them side by side would not pay.
    Returns: None if no reason is known.
    """
    if run.training.replicates is None:
        return f"a {run.training.kind} takes one run at a time"
    return run.training.replicates.why_alone(count, measure)


def replica_of(run: PlannedRun) -> Replica:
    """Return this run as a replica, which its backend can take side by side with others.

    `why_alone` has given no reason against it.
    """
    assert run.training.replicates is not None
    return run.training.replicates.replica(run.sweep, run.seed, run.reset)


def run_together(
    runs: Sequence[PlannedRun], replicas: Sequence[Replica], checks: Sequence[RestoreCheck], *, measure: bool
) -> str | None:
    """Take the steps of these runs side by side.

    Args:
        runs: of one training, or of several that are alike.
        replicas: one for each run.
        checks: the restore check of each training.
        measure: give up if the first steps show that one run after another would be faster.
    Returns: None when all runs are done; otherwise the reason why they must be run one after another, and then nothing
        has happened.
    """
    first, *others = replicas
    with announced(runs) as begin, contextlib.ExitStack() as checking:
        for check in checks:
            checking.enter_context(check.around())
        return first.together(others, measure, begin)
