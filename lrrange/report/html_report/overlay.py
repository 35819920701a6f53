"""Several range tests in one chart, above the sections of a report."""

from collections.abc import Sequence

from lrrange.report.html_report.figure import Figure
from lrrange.report.html_report.lines_chart import lines_of
from lrrange.report.html_report.section import Section


def overlays(sections: Sequence[tuple[str, Section]]) -> list[Figure]:
    """Return a chart for each quantity that two or more range tests recorded."""
    named = [(name, section.curve) for name, section in sections if section.curve is not None]
    quantities = dict.fromkeys(curve.curve.quantity for _, curve in named)
    groups = [[pair for pair in named if pair[1].curve.quantity == quantity] for quantity in quantities]
    return [
        lines_of(group, f"{len(group)} range tests together" if len(groups) == 1 else f"Those of {quantity.name}")
        for quantity, group in zip(quantities, groups, strict=True)
        if len(group) > 1
    ]
