"""With --json, standard output is exactly one document, whatever else happens."""

import json
import signal
import subprocess
import sys

import pytest

from tests.cli.terminal import type_command

# Trainings that print in every way there is, or that end the process.
ROWDY = """
import atexit, ctypes, multiprocessing, os, subprocess, sys, time
import train

libc = ctypes.CDLL(None)

def shout():
    print("from Python")
    os.write(1, b"to the file descriptor\\n")
    libc.puts(b"from C, which writes when the process ends")
    subprocess.run(["echo", "from a child"])
    atexit.register(print, "at exit")

def make():
    shout()
    loop = train.Loop()
    step = loop.step
    loop.step = lambda lr: (shout(), step(lr))[1]
    return loop, {"num_steps": 30}

def make_seeded(seed=0):
    shout()
    return train.Loop()

def make_failing():
    shout()
    raise ValueError("no data")

def make_exiting():
    shout()
    sys.exit(3)

def make_failing_without_a_text():
    raise ValueError

class Silent(Exception):
    def __str__(self):
        raise RuntimeError("no text")

def make_failing_silently():
    raise Silent

class Cancelled(BaseException):
    pass

def make_cancelled():
    raise Cancelled("by the user's library")

def make_terminated():
    os.kill(os.getpid(), 15)

def make_forking():
    if os.fork() == 0:
        sys.exit()
    os.wait()
    return train.Loop()

def make_twice():
    if not os.fork():
        return train.Loop()
    os.wait()
    return train.Loop()

def work(started):
    started.set()
    time.sleep(60)

def make_with_a_worker():
    context = multiprocessing.get_context("fork")
    started = context.Event()
    worker = context.Process(target=work, args=(started,))
    worker.start()
    started.wait()
    worker.terminate()
    worker.join()
    print("the worker ended with", worker.exitcode)
    return train.Loop()

def make_waiting():
    loop = train.Loop()
    step = loop.step
    def wait(lr):
        if len(loop.log) == 5:
            print("in the sweep", file=sys.stderr, flush=True)
            time.sleep(60)
        return step(lr)
    loop.step = wait
    return loop
"""

# A process started by a test runner in the background may inherit an ignored Ctrl-C.
INTERRUPTIBLE = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from lrrange.cli import main
main()
"""


@pytest.fixture
def rowdy(project):
    """The user's folder, with trainings in rowdy.py that print."""
    project.path.joinpath("rowdy.py").write_text(ROWDY)
    return project


def only_document(run, code):
    """Return the one document on standard output, after checking the exit code."""
    assert run.returncode == code, run.stderr
    assert run.stdout.endswith("}\n")
    return json.loads(run.stdout)


def test_whatever_the_training_prints_goes_to_standard_error(rowdy):
    run = type_command("find", "rowdy:make", "--json", "--save", "run.json", cwd=rowdy.path)
    document = only_document(run, 0)
    assert document == json.loads(rowdy.path.joinpath("run.json").read_text())
    for text in ("from Python", "to the file descriptor", "from C", "from a child", "at exit", "Wrote run.json"):
        assert text in run.stderr


def test_without_json_all_of_it_stays_on_standard_output(rowdy):
    run = type_command("find", "rowdy:make", "--no-progress", cwd=rowdy.path)
    assert (run.returncode, run.stderr) == (0, "")
    for text in ("from Python", "to the file descriptor", "from C", "from a child", "at exit", "verdict"):
        assert text in run.stdout


@pytest.mark.parametrize(
    ("factory", "kind", "says"), [("make_failing", "ValueError", "no data"), ("make_exiting", "SystemExit", "exit(3)")]
)
def test_an_error_after_prints_is_one_document(rowdy, factory, kind, says):
    run = type_command("find", f"rowdy:{factory}", "--json", cwd=rowdy.path)
    error = only_document(run, 1)["error"]
    assert error["type"] == kind
    assert says in error["message"]
    assert "from Python" in run.stderr


@pytest.mark.parametrize(
    ("factory", "code", "kind", "message"),
    [
        ("make_failing_without_a_text", 1, "ValueError", "ValueError"),
        ("make_failing_silently", 1, "Silent", "Silent"),
        ("make_cancelled", 1, "Cancelled", "by the user's library"),
        ("make_terminated", 143, "Terminated", "terminated. Everything that a sweep changed was put back."),
    ],
)
def test_an_unusual_error_is_one_document_and_one_line(rowdy, factory, code, kind, message):
    run = type_command("find", f"rowdy:{factory}", "--json", cwd=rowdy.path)
    error = only_document(run, code)["error"]
    assert (error["type"], error["message"]) == (kind, message)
    (line,) = run.stderr.splitlines()
    assert line.startswith("Error: ")
    assert message in line


@pytest.mark.parametrize("factory", ["make_forking", "make_twice"])
def test_a_process_that_the_training_forks_prints_no_document(rowdy, factory):
    run = type_command("find", f"rowdy:{factory}", "--json", cwd=rowdy.path)
    assert "answer" in only_document(run, 0)


def test_a_worker_that_the_training_ends_by_sigterm_dies_without_a_traceback(rowdy):
    run = type_command("find", "rowdy:make_with_a_worker", "--json", cwd=rowdy.path)
    only_document(run, 0)
    assert run.stderr == "the worker ended with -15\n"


