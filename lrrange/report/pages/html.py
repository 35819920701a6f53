"""Pages as HTML, for notebooks: tables with inline styles, which can be read on a light and on a dark background."""

import base64
import html
import io
import warnings
from typing import TYPE_CHECKING

from lrrange.printable import printable
from lrrange.report.pages.page import Column, Fact, Facts, Page, Rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.figure import Figure

# Text has the colour of the notebook, and these colours stand out from black as well as from white.
_STYLES = {
    "bold": "font-weight:bold",
    "bold green": "font-weight:bold;color:#2b8a4b",
    "bold red": "font-weight:bold;color:#d9363e",
    "red": "color:#d9363e",
    "yellow": "color:#b36b00",
    "dim": "opacity:0.65",
}
_TABLE = "border-collapse:collapse;border:none;margin:0 0 0.8em 0;font-size:inherit"
_CELL = "padding:0.1em 0.7em 0.1em 0;border:none;background:none;vertical-align:top;"
_WRAPPED = "white-space:normal;max-width:34em;overflow-wrap:anywhere;"


def as_html(page: Page, picture: bytes | None = None) -> str:
    """Return the HTML fragment that shows a page. The details are there to be opened.

    Args:
        page: the page.
        picture: a PNG of its plot, to show beside it; None for none.
    """
    parts = [f"<div>{''.join(map(_block, page.answer))}{_details(page)}</div>"]
    if picture is not None:
        data = base64.b64encode(picture).decode()
        parts.append(
            f'<img alt="plot" style="max-width:100%;width:30em;height:auto" src="data:image/png;base64,{data}">'
        )
    style = "display:flex;flex-wrap:wrap;gap:1.5em;align-items:flex-start"
    return f'<div style="{style}">{"".join(parts)}</div>'


def png_of(draw: "Callable[[], Figure]") -> bytes:
    """Return the figure that this function draws, as a PNG."""
    picture = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of letters that no font has: a notebook would print that above the table
        draw().savefig(picture, format="png", dpi=110)
    return picture.getvalue()


def _details(page: Page) -> str:
    if not page.details:
        return ""
    summary = '<summary style="cursor:pointer;opacity:0.65">details</summary>'
    return f"<details>{summary}{''.join(map(_block, page.details))}</details>"


def _block(block: Facts | Rows) -> str:
    if isinstance(block, Facts):
        return _table("".join(map(_fact, block.facts)))
    # The line below the head is as light as it has to be on either background.
    line = "border-bottom:1px solid rgba(128,128,128,0.6);"
    head = "".join(_cell("th", column.name, column, line) for column in block.columns)
    rows = (
        _row("".join(_cell("td", *pair) for pair in zip(row.cells, block.columns, strict=True)), row.style)
        for row in block.rows
    )
    return _table(f"<thead>{_row(head)}</thead><tbody>{''.join(rows)}</tbody>")


def _table(rows: str) -> str:
    return f'<table style="{_TABLE}">{rows}</table>'


def _row(cells: str, style: str = "") -> str:
    return f'<tr style="background:none;{_STYLES.get(style, "")}">{cells}</tr>'


def _cell(tag: str, text: str, column: Column, style: str = "") -> str:
    room = _WRAPPED if column.wraps else "white-space:nowrap;"
    return (
        f'<{tag} style="{_CELL}{room}text-align:{"right" if column.right else "left"};{style}">{_escape(text)}</{tag}>'
    )


def _fact(fact: Fact) -> str:
    text = f'<span style="{_STYLES.get(fact.style, "")}">{_escape(fact.text)}</span>'
    note = f"&ensp;{_escape(fact.note)}" if fact.note else ""
    name = f'<th style="{_CELL}white-space:nowrap;text-align:left;font-weight:normal;opacity:0.65">'
    return _row(f'{name}{_escape(fact.name)}</th><td style="{_CELL}{_WRAPPED}text-align:left">{text}{note}</td>')


def _escape(text: str) -> str:
    return html.escape(printable(text))
