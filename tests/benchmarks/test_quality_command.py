import json

import attrs
import pytest
from click.testing import CliRunner

from benchmarks.pages import fill
from benchmarks.quality.asking import SEEDS
from benchmarks.quality.command import main
from benchmarks.quality.report.cross_validation import (
    Distances,
    compare_choices,
    leave_one_out,
    log_rate_between,
    read_recorded_sweeps,
)
from benchmarks.quality.report.measurements import Measurements
from benchmarks.quality.report.page import PAGE, summary
from benchmarks.quality.report.plots import draw
from benchmarks.quality.report.tables import sections
from benchmarks.quality.store import RESULTS, Store
from benchmarks.quality.tasks.registry import TASKS
from tests.benchmarks.stand_ins import store_with_ground_truth


def run(*arguments):
    return CliRunner().invoke(main, list(map(str, arguments)), catch_exceptions=False)


def test_running_a_finder_stores_a_row_for_each_seed_with_its_cost(tmp_path):
    outcome = run("--finder", "lrrange", "--task", "logistic", "--results", tmp_path)
    assert "ran lrrange" in outcome.output
    rows = json.loads((tmp_path / "original" / "suggestions" / "lrrange.json").read_text())
    assert [row["seed"] for row in rows] == [10, 11, 12, 13, 14]
    for row in rows:
        assert row["error"] is None
        assert 0 < row["low"] <= row["lr"] <= row["high"]
        assert row["lr"] < row["max_lr"]
        assert row["forwards"] == row["optimizer_steps"] > 0


def test_an_error_in_a_finder_is_stored_and_is_no_answer(tmp_path, monkeypatch):
    broken = attrs.evolve(TASKS["logistic"], make=lambda: 1 / 0)
    monkeypatch.setitem(TASKS, "logistic", broken)
    run("--finder", "lrrange_confirm", "--task", "logistic", "--results", tmp_path)
    rows = json.loads((tmp_path / "original" / "suggestions" / "lrrange_confirm.json").read_text())
    assert {row["error"] for row in rows} == {"ZeroDivisionError: division by zero"}
    assert {row["lr"] for row in rows} == {None}


def test_running_a_finder_again_on_one_task_keeps_the_rows_of_the_others(tmp_path):
    store = Store(tmp_path)
    store.save_suggestions("mine", [{"task": task, "seed": 10, "lr": 0.1} for task in ("logistic", "deep_tanh")])
    store.save_suggestions("mine", [{"task": "logistic", "seed": 10, "lr": 0.2}])
    assert {row["task"]: row["lr"] for row in store.suggestions("mine")} == {"logistic": 0.2, "deep_tanh": 0.1}


def test_ground_truth_spans_from_learning_nothing_to_learning_nothing(tmp_path, monkeypatch):
    monkeypatch.setitem(TASKS, "logistic", attrs.evolve(TASKS["logistic"], steps=25))
    run("--ground-truth", "--task", "logistic", "--results", tmp_path)
    measured = Store(tmp_path).ground_truth("logistic")
    assert measured["lr"][0] < 0.1 < measured["lr"][-1]
    assert len(measured["constant"]) == len(measured["onecycle"]) == len(measured["lr"])
    losses = Store(tmp_path).arrays("logistic", "trajectories")["loss"]
    assert losses.shape == (len(measured["lr"]), 3, 25)


def test_tables_have_every_finder_that_ran_on_every_task(tmp_path):
    store = store_with_ground_truth(tmp_path, "logistic", constant=[9.0, 4.0, 2.0, 3.0], onecycle=[9.0, 6.0, 2.0, 3.0])
    row = {"task": "logistic", "seed": 10, "low": None, "high": None, "forwards": 0}
    store.save_suggestions("default", [row | {"lr": 0.1}])
    store.save_suggestions("lrrange", [row | {"lr": 0.01, "max_lr": 0.1, "forwards": 200}])
    outcome = run("--tables", "--results", tmp_path)
    assert "| default | 0.000 (0.00 to 0.00) |" in outcome.output
    assert "| **lrrange** | 0.167 (0.17 to 0.17) |" in outcome.output


def test_the_committed_page_and_figures_are_what_the_stored_measurements_give():
    measured = Measurements.read(Store())
    page = PAGE.read_text()
    assert fill(page, sections(measured)) == page
    assert json.loads((RESULTS / "report.json").read_text()) == json.loads(json.dumps(summary(measured)))


def test_a_page_without_the_markers_is_not_written():
    with pytest.raises(ValueError, match="0 pairs of markers called regret"):
        fill("a page", {"regret": "a table"})


def test_the_plots_are_drawn_from_what_is_stored(tmp_path):
    draw(Measurements.read(Store()), tmp_path)
    names = {path.name for path in tmp_path.iterdir() if path.stat().st_size > 10_000}
    assert names == {f"quality-{name}.png" for name in ("regret", "suggestions", "calibration", "cost")}


def test_a_task_does_not_influence_the_constants_that_are_judged_on_it():
    losses = {"a": {1: 0.0, 2: 1.0}, "b": {1: 1.0, 2: 0.0}, "c": {1: 0.6, 2: 0.4}}
    choices = leave_one_out([1, 2], lambda constants, task: losses[task][constants], list(losses))
    assert [(choice.task, choice.constants, choice.regret) for choice in choices] == [
        ("a", 2, 1.0),
        ("b", 1, 1.0),
        ("c", 1, 0.6),
    ]


def test_the_released_distances_give_the_rates_of_the_default():
    released = Distances.released()
    for reading in read_recorded_sweeps(Store(), ["logistic"])["logistic"]:
        middle = log_rate_between(reading, released.part)
        assert 10 ** (middle - released.down) == pytest.approx(reading.lr, rel=1e-4)
        assert 10 ** (middle - released.down_one_cycle) == pytest.approx(reading.max_lr, rel=1e-4)


def test_the_recorded_sweeps_give_the_suggestions_that_were_stored():
    # Not to the last bit, because recorded losses have six digits. A sweep that was extended is recorded to 10 only.
    store = Store()
    rows = [row for row in store.suggestions("lrrange") if row["forwards"] <= 200]
    readings = read_recorded_sweeps(store, {row["task"] for row in rows})
    assert len(rows) > 100
    for row in rows:
        reading = readings[row["task"]][SEEDS.index(row["seed"])]
        suggested = (reading.lr, reading.max_lr, *reading.interval)
        assert suggested == pytest.approx((row["lr"], row["max_lr"], row["low"], row["high"]), rel=2e-5), row["task"]


def test_constants_have_no_more_regret_in_sample_than_left_out():
    measured = Measurements.read(Store())
    released, in_sample, left_out = compare_choices(measured.readings, measured.task_regrets, {})
    assert in_sample["regret"] <= released["regret"]
    assert in_sample["regret"] <= left_out["regret"]
