"""The picture of what each finder, and each mode of lrrange, gives away for the steps that it takes."""

import itertools
from collections.abc import Sequence

import attrs
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from benchmarks.plots import WIDTH, Theme, legend_below
from benchmarks.quality.report.frontier import Mark, frontier, modes, others
from benchmarks.quality.report.measurements import BankMeasurements, label
from benchmarks.quality.report.statistics import FinderRegret

_SIZE = 9.0

# Where a label may be, in points from its mark, and which side of the text is there: the first free place is taken.
_PLACES = [
    (dx * side, dy, "left" if side > 0 else "right")
    for dx, dy in ((7, 0), (6, 7), (6, -7), (8, 14), (8, -14), (10, 22), (10, -22), (14, 32), (14, -32))
    for side in (1, -1)
] + [(0, dy, "center") for dy in (11, -11, 20, -20, 30, -30, 42, -42)]

_STEPS, _REGRETS = (25, 50, 100, 200, 400, 800, 1600), (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)

# A lower regret is drawn here, because a logarithmic axis has no place for zero.
_LEAST = 0.01

# A text further from its mark than this, in points, is joined to it by a line.
_FAR = 12

# Ends the name of a finder that runs with more steps than by default.
_LONGER = "_200"

# A finder that runs no test. It is a line, because a logarithmic axis has no place for no steps.
_NO_TEST = "default"
_NO_TEST_TEXT = f"no test: the {label(_NO_TEST)}"


def draw_frontier(bank: BankMeasurements, theme: Theme) -> Figure | None:
    """Draw regret against steps on logarithmic axes. The line goes through what nothing dominates."""
    ours, theirs = modes(bank), others(bank)
    marks = [*ours, *theirs]
    if not marks:
        return None
    figure = Figure(figsize=(WIDTH, 4.6))
    axes = figure.subplots()
    _set_axes(axes, marks)
    no_test = bank.finder_regrets.get(_NO_TEST)
    if no_test is not None:
        _draw_no_test(axes, no_test, theme)
    lines = [frontier(marks), *_lengths(theirs)]
    axes.plot(*_values(lines[0]), color=theme.ink, linewidth=1.2, label="frontier")
    for line in lines[1:]:
        axes.plot(*_values(line), color=theme.others, linewidth=0.8, alpha=0.5)
    for mark in theirs:
        axes.plot(mark.steps, _height(mark), "D", color=theme.others, markersize=4.5, label="other finders")
    for mark in ours:
        _draw_mode(axes, mark, theme)
    legend_below(figure, axes, 2)
    figure.draw_without_rendering()  # only then is it known where the marks are
    named = [(mark, mark.given or "default", theme.ours) for mark in ours if mark.told]
    longest = {mark.finder.removesuffix(_LONGER): mark for mark in theirs}
    named += [(mark, label(name), theme.others) for name, mark in longest.items()]
    drawn = [box for line in lines for box in _boxes_of_line(axes, *_values(line))]
    drawn += [box for mark in ours if mark.told for box in _boxes_of_line(axes, [mark.steps] * 2, _bar(mark))]
    drawn += [_box_around(*_place(axes, mark.steps, _height(mark))) for mark in marks]
    if no_test is not None:
        drawn += _boxes_of_line(axes, axes.get_xlim(), [no_test.mean] * 2)
        right, y = _place(axes, axes.get_xlim()[1], no_test.mean)
        drawn.append(_box_of_text(_NO_TEST_TEXT, right, y + _SIZE, "right"))
    _name_marks(axes, named, drawn)
    return figure


def _bar(mark: Mark) -> list[float]:
    return [max(mark.regret.low, _LEAST), max(mark.regret.high, _LEAST)]


def _height(mark: Mark) -> float:
    return max(mark.regret.mean, _LEAST)


def _lengths(theirs: Sequence[Mark]) -> list[list[Mark]]:
    """Return the finders that ran with two numbers of steps, both ways."""
    by_name = {mark.finder: mark for mark in theirs}
    return [[mark, by_name[name + _LONGER]] for name, mark in by_name.items() if name + _LONGER in by_name]


def _values(line: Sequence[Mark]) -> tuple[list[float], list[float]]:
    return [mark.steps for mark in line], [_height(mark) for mark in line]


