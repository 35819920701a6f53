"""The progress bar as it is seen: in a real terminal, in a pipe and in a notebook."""

import os
import re
import signal
import subprocess
import sys

import pexpect
import pytest

from tests.notebooks import execute

TRAINING = """
import time
import lrrange

class Slow:
    proves_rate = True
    def __init__(self): self.steps = 0
    def step(self, lr):
        time.sleep(0.003)
        self.steps += 1
        if self.steps % 20 == 0: print("training says", self.steps, flush=True)
        return 2.0 - min(1.5, lr) + (self.steps % 7) / 100
    def snapshot(self): return self.steps
    def restore(self, state): self.steps = state
    def seed(self, value): pass
"""

OPTIONS = "start_lr=1e-4, end_lr=1, num_steps=40, repeats=3, paired=False"

CALLS = {
    "find_lr": f"print('lr', lrrange.find_lr(Slow(), confirm=True, confirm_steps=120, {OPTIONS}).plan.num_steps)",
    "grid": f"print('cells', len(lrrange.grid(lambda batch_size: Slow(), {{'batch_size': [16, 1024]}}, {OPTIONS})))",
    "compare": "print('runs', len(lrrange.compare(lambda seed: Slow(), [0.1, 0.2], steps=50, repeats=2).runs))",
}


def in_terminal(program, columns, **environment):
    """Start a program in a terminal of this width."""
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS")}
    return pexpect.spawn(
        sys.executable,
        ["-c", TRAINING + program],
        dimensions=(30, columns),
        encoding="utf-8",
        timeout=30,
        env={**kept, "TERM": "xterm", **environment},
    )


def everything(child):
    """Return all that the program wrote, after its end."""
    child.expect(pexpect.EOF)
    child.wait()
    return child.before


def lines_seen(text):
    """Return each line that was on the screen at some time, as wide as it was."""
    return re.split(r"[\r\n]+", re.sub(r"\x1b\[[?0-9;]*[A-Za-z]", "", text))


@pytest.mark.parametrize(("call", "columns"), [("find_lr", 60), ("find_lr", 80), ("grid", 60), ("compare", 80)])
def test_in_a_terminal_the_bar_is_on_one_line_below_what_the_training_prints(call, columns):
    text = everything(child := in_terminal(CALLS[call], columns))
    assert child.exitstatus == 0
    lines = lines_seen(text)
    bars = [line for line in lines if re.search(r" +\d+/\d+", line) and not line.startswith("training")]
    assert len(bars) > 5
    assert max(map(len, bars)) <= columns - 2  # so that a ^C behind the bar stays in its line
    assert "\x1b[1A" not in text  # never two lines high
    assert any(" left" in bar for bar in bars)
    assert "training says 20" in lines
    assert not any("training" in bar for bar in bars)
    assert bars[-1].startswith(("done ", "completed "))
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1


def test_after_ctrl_c_the_terminal_has_its_cursor_and_the_bar_is_above_the_traceback():
    child = in_terminal(
        f"signal = __import__('signal'); signal.signal(2, signal.default_int_handler)\n{CALLS['find_lr']}", 80
    )
    child.expect(r"sweep 2 of 3")
    child.kill(signal.SIGINT)
    text = everything(child)
    assert child.exitstatus == 1 or child.signalstatus == signal.SIGINT
    assert (
        text.index("interrupted") < text.index("\x1b[?25h") < text.index("Traceback") < text.index("KeyboardInterrupt")
    )


def test_an_error_of_the_training_ends_the_bar_before_its_traceback():
    text = everything(
        in_terminal(
            "Slow.step = lambda self, lr: 1 / (lr < 1e-2) if lr < 1e-2 else {}[lr]\nlrrange.find_lr(Slow())", 80
        )
    )
    assert text.index("failed") < text.index("\x1b[?25h") < text.index("Traceback")


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {"TERM": "unknown"}])
def test_a_terminal_that_cannot_draw_over_a_line_shows_no_bar(environment):
    text = everything(in_terminal(f"lrrange.find_lr(Slow(), {OPTIONS})", 80, **environment))
    assert {line for line in lines_seen(text) if line} == {f"training says {n}" for n in (20, 40)}


def test_with_no_color_there_is_none():
    text = everything(in_terminal(f"lrrange.find_lr(Slow(), {OPTIONS})", 80, NO_COLOR="1"))
    assert "sweep 2 of 3" in text
    assert not re.search(r"\x1b\[[0-9;]*m", text)


@pytest.mark.parametrize("progress", [None, False, True])
def test_in_a_pipe_there_is_at_most_a_line_at_the_start_and_one_at_the_end(progress):
    program = TRAINING + f"lrrange.find_lr(Slow(), progress={progress}, {OPTIONS})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert [line for line in done.stdout.splitlines() if not line.startswith("training")] == []
    expected = [r"lrrange: range test, 120 steps planned", r"lrrange: range test done after \d+ steps in \d+:\d\d"]
    lines = done.stderr.splitlines()
    assert len(lines) == (2 if progress else 0)
    assert all(re.fullmatch(pattern, line) for pattern, line in zip(expected, lines, strict=False))


def test_workers_of_a_data_loader_may_print_while_the_bar_is_shown():
    program = """
import os
class Forks(Slow):
    def step(self, lr):
        if self.steps == 30 and (child := os.fork()) == 0:
            print("worker says hello", flush=True)
            os._exit(0)
        if self.steps == 30: os.waitpid(child, 0)
        return super().step(lr)
lrrange.find_lr(Forks(), start_lr=1e-4, end_lr=1, num_steps=60, paired=False)
"""
    lines = lines_seen(everything(in_terminal(program, 80)))
    assert "worker says hello" in lines
    assert lines.count("worker says hello") == 1


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """The outputs of each cell of a notebook, and the messages of its kernel."""
    quiet = TRAINING.replace('if self.steps % 20 == 0: print("training says", self.steps, flush=True)', "")
    failing = f"""
class Failing(Slow):
    def step(self, lr):
        return super().step(lr) if lr < 0.1 else undefined
lrrange.find_lr(Failing(), {OPTIONS})
"""
    sources = [
        quiet,
        f"result = lrrange.find_lr(Slow(), confirm=True, confirm_steps=120, {OPTIONS})",
        f"cells = lrrange.grid(lambda size: Slow(), {{'size': [1, 2]}}, {OPTIONS})",
        "comparison = lrrange.compare(lambda seed: Slow(), [0.1, 'found'], steps=30)",
        f"result = lrrange.find_lr(Slow(), progress=False, {OPTIONS})",
        failing,
    ]
    return execute(sources, tmp_path_factory.mktemp("notebook"), allow_errors=True)


@pytest.mark.parametrize("index", [1, 2, 3], ids=["find_lr", "grid", "compare"])
def test_in_a_notebook_the_bar_is_one_output_that_is_updated_in_place(cells, index):
    outputs, messages = cells
    (output,) = outputs[index]
    assert output.output_type == "display_data"
    assert re.fullmatch(r"done (\d+)/\1  in \d+:\d\d", output.data["text/plain"])
    assert '<progress value="' in output.data["text/html"]
    assert messages.count((index, "display_data")) == 1
    assert messages.count((index, "update_display_data")) > 2


def test_in_a_notebook_false_shows_nothing(cells):
    assert cells[0][4] == []


def test_in_a_notebook_an_error_comes_after_the_end_of_the_bar(cells):
    bar, error = cells[0][5]
    assert bar.data["text/plain"].startswith("failed ")
    assert error.ename == "NameError"
