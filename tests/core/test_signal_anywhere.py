"""A signal at every single bytecode of a run, between the snapshot and the restore and on the way in and out."""

import contextlib
import signal
import sys

import pytest

from lrrange import StopReason, Sweep, SweepPlan
from lrrange.protocol import StepDriver, guarded_run, interrupts, step_driver
from tests.core.training import Loop

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


@pytest.fixture
def handled():
    """Install a handler that raises, and return the list of its calls."""
    calls = []

    def handler(number, frame):
        calls.append(number)
        raise Received

    before = signal.signal(signal.SIGUSR1, handler)
    yield calls
    assert signal.signal(signal.SIGUSR1, before) is handler


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


def test_wherever_a_signal_comes_the_training_is_restored_and_its_handler_is_called_once(handled):
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
