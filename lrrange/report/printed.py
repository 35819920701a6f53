"""How results print themselves: as text, in a terminal by rich, and as HTML with a picture in a notebook."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrrange.errors import LRRangeError
from lrrange.random_state import kept_random_state
from lrrange.report.html_report.reportable import Reportable
from lrrange.spelling import Hinting, spell_checked

if TYPE_CHECKING:
    from lrrange.report.pages.page import Page
    from lrrange.report.plots.picture import Picture


class Printed(Hinting, Reportable):
    """A value whose `str` is its table. Nothing of rich or matplotlib is loaded before it is printed."""

    __slots__ = ()

    def _page(self) -> "Page":
        """Return what is printed."""
        raise NotImplementedError

    def _picture(self) -> "Picture":
        """Return the plot, which notebooks show beside the table."""
        raise NotImplementedError

    @spell_checked
    @kept_random_state()
    def report(self, path: str | Path, *, title: str | None = None) -> None:
        """Write a report: one HTML file to open, mail or print, with the answer in words and charts to explore.

        The file works without a network, and nothing in it is loaded or sent.

        Args:
            path: file to write, such as `"report.html"`, all of it or nothing.
            title: of the report; a title that says what is in it if None.
        Raises: MissingExtra if vl-convert-python is not installed; SaveError.
        """
        from lrrange.report.html_report.write import write_report

        write_report(self if title is None else {title: self}, path)

    @spell_checked
    @kept_random_state()
    def summary(self, *, verbose: bool = False, width: int | None = None) -> str:
        """Return the table as plain text.

        Args:
            verbose: whether to add the details, such as where the answer comes from.
            width: of the longest line; the width of the terminal if None, but at most 80.
        """
        return self._page().as_text(verbose=verbose, width=width)

    def __str__(self) -> str:
        return self.summary()

    @kept_random_state()
    def __rich__(self) -> Any:
        return self._page().as_rich()

    @kept_random_state()
    def _repr_html_(self) -> str:
        from lrrange.report.pages.html import as_html, png_of

        try:
            picture = png_of(self._picture().figure)
        except LRRangeError:  # matplotlib is not installed, or there is nothing to draw
            picture = None
        return as_html(self._page(), picture)
