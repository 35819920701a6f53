"""Nothing is covered, cut off or unreadable, whatever the curve looks like and wherever it is drawn."""

import math
import random
from collections.abc import Iterator
from typing import Any

import pytest
from matplotlib import pyplot, style
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

import lrrange
from lrrange.comparison.plot import ComparisonPicture
from lrrange.policy import Checkpoint, Policy, Run
from lrrange.report.plots.grid_picture import GridPicture
from lrrange.report.plots.result_picture import ResultPicture
from tests.core.strategies import Landscape
from tests.plot.shapes import RESULTS, USUAL, covered, outside, overlapping, points_of, result_of, texts_of


@pytest.fixture(autouse=True)
def _leaves_no_figure_in_pyplot() -> Iterator[None]:
    pyplot.close("all")
    yield
    assert pyplot.get_fignums() == []


def check(figure: Any, *, outside_is_fine: bool = False) -> None:
    figure.draw_without_rendering()
    texts = texts_of(figure)
    assert covered(figure) == []
    assert overlapping(texts) == []
    if not outside_is_fine:
        assert outside(texts, figure.bbox) == []


@pytest.mark.parametrize("result", RESULTS.values(), ids=RESULTS)
def test_a_figure_of_its_own_shows_every_shape_with_nothing_covered_or_cut_off(result: lrrange.RangeTestResult) -> None:
    check(ResultPicture(result).figure())


SMALL = (
    "usual",
    "steep",
    "rising",
    "exploding",
    "no finite loss",
    "a confirmed metric",
    "a trial that diverged",
    "sweeps",
    "a long name",
)
WIDE = ("exploding", "a confirmed metric", "a long name")


@pytest.mark.parametrize(
    ("name", "size"), [*((name, (4, 3)) for name in SMALL), *((name, (12, 4)) for name in WIDE)], ids=str
)
def test_axes_of_the_user_s_have_a_legend_that_covers_nothing(name: str, size: Any) -> None:
    result = RESULTS[name]
    figure = Figure(figsize=size, layout="constrained")
    ax = figure.subplots()
    assert result.plot(ax) is ax
    check(figure)
    legend = ax.get_legend().get_window_extent()
    assert ax.bbox.x0 - 1 <= legend.x0 < legend.x1 <= ax.bbox.x1 + 1
    assert legend.y1 <= ax.bbox.y1 + 1


@pytest.mark.parametrize("name", ["confirmed", "a metric", "a long name"])
def test_axes_without_a_layout_engine_have_a_title_within_the_figure(name: str) -> None:
    figure = Figure(figsize=(4, 3))
    RESULTS[name].plot(figure.subplots())
    check(figure, outside_is_fine=True)  # matplotlib itself cuts off the name of the lower axis
    top = max(box.y1 for _, box in texts_of(figure))
    assert top <= figure.bbox.y1 + 1


def test_the_title_of_lower_axes_stays_below_the_upper_ones() -> None:
    figure = Figure(figsize=(6, 6))
    upper, lower = figure.subplots(2)
    upper.plot([1, 2, 3])
    USUAL.plot(lower)
    check(figure)


def test_a_user_s_own_content_stays_in_view_beside_the_curve() -> None:
    figure = Figure(figsize=(6, 4))
    ax = figure.subplots()
    ax.plot([1e-9, 1e-3], [-3.0, 5.0], label="mine")
    ax.legend()
    USUAL.plot(ax)
    check(figure, outside_is_fine=True)
    (low, high), (left, right) = ax.get_ylim(), ax.get_xlim()
    assert low <= -3.0 < 5.0 <= high
    assert left <= 1e-9 < USUAL.curve.lr[-1] <= right
    assert "mine" in [text.get_text() for text in ax.get_legend().get_texts()]


def test_a_second_result_on_the_same_axes_needs_no_more_room_than_the_first() -> None:
    figure = Figure(figsize=(8, 5))
    ax = figure.subplots()
    USUAL.plot(ax)
    first = ax.get_ylim()
    USUAL.plot(ax)
    heights = ax.get_ylim()
    check(figure)
    assert heights == pytest.approx(first)


@pytest.mark.parametrize("look", ["dark_background", "seaborn-v0_8"])
def test_other_styles_keep_everything_in_view(look: str) -> None:
    with style.context(look):
        check(ResultPicture(RESULTS["confirmed"]).figure())
        figure = Figure(figsize=(6, 4), layout="constrained")
        RESULTS["confirmed"].plot(figure.subplots())
        check(figure)


