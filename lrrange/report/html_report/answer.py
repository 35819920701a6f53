"""The answer at the head of a section, in large letters: from the same facts as the printed page."""

from collections.abc import Iterable, Sequence

from lrrange.report.html_report.html import code, escape, grouped, title_of, unbroken
from lrrange.report.pages.page import Fact

as_code = code

# Facts that are tiles beside each other.
_TILES = ("range", "best in", "groups", "highest rate", "lowest rate", "best value")


def answer_html(facts: Iterable[Fact], main: str, steps: Sequence[str]) -> str:
    """Return the answer: the main fact in large letters, tiles, the verdict with its reasons, and what to do next.

    Args:
        facts: of the first block of the page.
        main: name of the fact that answers.
        steps: what to do next, as HTML; without any, the fact `next` says it.
    """
    tiles, after, head = [], [], ""
    for group in grouped(facts):
        first, *further = group.facts
        title = f"<dt>{escape(title_of(group.name))}</dt>"
        if group.name == main:
            refused = " refused" if "red" in first.style else ""
            note = f'<p class="note">{escape(first.note)}</p>' if first.note else ""
            text = f"No {title_of(main).lower()}" if first.text == "none" else first.text
            name = "" if first.text == "none" else f'<span class="name">{escape(title_of(main))}</span> '
            head = f'<p class="main{refused}">{name}<strong>{unbroken(text)}</strong></p>{note}'
        elif first.text == "none":
            if first.note != "for the same reason":
                after.append(f"<p>{escape(title_of(group.name))}: none, because {escape(first.note)}</p>")
        elif group.name in _TILES:
            lines = "<br>".join(unbroken(fact.text) for fact in group.facts)
            note = f'<span class="note">{escape(first.note)}</span>' if first.note else ""
            tiles.append(f"<div>{title}<dd><b>{lines}</b>{note}</dd></div>")
        elif group.name == "verdict":
            after.append(_verdict(first, further))
        elif group.name == "next":
            if not steps:
                after.append(f"<h3>What to do next</h3>{_next(first)}")
        else:
            after.append(f"<p>{'<br>'.join(escape(_capital(fact.text)) for fact in group.facts)}</p>")
    listed = f'<dl class="tiles">{"".join(tiles)}</dl>' if tiles else ""
    todo = f"<h3>What to do next</h3>{''.join(steps)}" if steps else ""
    return f'<div class="answer">{head}{listed}{"".join(after)}{todo}</div>'


def _verdict(verdict: Fact, reasons: Sequence[Fact]) -> str:
    sure = "sure" if "green" in verdict.style else "unsure"
    note = f' <span class="note">{escape(verdict.note)}</span>' if verdict.note else ""
    listed = "".join(f"<li>{escape(reason.text.removeprefix('- '))}</li>" for reason in reasons)
    return f'<p><span class="pill {sure}">{escape(verdict.text)}</span>{note}</p>' + (
        f"<ul>{listed}</ul>" if listed else ""
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _next(fact: Fact) -> str:
    return code(fact.text) if "bold" in fact.style else f"<p>{escape(_capital(fact.text))}</p>"
