"""Results of every shape, and where things are in a picture."""

import itertools
import math
import random
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import numpy as np

import lrrange
from lrrange.advice.facts import TrainingFacts
from lrrange.advice.heuristics import HEURISTICS
from lrrange.advice.readings import read_answers, read_ranges
from lrrange.sweep import Curve, Quantity, paired_curve
from tests.core.strategies import PLAN, Landscape

ACCURACY = Quantity(name="accuracy", higher_is_better=True)


def result_of(curve: Curve, **fields: Any) -> lrrange.RangeTestResult:
    answers = read_answers(curve, HEURISTICS)
    fields = {"stop_reason": lrrange.StopReason.COMPLETED, "ranges": read_ranges(curve), "answers": answers, **fields}
    provenance = lrrange.Provenance(backend="test")
    return lrrange.RangeTestResult(plan=PLAN, curve=curve, provenance=provenance, **fields)


def noisy(level: Callable[[float], float], seed: int = 0, noise: float = 0.03) -> Curve:
    draw = random.Random(seed)
    return Curve(lr=PLAN.rates, loss=[level(i / 199) + draw.gauss(0, noise) for i in range(200)])


def with_gaps(curve: Curve) -> Curve:
    return Curve(lr=curve.lr, loss=[math.nan if i % 11 == 3 else loss for i, loss in enumerate(curve.loss)])


def of_metric(curve: Curve) -> Curve:
    wrong = [min(1.0, 0.4 * loss) - 1.0 for loss in curve.loss]
    return Curve(lr=curve.lr, loss=wrong, quantity=ACCURACY, also=curve)


def confirmed(result: lrrange.RangeTestResult, losses: tuple[float, ...] = (0.9, 0.4, 0.5)) -> lrrange.RangeTestResult:
    rates = (result.lr / 4, result.lr, result.lr * 4, result.lr * 16)
    trials = tuple(
        lrrange.Trial(lr=lr, steps=150, loss=loss, difference=max(loss - 0.4, 0.0), error=0.05)
        for lr, loss in zip(rates, losses, strict=False)
    )
    values = {"trials": trials, "held_out": False, "lr": 0.8 * result.lr, "max_lr": 6 * result.lr}
    bounds = {"low": 0.3 * result.lr, "high": 3 * result.lr, "quantity": result.curve.quantity}
    return attrs.evolve(result, confirmation=lrrange.Confirmation(**values, **bounds))


def with_name(result: lrrange.RangeTestResult, name: str) -> lrrange.RangeTestResult:
    answers = tuple(
        attrs.evolve(answer, heuristic=name) if answer.heuristic == "midway" else answer for answer in result.answers
    )
    return attrs.evolve(result, answers=answers, heuristic=name)


LANDSCAPE = Landscape(noise=0.03)
USUAL = result_of(LANDSCAPE.curve())
LONG_NAME = "the_knee_of_the_curve_after_it_was_smoothed_twice_by_a_plug_in_of_a_friend_of_mine"

RESULTS: dict[str, lrrange.RangeTestResult] = {
    "usual": USUAL,
    "steep": result_of(noisy(lambda x: 2.0 if x < 0.5 else 0.1 if x < 0.9 else 900.0)),
    "falling to the end": result_of(noisy(lambda x: 2.3 - 2 * x)),
    "flat": result_of(noisy(lambda _: 2.3)),
    "constant": result_of(noisy(lambda _: 1.0, noise=0.0)),
    "rising": result_of(noisy(lambda x: 2.3 + 50 * x**8)),
    "exploding": result_of(noisy(lambda x: 2.3 - 2 * x if x < 0.8 else 10 ** (30 * (x - 0.8)))),
    "holes": result_of(with_gaps(LANDSCAPE.curve())),
    "no finite loss": result_of(Curve(lr=PLAN.rates[:20], loss=[math.nan] * 20)),
    "empty": result_of(Curve(lr=(), loss=())),
    "a metric": result_of(of_metric(LANDSCAPE.curve())),
    "a confirmed metric": confirmed(result_of(of_metric(LANDSCAPE.curve())), (-0.5, -0.9, -0.6)),
    "confirmed": confirmed(USUAL),
    "a trial that diverged": confirmed(USUAL, (0.9, 0.4, 0.5, math.inf)),
    "trials far below": confirmed(USUAL, (-20.0, -30.0, -25.0)),
    "paired": result_of(paired_curve(LANDSCAPE.curve(), noisy(lambda _: 2.3).loss)),
    "sweeps": result_of(LANDSCAPE.curve(), sweeps=tuple(Landscape(noise=0.1, seed=i).curve() for i in range(3))),
    "a long name": with_name(USUAL, LONG_NAME),
    "a long name that refuses": with_name(result_of(noisy(lambda _: 2.3)), LONG_NAME),
    "raised": result_of(LANDSCAPE.curve(), stop_reason=lrrange.StopReason.RAISED),
    "another length": result_of(LANDSCAPE.curve(), facts=TrainingFacts(train_steps=100)),
}


