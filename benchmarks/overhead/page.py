"""Write `docs/overhead.md`: its tables between the markers, and its plot beside it."""

from pathlib import Path

from benchmarks.overhead.growth import AXES
from benchmarks.overhead.records import read
from benchmarks.overhead.tables import TABLES
from benchmarks.pages import fill

PAGE = Path(__file__).parents[2] / "docs" / "overhead.md"
PLOT = Path("images", "overhead-growth.svg")


def write_page(results: Path, page: Path = PAGE) -> None:
    """Fill the page's tables from the records, and draw its plot. Raises: ValueError if a marker is missing."""
    parts = {name: make(results) for name, make in TABLES.items()}
    page.write_text(fill(page.read_text(encoding="utf-8"), parts), encoding="utf-8")
    draw_growth(results, page.parent / PLOT)


def draw_growth(results: Path, path: Path) -> None:
    """Draw the ratio of sweep to bare loop against steps, parameters and param groups."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    records = {axis: record for axis in AXES if (record := read(results, f"growth-{axis}")) is not None}
    if not records:
        return
    # A fixed salt, so that the same records give the same file.
    with mpl.rc_context({"svg.hashsalt": "lrrange", "svg.fonttype": "none"}):
        figure = Figure(figsize=(9, 3), layout="constrained")
        for ax, (axis, record) in zip(figure.subplots(1, len(records), squeeze=False)[0], records.items(), strict=True):
            sizes = [point["size"] for point in record["points"]]
            ratios = [point["ratio"] for point in record["points"]]
            median = [ratio["median"] for ratio in ratios]
            below = [ratio["median"] - ratio["min"] for ratio in ratios]
            above = [ratio["max"] - ratio["median"] for ratio in ratios]
            ax.errorbar(sizes, median, [below, above], marker="o", markersize=4, capsize=2, linewidth=1)
            ax.axhline(1, color="0.6", linewidth=1)
            ax.set_xscale("log")
            ax.set_ylim(bottom=0.9)
            ax.set_xlabel(axis if axis != "groups" else "param groups")
        figure.axes[0].set_ylabel("sweep / bare loop")
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Date": None})
