"""The check of the built pages finds what it looks for: a small site with one fault of each kind, and one without."""

import json
import shutil
from pathlib import Path

import pytest

from tests.docs.built import SEARCHED, check

SIDEBAR = '<div class="sidebar-tree"><a class="reference" href="index.html">Home</a>{more}</div>'
GUIDE = '<a class="reference" href="guide.html">Guide</a>'
TERMS = {word: 0 for phrase in SEARCHED for word in phrase.split()}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    write(tmp_path, "index", "<h1>Home</h1><a href='guide.html#more'>more</a>")
    write(tmp_path, "guide", "<h1>Guide</h1><h2 id='more'>More</h2><img src='x.png' alt='A curve.'>")
    (tmp_path / "searchindex.js").write_text(f"Search.setIndex({json.dumps({'terms': TERMS, 'titleterms': {}})})")
    return tmp_path


def write(site: Path, name: str, article: str, more: str = GUIDE) -> None:
    head = "<!doctype html><html lang='en'><meta name='viewport' content='width=device-width'>"
    (site / f"{name}.html").write_text(f"{head}{SIDEBAR.format(more=more)}<article>{article}</article></html>")


def without_a_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)


def test_a_site_in_order_has_no_problem(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_a_browser(monkeypatch)
    assert list(check(site)) == []


@pytest.mark.parametrize(
    ("article", "problem"),
    [
        ("<h1>Guide</h1><a href='gone.html'>x</a>", "a link to gone.html, which is not there"),
        ("<h1>Guide</h1><a href='index.html#gone'>x</a>", "a link to index.html#gone, which has no such heading"),
        ("<h1>Guide</h1><a href='http://example.org'>x</a>", "a link with http: http://example.org"),
        ("<h1>Guide</h1><h2 id='more'></h2><img src='x.png'>", "a picture without words"),
        ("<h1>Another</h1><h2 id='more'></h2>", "is called 'Guide' in the sidebar, and 'Another' on its page"),
    ],
)
def test_each_fault_of_a_page_is_found(article: str, problem: str, site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_a_browser(monkeypatch)
    write(site, "guide", article)
    assert any(problem in found for found in check(site))


def test_a_page_that_the_sidebar_lacks_and_a_word_that_the_search_lacks_are_found(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_a_browser(monkeypatch)
    write(site, "index", "<h1>Home</h1>", more="")
    (site / "searchindex.js").write_text('Search.setIndex({"terms": {"learning": 0}, "titleterms": {}})')
    found = list(check(site))
    assert "guide.html is not in the sidebar" in found
    assert "a search for 'lr_find' finds nothing about 'lr_find'" in found


@pytest.mark.skipif(shutil.which("chromium") is None, reason="Chromium is not installed")
def test_a_browser_finds_what_is_wider_than_a_phone_and_a_script_that_fails(site: Path) -> None:
    wide = "<h1>Guide</h1><h2 id='more'></h2><div style='width:700px'>wide</div>"
    boxed = "<div style='overflow-x:auto'><p style='width:700px'>boxed</p></div>"
    write(site, "guide", f"{wide}{boxed}<script>missing()</script>")
    found = "\n".join(check(site))
    assert "guide.html at 400 pixels, dark: wider than the screen: div wide" in found
    assert "at 1400 pixels, light: wider" not in found
    assert "boxed" not in found
    assert "guide.html at 1400 pixels, dark: a script failed: missing is not defined" in found
