"""The generated parts of a page: Markdown tables, put between the page's markers.

A part called `regret` stands between `<!-- regret: generated -->` and `<!-- /regret -->`; the rest is written by hand.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def fill(page: str, parts: Mapping[str, str]) -> str:
    """Replace what stands between the markers of each part.

    Args:
        page: text with one pair of markers for each part.
        parts: the new text of each part, by name.
    Raises: ValueError if a part has no pair of markers, or more than one.
    """
    for name, text in parts.items():
        pairs = [*re.finditer(rf"(<!-- {name}: generated -->\n).*?(<!-- /{name} -->)", page, re.DOTALL)]
        if len(pairs) != 1:
            raise ValueError(f"the page has {len(pairs)} pairs of markers called {name}, not one.")
        page = f"{page[: pairs[0].end(1)]}\n{text}\n\n{page[pairs[0].start(2) :]}"
    return page


def shown(page: str, name: str) -> str:
    """Return what a page shows between the markers of a part. Raises: ValueError if it has no pair of markers."""
    found = re.search(rf"<!-- {name}: generated -->\n\n(.*?)\n\n<!-- /{name} -->", page, re.DOTALL)
    if found is None:
        raise ValueError(f"the page has no markers called {name}, or nothing between them.")
    return found[1]


def cells(markdown: str) -> list[list[str]]:
    """Return the rows of a table in Markdown: the header first, without the line below it."""
    header, _, *rows = markdown.splitlines()
    return [[cell.strip() for cell in row.strip("| ").split(" | ")] for row in (header, *rows)]


def table(header: Sequence[str], rows: Iterable[Sequence[Any]], *, numbers: bool = False) -> str:
    """Return a table in Markdown.

    Args:
        header: one heading for each column.
        rows: one cell for each column.
        numbers: align all columns but the first to the right.
    """
    aligned = ["---", *(("---:" if numbers else "---") for _ in header[1:])]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in (header, aligned, *rows))


def table_or_nothing(header: Sequence[str], rows: Sequence[Sequence[Any]], *, numbers: bool = False) -> str:
    """Return a table in Markdown, or an empty text if there is no row."""
    return table(header, rows, numbers=numbers) if rows else ""
