"""`python -m tests.docs.built HTML`: check the pages that `make docs` has built, as a reader meets them.

Links lead somewhere, pictures have words for those who do not see them, the sidebar names pages by their titles, and
the search knows what people call things. Where Chromium is installed, every page is opened on a wide screen and on a
phone, light and dark: nothing is wider than the screen, and no script fails.
"""

import itertools
import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup, Tag

# What people call things, each as the words that a search for it looks up.
SEARCHED = ("learning rate finder", "lr_find", "lr finder", "one cycle", "loss explodes", "max_lr", "tuner", "warmup")

# Made by Sphinx, without a place in the sidebar.
_MADE = {"genindex.html", "search.html", "py-modindex.html"}

# Names what reaches out of the window, and is not inside of a box that scrolls.
_TOO_WIDE = """() => {
  const width = document.documentElement.clientWidth;
  const boxed = (node) => /auto|scroll|hidden/.test(getComputedStyle(node).overflowX);
  const scrolls = (node) => node && (boxed(node) || scrolls(node.parentElement));
  return [...document.querySelectorAll("article *")]
    .filter((node) => node.getBoundingClientRect().width > 0 && node.getBoundingClientRect().right > width + 1)
    .filter((node) => !scrolls(node))
    .map((node) => `${node.localName} ${node.textContent.trim().slice(0, 40)}`).slice(0, 3);
}"""


def check(root: Path) -> Iterator[str]:
    """Yield what is wrong with the pages in a folder, as sentences."""
    pages = {
        path: BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser") for path in sorted(root.rglob("*.html"))
    }
    written = {path: page for path, page in pages.items() if path.name not in _MADE and "_static" not in path.parts}
    targets = {path: {tag["id"] for tag in page.find_all(id=True)} for path, page in pages.items()}
    for path, page in written.items():
        name = path.relative_to(root).as_posix()
        article = page.find("article")
        if not isinstance(article, Tag):
            yield f"{name} has no article"
            continue
        yield from (f"{name}: {problem}" for problem in _links(path, article, targets))
        yield from (f"{name}: a picture without words: {str(tag)[:90]}" for tag in _pictures(article))
    yield from _sidebar(root, written)
    yield from _search(root)
    yield from _in_a_browser(root, list(written))


def _links(path: Path, article: Tag, targets: dict[Path, set[str]]) -> Iterator[str]:
    for tag in article.find_all("a", href=True):
        link = urlsplit(str(tag["href"]))
        if link.scheme:
            if link.scheme not in ("https", "mailto"):
                yield f"a link with {link.scheme}: {tag['href']}"
            continue
        target = (path.parent / unquote(link.path)).resolve() if link.path else path
        if not target.is_file():
            yield f"a link to {tag['href']}, which is not there"
        elif link.fragment and target in targets and unquote(link.fragment) not in targets[target]:
            yield f"a link to {tag['href']}, which has no such heading"


def _pictures(article: Tag) -> Iterator[Tag]:
    for tag in article.find_all(["img", "svg", "iframe"]):
        hidden = tag.get("aria-hidden") == "true" or tag.find_parent(attrs={"aria-hidden": "true"})
        inside_svg = (
            tag.find_parent("svg") or tag.find_parent(class_="sd-octicon") or "sd-octicon" in tag.get("class", ())
        )
        if not (hidden or inside_svg or tag.get("alt") or tag.get("aria-label") or tag.get("title")):
            yield tag


def _sidebar(root: Path, written: dict[Path, BeautifulSoup]) -> Iterator[str]:
    home = root / "index.html"
    listed: dict[Path, str] = {}
    for tag in written[home].select(".sidebar-tree a.reference"):
        href = str(tag.get("href")).partition("#")[0]
        listed[(root / href).resolve() if href else home.resolve()] = tag.get_text().strip()
    for path, page in written.items():
        heading = page.select_one("article h1")
        title = "" if heading is None else next(heading.strings).strip()
        whole = "" if heading is None else re.sub(r"[¶#]$", "", heading.get_text()).strip()
        shown = listed.get(path.resolve())
        if shown is None:
            yield f"{path.relative_to(root)} is not in the sidebar"
        elif shown not in (title, whole):
            yield f"{path.relative_to(root)} is called {shown!r} in the sidebar, and {whole!r} on its page"


def _search(root: Path) -> Iterator[str]:
    text = (root / "searchindex.js").read_text(encoding="utf-8")
    index = json.loads(text[text.index("(") + 1 : text.rindex(")")])
    words = {*index["terms"], *index["titleterms"]}
    for phrase in SEARCHED:
        for word in re.findall(r"\w+", phrase.lower()):
            # The index has stems: "explod" is found by "explodes".
            if not any(known.startswith(word[: max(3, len(word) - 3)]) for known in words):
                yield f"a search for {phrase!r} finds nothing about {word!r}"


def _in_a_browser(root: Path, paths: list[Path]) -> Iterator[str]:
    browser = shutil.which("chromium")
    if browser is None:
        sys.stderr.write("not opened in a browser: chromium is not installed\n")
        return
    from playwright.sync_api import sync_playwright

    failed: list[str] = []
    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        for width, dark in itertools.product((1400, 400), (False, True)):
            scheme: Literal["dark", "light"] = "dark" if dark else "light"
            context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
            page = context.new_page()
            page.on("console", lambda message: failed.append(message.text) if message.type == "error" else None)
            page.on("pageerror", lambda error: failed.append(str(error)))
            for path in paths:
                failed.clear()
                page.goto(path.resolve().as_uri())
                where = f"{path.relative_to(root)} at {width} pixels, {scheme}"
                yield from (f"{where}: a script failed: {error[:200]}" for error in failed)
                yield from (f"{where}: wider than the screen: {part}" for part in page.evaluate(_TOO_WIDE))
            context.close()
        chromium.close()


if __name__ == "__main__":
    sys.exit("\n".join(check(Path(sys.argv[1]).resolve())) or None)
