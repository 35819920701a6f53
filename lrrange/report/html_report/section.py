"""A section of a report: one result, grid or comparison."""

from collections.abc import Sequence

import attrs

from lrrange.advice.advice import Advice
from lrrange.report.html_report.figure import Figure
from lrrange.report.html_report.html import escape


@attrs.frozen(kw_only=True)
class Section:
    """What a report shows of one value.

    Args:
        kind: what it is, in words.
        answer: its answer, in a few words.
        verdict: how sure that is, in a word or two.
        sure: whether it is sure.
        parts: HTML and figures, in their order.
        curve: the range test, to draw it beside others; None for another value.
    """

    kind: str
    answer: str
    verdict: str
    sure: bool
    parts: Sequence[str | Figure]
    curve: Advice | None = None


def folded(summary: str, content: str) -> str:
    """Return HTML that is folded away until it is opened, or printed."""
    return f"<details><summary>{escape(summary)}</summary>{content}</details>"
