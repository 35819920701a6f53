import json

import attrs
import pytest
from click.testing import CliRunner

from benchmarks.pages import fill
from benchmarks.quality import command
from benchmarks.quality.bank.generator import BANK
from benchmarks.quality.command import main
from benchmarks.quality.report.measurements import Measurements
from benchmarks.quality.report.page import FRONT_PAGE, GUIDE, PAGE, summary
from benchmarks.quality.report.plots import draw
from benchmarks.quality.report.tables import front_sections, guide_sections, sections
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
    assert "| usual rate of the optimizer | 0.000 (0.00 to 0.00) |" in outcome.output
    assert "| **lrrange** | 0.167 (0.17 to 0.17) |" in outcome.output


def test_the_committed_page_and_figures_are_what_the_stored_measurements_give():
    measured = Measurements.read(RESULTS)
    parts_of = {PAGE: sections(measured), FRONT_PAGE: front_sections(measured), GUIDE: guide_sections(measured)}
    for path, parts in parts_of.items():
        page = path.read_text()
        assert fill(page, parts) == page
    assert json.loads((RESULTS / "report.json").read_text()) == json.loads(json.dumps(summary(measured)))


def test_a_page_without_the_markers_is_not_written():
    with pytest.raises(ValueError, match="0 pairs of markers called regret"):
        fill("a page", {"regret": "a table"})


def test_the_plots_are_drawn_from_what_is_stored(tmp_path):
    draw(Measurements.read(RESULTS), tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    plots = ("frontier", "regret", "families", "reliability", "budgets")
    assert names == {f"quality-{name}-{theme}.svg" for name in plots for theme in ("light", "dark")}
    assert names <= {path.name for path in (PAGE.parent / "images").iterdir()}


def test_the_bank_runs_from_the_command_and_a_set_of_finders_has_a_name(tmp_path, monkeypatch):
    monkeypatch.setitem(command._SETS, "peers", ["default", "always_1e-3"])
    task = next(name for name in BANK if name.startswith("logistic"))
    outcome = run("--bank", "--finder", "peers", "--task", task, "--results", tmp_path)
    assert outcome.output == f"1 of 1: {task}: 2 finders, 0 without an answer\n"
    assert run("--bank", "--finder", "peers", "--task", task, "--results", tmp_path).output == ""
    assert "1 of 1" in run("--bank", "--finder", "default", "--again", "--task", task, "--results", tmp_path).output


def test_a_name_that_no_task_has_is_reported_with_those_that_are_close():
    outcome = CliRunner().invoke(main, ["--task", "logistics"])
    assert outcome.exit_code == 2
    assert "no task is called 'logistics'; did you mean one of logistic" in outcome.output
