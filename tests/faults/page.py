"""The table of the matrix on its page."""

import re

from tests.docs.pages import DOCS
from tests.faults.faults import FAULTS, KILLS
from tests.faults.trainings import BACKENDS

PAGE = DOCS / "reliability.md"
ROWS = (*FAULTS, *KILLS)

_BEGIN, _END = "<!-- matrix: made by python -m tests.faults.report -->\n", "<!-- end of matrix -->\n"


def table(cells: dict[tuple[str, str], str]) -> str:
    """Return the matrix as a Markdown table, from its cells by fault and backend."""
    header = [f"| fault | {' | '.join(BACKENDS)} |", f"|{' --- |' * (len(BACKENDS) + 1)}"]
    rows = [f"| {fault} | {' | '.join(cells[fault, backend] for backend in BACKENDS)} |" for fault in ROWS]
    return "\n".join([*header, *rows]) + "\n"


def shown() -> dict[tuple[str, str], str]:
    """Return the cells that the page shows, by fault and backend."""
    header, _, *rows = _between(PAGE.read_text()).splitlines()
    backends = _split(header)[1:]
    return {
        (fault, backend): text
        for fault, *cells in map(_split, rows)
        for backend, text in zip(backends, cells, strict=True)
    }


def write(cells: dict[tuple[str, str], str]) -> None:
    """Write these cells to the page."""
    text = PAGE.read_text()
    PAGE.write_text(text.replace(_between(text), table(cells)))


def _between(text: str) -> str:
    block = re.search(f"{re.escape(_BEGIN)}(.*){re.escape(_END)}", text, re.DOTALL)
    assert block is not None, f"{PAGE.name} has no place for the matrix"
    return block[1]


def _split(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip("| ").split(" | ")]
