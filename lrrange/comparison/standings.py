"""The standings of a comparison: the table, the winner, and whether the seeds show that it is really better."""

import math
from functools import cached_property

import attrs

from lrrange.advice.verdict import Doubt, Verdict
from lrrange.averages import mean, standard_deviation
from lrrange.comparison.paired_t import Difference
from lrrange.errors import NoWinner, UnknownName
from lrrange.policy import Policy, Run
from lrrange.quantity import LOSS, Quantity
from lrrange.result import RangeTestResult
from lrrange.spelling import did_you_mean

# First losses of one seed that differ by more than this part do not come from the same weights and batch.
_SAME_START = 1e-3


@attrs.frozen(kw_only=True)
class Standing:
    """One policy's row of the table.

    Args:
        policy: name of the policy.
        finals: final losses of its runs, in the order of the seeds that are compared; infinite for a run that diverged.
        failed: number of its runs that failed.
        behind: how far it ends above the winner; None for the winner itself.
        momentum: whether its momentum was set too.
    """

    policy: str
    finals: tuple[float, ...]
    failed: int = 0
    behind: Difference | None = None
    momentum: bool = False

    @property
    def mean(self) -> float:
        """Mean final loss; infinite if a run diverged, NaN without runs."""
        return mean(self.finals) if self.finals else math.nan

    @property
    def spread(self) -> float:
        """Standard deviation of the final losses over the seeds; NaN with fewer than two runs, or if one diverged."""
        return standard_deviation(self.finals) if len(self.finals) > 1 and math.isfinite(self.mean) else math.nan

    @property
    def diverged(self) -> int:
        """Number of its runs that diverged."""
        return sum(not math.isfinite(final) for final in self.finals)

    @property
    def rank(self) -> tuple[int, float]:
        """The key that standings are sorted by: the number of runs that diverged, then the mean of the others."""
        finite = [final for final in self.finals if math.isfinite(final)]
        return self.diverged, mean(finite) if finite else math.inf


