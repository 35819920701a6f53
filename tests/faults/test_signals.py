"""Every signal whose handler raises waits until the restore is done."""

import signal
from collections.abc import Iterator
from types import BuiltinFunctionType
from typing import Any

import pytest

from lrrange import find_lr
from lrrange.protocol import deferred_interrupts, interrupts
from tests.core.training import Loop

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGCHLD, signal.SIGUSR1, signal.SIGALRM]


class Died(Exception):
    pass


@pytest.fixture
def raising() -> Iterator[dict[int, Any]]:
    """Install handlers that raise for all of SIGNALS, and return them by signal."""
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def die(number: int, frame: Any) -> None:
        raise Died(signal.Signals(number).name)

    for number in SIGNALS:
        signal.signal(number, die)
    yield dict.fromkeys(SIGNALS, die)
    for number, handler in before.items():
        signal.signal(number, handler)


class Signalled(Loop):
    """A training that receives signals while it is restored."""

    def __init__(self, *numbers: int) -> None:
        super().__init__()
        self.numbers = numbers

    def restore(self, state: Any) -> None:
        for number in self.numbers:
            signal.raise_signal(number)
        super().restore(state)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_handler_that_raises_does_not_interrupt_a_restore(number: int, raising: dict[int, Any]) -> None:
    target = Signalled(number)
    before = target.state
    with pytest.raises(Died, match=signal.Signals(number).name):
        find_lr(target)
    assert target.state == before
    assert {each: signal.getsignal(each) for each in SIGNALS} == raising


def test_all_deferred_signals_are_handled_afterwards_in_their_order(raising: dict[int, Any]) -> None:
    handled: list[int] = []
    signal.signal(signal.SIGUSR1, lambda number, frame: handled.append(number))
    with pytest.raises(Died, match="SIGTERM"):
        with deferred_interrupts():
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGUSR1)
            assert handled == []
    assert handled == [signal.SIGUSR1]


def test_the_handlers_of_ignored_signals_and_of_the_system_are_not_replaced() -> None:
    before = {number: signal.getsignal(number) for number in signal.valid_signals()}
    with deferred_interrupts():
        inside = {number: signal.getsignal(number) for number in signal.valid_signals()}
    of_python = {number for number, handler in before.items() if callable(handler)}
    assert {number for number in before if inside[number] != before[number]} == of_python
    assert {number: signal.getsignal(number) for number in signal.valid_signals()} == before


def test_no_function_in_python_that_could_catch_what_a_handler_raises_replaces_the_handlers() -> None:
    assert isinstance(interrupts._handler_of, BuiltinFunctionType)
    assert isinstance(interrupts._set_handler, BuiltinFunctionType)
