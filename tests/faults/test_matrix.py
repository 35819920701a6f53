"""Every fault on every backend leaves the training unchanged."""

import pytest

from tests.faults.matrix import applies, run_cell
from tests.faults.page import ROWS, on_the_page
from tests.faults.trainings import BACKENDS


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("fault", ROWS)
def test_the_page_shows_what_reaches_the_user(fault: str, backend: str) -> None:
    assert run_cell(fault, backend) == on_the_page()[fault, backend], "run python -m tests.faults.report"


def test_the_page_shows_every_fault_on_every_backend_and_nothing_else() -> None:
    assert list(on_the_page()) == [(fault, backend) for fault in ROWS for backend in BACKENDS]


def test_no_cell_shows_a_problem() -> None:
    assert not [cell for cell, text in on_the_page().items() if "**" in text]


def test_only_faults_that_need_what_the_backend_does_not_have_are_left_out() -> None:
    left_out = [(fault, backend) for fault, backend in on_the_page() if not applies(fault, backend)]
    assert [cell for cell in left_out if "snapshot" not in cell[0]] == [
        ("a worker of `DataLoader(num_workers=2)` dies", "third party")
    ]
    assert {backend for fault, backend in left_out if "snapshot" in fault} == {"Lightning", "third party"}
