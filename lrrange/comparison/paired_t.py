"""Whether one policy beats another by more than the seeds' spread: paired differences and their t interval."""

import math
import statistics

import attrs

_CONFIDENCE = 0.95


@attrs.frozen(kw_only=True)
class Difference:
    """How far one policy ends above another, seed by seed.

    The seed fixes the initial weights and the order of the data, so the two runs of a seed share most of their luck,
    and their difference varies less than either.

    Args:
        better: the policy that is expected to end lower.
        other: the one it is compared with.
        gaps: final loss of `other` minus that of `better`, for each seed that finished under both; shape (n,). Infinite
            where only one of them diverged, 0 where both did.

    Source: Student's paired t interval, "The probable error of a mean", Biometrika 1908. Where `better` was picked as
        the best of several and `other` is the runner-up, the same two-sided interval is still valid, with no correction
        for having picked: Gutmann & Maymin, "Is the selected population the best?", Annals of Statistics 1987; Hung &
        Fithian, "Rank verification for exponential families", Annals of Statistics 2019.
    """

    better: str
    other: str
    gaps: tuple[float, ...]

    @property
    def wins(self) -> int:
        """Seeds on which `better` ended lower."""
        return sum(gap > 0 for gap in self.gaps)

    @property
    def mean(self) -> float:
        """The mean gap; infinite, or NaN if each diverged on some seed, where it cannot be told; NaN without seeds."""
        if not self.gaps or {math.inf, -math.inf} <= set(self.gaps):
            return math.nan
        return statistics.fmean(self.gaps)

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % confidence interval of the mean gap; None for under two seeds, or if a run diverged."""
        if len(self.gaps) < 2 or not math.isfinite(self.mean):
            return None
        error = statistics.stdev(self.gaps) / math.sqrt(len(self.gaps))
        reach = t_critical(len(self.gaps) - 1) * error
        return self.mean - reach, self.mean + reach

    @property
    def reason(self) -> str | None:
        """Why these seeds do not show that `better` is better; None if they do."""
        count = len(self.gaps)
        if count < 2:
            return f"{count} seed is not enough to know the spread: raise repeats" if count else "no seed finished both"
        if all(gap == math.inf for gap in self.gaps):
            return None
        if self.interval is None:
            return f"{self.better} and {self.other} diverged on some seeds and not on others: raise repeats"
        if not any(self.gaps):
            return f"{self.better} and {self.other} end exactly alike"
        if len(set(self.gaps)) == 1:
            return "the seeds changed nothing: check that make_run(seed) uses its seed"
        low, high = self.interval
        if low > 0:
            return None
        return (
            f"{self.better} and {self.other} differ by less than the seeds' spread shows "
            f"({low:.2g} to {high:.2g}): raise repeats"
        )

    def __str__(self) -> str:
        if not self.gaps:
            return f"{self.better} and {self.other} share no finished seed"
        return f"{self.better} ends {self.amount}"

    @property
    def amount(self) -> str:
        """By how much, in words."""
        text = f"{self.mean:.3g} below {self.other}" if math.isfinite(self.mean) else f"ahead of {self.other}"
        if self.interval is not None:
            low, high = self.interval
            text += f" (95 % interval {low:.2g} to {high:.2g}, paired t)"
        return f"{text}, lower on {self.wins} of {len(self.gaps)} seeds"


def t_critical(degrees: int) -> float:
    """The value that a t variable of so many degrees of freedom stays within, either side, 95 times in 100.

    >>> round(t_critical(2), 3)
    4.303
    """
    low, high = 1.0, 16.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, degrees) < _CONFIDENCE else (low, middle)
    return high


def _within(t: float, degrees: int) -> float:
    """The probability that a t variable lies between -t and t: Abramowitz & Stegun, 26.7.3 and 26.7.4."""
    angle = math.atan(t / math.sqrt(degrees))
    odd = degrees % 2
    term, total = (math.cos(angle) if odd else 1.0), 0.0
    for k in range(odd, degrees - 1, 2):
        total += term
        term *= math.cos(angle) ** 2 * (k + 1) / (k + 2)
    if odd:
        return 2 / math.pi * (angle + math.sin(angle) * total)
    return math.sin(angle) * total