@attrs.frozen(kw_only=True)
class Standings:
    """The same training under several policies, from the same seeds, and who wins.

    `lrrange.Comparison` is a `Standings` that can also be saved, plotted and printed. It describes the fields.
    """

    make_run: str
    policies: tuple[Policy, ...] = attrs.field(validator=attrs.validators.min_len(1))
    steps: int
    seeds: tuple[int, ...] = attrs.field(validator=attrs.validators.min_len(1))
    evaluate_every: int | None = None
    range_test: RangeTestResult | None = None
    runs: tuple[Run, ...] = ()

    def policy(self, name: str) -> Policy:
        """Return the policy of that name. Raises: UnknownName."""
        for policy in self.policies:
            if policy.name == name:
                return policy
        known = [policy.name for policy in self.policies]
        raise UnknownName(f"policy {name!r} is not one of {', '.join(known)}.{did_you_mean(name, known)}", name=name)

    def of(self, policy: str) -> tuple[Run, ...]:
        """Return the finished runs under one policy, in the order of their seeds. Raises: UnknownName."""
        name = self.policy(policy).name
        return tuple(sorted((run for run in self.finished if run.policy == name), key=lambda run: run.seed))

    @property
    def finished(self) -> tuple[Run, ...]:
        """The runs that did not fail; some may have diverged."""
        return tuple(run for run in self.runs if run.finished)

    @property
    def failed(self) -> tuple[Run, ...]:
        """The runs that failed, with the reason in `error`."""
        return tuple(run for run in self.runs if not run.finished)

    @property
    def judged_by(self) -> str:
        """What `Run.final` holds, in words."""
        if any(run.held_out for run in self.finished):
            return f"held-out {self.quantity.name}"
        return f"mean training {self.quantity.name} of the last tenth, because there is no held-out data"

    @property
    def quantity(self) -> Quantity:
        """What the runs were judged by: the loss, or a metric."""
        return next((run.quantity for run in self.finished), LOSS)

    @cached_property
    def table(self) -> tuple[Standing, ...]:
        """The policies, best first; policies without a finished run last.

        Only seeds that finished under every policy are compared. A policy without a finished run is left out of that.
        """
        shared = self._shared_seeds
        standings = [
            Standing(
                policy=policy.name,
                finals=tuple(run.final for run in self.of(policy.name) if run.seed in shared),
                failed=sum(run.policy == policy.name for run in self.failed),
                momentum=any(run.momentum for run in self.of(policy.name)),
            )
            for policy in self.policies
        ]
        standings.sort(key=lambda standing: (not standing.finals, standing.rank))
        best = standings[0].policy
        return tuple(
            standing
            if standing.policy == best
            else attrs.evolve(standing, behind=self.difference(best, standing.policy))
            for standing in standings
        )

    @property
    def winner(self) -> str:
        """The policy with the fewest diverged runs, and among these the lowest mean final loss. See also `verdict`.

        Raises: NoWinner if there are no finished runs to compare, or all of them diverged.
        """
        first = self.table[0]
        if not first.finals:
            reasons = sorted({f"{run.policy}, seed {run.seed}: {run.error}" for run in self.failed})
            raise NoWinner(
                f"no seed finished under every policy, so there is nothing to compare. {'; '.join(reasons[:2])}",
                failed=len(self.failed),
            )
        if not math.isfinite(first.rank[1]):
            raise NoWinner("every run under every policy diverged. Lower the rates.", diverged=first.diverged)
        return first.policy

    def difference(self, better: str, other: str) -> Difference:
        """Return how far `other` ends above `better`, for each seed that finished under both.

        Raises: UnknownName.
        """
        finals = {run.seed: run.final for run in self.of(better)}
        gaps = [_subtract(run.final, finals[run.seed]) for run in self.of(other) if run.seed in finals]
        return Difference(better=better, other=other, gaps=tuple(gaps))

    @property
    def verdict(self) -> Verdict:
        """Whether the seeds show that the winner beats the runner-up, and if they do not, why.

        Raises: NoWinner.
        """
        winner = self.winner
        doubts = []
        rivals = [standing for standing in self.table if standing.finals and standing.policy != winner]
        if not rivals:
            doubts.append(Doubt("no other policy finished a run"))
        elif (reason := self.difference(winner, rivals[0].policy).reason) is not None:
            more = reason.endswith("raise repeats")
            doubts.append(Doubt(reason, f"repeats={2 * len(self.seeds)}" if more else None))
        if (missing := len(self.policies) * len(self.seeds) - len(self.finished)) > 0:
            doubts.append(Doubt(f"{missing} of {len(self.policies) * len(self.seeds)} runs did not finish"))
        if (unlike := self._explain_unlike_starts()) is not None:
            doubts.append(Doubt(unlike))
        return Verdict.from_doubts(doubts)

    @property
    def headline(self) -> str:
        """The winner and how far ahead it is, in one line. Raises: NoWinner."""
        winner = self.winner
        behind = next((standing.behind for standing in self.table if standing.behind is not None), None)
        return f"{winner} wins" if behind is None or not behind.gaps else f"{winner} wins: {behind.amount}"

    @property
    def _shared_seeds(self) -> set[int]:
        """The seeds that finished under every policy, apart from policies without any finished run."""
        finished = [{run.seed for run in self.of(policy.name)} for policy in self.policies]
        return set.intersection(*filter(None, finished)) if any(finished) else set()

    def _explain_unlike_starts(self) -> str | None:
        """Return why the runs of a seed cannot be paired: their first losses differ, before any rate had an effect."""
        for seed in self.seeds:
            first = [run.losses[0] for run in self.finished if run.seed == seed and run.losses]
            if len(first) > 1 and max(first) - min(first) > _SAME_START * abs(max(first, key=abs)):
                return (
                    f"the first losses of seed {seed} differ ({min(first):.4g} to {max(first):.4g}): if they are read "
                    f"before the update, make_run(seed) does not seed the weights or the order of the data"
                )
        return None


def _subtract(other: float, better: float) -> float:
    """Return `other - better`, which is 0 if both diverged."""
    return 0.0 if better == other else other - better
