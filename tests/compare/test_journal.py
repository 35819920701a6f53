import json
import os
import subprocess
import sys

import pytest

import lrrange
from lrrange.errors import LoadError, SaveError
from tests.compare.training import Descent, compare, make, make_failing, untimed

KILLED = """
from tests.compare.training import compare
compare(path="runs.jsonl", repeats=3)
print("came to its end")
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "runs.jsonl"


@pytest.fixture
def log(tmp_path, monkeypatch):
    """Return the runs that came to their end in any process, as lines of seed and rate."""
    file = tmp_path / "log"
    monkeypatch.setenv("RUN_LOG", str(file))
    return lambda: file.read_text().splitlines() if file.exists() else []


def lines(path):
    return path.read_text().splitlines()


def test_a_comparison_killed_in_the_middle_goes_on_with_nothing_lost_and_nothing_run_twice(path, log):
    environment = {**os.environ, "KILL_AT": "1 0.5 20", "PYTHONPATH": os.pathsep.join(sys.path)}
    killed = subprocess.run([sys.executable, "-c", KILLED], cwd=path.parent, env=environment, capture_output=True)
    assert (killed.returncode, killed.stdout) == (-9, b"")
    assert log() == ["0 0.1", "0 0.5", "1 0.1"]  # 3.0 diverges, and is not evaluated
    assert len(lines(path)) == 1 + 4
    resumed = compare(path=path, repeats=3)
    assert log() == ["0 0.1", "0 0.5", "1 0.1", "1 0.5", "2 0.1", "2 0.5"]
    assert len(lines(path)) == 1 + 9
    assert untimed(resumed) == untimed(compare(repeats=3))


def test_ctrl_c_passes_through_and_keeps_the_runs_that_were_over(path):
    def interrupted(seed):
        if seed == 1:
            raise KeyboardInterrupt
        return Descent(seed)

    with pytest.raises(KeyboardInterrupt):
        compare(interrupted, path=path)
    assert len(lines(path)) == 1 + 3


def test_a_comparison_that_is_complete_is_not_run_again(path, log):
    first = compare(path=path)
    ran = log()
    assert compare(path=path) == first
    assert log() == ran


def test_a_line_that_was_cut_short_is_ignored_and_its_run_made_again(path):
    whole = compare(path=path)
    path.write_bytes(path.read_bytes()[:-20])
    assert untimed(compare(path=path)) == untimed(whole)
    assert [json.loads(line)["run"]["seed"] for line in lines(path)[1:]] == [0, 0, 0, 1, 1, 1]


def test_a_damaged_line_in_the_middle_costs_its_own_run_alone(path, log):
    whole = compare(path=path)
    kept = lines(path)
    kept[2] = kept[2][:50]
    path.write_text("\n".join(kept) + "\n")
    before = len(log())
    assert untimed(compare(path=path)) == untimed(whole)
    assert len(log()) == before + 1


def test_a_header_that_was_cut_short_is_written_again(path):
    path.write_text('{"format": "lrrange compar')
    assert len(compare(path=path).finished) == 6
    assert json.loads(lines(path)[0])["format"] == "lrrange comparison"


def test_more_repeats_continue_from_the_runs_in_the_file(path, log):
    compare(path=path, repeats=1)
    assert len(log()) == 2
    assert untimed(compare(path=path, repeats=3)) == untimed(compare(repeats=3))
    assert sorted(log()[:6]) == ["0 0.1", "0 0.5", "1 0.1", "1 0.5", "2 0.1", "2 0.5"]


def test_failed_runs_are_made_again_and_no_others(path, log):
    def make_failing_once(seed):
        return make_failing(seed) if os.environ.get("FAILING") else make(seed)

    os.environ["FAILING"] = "1"
    try:
        assert len(compare(make_failing_once, path=path, retries=0).failed) == 3
    finally:
        del os.environ["FAILING"]
    resumed = compare(make_failing_once, path=path)
    assert (len(resumed.failed), len(resumed.finished)) == (0, 6)
    assert log() == ["0 0.1", "0 0.5", "1 0.1", "1 0.5"]


def test_the_range_test_is_not_run_again(path):
    seeds = []

    def counted(seed):
        seeds.append(seed)
        return Descent(seed), {"start_lr": 1e-3}

    first = compare(counted, ["found", "one-cycle"], path=path)
    assert seeds == [0, 0, 0, 1, 1]
    assert compare(counted, ["found", "one-cycle"], path=path) == first
    assert seeds == [0, 0, 0, 1, 1]


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"steps": 40}, "steps=30 in the file and 40 in this call. Give another path"),  # and nothing of the rates
        ({"evaluate_every": 5}, "evaluate_every=None in the file and 5 in this call"),
        ({"policies": [0.1, 0.5]}, "the policy '3' is only in the file"),
        ({"policies": [0.1, 0.5, 3.0, 4.0]}, "the policy '4' is only in this call"),
        ({"policies": {"0.1": 0.2, "0.5": 0.5, "3": 3.0}}, "the policy '0.1' has other rates or momenta"),
        ({"make_run": make_failing}, "make_run='tests.compare.training:make' in the file"),
    ],
)
def test_a_file_of_another_comparison_is_refused_with_the_difference_named_and_left_as_it_is(path, change, difference):
    compare(path=path)
    before = path.read_bytes()
    with pytest.raises(LoadError) as refused:
        compare(**{"path": path, **change})
    assert difference in str(refused.value)
    assert path.read_bytes() == before


def test_rates_that_a_later_version_rounds_otherwise_are_the_same(path, log):
    compare(policies={"decay": lambda step: 0.5 / (1 + step)}, path=path)
    ran = log()
    compare(policies={"decay": lambda step: (0.5 + 1e-13) / (1 + step)}, path=path)
    assert log() == ran


def test_a_file_of_a_later_schema_is_refused(path):
    compare(path=path)
    first, *rest = lines(path)
    later = {**json.loads(first), "schema": 99, "lrrange": "9.0"}
    path.write_text("\n".join([json.dumps(later), *rest]) + "\n")
    with pytest.raises(LoadError, match=r"schema 99, written by lrrange 9\.0"):
        compare(path=path)


@pytest.mark.parametrize(
    "content", ["my notes\nand more\n", "\nimport this", "one line", '{"format": "lrrange result"}']
)
def test_a_file_of_something_else_is_refused_and_left_as_it_is(path, content):
    path.write_text(content)
    with pytest.raises(LoadError, match="is not a file of runs"):
        compare(path=path)
    assert path.read_text() == content


def test_a_path_in_no_folder_is_refused_before_the_first_run(tmp_path, log):
    with pytest.raises(SaveError, match="there is no folder"):
        compare(path=tmp_path / "nowhere" / "runs.jsonl")
    assert log() == []


def test_watchers_hear_only_of_runs_that_were_made_now(path):
    heard = []

    class Watcher:
        @lrrange.hookimpl
        def lrrange_compared(self, run):
            heard.append(run.seed)

    compare(path=path, repeats=1)
    compare(path=path, repeats=2, watchers=[Watcher()])
    assert heard == [1, 1, 1]
