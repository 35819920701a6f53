"""The table of frameworks: what it says of each is shown by a test, and it says what the tests show."""

import pytest

from tests.frameworks.table import COLUMNS, PAGE, PAGES, lines_a_user_writes, shown_cells, written


@pytest.mark.parametrize("framework", PAGES)
def test_every_cell_of_a_framework_has_a_test(framework):
    shown = {cell.column for cell in shown_cells() if cell.framework == framework}
    assert shown == set(COLUMNS)


def test_no_test_is_marked_for_a_cell_that_the_table_does_not_have():
    strange = [cell for cell in shown_cells() if cell.framework not in PAGES or cell.column not in COLUMNS]
    assert not strange


def test_the_page_has_the_table_that_the_tests_show():
    text = PAGE.read_text(encoding="utf-8")
    assert written(text) == text, "write it again: python -m tests.frameworks.table"


@pytest.mark.parametrize("framework", PAGES)
def test_a_user_writes_few_lines_and_at_least_one(framework):
    assert 1 <= lines_a_user_writes(framework) <= 6
