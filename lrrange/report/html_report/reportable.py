"""The base of values that a report shows."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lrrange.report.html_report.section import Section


class Reportable:
    """A value with a section in a report."""

    __slots__ = ()

    def _section(self) -> "Section":
        """Return what a report shows."""
        raise NotImplementedError
