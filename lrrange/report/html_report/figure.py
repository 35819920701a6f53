"""A figure of a report: charts that share a cursor, what can be switched on and off, and its HTML."""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from lrrange.report.html_report.html import escape
from lrrange.report.html_report.thinning import thin
from lrrange.report.html_report.vega import Spec, compiled, drawn

# The points of a picture, which is drawn without a browser.
_MOST_IN_PICTURE = 400


@attrs.frozen(kw_only=True)
class Toggle:
    """A checkbox, which is also the entry of a legend.

    Args:
        signal: the parameter of the charts that it sets.
        label: its text.
        swatch: how the marks look: `"line"`, `"dot"`, `"diamond"`, `"band"` or `"dash"`.
        color: the name of their colour.
        shown: whether it is checked at first.
    """

    signal: str
    label: str
    swatch: str = "line"
    color: str = "c0"
    shown: bool = True


@attrs.frozen(kw_only=True)
class Figure:
    """Charts that share a cursor.

    Args:
        title: above the figure.
        caption: what it shows, in a sentence or two.
        alt: what can be seen in it, for readers who do not see it.
        charts: Vega-Lite specs over the same x axis. They have a parameter for each toggle, the parameter `cursor` with
            the index of the selected position, and the parameter `zoom`, bound to the x axis.
        toggles: groups of checkboxes, by the name of the group.
        positions: x of each position of the cursor, rising.
        readouts: what is at each position, in words.
        noun: what a position is, such as `"step"`.
        log: whether the x axis is logarithmic.
        centre: x around which the buttons zoom as long as no position is selected; None for the middle.
    """

    title: str
    caption: str
    alt: str
    charts: Sequence[Spec]
    toggles: Mapping[str, Sequence[Toggle]]
    positions: Sequence[float]
    readouts: Sequence[str]
    noun: str
    log: bool
    centre: float | None


def html_of(figure: Figure, name: str) -> str:
    """Return the HTML of a figure.

    Args:
        figure: the figure.
        name: the ids of its elements begin with it.
    """
    pictures = "".join(_picture(spec, figure.alt if number == 0 else "") for number, spec in enumerate(figure.charts))
    places = "".join(
        f'<div class="chart" role="img" aria-label="{escape(figure.alt if number == 0 else figure.caption)}"></div>'
        for number in range(len(figure.charts))
    )
    data = {
        "charts": [compiled(spec) for spec in figure.charts],
        "positions": list(figure.positions),
        "readouts": list(map(str, figure.readouts)),
        "log": figure.log,
        "centre": figure.centre,
    }
    last = max(len(figure.positions) - 1, 0)
    cursor = (
        f'<div class="cursor live-only"><label for="{name}-cursor">{escape(figure.noun)}</label>'
        f'<input type="range" id="{name}-cursor" min="0" max="{last}" step="1" value="0">'
        f'<output for="{name}-cursor" id="{name}-readout" aria-live="polite">{_PROMPT}</output></div>'
        if figure.positions
        else ""
    )
    return (
        f'<figure id="{name}" data-figure="{name}-data"><figcaption><h3>{escape(figure.title)}</h3>'
        f"<p>{escape(figure.caption)}</p></figcaption>"
        f'<div class="controls"><div class="boxes">{_checkboxes(figure, name)}</div>{_ZOOM}</div>'
        f'<div class="pictures">{pictures}</div>'
        f'<div class="charts live-only">{places}</div>{cursor}</figure>'
        f'<script type="application/json" id="{name}-data">{as_json(data)}</script>'
    )


_PROMPT = "Point at the chart, or move the slider, to read values."

_ZOOM = (
    '<div class="zoom live-only" role="group" aria-label="Zoom">'
    '<button type="button" data-zoom="in" aria-label="Zoom in">+</button>'
    '<button type="button" data-zoom="out" aria-label="Zoom out">\u2212</button>'
    '<button type="button" data-zoom="reset">Reset</button></div>'
)


def as_json(value: object) -> str:
    """Return JSON that may stand in a script element."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", r"\u003c")


def _checkboxes(figure: Figure, name: str) -> str:
    return "".join(
        f"<fieldset><legend>{escape(group)}</legend>{''.join(_checkbox(toggle, name) for toggle in toggles)}</fieldset>"
        for group, toggles in figure.toggles.items()
        if toggles
    )


def _checkbox(toggle: Toggle, name: str) -> str:
    checked = " checked" if toggle.shown else ""
    identity = f"{name}-{toggle.signal}"
    return (
        f'<label for="{identity}"><input class="live-only" type="checkbox" id="{identity}" '
        f'data-signal="{toggle.signal}"{checked}>'
        f'<span class="swatch {toggle.swatch} {toggle.color}" aria-hidden="true"></span>'
        f"<bdi>{escape(toggle.label)}</bdi></label>"
    )


def _picture(spec: Spec, alt: str) -> str:
    """Return the chart as a picture, for readers whose program runs no scripts, such as a preview of mails."""
    still = _for_picture(spec)
    light, dark = (_data_url(drawn(still, dark=dark)) for dark in (False, True))
    return (
        f'<picture><source media="screen and (prefers-color-scheme: dark)" srcset="{dark}">'
        f'<img alt="{escape(alt)}" src="{light}"></picture>'
    )


def _for_picture(spec: Spec) -> Spec:
    params = [{**one, "value": -1} if one["name"] == "cursor" else one for one in spec.get("params", ())]
    datasets: dict[str, Any] = dict(spec.get("datasets", {}))
    if "curve" in datasets:
        datasets["curve"] = thin(datasets["curve"], "y", _MOST_IN_PICTURE)
    return {**spec, "params": params, "datasets": datasets}


def _data_url(svg: str) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"
