import io
import math
import sys
import threading

import pytest
from rich.console import Console

import lrrange
from lrrange.report.progress import ProgressBar


class Loop:
    def __init__(self, loss):
        self.loss, self.steps = loss, 0

    def step(self, lr):
        self.steps += 1
        return self.loss(self.steps)

    def snapshot(self):
        return None

    def restore(self, state):
        pass


def terminal():
    return Console(file=io.StringIO(), force_terminal=True, width=120, color_system=None)


def sweep(console, loss=lambda step: 1.0 / step, num_steps=12, **options):
    return lrrange.find_lr(Loop(loss), num_steps=num_steps, watchers=[ProgressBar(console)], **options)


def last_line(console):
    return console.file.getvalue().replace("\r", "\n").strip().splitlines()[-1].replace("\x1b[?25h", "")


def test_the_bar_ends_with_every_step_counted_the_last_rate_and_the_smoothed_loss():
    console = terminal()
    seen = []

    class Watcher:
        @lrrange.hookimpl
        def lrrange_advanced(self, point):
            seen.append(point)

    lrrange.find_lr(Loop(lambda step: 1.0 / step), num_steps=12, watchers=[ProgressBar(console), Watcher()])
    assert len(seen) == 12
    text = console.file.getvalue()
    assert "completed" in text
    assert "12/12" in text
    assert "lr 1.00e+01" in text
    assert f"smoothed loss {seen[-1].smoothed:.4g}" in text


def test_a_sweep_that_stops_early_says_so_and_keeps_its_count():
    console = terminal()
    result = sweep(console, lambda step: math.nan if step > 4 else 1.0)
    assert result.stop_reason is lrrange.StopReason.NON_FINITE
    text = console.file.getvalue()
    assert "non finite" in text
    assert "7/12" in text
    assert "smoothed loss nan" in text


def test_after_an_error_the_bar_is_gone_and_says_failed():
    console = terminal()

    def loss(step):
        if step == 5:
            raise RuntimeError("out of memory")
        return 1.0

    before = (sys.stdout, sys.stderr)
    with pytest.raises(RuntimeError, match="out of memory"):
        sweep(console, loss)
    text = console.file.getvalue()
    assert "failed" in text
    assert "4/12" in text
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1  # cursor hidden once, and shown again
    assert (sys.stdout, sys.stderr) == before


def test_after_ctrl_c_the_bar_is_gone():
    console = terminal()

    def loss(step):
        if step == 5:
            raise KeyboardInterrupt
        return 1.0

    with pytest.raises(KeyboardInterrupt):
        sweep(console, loss)
    assert "interrupted" in console.file.getvalue()
    assert console.file.getvalue().count("\x1b[?25h") == 1


def test_a_second_sweep_with_the_same_bar_starts_from_zero():
    console = terminal()
    bar = ProgressBar(console)
    for num_steps in (12, 9):
        lrrange.find_lr(Loop(lambda step: 1.0 / step), num_steps=num_steps, watchers=[bar])
    text = console.file.getvalue()
    assert "12/12" in text
    assert "0/9" in text.replace(" ", "")
    assert "9/9" in text


def test_where_there_is_no_terminal_nothing_is_written():
    console = Console(file=io.StringIO(), force_terminal=False)
    sweep(console)
    assert console.file.getvalue() == ""


def test_find_lr_with_progress_writes_nothing_to_a_pipe(capsys):
    lrrange.find_lr(Loop(lambda step: 1.0 / step), num_steps=12, progress=True)
    assert capsys.readouterr() == ("", "")


def test_the_bar_runs_no_thread_that_a_forked_worker_would_inherit():
    before, threads = threading.active_count(), []
    sweep(terminal(), lambda step: threads.append(threading.active_count()) or 1.0 / step)
    assert set(threads) == {before}


def test_what_training_prints_to_a_pipe_stays_there(capsys):
    console = terminal()
    sweep(console, lambda step: sys.stdout.write(f"epoch {step}\n") / step)
    assert "epoch 3\n" in capsys.readouterr().out
    assert "epoch" not in console.file.getvalue()


def test_a_bar_that_was_never_started_can_be_finished():
    console = terminal()
    plan = lrrange.SweepPlan(num_steps=3)
    ProgressBar(console).lrrange_finished(lrrange.Sweep(plan))
    assert console.file.getvalue() == ""
