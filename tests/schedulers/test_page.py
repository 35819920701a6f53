"""The page shows what apply does with every scheduler."""

from tests.schedulers.page import shown, table


def test_the_page_shows_every_scheduler_and_nothing_else() -> None:
    assert shown() == table(), "run python -m tests.schedulers.report"
