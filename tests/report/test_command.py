"""The command `lrrange report`."""

import json

import pytest
from click.testing import CliRunner

from lrrange.cli import main
from tests.report.parsed import Parsed


def lrrange(*arguments):
    return CliRunner().invoke(main, ["report", *map(str, arguments)])


@pytest.fixture
def saved(made, tmp_path):
    made("result").save(tmp_path / "run.json")
    made("comparison").save(tmp_path / "policies.json")
    return tmp_path


def heading(path):
    return Parsed(path.read_text(encoding="utf-8")).all("h1")[0].text


def test_the_report_of_one_file_is_written_beside_it(saved):
    run = lrrange(saved / "run.json")
    assert (run.exit_code, run.stdout) == (0, f"{saved / 'run.html'}\n")
    assert heading(saved / "run.html") == "Learning-rate range test"


def test_a_comparison_is_recognised(saved):
    assert lrrange(saved / "policies.json", "-o", saved / "x.html").exit_code == 0
    assert heading(saved / "x.html") == "Comparison of 3 policies"


def test_several_files_stand_side_by_side_under_their_names(saved, monkeypatch):
    monkeypatch.chdir(saved)
    run = lrrange("run.json", "policies.json", "--json")
    assert json.loads(run.stdout) == {"wrote": ["report.html"]}
    parsed = Parsed((saved / "report.html").read_text(encoding="utf-8"))
    assert [part.text for part in parsed.all("h2")] == ["run", "policies"]


def test_files_of_one_name_are_told_apart_by_their_folders(saved):
    (saved / "other").mkdir()
    (saved / "other" / "run.json").write_bytes((saved / "run.json").read_bytes())
    assert lrrange(saved / "run.json", saved / "other" / "run.json", "--path", saved / "x.html").exit_code == 0
    parsed = Parsed((saved / "x.html").read_text(encoding="utf-8"))
    assert str(saved / "other" / "run.json") in [part.text for part in parsed.all("h2")]


def test_another_file_is_an_error_in_one_line_and_nothing_is_written(saved):
    (saved / "x.json").write_text("{}")
    run = lrrange(saved / "run.json", saved / "x.json", "-o", saved / "x.html")
    assert run.exit_code == 1
    assert run.stderr == f"Error: {saved / 'x.json'} is JSON, but not a result that lrrange saved.\n"
    assert not (saved / "x.html").exists()


def test_no_file_is_a_mistake_in_the_command():
    assert lrrange().exit_code == 2
