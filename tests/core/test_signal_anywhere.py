"""A signal at every single bytecode of a run, between the snapshot and the restore and on the way in and out."""

import contextlib
import signal
import subprocess
import sys

from lrrange import StopReason, Sweep, SweepPlan
from lrrange.protocol import StepDriver, guarded_run, interrupts, step_driver
from tests.core.training import Loop
from tests.docs.pages import ROOT

FILES = (step_driver.__file__, guarded_run.__file__, interrupts.__file__, contextlib.__file__)


class Received(Exception):
    pass


class At:
    """Sends a signal at the `number`-th bytecode of the functions in FILES, and counts all of them."""

    def __init__(self, number):
        self.number, self.count = number, 0

    def __call__(self, frame, event, argument):
        if frame.f_code.co_filename not in FILES or frame.f_code.co_name == "hold":
            return None
        frame.f_trace_lines, frame.f_trace_opcodes = False, True
        return self.opcode

    def opcode(self, frame, event, argument):
        if event == "opcode":
            self.count += 1
            if self.count == self.number:
                signal.raise_signal(signal.SIGUSR1)
        return self.opcode


def run(at, target):
    """Take three steps while this is the trace function. Return the exception of the handler, and the sweep."""
    sweep = Sweep(SweepPlan(start_lr=1e-3, end_lr=1.0, num_steps=3))
    driver = StepDriver(target)
    before = sys.gettrace()
    try:
        sys.settrace(at)
        driver.run(sweep)
    except Received as error:
        return error, sweep
    finally:
        sys.settrace(before)
    return None, sweep


def check_every_bytecode():
    """Run once for each bytecode, with a signal there whose handler raises."""
    handled = []

    def handler(number, frame):
        handled.append(number)
        raise Received

    signal.signal(signal.SIGUSR1, handler)
    counting = At(0)
    run(counting, Loop())
    assert counting.count > 500
    ends = set()
    for number in range(1, counting.count + 1):
        target = Loop()
        before = target.state
        error, sweep = run(At(number), target)
        assert error is not None, number
        assert handled == [signal.SIGUSR1], number
        handled.clear()
        assert target.state == before, number
        assert target.log.count("restore") == target.log.count("snapshot"), number
        ends.add(sweep.stop_reason)
    assert ends == {None, StopReason.COMPLETED}
    assert signal.getsignal(signal.SIGUSR1) is handler


def test_wherever_a_signal_comes_the_training_is_restored_and_its_handler_is_called_once():
    # In a process of its own: an exception at some bytecodes of an `except` block stays "being handled" for good, and
    # would be the context of all later ones.
    command = [
        sys.executable,
        "-c",
        "from tests.core.test_signal_anywhere import check_every_bytecode as check; check()",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