def test_text_and_points_stand_out_from_a_dark_background() -> None:
    with style.context("dark_background"):
        figure = Figure(layout="constrained")
        ax = figure.subplots()
    USUAL.plot(ax)  # outside of the style
    (points,) = [line for line in ax.lines if line.get_label() == "loss"]
    texts = [ax._left_title, *ax.get_legend().get_texts()]
    assert {to_hex(artist.get_color()) for artist in (points, *texts)} == {"#ffffff"}


def test_a_line_that_leaves_the_picture_does_not_run_on_under_the_legend() -> None:
    figure = Figure(figsize=(5, 4))
    ax = figure.subplots()
    RESULTS["exploding"].plot(ax)
    figure.draw_without_rendering()
    highest = max(pixels[:, 1].max() for _, pixels in points_of(ax) if len(pixels))
    assert highest < ax.get_legend().get_window_extent().y0


def grid(count: int, **more: Any) -> lrrange.Grid:
    flat = RESULTS["flat"]
    cells = [
        lrrange.GridCell(
            setting={"batch_size": 16 * i, "weight_decay": 1e-4, **more},
            result=flat if i % 5 == 4 else result_of(Landscape(noise=0.03, fall=-4 + 0.05 * i).curve()),
        )
        for i in range(count)
    ]
    return lrrange.Grid(cells=tuple(cells))


def drawn(cells: lrrange.Grid) -> Figure:
    return GridPicture([(cell.label, cell.result) for cell in cells.cells]).figure()


@pytest.mark.parametrize("count", [1, 4, 5, 14])
def test_a_grid_of_any_size_is_readable(count: int) -> None:
    figure = Figure(layout="constrained", figsize=(3 * min(count, 6), 2.6 * math.ceil(count / 6)))
    cells = grid(count)
    cells.plot(figure)
    for picture in (drawn(cells), figure):
        check(picture)
        panels = [ax for ax in picture.axes if ax.axison]
        assert len(panels) == count
        assert min(ax.bbox.width for ax in panels) > 0.7 * picture.bbox.width / math.ceil(math.sqrt(1.2 * count) + 1)
        assert len({ax.get_xlim() for ax in panels}) == len({ax.get_ylim() for ax in panels}) == 1


def test_a_grid_of_four_settings_fills_a_square() -> None:
    assert len(drawn(grid(4)).axes) == 4


def test_a_grid_with_long_settings_breaks_them_into_lines() -> None:
    check(drawn(grid(8, label_smoothing=0.1, schedule="a one-cycle with cosine annealing")))


def comparison(count: int, name: str = "policy {}") -> lrrange.Comparison:
    policies, runs = [], []
    for i in range(count):
        policies.append(Policy(name=name.format(i), lr=tuple(10 ** (-4 + 0.3 * i) for _ in range(60))))
        for seed in range(2):
            noise = random.Random(100 * seed + i)
            losses = [2.3 * math.exp(-step * (i + 1) / 50) + 0.2 + noise.gauss(0, 0.02) for step in range(60)]
            if i == 2:
                losses[30:] = [1e5 * 10 ** (step / 3) for step in range(30)]
            held_out = (Checkpoint(step=60, loss=losses[-1]),)
            values: dict[str, Any] = {"losses": tuple(losses), "held_out": held_out, "final": losses[-1]}
            runs.append(Run(policy=name.format(i), seed=seed, **values))
    fields: dict[str, Any] = {"make_run": "make", "steps": 60, "seeds": (0, 1)}
    return lrrange.Comparison(policies=tuple(policies), runs=tuple(runs), **fields)


LONG_POLICY = "a policy {} with a name that tells everything about it, at length"


@pytest.mark.parametrize(("count", "name"), [(3, "policy {}"), (3, LONG_POLICY), (12, LONG_POLICY)])
def test_a_comparison_of_any_size_is_readable(count: int, name: str) -> None:
    compared = comparison(count, name)
    figure = ComparisonPicture(compared).figure()
    check(figure)
    looks = [(line.get_color(), line.get_linestyle()) for line in figure.axes[1].lines]
    assert len(set(looks)) == count
    given = Figure(figsize=(8, 7), layout="constrained")
    compared.plot(given.subplots(2))
    check(given)
