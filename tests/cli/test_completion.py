"""What TAB offers, asked for as the shells ask for it."""

import shutil
import subprocess
import sys

import pytest
from click.testing import CliRunner

import lrrange
from lrrange.advice.heuristics import HEURISTICS
from lrrange.advice.ranges import RANGE_RULES
from lrrange.cli import main
from lrrange.comparison.policies import FROM_RANGE_TEST
from tests.cli.terminal import type_command


@pytest.fixture
def tab(project):
    """Return what is offered after a command line, each with its type."""

    def ask(line, shell="bash"):
        words = line.split(" ")
        env = {"_LRRANGE_COMPLETE": f"{shell}_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
        if shell == "fish":
            env["COMP_CWORD"] = words[-1]
        run = CliRunner().invoke(main, env=env, prog_name="lrrange")
        assert (run.exit_code, run.stderr) == (0, "")
        lines = run.stdout.splitlines()
        if shell == "zsh":  # three lines each: type, value, help
            return list(zip(lines[1::3], lines[::3], strict=True))
        pairs = [row.replace("\t", ",").split(",") for row in lines if row]
        return [(value, kind) for kind, value, *_ in pairs]

    return ask


def values(offers):
    return [value for value, _ in offers]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_is_offered_the_commands_and_their_options(tab, shell):
    assert values(tab("lrrange ", shell)) == ["find", "compare", "demo", "suggest", "plot", "report", "plugins"]
    assert values(tab("lrrange su", shell)) == ["suggest"]
    offered = values(tab("lrrange find --", shell))
    assert {"--num-steps", "--heuristic", "--verify-restore", "--no-verify-restore", "--json"} <= set(offered)


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("lrrange find train:make --heuristic ", [*HEURISTICS]),
        ("lrrange suggest run.json --heuristic st", ["steepest"]),
        ("lrrange suggest run.json --range ", [*RANGE_RULES]),
        ("lrrange suggest run.json --range max/1", ["max/10"]),
        ("lrrange compare train:make --policy ", [*FROM_RANGE_TEST]),
        ("lrrange compare train:make --policy found --policy tri", ["triangular", "triangular2"]),
        ("lrrange find train:make --shape l", ["linear"]),
        ("lrrange find train:make --paired ", ["auto", "on", "off"]),
        ("lrrange demo --data m", ["mnist"]),
    ],
)
def test_the_values_of_an_option_are_offered(tab, line, offered):
    assert values(tab(line)) == offered


def test_a_backend_is_a_plug_in_that_adapts_targets(tab):
    class Backend:
        @lrrange.hookimpl
        def lrrange_adapt(self, target):
            return None

    class Watcher:
        @lrrange.hookimpl
        def lrrange_finished(self, sweep):
            return None

    lrrange.register(Backend(), "mine")
    lrrange.register(Watcher(), "my-watcher")
    try:
        assert values(tab("lrrange find train:make --backend m")) == ["mine"]
        assert "clr" not in values(tab("lrrange find train:make --backend "))
    finally:
        lrrange.unregister("mine")
        lrrange.unregister("my-watcher")


@pytest.mark.parametrize(
    "line",
    [
        "lrrange suggest ru",
        "lrrange plot ",
        "lrrange plot run.json --path ",
        "lrrange find train:make --save ",
        "lrrange compare train:make --result r",
    ],
)
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_files_are_left_to_the_shell(tab, line, shell):
    assert [kind for _, kind in tab(line, shell)] == ["file"]


FACTORIES = """
raise SystemExit("completion runs no file")

def make(batch_size=64, *, seed): ...
def make_other(): ...
def train(model): ...
def needs(*, model): ...
def _hidden(): ...
"""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_functions_that_can_be_factories_are_offered_and_no_file_is_run(tab, project, shell):
    project.path.joinpath("fit.py").write_text(FACTORIES)
    project.path.joinpath("broken.py").write_text("def make(:")
    project.path.joinpath("no-module.py").write_text("def make(): ...")
    for command in ("find", "compare"):
        assert values(tab(f"lrrange {command} f", shell)) == ["fit:make", "fit:make_other"]
    assert "train:make" in values(tab("lrrange find ", shell))
    assert not {"broken:make", "no-module:make"} & set(values(tab("lrrange find ", shell)))


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("lrrange find fit :", ["make", "make_other"]),
        ("lrrange find fit : make_", ["make_other"]),
        ("lrrange find fit : make --heuristic va", ["valley"]),
    ],
)
def test_bash_which_splits_words_at_the_colon_is_answered_with_what_follows_it(tab, project, line, offered):
    project.path.joinpath("fit.py").write_text(FACTORIES)
    assert values(tab(line)) == offered


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_the_script_for_bash_completes_in_bash(project):
    command = project.path / "bin" / "lrrange"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m lrrange "$@"\n')
    command.chmod(0o755)
    script = f"""
        PATH={command.parent}:$PATH
        eval "$(_LRRANGE_COMPLETE=bash_source lrrange)"
        complete -p lrrange
        COMP_WORDS=(lrrange find train : make_f) COMP_CWORD=4
        _lrrange_completion lrrange
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    run = subprocess.run(
        ["bash", "--norc", "-c", script], cwd=project.path, capture_output=True, text=True, check=False
    )
    complete, *offered = run.stdout.splitlines()
    assert complete == "complete -o nosort -F _lrrange_completion lrrange"
    assert offered == ["make_frozen", "make_failing", "make_failing_later"]


def test_in_a_process_the_answer_is_the_same(project):
    env = {"_LRRANGE_COMPLETE": "bash_complete", "COMP_WORDS": "lrrange su", "COMP_CWORD": "1"}
    assert type_command(cwd=project.path, env=env).stdout == "plain,suggest\n"


@pytest.mark.parametrize(("shell", "line"), [("zsh", "#compdef lrrange"), ("fish", "function _lrrange_completion;")])
def test_the_script_of_each_other_shell_names_the_command(shell, line):
    run = type_command(env={"_LRRANGE_COMPLETE": f"{shell}_source"})
    assert run.returncode == 0
    assert run.stdout.startswith(line)
