"""A check of the runs of a comparison: other rates must give other losses."""

from collections.abc import Iterable

from lrrange.comparison.comparison import Comparison
from lrrange.errors import RateNotInForce
from lrrange.policy import Run

# Shorter runs may all be over before a training that accumulates gradients has made its first step.
_FEWEST_STEPS = 10


def check_rates_in_force(run: Run, others: Iterable[Run], comparison: Comparison) -> None:
    """Raise RateNotInForce if a run has exactly the losses of another that trained from the same seed at other rates.

    Args:
        run: that is over.
        others: runs that were over before.
        comparison: of all of them.
    """
    if len(run.losses) < _FEWEST_STEPS or len(set(run.losses)) == 1:
        return
    rates = comparison.policy(run.policy).lr
    for other in others:
        if other.seed != run.seed or other.losses != run.losses:
            continue
        other_rates = comparison.policy(other.policy).lr
        if all(first != second for first, second in zip(rates, other_rates, strict=True)):
            raise RateNotInForce(
                f"from seed {run.seed}, {len(run.losses)} steps under the policies {other.policy!r} and {run.policy!r} "
                f"gave exactly the same losses, though no step has the same rate: the training does not train at the "
                f"rate that it is given. Set the rate where the optimizer reads it at every step, with no schedule of "
                f"its own.",
                wanted=rates[0],
                steps_seen=len(run.losses),
            )
