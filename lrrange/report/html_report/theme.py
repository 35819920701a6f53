"""The colours of a report on a light and on a dark background, and how its charts look."""

from typing import Any

# By the names of the CSS variables in report.css, which a test compares with these. Lines stand out from the background
# by a contrast of 3, and text by 4.5. The series are Okabe & Ito's colours, darker or lighter for that.
LIGHT = {
    "paper": "#ffffff",
    "card": "#f5f7f9",
    "ink": "#1d2329",
    "muted": "#56606a",
    "line": "#d5dbe1",
    "c0": "#0072b2",
    "c1": "#bd4d00",
    "c2": "#00805d",
    "c3": "#a8457e",
    "c4": "#946200",
    "c5": "#4a5560",
}
DARK = {
    "paper": "#14181d",
    "card": "#1d232a",
    "ink": "#eef1f4",
    "muted": "#a4afba",
    "line": "#3a434d",
    "c0": "#5cb8f0",
    "c1": "#ff8f52",
    "c2": "#35c99b",
    "c3": "#e79bc5",
    "c4": "#efb73e",
    "c5": "#c3ccd5",
}

# The colours of several curves, and the dashes of those after that.
SERIES = ("c0", "c1", "c2", "c3", "c4", "c5")
DASHES: tuple[list[int], ...] = ([1, 0], [7, 4], [2, 3])

_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


def colour(name: str) -> str:
    """Return a colour of the theme, which follows the reader's."""
    return f"var(--{name})"


def look_of(series: int) -> tuple[str, list[int]]:
    """Return the name of the colour, and the dashes, of one of several curves."""
    return SERIES[series % len(SERIES)], DASHES[series // len(SERIES) % len(DASHES)]


def config() -> dict[str, Any]:
    """Return the config of every chart."""
    axis: dict[str, Any] = {"labelColor": colour("muted"), "titleColor": colour("ink"), "gridColor": colour("line")}
    axis |= {"domainColor": colour("muted"), "tickColor": colour("muted"), "gridOpacity": 0.6}
    fonts: dict[str, Any] = {"labelFont": _FONT, "titleFont": _FONT, "labelFontSize": 12, "titleFontSize": 13}
    return {
        "aria": False,  # the page describes each chart in words
        "background": "transparent",
        "font": _FONT,
        "view": {"stroke": None},
        "axis": {**axis, **fonts, "titleFontWeight": "normal", "titlePadding": 10, "labelPadding": 6},
        "text": {"font": _FONT, "fontSize": 12},
    }
