"""The page shows what apply does with every scheduler."""

from tests.schedulers.page import of_libraries, shown, tables


def test_the_page_shows_every_scheduler_and_nothing_else() -> None:
    assert shown() == tables(), "run python -m tests.schedulers.report"


def test_every_scheduler_of_a_library_follows_as_the_page_says() -> None:
    assert all(row.raises is None for rows in of_libraries().values() for row in rows.values())
