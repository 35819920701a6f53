import subprocess
import sys
from importlib.metadata import entry_points, version

import pytest

from lrrange.cli import main


def python(*arguments, **options):
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False, **options)


def test_version_is_the_installed_one(lrrange):
    run = lrrange("--version")
    assert (run.exit_code, run.stdout) == (0, f"lrrange {version('lrrange')}\n")


def test_the_installed_command_is_this_one():
    (point,) = entry_points(group="console_scripts", name="lrrange")
    assert point.load() is main


@pytest.mark.parametrize("command", [[], ["demo"], ["find"], ["suggest"], ["plot"], ["plugins"]])
def test_every_command_explains_itself(lrrange, command):
    run = lrrange(*command, "--help")
    assert run.exit_code == 0
    assert run.stdout.startswith("Usage: ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonesuch"],
        ["find"],
        ["find", "train:make", "--nonesuch"],
        ["find", "train:make", "--num-steps", "many"],
        ["find", "train:make", "--shape", "wavy"],
        ["demo", "--data", "imagenet"],
    ],
)
def test_a_mistake_in_the_command_is_exit_code_2_with_usage_and_no_traceback(project, lrrange, arguments):
    run = lrrange(*arguments)
    assert run.exit_code == 2
    assert run.stderr.startswith("Usage: ")
    assert run.stdout == ""


def test_importing_the_command_line_loads_no_framework():
    run = python("-c", "import sys, lrrange.cli; print(*sorted(sys.modules))")
    assert run.returncode == 0, run.stderr
    assert {"lrrange.cli", "click"} <= set(run.stdout.split())
    assert not {"torch", "matplotlib", "numpy", "sklearn", "pytorch_lightning"} & set(run.stdout.split())


def test_listing_plug_ins_and_sweeping_a_plain_loop_load_no_framework(project):
    script = (
        "import sys; from lrrange.cli import main\n"
        "for words in ['plugins'], ['find', 'train:make']:\n"
        "    assert not main(words, standalone_mode=False)\n"
        "print('MODULES', *sys.modules)"
    )
    run = python("-P", "-c", script, cwd=project.path)
    assert run.returncode == 0, run.stderr
    modules = run.stdout.partition("MODULES")[2].split()
    assert "train" in modules
    assert not {"torch", "matplotlib"} & set(modules)


def test_the_working_directory_is_searched_though_python_does_not(project):
    script = "import sys; from lrrange.cli import main; main(['find', 'train:make', '--json'])"
    run = python("-P", "-c", script, cwd=project.path)
    assert (run.returncode, run.stderr) == (0, "")


def test_a_terminal_that_knows_only_ascii_gets_the_table_too(project):
    script = "from lrrange.cli import main; main(['find', 'train:make', '--verbose'])"
    run = python("-c", script, cwd=project.path, env={"PYTHONIOENCODING": "ascii", "PYTHONPATH": str(project.path)})
    assert run.returncode == 0, run.stderr
    assert "valley" in run.stdout
    assert run.stdout.isascii()


def test_the_demo_without_torch_names_the_extra(lrrange, one_error_line, monkeypatch):
    monkeypatch.setattr("lrrange.cli.commands.check_plottable", lambda _: None)
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in [name for name in sys.modules if name.partition(".")[0] == "lrrange_torch"]:
        monkeypatch.delitem(sys.modules, name)
    assert "pip install 'lrrange[demo]'" in one_error_line(lrrange("demo"), 1)
