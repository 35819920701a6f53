"""The overhead benchmark measures what its names say, and its page shows what it measured."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from benchmarks.overhead import growth
from benchmarks.overhead.command import main
from benchmarks.overhead.memory import measure_run
from benchmarks.overhead.page import PAGE, write_page
from benchmarks.overhead.records import RESULTS, read, run_once, write
from benchmarks.overhead.tables import TABLES
from benchmarks.overhead.timing import measure_time
from benchmarks.overhead.variants import registry as variants
from benchmarks.overhead.workloads import WORKLOADS, build

OWN_LOOPS = ("bare", "bare_item", "floor", "lrrange_torch", "lrrange_own_step")


@pytest.mark.parametrize("variant", OWN_LOOPS)
def test_every_variant_takes_the_steps_of_its_job(variant: str) -> None:
    run = run_once(build("tiny", 6), variant)
    assert run["forwards"] == 6
    assert run["total"] == pytest.approx(run["before"] + run["steps"] + run["after"])


@pytest.mark.parametrize("variant", ["floor", "lrrange_torch", "lrrange_own_step"])
def test_a_measured_sweep_restores_the_weights(variant: str) -> None:
    job = build("transformer", 4)
    before = [parameter.detach().clone() for parameter in job.model.parameters()]
    run_once(job, variant)
    assert all(torch.equal(now, was) for now, was in zip(job.model.parameters(), before, strict=True))


def test_a_job_is_the_same_each_time() -> None:
    first, second = build("tiny", 3), build("tiny", 3)
    assert all(torch.equal(a, b) for a, b in zip(first.model.parameters(), second.model.parameters(), strict=True))


def test_the_frozen_workload_trains_its_last_layer_alone() -> None:
    job = build("frozen", 3)
    assert sum(parameter.numel() for parameter in job.trained) == 3072 * 10 + 10


def test_times_are_ratios_to_the_bare_loop_and_a_peer_that_fails_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Any) -> Any:
        raise ModuleNotFoundError("no such peer")

    monkeypatch.setitem(variants.VARIANTS, "broken", broken)
    record = measure_time("tiny", ["bare", "floor", "broken"], repetitions=2, steps=4)
    assert record["failed"] == {"broken": "ModuleNotFoundError: no such peer"}
    assert record["variants"]["bare"]["total"] == {"median": 1.0, "min": 1.0, "max": 1.0, "n": 2}
    assert record["variants"]["floor"]["total"]["median"] > 0


def test_memory_is_measured_above_the_resident_memory_before_the_run() -> None:
    run = measure_run("tiny", "floor", steps=3)
    assert run["parameters"] == run["trained"] == sum(p.nbytes for p in build("tiny", 3).model.parameters())
    assert run["rise"] >= 0
    assert run["written"] >= 0


@pytest.mark.parametrize("count", growth.PARAMETERS[:3])
def test_the_growth_models_have_about_the_stated_number_of_parameters(count: int) -> None:
    model = growth.AXES["parameters"][1](count).model
    assert sum(parameter.numel() for parameter in model.parameters()) == pytest.approx(count, rel=0.1)


def test_the_growth_in_param_groups_has_as_many_groups() -> None:
    record = growth.measure_growth("groups", repetitions=1, largest=2)
    assert [point["size"] for point in record["points"]] == [1, 2]
    assert len(growth.AXES["groups"][1](5).optimizer().param_groups) == 5


def test_the_command_stores_its_measurements(tmp_path: Path) -> None:
    arguments = ["time", "--workload", "tiny", "--variant", "floor", "--repetitions", "1", "--steps", "3"]
    done = CliRunner().invoke(main, [*arguments, "--results", str(tmp_path)], catch_exceptions=False)
    assert done.exit_code == 0
    assert set(json.loads((tmp_path / "time-tiny.json").read_text())["variants"]) == {"bare", "floor"}


def measured_once(tmp_path: Path) -> Path:
    record = measure_time("tiny", ["bare", "floor"], repetitions=1, steps=3)
    write(tmp_path, "time-tiny", record)
    write(tmp_path, "growth-groups", growth.measure_growth("groups", repetitions=1, largest=1))
    return tmp_path


def test_filling_a_page_changes_its_tables_alone_and_twice_is_once(tmp_path: Path) -> None:
    results, page = measured_once(tmp_path), tmp_path / "page.md"
    names = ["total", *(name for name in TABLES if name != "total")]
    markers = [f"<!-- {name}: generated -->\nold\n<!-- /{name} -->" for name in names]
    page.write_text("\n\n".join(["Before.", *markers, "After.\n"]))
    write_page(results, page)
    once_filled = page.read_text()
    assert once_filled.startswith("Before.\n\n<!-- total: generated -->\n\n|  | tiny |")
    assert once_filled.endswith(f"<!-- /{names[-1]} -->\n\nAfter.\n")
    assert "old" not in once_filled
    assert "| bare loop | 1.00 (1.00 to 1.00) |" in once_filled
    plots = {path: path.read_bytes() for path in (tmp_path / "images").iterdir()}
    assert {path.name for path in plots} == {
        f"overhead-{name}-{theme}.svg" for name in ("time", "growth") for theme in ("light", "dark")
    }
    write_page(results, page)
    assert page.read_text() == once_filled
    assert {path: path.read_bytes() for path in plots} == plots


def test_the_page_has_markers_for_every_table() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for name in TABLES:
        assert text.count(f"<!-- {name}: generated -->") == text.count(f"<!-- /{name} -->") == 1, name


def test_the_committed_page_shows_the_stored_records(tmp_path: Path) -> None:
    copy = tmp_path / "overhead.md"
    copy.write_text(PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    write_page(RESULTS, copy)
    assert copy.read_text(encoding="utf-8") == PAGE.read_text(encoding="utf-8")


def test_a_page_without_the_markers_is_left_as_it_is(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("no markers")
    with pytest.raises(ValueError, match="0 pairs of markers called headline"):
        write_page(RESULTS, page)
    assert page.read_text() == "no markers"


def test_every_workload_was_measured() -> None:
    for kind in ("time", "memory"):
        assert [name for name in WORKLOADS if read(RESULTS, f"{kind}-{name}") is None] == [], kind
