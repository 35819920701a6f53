"""Layers of Vega-Lite that several charts share: the axes, the cursor, and marks that a checkbox shows."""

from collections.abc import Mapping, Sequence
from typing import Any

from lrrange.report.html_report.theme import colour, config
from lrrange.report.html_report.vega import Spec

Layer = dict[str, Any]

# With the control key, because a wheel alone scrolls the page; a finger scrolls it, too.
_ZOOM = {
    "name": "zoom",
    "select": {
        "type": "interval",
        "encodings": ["x"],
        "zoom": "wheel![event.ctrlKey]",
        "translate": "[pointerdown[event.pointerType != 'touch'], window:pointerup] > window:pointermove!",
    },
    "bind": "scales",
}

# A filled point that stands out from the lines below it.
POINT: Layer = {
    "type": "point",
    "filled": True,
    "size": 70,
    "opacity": 1,
    "stroke": colour("paper"),
    "strokeWidth": 1.5,
}


def chart(
    *,
    layers: Sequence[Layer],
    datasets: Mapping[str, Sequence[Mapping[str, Any]]],
    x: tuple[float, float],
    y: tuple[float, float],
    x_title: str,
    y_title: str,
    signals: Mapping[str, bool],
    height: int,
    log_x: bool = True,
    log_y: bool = False,
) -> Spec:
    """Return a chart of layers.

    Args:
        layers: from back to front.
        datasets: rows, by the name that layers give.
        x, y: limits of the axes.
        x_title, y_title: their titles.
        signals: what is shown at first, by the parameters that the layers' filters read.
        height: in pixels.
        log_x, log_y: whether the axes are logarithmic.
    """
    rates: dict[str, Any] = {"format": "~e"} if log_x else {}
    heights: dict[str, Any] = {"format": "~e"} if log_y and (y[0] < 1e-3 or y[1] > 1e4) else {"format": "~g"}
    base: Layer = {
        "params": [_ZOOM],
        "data": {"values": [{}]},
        "mark": {"type": "point", "opacity": 0},
        "encoding": {"x": {"datum": x[0]}, "y": {"datum": y[0]}},
    }
    empty = {name: list(rows) for name, rows in datasets.items() if rows}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "height": height,
        "padding": {"left": 2, "right": 14, "top": 6, "bottom": 2},
        "config": config(),
        "params": [{"name": "cursor", "value": -1}, *({"name": name, "value": on} for name, on in signals.items())],
        "datasets": empty,
        "layer": [base, *(layer for layer in layers if layer["data"]["name"] in empty)],
        "encoding": {
            "x": {
                "field": "x",
                "type": "quantitative",
                "title": x_title,
                "scale": {"type": "log" if log_x else "linear", "domain": list(x), "nice": False, "zero": False},
                "axis": {**rates, "labelOverlap": "greedy", "labelSeparation": 8, "grid": not log_x, "tickCount": 8},
            },
            "y": {
                "field": "y",
                "type": "quantitative",
                "title": y_title,
                "scale": {"type": "log" if log_y else "linear", "domain": list(y), "nice": False, "zero": False},
                "axis": {**heights, "labelOverlap": "greedy", "labelSeparation": 4, "tickCount": 5, "minExtent": 44},
            },
        },
    }


def layer(data: str, mark: Mapping[str, Any], *, when: str = "", field: str | None = "y", **encoding: Any) -> Layer:
    """Return the marks of a dataset.

    Args:
        data: name of the dataset.
        mark: the type of the marks and how they look.
        when: an expression; the marks are only there while it is true.
        field: of the height; None for marks over the whole height.
        encoding: further channels, which may place the marks at another height.
    """
    filters = [{"filter": when}] if when else []
    placed = {} if field == "y" else {"y": field and {"field": field, "type": "quantitative"}}
    return {
        "data": {"name": data},
        "transform": filters,
        "mark": {"clip": True, **mark},
        "encoding": {**placed, **encoding},
    }


def upright(data: str, color: str, *, when: str = "", dash: Sequence[int] = (), width: float = 1.5) -> Layer:
    """Return lines over the whole height, at the rates of a dataset."""
    mark = {"type": "rule", "color": colour(color), "strokeWidth": width, "strokeDash": list(dash)}
    return layer(data, mark, when=when, field=None)


def label(
    data: str, color: str, *, when: str = "", text: str = "t", left_from: float = 0.5, **encoding: Any
) -> list[Layer]:
    """Return texts beside the points of a dataset, legible on top of lines.

    Args:
        data: name of the dataset.
        color: of the text.
        when: an expression; the texts are only there while it is true.
        text: field of the text.
        left_from: the part of the chart's width from which they are on the left of their points.
        encoding: further channels.
    """
    on_the_left = f"scale('x', datum.x) > {left_from} * width"
    look = {
        "type": "text",
        "align": {"expr": f"{on_the_left} ? 'right' : 'left'"},
        "dx": {"expr": f"{on_the_left} ? -7 : 7"},
        "fontSize": 12,
    }
    halo = {**look, "stroke": colour("paper"), "strokeWidth": 4, "strokeJoin": "round", "color": colour("paper")}
    channels = {**encoding, "text": {"field": text, "type": "nominal"}}
    return [
        layer(data, halo, when=when, **channels),
        layer(data, {**look, "color": colour(color)}, when=when, **channels),
    ]


def cursor_layers(data: str = "curve", field: str = "y") -> list[Layer]:
    """Return the line at the selected position, the points on it, and the value beside them."""
    here = "datum.i == cursor"
    line = {"type": "rule", "color": colour("muted"), "strokeWidth": 1}
    return [
        layer(data, line, when=here, field=None),
        layer(data, POINT | {"color": colour("ink")}, when=here, field=field),
    ]
