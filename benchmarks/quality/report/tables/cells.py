"""The cells of the tables."""

from collections.abc import Mapping

from benchmarks.quality.ground_truth import PROTOCOLS
from benchmarks.quality.report.statistics import Difference, FinderRegret


def percent(share: float) -> str:
    """Return a share in percent. What is above zero is not shown as zero."""
    return "under 1 %" if 0 < share < 0.005 else f"{100 * share:.0f} %"


def mean_percent(by_protocol: Mapping[str, float]) -> str:
    """Return the mean share of both protocols in percent."""
    return percent(sum(by_protocol[protocol] for protocol in PROTOCOLS) / len(PROTOCOLS))


def regret_and_interval(regret: FinderRegret) -> str:
    """Return a mean regret, and the interval that holds 90 % of the means over resampled tasks."""
    return f"{regret.mean:.3f} ({regret.low:.2f} to {regret.high:.2f})"


def signed(found: Difference | None) -> tuple[str, str]:
    """Return a difference, and its interval."""
    return ("", "") if found is None else (f"{found.mean:+.3f}", f"{found.low:+.3f} to {found.high:+.3f}")
