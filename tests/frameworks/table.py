"""The table of docs/frameworks/frameworks.md, made from the marks of the tests: each cell has a test behind it.

python -m tests.frameworks.table    # writes the table into the page again
"""

import ast
import re
from pathlib import Path

import attrs

from tests.docs.pages import blocks, without_hidden_cells

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "frameworks" / "frameworks.md"

# What a test can show of a framework, and the word for it on the page.
COLUMNS = {
    "finds": "finds",
    "exact": "exact",
    "applied and proved": "proved",
    "confirm": "confirm",
    "repeats": "repeats",
    "refuses": "errors",
}

# The page that begins with the user's own code, by framework.
PAGES = {
    "transformers": "transformers.md",
    "TRL": "transformers.md",
    "PEFT": "transformers.md",
    "Accelerate": "accelerate.md",
    "JAX": "jax.md",
    "Flax NNX": "jax.md",
    "Equinox": "jax.md",
    "Keras (torch)": "keras.md",
    "Keras (JAX)": "keras.md",
    "scikit-learn": "scikit-learn.md",
    "skorch": "scikit-learn.md",
}


@attrs.frozen(kw_only=True)
class Shown:
    """A test that is marked as the one behind a cell."""

    framework: str
    column: str
    test: str


def shown_cells() -> list[Shown]:
    """Return the cells that the tests of this folder are marked with, as `pytest.mark.shows(framework, column)`."""
    found = []
    for path in sorted((ROOT / "tests" / "frameworks").rglob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if not isinstance(node, ast.FunctionDef):
                continue
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.shows":
                    framework, column = map(ast.literal_eval, mark.args)
                    test = f"{path.relative_to(ROOT / 'tests' / 'frameworks').as_posix()}::{node.name}"
                    found.append(Shown(framework=framework, column=column, test=test))
    return found


def lines_a_user_writes(framework: str) -> int:
    """Return how many lines of a framework's first example name lrrange or its result.

    The example is what a page shows above its first section. Lines that only look at the result do not count.
    """
    page = (PAGE.parent / PAGES[framework]).read_text(encoding="utf-8")
    above, _, _ = without_hidden_cells(page).partition("\n## ")
    code = "".join(text for _, text, _ in blocks(above, "python"))
    assert code, f"{PAGES[framework]} has no code"
    needed = [line.partition("#")[0] for line in code.splitlines() if not re.fullmatch(_LOOKS, line.strip())]
    return sum(bool(re.search(r"\b(lrrange\w*|result)\b", line)) for line in needed)


# A line that only shows something of a result.
_LOOKS = r"print\(result[\w.]*\)|result\.plot\(\)"


def table() -> str:
    """Return the table, and below it, folded, the tests behind each of its cells."""
    cells: dict[tuple[str, str], list[str]] = {}
    for shown in shown_cells():
        cells.setdefault((shown.framework, shown.column), []).append(shown.test)
    lines = [f"| framework | {' | '.join(COLUMNS.values())} | lines |", f"|---|{'---:|' * len(COLUMNS)}---:|"]
    for framework, page in PAGES.items():
        row = [str(len(cells.get((framework, column), []))) for column in COLUMNS]
        lines.append(f"| [{framework}]({page}) | {' | '.join(row)} | {lines_a_user_writes(framework)} |")
    for framework in PAGES:
        lines += ["", f":::{{dropdown}} The tests for {framework}"]
        for column, word in COLUMNS.items():
            lines.append(f"- {word}")
            lines += [f"  - `{test}`" for test in cells.get((framework, column), [])]
        lines.append(":::")
    return "\n".join(lines)


def written(page: str) -> str:
    """Return the text of the page with the table of now in the place of the one it has."""
    return re.sub(
        r"(?<=<!-- table: generated -->\n\n).*?(?=\n\n<!-- /table -->)", lambda _: table(), page, flags=re.DOTALL
    )


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
