"""The documentation's pages, and the blocks of code in them."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = (
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted(page for page in DOCS.rglob("*.md") if "_build" not in page.parts),
)

# A cell, which runs when the pages are built, is a block of Python too. Its options are lines such as `:tags: [...]`.
_BLOCK = re.compile(r"^```(?:(\w+)|\{code-cell\} (\w+))\n(?::[^\n]*\n)*\n?(.*?)^```$", re.MULTILINE | re.DOTALL)


def has_cells(page: Path) -> bool:
    """Whether a page is a notebook: `make docs` runs its cells, and shows what they print."""
    return page.read_text().startswith("---\nfile_format: mystnb\n")


def blocks(text: str, *languages: str) -> Iterator[tuple[str, str, int]]:
    """Language, content, and number of the line it starts on, of each block in one of these languages."""
    for block in _BLOCK.finditer(text):
        if (language := block[1] or block[2]) in languages:
            yield language, block[3], text.count("\n", 0, block.start(3)) + 1


def without_hidden_cells(text: str) -> str:
    """Return the text of a page without the cells that run and are not shown."""
    return re.sub(r"^```\{code-cell\} python\n:tags: \[remove-cell\]\n.*?^```\n", "", text, flags=re.M | re.S)


def section(page: Path, heading: str) -> str:
    """The text under a heading such as `## Hooks`, up to the next heading of its level or above."""
    level = heading.index(" ")
    found: list[str] | None = None
    in_code = False
    for line in page.read_text().splitlines(keepends=True):
        in_code ^= line.startswith("```")
        if not in_code and line.rstrip() == heading:
            found = []
        elif found is not None:
            if not in_code and re.match(rf"#{{1,{level}}} ", line):
                break
            found.append(line)
    assert found is not None, f"{page.name} has no heading {heading!r}"
    return "".join(found)
