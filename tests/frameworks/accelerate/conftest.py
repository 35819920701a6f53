"""An Accelerator for each test, and none of Accelerate's global state after it."""

from collections.abc import Iterator

import pytest
from accelerate import Accelerator
from accelerate.state import AcceleratorState, GradientState, PartialState

from tests.frameworks.accelerate.trainings import MakeAccelerator


def _forget() -> None:
    for state in (AcceleratorState, GradientState, PartialState):
        state._reset_state()


@pytest.fixture
def accelerators() -> Iterator[MakeAccelerator]:
    """Make accelerators, each after its global state has been reset."""

    def make(accumulation: int = 1, precision: str = "no") -> Accelerator:
        _forget()
        return Accelerator(cpu=True, gradient_accumulation_steps=accumulation, mixed_precision=precision)

    yield make
    _forget()


@pytest.fixture
def accelerator(accelerators: MakeAccelerator) -> Accelerator:
    return accelerators()
