"""Vega-Lite charts, compiled for the browser or drawn as SVG, and the script that draws them. It needs vl_convert."""

import functools
import json
import re
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from lrrange.errors import MissingExtra
from lrrange.report.html_report.theme import DARK, LIGHT

# A chart, as https://vega.github.io/vega-lite/docs/ describes it.
Spec = Mapping[str, Any]

# Width of a chart without a browser, in pixels.
_STATIC_WIDTH = 760


def need_vl_convert() -> ModuleType:
    """Return vl_convert. Raises: MissingExtra if it is not installed."""
    try:
        import vl_convert
    except ModuleNotFoundError as error:
        raise MissingExtra(
            "a report needs Vega-Lite, from vl-convert-python. Run: pip install 'lrrange[report]'", extra="report"
        ) from error
    return vl_convert


@functools.cache
def script() -> str:
    """Return the script with Vega and vega-embed. It takes a second, once in a process."""
    text: str = need_vl_convert().javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return text.replace("</script", r"<\/script").replace("<!--", r"<\!--").strip()


def compiled(spec: Spec) -> dict[str, Any]:
    """Return the spec in Vega, as wide as its place in the page and in the colours of its theme."""
    chart: dict[str, Any] = need_vl_convert().vegalite_to_vega({**spec, "width": "container"})
    return chart


def drawn(spec: Spec, *, dark: bool) -> str:
    """Return the spec as an SVG. It is the same text each time."""
    text = json.dumps({**spec, "width": _STATIC_WIDTH})
    for name, colour in (DARK if dark else LIGHT).items():
        text = text.replace(f"var(--{name})", colour)
    svg: str = need_vl_convert().vegalite_to_svg(json.loads(text))
    return _slim(svg)


def _slim(svg: str) -> str:
    """Return the SVG without what shows nothing, and with numbers for its clipping paths that count from 0."""
    svg = re.sub(r"<text\b[^>]*/>", "", svg)
    svg = re.sub(r' (?:aria-hidden="true"|aria-roledescription="[^"]*"|role="[^"]*"|pointer-events="none")', "", svg)
    family = re.search(r' font-family="[^"]*"', svg)
    if family is not None:  # once for all texts
        svg = svg.replace(family[0], "").replace("<svg", f"<svg{family[0]}", 1)
    numbers: dict[str, str] = {}
    return re.sub(r"\b(clip)(\d+)\b", lambda m: m[1] + numbers.setdefault(m[2], str(len(numbers))), svg)
