import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import lrrange
from lrrange.cli import main

TRAIN = """
from tests.compare.training import Descent, make, make_failing

def make_with_options(seed=0):
    print("loading data")
    return Descent(seed), {"start_lr": 1e-3}

def make_without_seed():
    return Descent(0)

def make_interrupted(seed=0):
    raise KeyboardInterrupt

def make_broken(seed=0):
    raise ValueError("two\\nlines of [brackets]")
"""

FIXED = ("--policy", "0.1", "--policy", "0.5", "--steps", "30", "--repeats", "2")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A user's folder with fit.py in it, which is the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "fit.py").write_text(TRAIN)
    yield tmp_path
    sys.modules.pop("fit", None)


@pytest.fixture
def run(project):
    """Run the command in this process, as typed."""

    def typed(*arguments):
        return CliRunner().invoke(main, ["compare", *map(str, arguments)])

    return typed


def one_line(ran, code):
    """Return the line of error, after checking that it is the only one beside the lines about progress."""
    assert ran.exit_code == code, ran.output
    (line,) = [line for line in ran.stderr.splitlines() if not line.startswith("lrrange: ")]
    assert line.startswith("Error: ")
    return line


def test_the_table_is_shown_with_the_winner_and_exit_code_0(run):
    ran = run("fit:make", *FIXED, "--verbose", "--no-progress")
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert " wins: " in ran.stdout
    assert "fit:make" not in ran.stdout  # the table names the module that defines the function
    assert "tests.compare.training:make" in ran.stdout


def test_without_policies_found_clr_and_one_cycle_are_compared(run):
    document = json.loads(run("fit:make_with_options", "--steps", "30", "--repeats", "1", "--json").stdout)
    assert [policy["name"] for policy in document["comparison"]["policies"]] == ["found", "clr", "one-cycle"]
    assert document["comparison"]["range_test"]["plan"]["rates"][0] == 1e-3


def test_json_is_one_document_that_load_reads_and_nothing_else_is_on_stdout(run, project):
    ran = run("fit:make_with_options", *FIXED, "--json", "--save", "saved.json")
    (project / "stdout.json").write_text(ran.stdout)
    assert lrrange.Comparison.load("stdout.json") == lrrange.Comparison.load("saved.json")
    assert "loading data" in ran.stderr
    assert "Wrote saved.json" in ran.stderr


def test_saved_and_drawn_files_are_named(run, project):
    ran = run("fit:make", *FIXED, "--save", "c.json", "--plot", "c.png")
    assert "Wrote c.json" in ran.stdout
    assert "Wrote c.png" in ran.stdout
    assert (project / "c.png").read_bytes().startswith(b"\x89PNG")


def test_options_reach_the_comparison(run):
    ran = run("fit:make", *FIXED, "--seed", "7", "--evaluate-every", "15", "--json")
    comparison = json.loads(ran.stdout)["comparison"]
    assert (comparison["seeds"], comparison["steps"]) == ([7, 8], 30)
    assert [checkpoint["step"] for checkpoint in comparison["runs"][0]["held_out"]] == [15, 30]


def test_resume_goes_on_from_the_file(run, project):
    run("fit:make", *FIXED, "--path", "runs.jsonl", "--repeats", "1")
    before = (project / "runs.jsonl").read_text()
    run("fit:make", *FIXED, "--path", "runs.jsonl")
    after = (project / "runs.jsonl").read_text()
    assert after.startswith(before)
    assert len(after.splitlines()) == 1 + 4


def test_two_jobs_give_the_same_runs_as_one(run, project):
    run("fit:make", *FIXED, "--save", "one.json")
    run("fit:make", *FIXED, "--save", "two.json", "--jobs", "2")
    one, two = (lrrange.Comparison.load(path).runs for path in ("one.json", "two.json"))
    assert [(r.policy, r.seed, r.losses, r.final) for r in one] == [(r.policy, r.seed, r.losses, r.final) for r in two]


def test_a_saved_range_test_is_used(run, range_test):
    range_test.save("result.json")
    ran = run("fit:make", "--policy", "found", "--steps", "30", "--repeats", "1", "--result", "result.json", "--json")
    assert json.loads(ran.stdout)["comparison"]["policies"][0]["lr"][0] == range_test.lr


def test_failed_runs_are_shown_and_exit_code_1(run):
    ran = run("fit:make_failing", *FIXED, "--retries", "0")
    assert "2 of 4 runs failed: AttributeError" in one_line(ran, 1)
    assert "0.5, seed 1, attempt 1" in ran.stdout


def test_a_comparison_without_a_winner_is_exit_code_1(run):
    assert "ValueError: two lines of [brackets]" in one_line(run("fit:make_broken", *FIXED), 1)


@pytest.mark.parametrize(
    ("arguments", "kind", "code"),
    [
        (("fit:make", "--policy", "fuond"), "UnknownName", 1),
        (("fit:make", "--steps", "1"), "PlanError", 1),
        (("fit:make_without_seed",), "OptionError", 1),
        (("fit:make_broken", "--policy", "found"), "ValueError", 1),
        (("fit:nothing",), "FactoryNotFound", 2),
        (("fit:make", "--path", "fit.py"), "LoadError", 1),
        (("fit:make", "--plot", "c.txt"), "OptionError", 1),
        (("fit:make", "--save", "nowhere/c.json"), "SaveError", 1),
        (("fit:make_interrupted", *FIXED), "KeyboardInterrupt", 130),
    ],
)
def test_a_mistake_is_one_line_and_with_json_one_document(run, arguments, kind, code):
    ran = run(*arguments, "--json")
    one_line(ran, code)
    assert json.loads(ran.stdout)["error"]["type"] == kind


def test_no_job_at_all_is_a_mistake_in_the_command(run):
    assert run("fit:make", "--jobs", "0").exit_code == 2


def test_each_run_is_a_line_on_standard_error_if_that_is_a_terminal(run, monkeypatch):
    from lrrange.cli.compare import _RunLines
    from tests.compare.training import compare

    printed = []
    monkeypatch.setattr("lrrange.cli.compare.click.echo", lambda text, err: printed.append((text, err)))
    compare(policies=[0.1, 3.0], repeats=1, watchers=[_RunLines()])
    assert printed[0][0].startswith("0.1, seed 0: ")
    assert printed[1][0].startswith("3, seed 0: diverged (")
    assert all(err for _, err in printed)


def test_the_help_names_every_policy(run):
    text = run("--help").stdout
    for name in ("found", "clr", "triangular", "triangular2", "one-cycle"):
        assert name in text
    assert Path("fit.py").exists()
