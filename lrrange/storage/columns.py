"""Columns of values, taken out as CSV text or as a pandas DataFrame."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, overload

from lrrange.errors import MissingExtra

if TYPE_CHECKING:
    import pandas

# Columns of one length, by name. A number that is missing is NaN, and a text that is missing is empty.
Columns = Mapping[str, Sequence[object]]


def to_csv(columns: Columns, path: str | Path | None, what: str) -> str | None:
    """Return the columns as CSV text; None if the text is written to `path`, all of it or nothing.

    Numbers are written with all their digits, and as `nan`, `inf` and `-inf` where they are not finite.

    Args:
        columns: to write, under a line of their names.
        path: file to write; None to return the text.
        what: name of the content in the error message, such as `"the curve"`.
    Raises: SaveError if the file cannot be written.
    """
    import csv

    from lrrange.storage.atomic import write_atomically

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    if path is None:
        return text.getvalue()
    write_atomically(text.getvalue().encode(), path, what)
    return None


def to_pandas(columns: Columns) -> "pandas.DataFrame":
    """Return the columns as a DataFrame. Raises: MissingExtra if pandas is not installed."""
    try:
        import pandas
    except ModuleNotFoundError as error:
        raise MissingExtra(
            "a DataFrame needs pandas. Run: pip install 'lrrange[pandas]', or take the same rows with to_csv(), which "
            "needs nothing.",
            extra="pandas",
        ) from error
    return pandas.DataFrame({name: list(values) for name, values in columns.items()})


class Tabular:
    """A value whose columns can be taken out. Its `to_pandas` says which they are."""

    __slots__ = ()

    # Name of the content in the error message of a file that cannot be written.
    _content: ClassVar[str]

    def _columns(self) -> Columns:
        """Return the columns."""
        raise NotImplementedError

    @overload
    def to_csv(self, path: None = None) -> str: ...
    @overload
    def to_csv(self, path: str | Path) -> None: ...

    def to_csv(self, path: str | Path | None = None) -> str | None:
        """Return the rows of `to_pandas` as CSV text, or write them to `path`. It needs no pandas.

        Raises: SaveError if the file cannot be written.
        """
        return to_csv(self._columns(), path, self._content)
