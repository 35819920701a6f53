"""Write reports of several sizes, open each in Chromium, and write how long that takes into the page about reports.

Run: python -m benchmarks.report.load_time

It takes a minute. The figures are in `load_time.json` beside this file, and in the table of docs/guides/report.md.
"""

import json
import math
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lrrange
from benchmarks.pages import fill, table

RESULTS = Path(__file__).with_name("load_time.json")
PAGE = Path(__file__).parents[2] / "docs" / "guides" / "report.md"

# The middle one of these counts.
_TIMES = 7


class Loop:
    """A training step without a model: its loss falls from 2.3 to 0.3, and blows up above a rate of 1."""

    def __init__(self, seed: int = 0) -> None:
        self.dice = random.Random(seed)

    def step(self, lr: float) -> float:
        """Return the loss at a rate."""
        fall = 2 / (1 + math.exp(-2.5 * (math.log10(lr) + 3)))
        return 2.3 - fall + max(0.0, lr - 1) + self.dice.gauss(0, 0.03)

    def snapshot(self) -> object:
        """Return the state."""
        return self.dice.getstate()

    def restore(self, state: Any) -> None:
        """Put the state back."""
        self.dice.setstate(state)


def _grid() -> lrrange.Grid:
    return lrrange.grid(lambda seed, width: Loop(10 * seed + width), {"seed": [0, 1, 2, 3], "width": [1, 2, 3]})


CASES: dict[str, Callable[[], Any]] = {
    "a sweep of 200 steps": lambda: lrrange.find_lr(Loop(), num_steps=200),
    "a sweep of 10,000 steps": lambda: lrrange.find_lr(Loop(), num_steps=10_000),
    "a grid of 12 settings": _grid,
    "four sweeps side by side": lambda: [lrrange.find_lr(Loop(seed)) for seed in range(4)],
}


def measure() -> list[dict[str, Any]]:
    """Return a row for each case: size, seconds to write the file, and seconds until its charts are drawn."""
    from playwright.sync_api import sync_playwright

    rows = []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        lrrange.write_report(CASES["a sweep of 200 steps"](), Path(folder, "first.html"))  # which loads the library
        for name, make in CASES.items():
            value, path = make(), Path(folder, "report.html")
            start = time.perf_counter()
            lrrange.write_report(value, path)
            written = time.perf_counter() - start
            opened = []
            for _ in range(_TIMES):
                page = browser.new_page()
                start = time.perf_counter()
                page.goto(path.as_uri())
                page.wait_for_selector("html.ready")
                opened.append(time.perf_counter() - start)
                page.close()
            rows.append({"report": name, "bytes": path.stat().st_size, "write": written, "open": opened})
        version = browser.version
        browser.close()
    return [{**row, "chromium": version} for row in rows]


def rendered(rows: list[dict[str, Any]]) -> str:
    """Return the table of the page."""
    cells = [[row["report"], f"{row['bytes'] / 1e6:.1f} MB", f"{statistics.median(row['open']):.1f} s"] for row in rows]
    return table(["Report of", "Size", "Opened in"], cells, numbers=True)


def main() -> None:
    """Measure, and write the figures into the JSON file and the page."""
    rows = measure()
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(fill(PAGE.read_text(encoding="utf-8"), {"load-time": rendered(rows)}), encoding="utf-8")


if __name__ == "__main__":
    main()