def test_the_workers_of_a_comparison_do_not_print_to_standard_output(rowdy):
    words = ("compare", "rowdy:make_seeded", "--policy", "0.1", "--steps", "20", "--repeats", "2", "--jobs", "2")
    run = type_command(*words, "--json", cwd=rowdy.path)
    assert len(only_document(run, 0)["comparison"]["runs"]) == 2
    assert "from Python" in run.stderr
    assert "to the file descriptor" in run.stderr


def test_ctrl_c_is_one_document(rowdy):
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTIBLE, "find", "rowdy:make_waiting", "--json"],
        cwd=rowdy.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while "in the sweep" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        stdout, _ = process.communicate()
    assert process.returncode == 130
    assert json.loads(stdout)["error"]["type"] == "KeyboardInterrupt"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nonesuch"], "nonesuch"),
        (["find"], "MODULE:FACTORY"),
        (["find", "train:make", "--nonesuch"], "--nonesuch"),
        (["find", "train:make", "--num-steps", "many"], "'many'"),
        (["find", "train:make", "--num-steps"], "--num-steps"),
        (["find", "train:make", "another"], "another"),
        (["find", "train:make", "--shape", "wavy"], "'wavy'"),
        (["find", "no_such_module:make"], "no_such_module"),
        (["demo", "--data", "imagenet"], "'imagenet'"),
        (["compare", "train:make", "--jobs", "0"], "--jobs"),
        (["compare"], "MODULE:FACTORY"),
        (["suggest", "no.json"], "does not exist"),
        (["plot", "no.json"], "does not exist"),
        (["plugins", "--nonesuch"], "--nonesuch"),
    ],
)
def test_a_mistake_in_the_command_is_one_document_and_exit_code_2(project, lrrange, words, says):
    for at in (1, len(words)):
        run = lrrange(*words[:at], "--json", *words[at:])
        if words[-1:] == ["--num-steps"] and at == len(words):
            continue  # the option takes --json for its value; see below
        assert run.exit_code == 2
        error = json.loads(run.stdout)["error"]
        assert says in error["message"]
        assert "Error: " in run.stderr


def test_json_that_an_option_takes_for_its_value_still_means_json(project, lrrange):
    assert "type" in json.loads(lrrange("find", "train:make", "--num-steps", "--json").stdout)["error"]
    assert "answer" in json.loads(lrrange("find", "train:make", "--save", "--json").stdout)


@pytest.mark.parametrize(
    ("words", "key"),
    [
        (["find", "train:make"], "result"),
        (["suggest", "run.json", "--heuristic", "valley"], "result"),
        (["plugins"], "plugins"),
    ],
)
def test_every_command_has_its_document(saved, lrrange, words, key):
    run = lrrange(*words, "--json")
    assert (run.exit_code, run.stderr) == (0, "")
    assert key in json.loads(run.stdout)


@pytest.mark.parametrize("word", ["nonesuch", "damaged"])
def test_a_refusal_of_each_reading_command_is_one_document(saved, lrrange, word):
    damaged = saved.with_name("damaged.json")
    damaged.write_text("{")
    words = {
        "nonesuch": [["suggest", saved, "--heuristic", "nonesuch"], ["suggest", saved, "--range", "nonesuch"]],
        "damaged": [["suggest", damaged], ["plot", damaged]],
    }[word]
    for command in words:
        run = lrrange(*command, "--json")
        assert run.exit_code == 1
        assert set(json.loads(run.stdout)["error"]) == {"type", "message"}


def test_an_exception_that_nobody_expected_is_one_document_and_says_where_to_report_it(lrrange, monkeypatch):
    def fail():
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("lrrange.cli.plugins.list_plugins", fail)
    run = lrrange("plugins", "--json")
    assert run.exit_code == 1
    error = json.loads(run.stdout)["error"]
    assert error["type"] == "ZeroDivisionError"
    assert "report" in error["message"]
    assert "in fail" in run.stderr  # the traceback
    assert run.stderr.splitlines()[-1].startswith("Error: ")


def test_an_error_after_the_answer_adds_no_second_document(project, lrrange, monkeypatch):
    def fail(*_):
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("lrrange.cli.commands.RangeTestResult.save", fail)
    run = lrrange("find", "train:make", "--json", "--save", "run.json")
    assert run.exit_code == 1
    assert "answer" in json.loads(run.stdout)
    assert "ZeroDivisionError" in run.stderr


def test_a_reader_that_has_gone_is_no_traceback(project):
    script = "import sys; from lrrange.cli import main; sys.stdin.read(); main(['plugins', '--json'])"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.close()
        process.stdin.close()
        process.stdin = None
        stderr = process.stderr.read()
        assert (process.wait(), stderr) == (1, b"")


def test_only_the_first_of_several_processes_prints_a_document(project, lrrange, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    for factory in ("make", "make_failing"):
        assert lrrange("find", f"train:{factory}", "--json").stdout == ""


def test_main_without_standalone_mode_gives_standard_output_back(project):
    script = (
        "import os; from lrrange.cli import main\n"
        "code = main(['plugins', '--json'], standalone_mode=False)\n"
        "print('after', code, flush=True); os.write(1, b'wards\\n')"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    document, *after = run.stdout.splitlines()
    assert "plugins" in json.loads(document)
    assert after == ["after None", "wards"]
