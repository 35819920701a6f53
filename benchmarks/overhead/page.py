"""Write `docs/evidence/overhead.md`: its tables and sentences between the markers, and its plots beside it."""

from pathlib import Path

from benchmarks.overhead.plots import draw
from benchmarks.overhead.tables import TABLES
from benchmarks.pages import fill

PAGE = Path(__file__).parents[2] / "docs" / "evidence" / "overhead.md"


def write_page(results: Path, page: Path = PAGE) -> None:
    """Fill the page's generated parts from the records, and draw its plots. Raises: ValueError without a marker."""
    parts = {name: make(results) for name, make in TABLES.items()}
    page.write_text(fill(page.read_text(encoding="utf-8"), parts), encoding="utf-8")
    draw(results, page.parent / "images")
