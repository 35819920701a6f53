"""The door of reports: one value, or several side by side, in one HTML file."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from lrrange.errors import OptionError
from lrrange.printable import describe
from lrrange.random_state import kept_random_state
from lrrange.report.html_report.document import document
from lrrange.report.html_report.overlay import overlays
from lrrange.report.html_report.reportable import Reportable
from lrrange.report.html_report.section import Section
from lrrange.report.html_report.vega import need_vl_convert
from lrrange.spelling import spell_checked
from lrrange.storage.atomic import write_atomically


@spell_checked
@kept_random_state()
def write_report(values: Reportable | Iterable[Reportable] | Mapping[str, Reportable], path: str | Path) -> None:
    """Write a report of results, grids and comparisons side by side: one HTML file to open, mail or print.

    The file works without a network, and nothing in it is loaded or sent. Several results also share a chart of their
    smoothed curves.

    Args:
        values: what `find_lr`, `grid`, `compare` and `load` return: one, several, or several by the names that the
            report gives them, such as `{"batch 16": result, "batch 64": other}`.
        path: file to write, such as `"report.html"`, all of it or nothing.
    Raises: MissingExtra if vl-convert-python is not installed; OptionError for other values; SaveError.
    """
    need_vl_convert()
    if not isinstance(path, (str, os.PathLike)):
        raise OptionError(f"path is {describe(path)}, not the path of a file. Give one such as path='report.html'.")
    named = _named(values)
    sections = [(name, value._section()) for name, value in named.items()]
    heading, title = _titles(sections, isinstance(values, Mapping))
    text = document(heading, title, sections, overlays(sections))
    write_atomically(text.encode(), path, "the report")


def _named(values: object) -> dict[str, Reportable]:
    if isinstance(values, Reportable):
        values = [values]
    if isinstance(values, Mapping):
        named = {str(name): value for name, value in values.items()}
    elif isinstance(values, Iterable) and not isinstance(values, str):
        named = {f"{number}": value for number, value in enumerate(values, 1)}
    else:
        named = {"": values}
    for value in named.values():
        if not isinstance(value, Reportable):
            raise OptionError(
                f"a report shows results, grids and comparisons, and not {describe(value)}. Give what find_lr, grid, "
                f"compare or load returned, or several of them in a list."
            )
    if not named:
        raise OptionError("a report of nothing. Give one or more results, grids or comparisons.")
    return named


def _titles(sections: list[tuple[str, Section]], is_named: bool) -> tuple[str, str]:
    """Return the heading of the page, and the title of its window, which also has the answer."""
    (name, first), *others = sections
    if others:
        heading = f"{len(sections)} results side by side"
        return heading, f"{heading}: {', '.join(name for name, _ in sections)}"
    heading = name if is_named else first.kind
    return heading, f"{heading}: {first.answer}"