def points_of(ax: Any) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the vertices of each drawn line and area that are finite, in pixels, with the label of the artist."""
    for line in ax.lines:
        if line.get_transform() is ax.transData or line.get_transform().contains_branch(ax.transData):
            vertices = line.get_transform().transform(
                np.column_stack([line.get_xdata(), line.get_ydata()]).astype(float)
            )
            if len(vertices) > 2 or line.get_linestyle() == "None":  # no upright one, which is cut
                yield str(line.get_label()), vertices[np.isfinite(vertices).all(axis=1)]
    for area in ax.collections:
        for path in area.get_paths():
            vertices = area.get_transform().transform(path.vertices)
            yield str(area.get_label()), vertices[np.isfinite(vertices).all(axis=1)]


def texts_of(figure: Any) -> list[tuple[str, Any]]:
    """The visible texts of a figure with their boxes in pixels. Ticks outside of the axes' limits are not drawn."""
    found = []
    legends = [*figure.legends, *(ax.get_legend() for ax in figure.axes if ax.get_legend() is not None)]
    for legend in legends:
        found += [(text.get_text(), text.get_window_extent()) for text in legend.get_texts()]
    for ax in figure.axes:
        if not ax.axison:
            continue
        titles = [ax.title, ax._left_title, ax._right_title, ax.xaxis.label, ax.yaxis.label]
        found += [(text.get_text(), text.get_window_extent()) for text in (*titles, *ax.texts)]
        for axis, low, high in ((ax.xaxis, ax.bbox.x0, ax.bbox.x1), (ax.yaxis, ax.bbox.y0, ax.bbox.y1)):
            for tick in axis.get_major_ticks():
                box = tick.label1.get_window_extent()
                middle = (box.x0 + box.x1) / 2 if axis is ax.xaxis else (box.y0 + box.y1) / 2
                if tick.label1.get_visible() and low - 1 <= middle <= high + 1:
                    found.append((tick.label1.get_text(), box))
    return [(text, box) for text, box in found if text]


def overlapping(texts: list[tuple[str, Any]]) -> list[tuple[str, str]]:
    """The pairs of texts that lie over each other by more than a pixel."""
    return [
        (one, other)
        for (one, a), (other, b) in itertools.combinations(texts, 2)
        if min(a.x1, b.x1) - max(a.x0, b.x0) > 1 and min(a.y1, b.y1) - max(a.y0, b.y0) > 1
    ]


def outside(texts: list[tuple[str, Any]], edge: Any) -> list[str]:
    """The texts that are not within the figure."""
    return [
        text
        for text, box in texts
        if box.x0 < edge.x0 - 1 or box.y0 < edge.y0 - 1 or box.x1 > edge.x1 + 1 or box.y1 > edge.y1 + 1
    ]


def covered(figure: Any) -> list[str]:
    """The labels of what lies under a legend."""
    boxes = [legend.get_window_extent() for legend in figure.legends]
    boxes += [ax.get_legend().get_window_extent() for ax in figure.axes if ax.get_legend() is not None]
    found = []
    for ax, box in itertools.product(figure.axes, boxes):
        for label, pixels in points_of(ax):
            x, y = pixels[:, 0], pixels[:, 1]
            if ((box.x0 < x) & (x < box.x1) & (box.y0 < y) & (y < box.y1)).any():
                found.append(label)
    return found
