"""The table of the schedulers on its page."""

import re

from tests.docs.pages import DOCS
from tests.schedulers.oracle import Row

PAGE = DOCS / "reliability.md"

_BEGIN, _END = "<!-- schedulers: made by python -m tests.schedulers.report -->\n", "<!-- end of schedulers -->\n"


def table() -> str:
    """Return the table, from what the tests hold each row to."""
    from tests.schedulers.rows import OWN, TORCH
    from tests.schedulers.timm_rows import TIMM
    from tests.schedulers.transformers_rows import TRANSFORMERS

    sources = {"torch": TORCH, "transformers": TRANSFORMERS, "timm": TIMM, "your own": OWN}
    rows = [
        f"| {source} | {name} | {_outcome(row)} |" for source, rows in sources.items() for name, row in rows.items()
    ]
    return "\n".join(["| from | scheduler | `apply` |", "| --- | --- | --- |", *rows]) + "\n"


def shown() -> str:
    """Return the table that the page shows."""
    return _block(PAGE.read_text())


def write(text: str) -> None:
    """Write this table to the page."""
    page = PAGE.read_text()
    PAGE.write_text(page.replace(_BEGIN + _block(page) + _END, _BEGIN + text + _END))


def _outcome(row: Row) -> str:
    return "scaled" if row.raises is None else f"`RateNotInForce`: {row.raises}"


def _block(text: str) -> str:
    block = re.search(f"{re.escape(_BEGIN)}(.*){re.escape(_END)}", text, re.DOTALL)
    assert block is not None, f"{PAGE.name} has no place for the table of schedulers"
    return block[1]
