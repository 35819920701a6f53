"""The table of the matrix on its page."""

from benchmarks.pages import cells, fill, shown, table
from tests.docs.pages import DOCS
from tests.faults.faults import FAULTS, KILLS
from tests.faults.trainings import BACKENDS

PAGE = DOCS / "evidence" / "reliability.md"
ROWS = (*FAULTS, *KILLS)

_PART = "matrix"


def on_the_page() -> dict[tuple[str, str], str]:
    """Return the cells that the page shows, by fault and backend."""
    (_, *backends), *rows = cells(shown(PAGE.read_text(), _PART))
    return {(fault, backend): text for fault, *texts in rows for backend, text in zip(backends, texts, strict=True)}


def write(outcomes: dict[tuple[str, str], str]) -> None:
    """Write the outcomes, by fault and backend, to the page."""
    rows = [[fault, *(outcomes[fault, backend] for backend in BACKENDS)] for fault in ROWS]
    PAGE.write_text(fill(PAGE.read_text(), {_PART: table(["fault", *BACKENDS], rows)}))
