"""The paired t interval, which shows whether one policy beats another by more than the spread over the seeds."""

import math

import attrs

from lrrange.averages import mean, standard_deviation

_CONFIDENCE = 0.95


@attrs.frozen(kw_only=True)
class Difference:
    """The gaps between the final losses of two policies, seed by seed.

    The seed fixes the initial weights and the order of the data. The two runs of a seed therefore share most of their
    luck, and their difference varies less than either loss.

    Args:
        better: the policy that is expected to end lower.
        other: the policy that it is compared with.
        gaps: final loss of `other` minus final loss of `better`, for each seed that finished under both; shape (n,). A
            gap is infinite where only one of them diverged, and 0 where both did.

    Source: Student's paired t interval, "The probable error of a mean", Biometrika 1908. If `better` was picked as the
        best of several policies and `other` is the runner-up, the same two-sided interval is still valid, and needs no
        correction for the choice: Gutmann & Maymin, "Is the selected population the best?", Annals of Statistics 1987;
        Hung & Fithian, "Rank verification for exponential families", Annals of Statistics 2019.
    """

    better: str
    other: str
    gaps: tuple[float, ...]

    @property
    def wins(self) -> int:
        """Number of seeds on which `better` ended lower."""
        return sum(gap > 0 for gap in self.gaps)

    @property
    def mean(self) -> float:
        """The mean gap. It is NaN without seeds, and if infinite gaps of both signs leave it undefined."""
        if not self.gaps or {math.inf, -math.inf} <= set(self.gaps):
            return math.nan
        return mean(self.gaps)

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % confidence interval of the mean gap; None with fewer than two seeds, or if a gap is infinite."""
        if len(self.gaps) < 2 or not math.isfinite(self.mean):
            return None
        error = standard_deviation(self.gaps) / math.sqrt(len(self.gaps))
        reach = t_critical(len(self.gaps) - 1) * error
        return self.mean - reach, self.mean + reach

    @property
    def reason(self) -> str | None:
        """Why these seeds do not show that `better` is better; None if they do."""
        count = len(self.gaps)
        if count < 2:
            return (
                f"{count} seed is not enough to know the spread: raise repeats"
                if count
                else "no seed finished under both"
            )
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
            f"the seeds' spread is too wide to tell {self.better} from {self.other} "
            f"(95 % interval {low:.2g} to {high:.2g}): raise repeats"
        )

    def __str__(self) -> str:
        if not self.gaps:
            return f"{self.better} and {self.other} share no finished seed"
        return f"{self.better} ends {self.amount}"

    @property
    def amount(self) -> str:
        """How far `better` ends below `other`, in words, with the interval and the wins."""
        text = f"{self.mean:.3g} below {self.other}" if math.isfinite(self.mean) else f"ahead of {self.other}"
        if self.interval is not None:
            low, high = self.interval
            text += f" (95 % interval {low:.2g} to {high:.2g}, paired t)"
        return f"{text}, lower on {self.wins} of {len(self.gaps)} seeds"


def t_critical(degrees: int) -> float:
    """Return the critical value of a two-sided 95 % t interval.

    Args:
        degrees: degrees of freedom.

    >>> round(t_critical(2), 3)
    4.303
    """
    low, high = 1.0, 16.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _probability_within(middle, degrees) < _CONFIDENCE else (low, middle)
    return high


def _probability_within(t: float, degrees: int) -> float:
    """Return the probability that a t variable lies between -t and t: Abramowitz & Stegun, 26.7.3 and 26.7.4."""
    angle = math.atan(t / math.sqrt(degrees))
    odd = degrees % 2
    term, total = (math.cos(angle) if odd else 1.0), 0.0
    for k in range(odd, degrees - 1, 2):
        total += term
        term *= math.cos(angle) ** 2 * (k + 1) / (k + 2)
    if odd:
        return 2 / math.pi * (angle + math.sin(angle) * total)
    return math.sin(angle) * total
