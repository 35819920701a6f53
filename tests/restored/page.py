"""The table of what is put back, on its page."""

import re
from collections import defaultdict

from tests.docs.pages import DOCS
from tests.restored.rows import TRAININGS, Outcome

PAGE = DOCS / "reliability.md"

_BEGIN, _END = "<!-- restored: made by python -m tests.restored.report -->\n", "<!-- end of restored -->\n"


def table(outcomes: dict[tuple[str, str], Outcome]) -> str:
    """Return the table in Markdown. Classes of one package of which the same changed share a row."""
    rows: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for (package, name), outcome in outcomes.items():
        rows[package, ", ".join(f"`{one}`" for one in outcome.changed) or "nothing", outcome.after].append(name)
    lines = ["| of | classes and functions | what the steps changed | after the sweep |", "| --- | --- | --- | --- |"]
    lines += [f"| {of} | {', '.join(names)} | {changed} | {after} |" for (of, changed, after), names in rows.items()]
    return "\n".join(lines) + "\n"


def shown() -> str:
    """Return the table that the page shows."""
    text = PAGE.read_text()
    block = re.search(f"{re.escape(_BEGIN)}(.*){re.escape(_END)}", text, re.DOTALL)
    assert block is not None, f"{PAGE.name} has no place for the table"
    return block[1]


def write(outcomes: dict[tuple[str, str], Outcome]) -> None:
    """Write the table of these outcomes to the page."""
    assert outcomes.keys() == TRAININGS.keys()
    PAGE.write_text(PAGE.read_text().replace(_BEGIN + shown(), _BEGIN + table(outcomes)))
