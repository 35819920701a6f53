"""Write the generated parts of `docs/guides/fine-tuning.md`, and its plot."""

from pathlib import Path

from benchmarks.fine_tuning.plots import draw
from benchmarks.fine_tuning.tables import Measurements, sections
from benchmarks.pages import fill
from benchmarks.quality.store import RESULTS as QUALITY

RESULTS = Path(__file__).resolve().parent / "results"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "fine-tuning.md"


def write_page(results: Path = RESULTS, page: Path = PAGE) -> None:
    """Fill the generated parts of the page from stored measurements, and draw the plot.

    Raises: ValueError if the page lacks a marker.
    """
    measured = Measurements.read(results, QUALITY / "schedules")
    page.write_text(fill(page.read_text(), sections(measured)))
    draw(measured, page.parent / "images" / "fine-tuning")
