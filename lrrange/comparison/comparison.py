"""The result of `compare`: standings that can be saved, plotted and printed."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from lrrange.comparison.standings import Standings
from lrrange.random_state import kept_random_state

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_KIND = "comparison"


@attrs.frozen(kw_only=True)
class Comparison(Standings):
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

    def save(self, path: str | Path) -> None:
        """Write the comparison as JSON, all of it or nothing. Raises: SaveError."""
        from lrrange.storage.atomic import write_atomically

        write_atomically(dumps(self).encode(), path, "the comparison")

    @classmethod
    def load(cls, path: str | Path) -> "Comparison":
        """Read a comparison that `save` wrote.

        Raises: LoadError if the file is not such a comparison, or has an unknown schema; OSError if it cannot be read.
        """
        from lrrange.storage.documents import from_document

        return from_document(Path(path).read_bytes(), path, kind=_KIND, of=Comparison)

    @kept_random_state()
    def plot(self, axes: "tuple[Axes, Axes] | None" = None) -> "tuple[Axes, Axes]":
        """Draw loss and rate against steps: the median over the seeds, and the band they span.

        Args:
            axes: axes to draw loss and rate on; those of a new figure if None.
        Returns: the axes of the loss and those of the rate.
        Raises: MissingExtra if matplotlib is not installed; NoWinner if no run finished.
        """
        from lrrange.comparison.plot import plot

        return plot(self, axes)

    @kept_random_state()
    def __rich__(self) -> Any:
        from lrrange.comparison.table import as_rich

        return as_rich(self)

    @kept_random_state()
    def _repr_html_(self) -> str:
        from lrrange.report.html import as_html

        return as_html(self.__rich__())


def dumps(comparison: Comparison) -> str:
    """Return `comparison` as the JSON document that `Comparison.save` writes."""
    from lrrange.storage.documents import to_document

    return json.dumps(to_document(comparison, kind=_KIND), allow_nan=False, indent=1) + "\n"
