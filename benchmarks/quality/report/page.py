"""Write the report: `docs/quality.md` and its plots, and every number as JSON."""

import json
from pathlib import Path
from typing import Any

from benchmarks.pages import fill
from benchmarks.quality.ground_truth import PROTOCOLS
from benchmarks.quality.report.measurements import Measurements
from benchmarks.quality.report.plots import draw
from benchmarks.quality.report.statistics import as_json, calibration, finder_regret, movement, steps
from benchmarks.quality.report.tables import WITHIN, other_lengths, sections
from benchmarks.quality.store import Store

PAGE = Path(__file__).resolve().parents[3] / "docs" / "quality.md"


def write_page(store: Store, page: Path = PAGE) -> None:
    """Fill the page's tables from a store, draw its plots, and write `report.json`.

    Raises: ValueError if the page lacks a marker.
    """
    measured = Measurements.read(store)
    (store.root / "report.json").write_text(json.dumps(summary(measured), indent=1) + "\n")
    page.write_text(fill(page.read_text(), sections(measured)))
    draw(measured, page.parent / "images")


def summary(measured: Measurements) -> dict[str, Any]:
    """Return every number of the report as plain values."""
    return {
        "tasks": {name: list(tasks) for name, tasks in measured.groups().items()},
        "finders": {
            name: {
                "strict": {group: as_json(by_finder.get(name)) for group, by_finder in measured.finder_regrets.items()},
                "plain": {
                    group: as_json(finder_regret(rows, tasks, strict=False))
                    for group, tasks in measured.groups().items()
                },
                "steps": as_json(steps(rows)),
                "calibration": [
                    {"within": within, "share": intervals.share(within), "width": intervals.width}
                    for intervals in [calibration(rows, measured.task_regrets)]
                    if intervals
                    for within in WITHIN
                ],
            }
            for name, rows in sorted(measured.rows.items())
        },
        "length": [
            {"steps": length, **{protocol: movement(default, rows, protocol) for protocol in PROTOCOLS}}
            for default, length, rows in other_lengths(measured)
        ],
        "study": measured.choices,
    }
