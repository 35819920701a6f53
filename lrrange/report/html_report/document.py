"""The HTML file: its skeleton, and the policy that keeps it from loading or sending anything."""

import base64
import hashlib
from collections.abc import Sequence
from importlib.metadata import version
from importlib.resources import files

from lrrange.report.html_report.figure import Figure, html_of
from lrrange.report.html_report.html import escape
from lrrange.report.html_report.section import Section
from lrrange.report.html_report.theme import DARK, LIGHT
from lrrange.report.html_report.vega import script


def document(
    heading: str, title: str, sections: Sequence[tuple[str, Section]], overview: Sequence[str | Figure] = ()
) -> str:
    """Return a whole HTML file.

    Args:
        heading: of the page.
        title: of its window.
        sections: with the name of each.
        overview: what stands above them.
    """
    counter = iter(range(1, 1_000_000))

    def content(parts: Sequence[str | Figure]) -> str:
        return "".join(part if isinstance(part, str) else html_of(part, f"figure-{next(counter)}") for part in parts)

    alone = len(sections) == 1
    body = f"<section>{_h2('together', 'All together')}{content(overview)}</section>" if overview else ""
    body += "".join(
        _section(number, "" if alone else name, content(section.parts))
        for number, (name, section) in enumerate(sections, 1)
    )
    style, scripts = _style(), [script(), _read("report.js")]
    return (
        "<!doctype html>\n"
        '<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(style, scripts)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><meta name="referrer" content="no-referrer">'
        f"<title>{escape(title)}</title><style>{style}</style></head>\n"
        '<body><a class="skip" href="#content">Skip to the content</a>'
        f'<header><p class="kind">Report of lrrange</p><h1 dir="auto">{escape(heading)}</h1></header>\n'
        f'{"" if alone else _contents(sections)}<main id="content">{body}</main>\n'
        f"<footer><p>Written by lrrange {escape(version('lrrange'))}. It is complete: it loads and sends nothing. "
        "To zoom in a chart, use its buttons or hold Ctrl and turn the wheel; to move, drag it.</p></footer>\n"
        f"{''.join(f'<script>{text}</script>' for text in scripts)}</body></html>\n"
    )


def _section(number: int, name: str, content: str) -> str:
    identity = f"part-{number}"
    return f'<section aria-labelledby="{identity}">{_h2(identity, name or "Answer")}{content}</section>'


def _h2(identity: str, text: str) -> str:
    return f'<h2 id="{identity}" dir="auto">{escape(text)}</h2>'


def _contents(sections: Sequence[tuple[str, Section]]) -> str:
    rows = "".join(
        f'<li><a href="#part-{number}"><bdi>{escape(name)}</bdi></a> <b>{escape(section.answer)}</b> '
        f"{_pill(section)}</li>"
        for number, (name, section) in enumerate(sections, 1)
    )
    return f'<nav aria-label="Contents"><ol>{rows}</ol></nav>'


def _pill(section: Section) -> str:
    kind = "sure" if section.sure else "unsure"
    return f'<span class="pill {kind}">{escape(section.verdict)}</span>' if section.verdict else ""


def _policy(style: str, scripts: Sequence[str]) -> str:
    """Return the policy: these scripts and this style alone may act, and pictures are in the file itself."""
    allowed = " ".join(map(_hash, scripts))
    return (
        f"default-src 'none'; script-src {allowed}; style-src {_hash(style)}; img-src data:; base-uri 'none'; "
        f"form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _style() -> str:
    colours = [f"--{name}:{value}" for name, value in LIGHT.items()]
    dark = [f"--{name}:{value}" for name, value in DARK.items()]
    swatches = "".join(f".swatch.c{number}{{color:var(--c{number})}}" for number in range(6))
    return (
        f":root{{{';'.join(colours)}}}@media screen and (prefers-color-scheme:dark){{:root{{{';'.join(dark)}}}}}"
        f"{swatches}{_read('report.css')}"
    )


def _read(name: str) -> str:
    return (files("lrrange.report.html_report") / name).read_text(encoding="utf-8").strip()