def _set_axes(axes: Axes, marks: Sequence[Mark]) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    steps = [mark.steps for mark in marks]
    axes.set_xlim(0.62 * min(steps), 1.6 * max(steps))
    axes.set_ylim(0.82 * min(_bar(mark)[0] for mark in marks), 1.0)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_xticks(_between(_STEPS, axes.get_xlim()), [f"{tick}" for tick in _between(_STEPS, axes.get_xlim())])
    axes.set_yticks(_between(_REGRETS, axes.get_ylim()), [f"{tick:g}" for tick in _between(_REGRETS, axes.get_ylim())])
    axes.grid(visible=True)
    axes.set_xlabel("steps that one answer takes")
    axes.set_ylabel("share of the possible gain that is given away")


def _between(ticks: Sequence[float], limits: tuple[float, float]) -> list[float]:
    return [tick for tick in ticks if limits[0] <= tick <= limits[1]]


def _draw_no_test(axes: Axes, regret: FinderRegret, theme: Theme) -> None:
    axes.axhline(regret.mean, color=theme.others, linewidth=1, linestyle=(0, (4, 3)))
    place = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points", "ha": "right", "va": "center"}
    axes.annotate(_NO_TEST_TEXT, (1, regret.mean), (0, _SIZE), color=theme.others, fontsize=_SIZE, **place)


def _draw_mode(axes: Axes, mark: Mark, theme: Theme) -> None:
    fill = theme.ours if mark.fair else theme.paper
    shape, size = ("o", 7) if mark.told else ("^", 5.5)
    name = "lrrange" if mark.told else "lrrange without train_steps="
    if mark.told:
        axes.plot([mark.steps] * 2, _bar(mark), color=theme.ours, linewidth=3, alpha=0.3)
    axes.plot(
        mark.steps,
        _height(mark),
        shape,
        markeredgecolor=theme.ours,
        markerfacecolor=fill,
        markersize=size,
        linestyle="none",
        label=name if mark.fair else f"{name}, in-sample",
    )


@attrs.frozen
class _Box:
    """A rectangle, in points."""

    left: float
    bottom: float
    right: float
    top: float

    def overlap(self, other: "_Box") -> float:
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.top, other.top) - max(self.bottom, other.bottom)
        return max(width, 0) * max(height, 0)

    def outside(self, other: "_Box") -> float:
        """Return how much of this lies outside of the other."""
        return (self.right - self.left) * (self.top - self.bottom) - self.overlap(other)


def _name_marks(axes: Axes, named: Sequence[tuple[Mark, str, str]], taken: list[_Box]) -> None:
    """Write each text beside its mark, in the first place where it covers neither a mark, nor a line or another text.

    Args:
        axes: of the picture.
        named: marks, each with its text and its colour.
        taken: what is drawn already.
    """
    frame = axes.get_window_extent()
    inside = _Box(*(value * _points(axes) for value in (frame.x0, frame.y0, frame.x1, frame.y1)))
    for mark, text, colour in named:
        x, y = _place(axes, mark.steps, _height(mark))
        boxes = [_box_of_text(text, x + dx, y + dy, side) for dx, dy, side in _PLACES]
        best = int(np.argmin([sum(map(box.overlap, taken)) + box.outside(inside) for box in boxes]))
        taken.append(boxes[best])
        dx, dy, side = _PLACES[best]
        far = {"arrowstyle": "-", "color": colour, "linewidth": 0.6, "shrinkB": 4} if abs(dy) > _FAR else None
        axes.annotate(
            text,
            (mark.steps, _height(mark)),
            (dx, dy),
            textcoords="offset points",
            ha=side,
            va="center",
            color=colour,
            fontsize=_SIZE,
            arrowprops=far,
        )


def _points(axes: Axes) -> float:
    return 72 / axes.get_figure(root=True).dpi


def _place(axes: Axes, steps: float, regret: float) -> tuple[float, float]:
    x, y = axes.transData.transform((steps, regret)) * _points(axes)
    return float(x), float(y)


def _boxes_of_line(axes: Axes, steps: Sequence[float], regrets: Sequence[float]) -> list[_Box]:
    """Return small boxes along a line."""
    places = [np.array(_place(axes, *point)) for point in zip(steps, regrets, strict=True)]
    return [
        _box_around(*(start * (1 - part) + end * part), half=1)
        for start, end in itertools.pairwise(places)
        for part in np.linspace(0, 1, 25)
    ]


def _box_around(x: float, y: float, half: float = 4) -> _Box:
    return _Box(x - half, y - half, x + half, y + half)


def _box_of_text(text: str, x: float, y: float, side: str) -> _Box:
    width, height = 0.53 * _SIZE * len(text), 1.15 * _SIZE
    left = {"left": x, "right": x - width, "center": x - width / 2}[side]
    return _Box(left, y - height / 2, left + width, y + height / 2)
