"""Write the report: `docs/evidence/quality.md` and its plots, parts of two other pages, and every number as JSON."""

import json
from pathlib import Path
from typing import Any

import attrs

from benchmarks.pages import fill
from benchmarks.quality.bank.generator import AXES
from benchmarks.quality.ground_truth import PROTOCOLS
from benchmarks.quality.report.frontier import modes
from benchmarks.quality.report.measurements import BankMeasurements, Measurements, TaskMeasurements
from benchmarks.quality.report.plots import draw
from benchmarks.quality.report.reliability import confident_and_bad, coverage, reliabilities
from benchmarks.quality.report.statistics import as_json, finder_regret, movement, steps
from benchmarks.quality.report.tables import front_sections, guide_sections, sections
from benchmarks.quality.report.tables.by_hand import other_lengths
from benchmarks.quality.store import RESULTS

_REPOSITORY = Path(__file__).resolve().parents[3]

PAGE, FRONT_PAGE = _REPOSITORY / "docs" / "evidence" / "quality.md", _REPOSITORY / "README.md"
GUIDE = _REPOSITORY / "docs" / "guides" / "surer-answers.md"


def write_page(results: Path = RESULTS, page: Path = PAGE, front_page: Path = FRONT_PAGE, guide: Path = GUIDE) -> None:
    """Fill the generated parts of these pages from stored measurements, draw the plots, and write `report.json`.

    Raises: ValueError if a page lacks a marker.
    """
    measured = Measurements.read(results)
    (results / "report.json").write_text(json.dumps(summary(measured), indent=1) + "\n")
    page.write_text(fill(page.read_text(), sections(measured)))
    front_page.write_text(fill(front_page.read_text(), front_sections(measured)))
    guide.write_text(fill(guide.read_text(), guide_sections(measured)))
    draw(measured, page.parent / "images")


def summary(measured: Measurements) -> dict[str, Any]:
    """Return every number of the report as plain values, rounded to what they are good for."""
    return _rounded({"bank": _bank(measured.bank), "by_hand": _by_hand(measured.by_hand)})


def _bank(bank: BankMeasurements) -> dict[str, Any]:
    return {
        "tasks": len(bank.task_regrets),
        "left_out": bank.left_out,
        "finders": _finders(bank),
        "modes": [
            {"finder": mark.finder, "held_out": mark.fair, "steps": mark.steps, "regret": as_json(mark.regret)}
            for mark in modes(bank)
        ],
        "held_out": {
            form: {
                axis: {
                    "regret": as_json(finder_regret(rows, bank.task_regrets)),
                    "confident_and_bad": confident_and_bad(rows, bank.task_regrets),
                    "coverage": as_json(coverage(rows, bank.task_regrets, 0)),
                }
                for axis, rows in {
                    "all": bank.of_form(form),
                    **{axis: bank.of_form(form, axis) for axis in AXES},
                }.items()
            }
            for form in bank.forms()
        },
        "reliability": {
            form: [attrs.asdict(part) for part in reliabilities(bank.of_form(form), bank.task_regrets)]
            for form in bank.forms()
        },
        "ladders": {ladder.name: ladder.best for ladder in bank.ladders},
        "slopes": bank.slopes,
    }


def _by_hand(measured: TaskMeasurements) -> dict[str, Any]:
    return {
        "tasks": list(measured.task_regrets),
        "finders": _finders(measured),
        "length": [
            {"steps": length, **{protocol: movement(default, rows, protocol) for protocol in PROTOCOLS}}
            for default, length, rows in other_lengths(measured)
        ],
    }


def _finders(measured: TaskMeasurements) -> dict[str, Any]:
    return {
        name: {
            "regret": as_json(measured.finder_regrets.get(name)),
            "steps": as_json(steps(rows)),
            "confident_and_bad": confident_and_bad(rows, measured.task_regrets),
            "coverage": as_json(coverage(rows, measured.task_regrets, 0)),
        }
        for name, rows in sorted(measured.rows.items())
    }


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _rounded(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(part) for part in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value
