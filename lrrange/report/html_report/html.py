"""Facts and tables of a page as HTML with classes, without any inline style, which a strict policy would forbid."""

import html
import itertools
import re
from collections.abc import Iterable, Sequence

import attrs

from lrrange.printable import printable
from lrrange.report.pages.page import Fact, Facts, Rows

# The names of facts that are short in a terminal, as a report writes them.
_NAMES = {
    "lr": "Learning rate",
    "rates": "Learning rates",
    "winner": "Winner",
    "best value": "Best value",
    "highest rate": "Highest rate",
    "lowest rate": "Lowest rate",
    "best in": "Best rate lies in",
    "range": "Range for a cycle",
    "reason": "Reason",
    "next": "Next",
    "verdict": "Verdict",
    "read": "Read from the curve",
    "trials": "From the trials",
    "stopped": "The sweep",
    "gaps": "Gaps",
    "paired": "Paired",
    "not kept": "Not kept",
    "set aside": "Set aside",
    "for": "Training length",
    "range by": "Range by",
    "or": "Other ranges",
    "from": "Origin",
    "versions": "Versions",
    "details": "Details",
    "groups": "Param groups",
    "judged by": "Judged by",
    "failed": "Failed",
    "range test": "Range test",
}


def escape(text: object) -> str:
    """Return text for HTML, in which nothing acts on the page."""
    return html.escape(printable(str(text)))


def unbroken(text: str) -> str:
    """Return text for HTML, in which no line ends within a learning rate."""
    return re.sub(r"\d\.\d+e[-+]\d+", r'<span class="rate">\g<0></span>', escape(text))


@attrs.frozen
class NamedFacts:
    """The facts under one name: its line, and the further lines below it."""

    name: str
    facts: tuple[Fact, ...]


def grouped(facts: Iterable[Fact]) -> list[NamedFacts]:
    """Return the facts with the further lines of each."""
    groups: list[list[Fact]] = []
    for fact in facts:
        if fact.name or not groups:
            groups.append([fact])
        else:
            groups[-1].append(fact)
    return [NamedFacts(group[0].name, tuple(group)) for group in groups]


def title_of(name: str) -> str:
    """Return the name of a fact in a report."""
    return _NAMES.get(name, name)


def definitions(facts: Iterable[Fact]) -> str:
    """Return a list of names and texts."""
    rows = "".join(
        f"<div><dt><bdi>{escape(title_of(group.name))}</bdi></dt><dd>{'<br>'.join(map(_text, group.facts))}</dd></div>"
        for group in grouped(facts)
    )
    return f'<dl class="facts">{rows}</dl>'


def _text(fact: Fact) -> str:
    note = f' <span class="note">{escape(fact.note)}</span>' if fact.note else ""
    return f"{escape(fact.text)}{note}"


def table(rows: Rows, caption: str) -> str:
    """Return a table that scrolls by itself where it is wider than the screen."""
    kinds = [_kind(column.right, column.wraps) for column in rows.columns]
    head = "".join(
        f'<th scope="col"{kind}>{escape(column.name) or _HIDDEN_HEAD}</th>'
        for kind, column in zip(kinds, rows.columns, strict=True)
    )
    body = "".join(
        f"<tr{_row_class(row.style)}>"
        + "".join(f"<td{kind}><bdi>{escape(cell)}</bdi></td>" for kind, cell in zip(kinds, row.cells, strict=True))
        + "</tr>"
        for row in rows.rows
    )
    return (
        f'<p class="caption">{escape(caption)}</p>'
        f'<div class="table" tabindex="0" role="region" aria-label="{escape(caption)}"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


_HIDDEN_HEAD = '<span class="hidden">chosen</span>'


def _kind(right: bool, wraps: bool) -> str:
    names = " ".join(name for name, wanted in (("right", right), ("wraps", wraps)) if wanted)
    return f' class="{names}"' if names else ""


def _row_class(style: str) -> str:
    name = {"bold green": "best", "dim": "dim", "bold": "best"}.get(style, "")
    return f' class="{name}"' if name else ""


def blocks(parts: Sequence[Facts | Rows], caption: str) -> str:
    """Return facts and tables below each other."""
    return "".join(
        definitions(part.facts) if isinstance(part, Facts) else table(part, caption) for part in itertools.chain(parts)
    )


def code(text: str) -> str:
    """Return code with a button that copies it."""
    return (
        f'<div class="code"><pre tabindex="0"><code>{escape(text)}</code></pre>'
        f'<button type="button" class="copy live-only" aria-label="Copy the code">Copy</button></div>'
    )
