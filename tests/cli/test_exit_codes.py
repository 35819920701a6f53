"""Each exit code in the table, by a process that ends with it."""

import json
import os
import subprocess
import sys

import pytest

from lrrange import load
from lrrange.cli import main
from tests.cli.terminal import type_command

INTERRUPTED = """
import os, signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a test runner in the background may have it ignored
import train
class Interrupted(train.Loop):
    signal = signal.SIGINT
    def step(self, lr):
        if len(self.log) == 5:
            os.kill(os.getpid(), self.signal)
        return super().step(lr)
    def restore(self, state):
        print("put back")
class Terminated(Interrupted):
    signal = signal.SIGTERM
"""

CASES = [
    (0, ["find", "train:make", "--num-steps", "60", "--no-progress"], "", "verdict"),
    (0, ["plugins"], "", "hooks"),
    (0, ["--version"], "", "lrrange "),
    (0, ["find", "--help"], "", "Usage: "),
    (1, ["find", "train:make_frozen"], "Error: ", "refused"),  # the answer is a refusal, which is shown
    (1, ["find", "train:make_failing"], "Error: ValueError", ""),
    (1, ["find", "train:make", "--start-lr", "-1"], "Error: ", ""),
    (1, ["find", "train:make", "--save", "nowhere/run.json"], "Error: ", ""),
    (2, ["nonesuch"], "No such command 'nonesuch'", ""),
    (2, ["find", "train:make", "--nonesuch"], "No such option", ""),
    (2, ["find"], "Missing argument 'MODULE:FACTORY'", ""),
    (2, ["find", "nonesuch:make"], "Error: there is no module", ""),
    (2, ["suggest", "gone.json"], "does not exist", ""),
    (130, ["find", "interrupted:Interrupted"], "Error: interrupted", "put back"),
    (143, ["find", "interrupted:Terminated"], "Error: terminated", "put back"),
]


@pytest.mark.parametrize(("code", "words", "stderr", "stdout"), CASES)
def test_a_process_ends_with_the_code_of_the_table(project, code, words, stderr, stdout):
    project.path.joinpath("interrupted.py").write_text(INTERRUPTED)
    run = type_command(*words, cwd=project.path)
    assert run.returncode == code, run.stderr
    assert stderr in run.stderr
    assert stdout in run.stdout
    assert "Traceback" not in run.stderr
    assert bool(run.stderr) == (code != 0)


def test_every_code_of_the_help_is_tested_here(lrrange):
    table = lrrange("--help").stdout.split("Exit codes:\n")[1].split("\n\n")[0]
    assert {int(line.split()[0]) for line in table.splitlines()} == {code for code, *_ in CASES}


def test_a_full_disk_under_standard_output_is_one_line():
    with open("/dev/full", "w") as full:
        for words in (["plugins"], ["plugins", "--json"]):
            run = type_command(*words, capture_output=False, stdout=full, stderr=subprocess.PIPE)
            assert (run.returncode, run.stderr) == (1, "Error: [Errno 28] No space left on device\n")


def test_a_reader_of_standard_output_that_has_gone_is_no_message_and_loses_no_file(project):
    read, write = os.pipe()
    os.close(read)
    with open(write, "w") as pipe:
        for words in (["plugins"], ["find", "train:make", "--save", "run.json", "--no-progress"]):
            run = type_command(*words, cwd=project.path, capture_output=False, stdout=pipe, stderr=subprocess.PIPE)
            assert (run.returncode, run.stderr) == (1, "")
    assert load(project.path / "run.json").lr


def test_lines_in_a_pipe_are_not_filled_with_spaces(project):
    for words in (["find", "train:make"], ["plugins"]):
        lines = type_command(*words, cwd=project.path).stdout.splitlines()
        assert lines == [line.rstrip() for line in lines]


def test_python_dash_m_is_the_command(project):
    by_module = type_command("find", "train:make", "--num-steps", "60", "--json", cwd=project.path)
    script = "import sys; from lrrange.cli import main; main()"  # as the installed command does
    by_name = subprocess.run(
        [sys.executable, "-c", script, "find", "train:make", "--num-steps", "60", "--json"],
        cwd=project.path,
        capture_output=True,
        text=True,
        check=False,
    )
    documents = [json.loads(run.stdout)["result"] for run in (by_module, by_name)]
    assert documents[0]["curve"] == documents[1]["curve"]
    assert type_command("find", "--help").stdout.startswith("Usage: lrrange find ")


@pytest.mark.parametrize("name", ["", *main.commands])
def test_every_help_page_has_an_example_that_can_be_copied_from_80_columns(lrrange, name):
    text = lrrange(*([name] if name else []), "--help").stdout
    examples = [line for line in text.splitlines() if line.startswith("  $ lrrange")]
    assert examples
    assert max(map(len, text.splitlines())) <= 80
    for example in examples:
        command, *words = example.split()[2:]
        if command in ("suggest", "plot", "report"):  # any file will do for parsing
            words = [__file__ if word.endswith(".json") else word for word in words]
        main.commands[command].make_context(command, words)


@pytest.mark.parametrize("columns", ["60", "80", "120"])
def test_options_and_commands_stand_in_sections(project, columns):
    run = type_command("find", "--help", env={"COLUMNS": columns})
    for section in ("Sweep:", "Stop:", "Answer:", "Files:", "Other options:", "Examples:"):
        assert f"\n{section}\n" in run.stdout
    assert "Options:" not in run.stdout
