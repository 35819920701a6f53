"""A comparison: its standings, and what can be done with them."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from lrrange.comparison.standings import Standings

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_KIND = "comparison"


@attrs.frozen(kw_only=True)
class Comparison(Standings):
    """The same training under several policies, from the same starts: to print, plot and save.

    Args:
        make_run: name of the function that made the runs.
        policies: written out step by step, in the order they were given.
        steps: of each run.
        seeds: one for each repeat; every policy trains from each.
        evaluate_every: steps between held-out losses; None for one at the end.
        range_test: the result that policies were read from; None if none needed it.
        runs: the runs that are over.
    """

    def save(self, path: str | Path) -> None:
        """Write the comparison as JSON, all of it or nothing. Raises: SaveError."""
        from lrrange.storage.atomic import write_atomically

        write_atomically(dumps(self).encode(), path, "the comparison")

    @classmethod
    def load(cls, path: str | Path) -> "Comparison":
        """Read a comparison that `save` wrote.

        Raises: LoadError if the file is no such comparison, or has an unknown schema; OSError if it cannot be read.
        """
        from lrrange.storage.documents import from_document

        return from_document(Path(path).read_bytes(), path, kind=_KIND, of=Comparison)

    def plot(self, axes: "tuple[Axes, Axes] | None" = None) -> "tuple[Axes, Axes]":
        """Draw loss and rate against steps: the median over the seeds, and the band they span.

        Args:
            axes: where to draw the two; a new figure if None.
        Returns: the axes.
        Raises: MissingExtra if matplotlib is not installed.
        """
        from lrrange.comparison.plot import plot

        return plot(self, axes)

    def __rich__(self) -> Any:
        from lrrange.comparison.table import as_rich

        return as_rich(self)

    def _repr_html_(self) -> str:
        from lrrange.report.html import as_html

        return as_html(self.__rich__())


def dumps(comparison: Comparison) -> str:
    """Return `comparison` as the JSON document that `Comparison.save` writes."""
    from lrrange.storage.documents import to_document

    return json.dumps(to_document(comparison, kind=_KIND), allow_nan=False, indent=1) + "\n"
