"""The table of what is put back, on its page."""

from collections import defaultdict

from benchmarks import pages
from tests.docs.pages import DOCS
from tests.restored.rows import TRAININGS, Outcome

PAGE = DOCS / "evidence" / "reliability.md"

_PART = "restored"


def table(outcomes: dict[tuple[str, str], Outcome]) -> str:
    """Return the table in Markdown. Classes of one package of which the same changed share a row."""
    rows: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for (package, name), outcome in outcomes.items():
        rows[package, ", ".join(f"`{one}`" for one in outcome.changed) or "nothing", outcome.after].append(name)
    lines = [[of, ", ".join(names), changed, after] for (of, changed, after), names in rows.items()]
    return pages.table(["of", "classes and functions", "the steps changed", "after the sweep"], lines)


def shown() -> str:
    """Return the table that the page shows."""
    return pages.shown(PAGE.read_text(), _PART)


def write(outcomes: dict[tuple[str, str], Outcome]) -> None:
    """Write the table of these outcomes to the page."""
    assert outcomes.keys() == TRAININGS.keys()
    PAGE.write_text(pages.fill(PAGE.read_text(), {_PART: table(outcomes)}))
