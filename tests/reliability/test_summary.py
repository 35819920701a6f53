"""The page begins with figures that are counted from its tables."""

from benchmarks import pages
from tests.faults.page import PAGE, on_the_page
from tests.reliability.summary import faults, objects, schedulers, sections


def test_the_page_shows_what_its_tables_count() -> None:
    assert pages.fill(PAGE.read_text(), sections()) == PAGE.read_text(), "run python -m tests.reliability.report"


def test_every_fault_is_in_a_group() -> None:
    assert sum(every for _, every in faults().values()) == sum(text != "-" for text in on_the_page().values())


def test_what_the_picture_shows_as_restored_was_restored() -> None:
    assert all(good == every > 0 for good, every in (*objects().values(), *faults().values()))
    follow, tried = schedulers()
    assert 0 < follow < tried
    assert all((PAGE.parent / "images" / f"reliability-tested-{theme}.svg").exists() for theme in ("light", "dark"))
