"""The table of the schedulers on its page."""

from benchmarks import pages
from tests.docs.pages import DOCS
from tests.schedulers.oracle import Row

PAGE = DOCS / "evidence" / "reliability.md"

# Schedulers that follow a learning rate that is applied; and those that are refused, which users could write.
_SCALED, _REFUSED = "schedulers", "refused-schedulers"


def tables() -> dict[str, str]:
    """Return both tables, from what the tests hold each row to."""
    from tests.schedulers.rows import OWN

    sources = {**of_libraries(), "your own": OWN}
    scaled = [[source, name] for source, rows in sources.items() for name, row in rows.items() if row.raises is None]
    refused = [[name, row.raises] for name, row in OWN.items() if row.raises is not None]
    return {
        _SCALED: pages.table(["from", "scheduler"], scaled),
        _REFUSED: pages.table(["schedule", "why it is refused"], refused),
    }


def of_libraries() -> dict[str, dict[str, Row]]:
    """Return the schedulers of libraries, by library. The page says that all of them follow."""
    from tests.schedulers.rows import TORCH
    from tests.schedulers.timm_rows import TIMM
    from tests.schedulers.transformers_rows import TRANSFORMERS

    return {"torch": TORCH, "transformers": TRANSFORMERS, "timm": TIMM}


def shown() -> dict[str, str]:
    """Return the tables that the page shows."""
    return {name: pages.shown(PAGE.read_text(), name) for name in (_SCALED, _REFUSED)}


def counts() -> tuple[int, int]:
    """Return how many schedulers follow by the page, and how many are refused."""
    scaled, refused = (len(pages.cells(text)) - 1 for text in shown().values())
    return scaled, refused


def write() -> None:
    """Write the tables to the page."""
    PAGE.write_text(pages.fill(PAGE.read_text(), tables()))
