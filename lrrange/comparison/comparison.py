"""The result of `compare`: standings that can be saved, plotted and printed."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, overload

import attrs

from lrrange.comparison.columns import Rows, columns_of
from lrrange.comparison.standings import Standings
from lrrange.errors import NoWinner
from lrrange.other_tools.attributes import OF_COMPARISON
from lrrange.printable import brief
from lrrange.report.printed import Printed
from lrrange.storage import columns

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes

    from lrrange.report.html_report.section import Section
    from lrrange.report.pages.page import Page
    from lrrange.report.plots.picture import Canvas, Picture

_KIND = "comparison"


@attrs.frozen(kw_only=True)
class Comparison(Standings, Printed):
    """The same training under several policies, from the same seeds: to read, save, plot and print.

    Args:
        make_run: name of the function that made the runs.
        policies: written out step by step, in the order in which they were given.
        steps: number of steps of each run.
        seeds: one for each repeat. Every policy trains from each of them.
        evaluate_every: number of steps between held-out losses; None to measure only at the end.
        range_test: the result that policies were read from; None if none needed it.
        runs: the runs that are over.
    """

    _elsewhere = OF_COMPARISON

    def __repr__(self) -> str:
        runs = f"{len(self.finished)} of {len(self.policies) * len(self.seeds)} runs finished"
        try:
            outcome = f"{brief(self.winner)} wins, {self.verdict.word}"
        except NoWinner:
            outcome = "no winner"
        return f"<Comparison of {len(self.policies)} policies: {outcome}, {runs}>"

    def save(self, path: str | Path) -> None:
        """Write the comparison as JSON, all of it or nothing. Raises: SaveError."""
        from lrrange.storage.atomic import write_atomically

        write_atomically(dumps(self).encode(), path, "the comparison")

    @classmethod
    def load(cls, path: str | Path) -> "Comparison":
        """Read a comparison that `save` wrote.

        Raises: LoadError if the file is not such a comparison, or has an unknown schema; UnreadableFile
            if there is none that can be read.
        """
        from lrrange.storage.documents import from_document, read_document

        return from_document(read_document(path, "a comparison"), path, kind=_KIND, of=Comparison)

    def to_pandas(self, rows: Rows = "steps") -> "pandas.DataFrame":
        """Return the runs as a tidy DataFrame.

        Args:
            rows: what a row stands for. `"steps"`: a step of a run, counted from 0, with `policy`, `seed`, `step`, `lr`
                and `loss`, or a metric by its name and in its own sign; `momentum` where it was set too; and
                `held_out`, NaN except after the steps where it was measured. `"runs"`: a run, also a failed one, with
                its `final` loss. `"policies"`: a row of the printed table, best first, with the mean `final` loss, its
                `spread`, and how far `behind` the winner it is, with the 95 % interval.
        Raises: MissingExtra if pandas is not installed.
        """
        return columns.to_pandas(columns_of(self, rows))

    @overload
    def to_csv(self, path: None = None, rows: Rows = "steps") -> str: ...
    @overload
    def to_csv(self, path: str | Path, rows: Rows = "steps") -> None: ...

    def to_csv(self, path: str | Path | None = None, rows: Rows = "steps") -> str | None:
        """Return the rows of `to_pandas` as CSV text, or write them to `path`. It needs no pandas.

        Raises: SaveError if the file cannot be written.
        """
        return columns.to_csv(columns_of(self, rows), path, "the comparison")

    def plot(self, ax: "Canvas | None" = None, path: str | Path | None = None) -> "Axes":
        """Draw loss and learning rate against steps: the median over the seeds, and the band they span.

        Args:
            ax: where to draw: two axes, for loss and rate, one for the loss alone, or a figure; a new figure of
                pyplot's if None, which `plt.show()` and notebooks show.
            path: file to write the figure to, in the format of its suffix. Without `ax`, nothing is shown then, and no
                display is needed.
        Returns: the first of the axes. `.figure.axes` has all of them.
        Raises: MissingExtra if matplotlib is not installed; NoWinner if no run finished; OptionError for another number
            of axes, or for a suffix that is no picture format; SaveError.
        """
        return self._picture().plot(ax, path)

    def _page(self) -> "Page":
        from lrrange.comparison.table import page_of

        return page_of(self)

    def _section(self) -> "Section":
        from lrrange.comparison.report import section_of_comparison

        return section_of_comparison(self)

    def _picture(self) -> "Picture":
        from lrrange.comparison.plot import ComparisonPicture

        return ComparisonPicture(self)


def dumps(comparison: Comparison) -> str:
    """Return `comparison` as the JSON document that `Comparison.save` writes."""
    from lrrange.storage.documents import to_document

    return json.dumps(to_document(comparison, kind=_KIND), allow_nan=False, indent=1) + "\n"
