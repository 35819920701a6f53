import json

from click.testing import CliRunner

from lrrange.cli import main

LOOP = """
import math
class Loop:
    def step(self, lr):
        return 1 / (1 + lr)
    def snapshot(self):
        return None
    def restore(self, state):
        pass
"""


def lrrange(*arguments):
    return CliRunner().invoke(main, list(map(str, arguments)))


def test_plot_draws_a_saved_result_beside_it_and_prints_where(result, tmp_path):
    result.save(tmp_path / "run.json")
    run = lrrange("plot", tmp_path / "run.json")
    assert (run.exit_code, run.stdout) == (0, f"{tmp_path / 'run.png'}\n")
    assert (tmp_path / "run.png").read_bytes().startswith(b"\x89PNG")


def test_out_names_another_file(result, tmp_path):
    result.save(tmp_path / "run.json")
    assert lrrange("plot", tmp_path / "run.json", "--path", tmp_path / "x.svg").exit_code == 0
    assert "<svg" in (tmp_path / "x.svg").read_text()
    assert not (tmp_path / "run.png").exists()


def test_a_wrong_suffix_is_one_line(result, tmp_path):
    result.save(tmp_path / "run.json")
    run = lrrange("plot", tmp_path / "run.json", "--path", tmp_path / "x.xyz")
    assert run.exit_code == 1
    assert len(run.stderr.splitlines()) == 1
    assert "not .xyz" in run.stderr


def test_find_draws_to_the_given_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "plain_loop_to_plot.py").write_text(LOOP)
    run = lrrange("find", "plain_loop_to_plot:Loop", "--plot", "x.png")
    assert run.exit_code == 0
    assert "Wrote x.png" in run.stdout
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


def test_find_refuses_a_wrong_suffix_before_the_first_step(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = lrrange("find", "module_that_would_be_looked_for_next:make", "--plot", "x.xyz")
    assert run.exit_code == 1
    assert "not .xyz" in run.stderr


def test_with_json_the_document_names_the_file(result, tmp_path):
    result.save(tmp_path / "run.json")
    run = lrrange("plot", tmp_path / "run.json", "--json")
    assert (run.exit_code, run.stderr) == (0, "")
    assert json.loads(run.stdout) == {"wrote": [str(tmp_path / "run.png")]}
