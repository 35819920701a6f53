import json
import signal
import subprocess
import sys

WAITING = """
import pathlib, signal, time, train

# A process started by a test runner in the background may inherit an ignored Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

class Waiting(train.Loop):
    def step(self, lr):
        if len(self.log) == 5:
            print("in the sweep", flush=True)
            while True:
                time.sleep(0.01)
        return super().step(lr)
    def restore(self, state):
        pathlib.Path("restored").write_text(str(state))
"""


def test_ctrl_c_in_a_real_process_is_exit_code_130_and_puts_the_target_back(project):
    project.path.joinpath("waiting.py").write_text(WAITING)
    script = "from lrrange.cli import main; main(['find', 'waiting:Waiting', '--save', 'run.json'])"
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=project.path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "in the sweep\n"
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate()
    assert process.returncode == 130
    assert stdout == ""
    start, end, error = stderr.splitlines()
    assert start == "lrrange: range test, 93 steps planned"
    assert end.startswith("lrrange: range test interrupted after 5 steps in ")
    assert error == "Error: interrupted. Everything that a sweep changed was put back."
    assert project.path.joinpath("restored").read_text() == "0"
    assert not project.path.joinpath("run.json").exists()


def test_ctrl_c_is_exit_code_130_and_puts_the_target_back(project, lrrange, one_error_line):
    assert "interrupted" in one_error_line(lrrange("find", "train:make_interrupted"), 130)
    assert project.loops()[0].log[-1] == "restored"


def test_ctrl_c_with_json_is_one_document(project, lrrange):
    run = lrrange("find", "train:make_interrupted", "--json")
    assert run.exit_code == 130
    assert json.loads(run.stdout)["error"]["type"] == "KeyboardInterrupt"
