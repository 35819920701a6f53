"""The documentation's pages, and the blocks of code in them."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(DOCS.glob("*.md")))

# The pages whose code needs other frameworks than PyTorch and Lightning.
OF_FRAMEWORKS = (
    *("transformers.md", "fine-tuning.md", "accelerate.md", "jax.md", "keras.md", "scikit-learn.md", "recipes.md"),
)

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(text: str, *languages: str) -> Iterator[tuple[str, str, int]]:
    """Language, content, and number of the line it starts on, of each block in one of these languages."""
    for block in _BLOCK.finditer(text):
        if block[1] in languages:
            yield block[1], block[2], text.count("\n", 0, block.start(2)) + 1


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
