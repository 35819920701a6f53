"""One `plot` for results, grids and comparisons: the same arguments, the same return type, pyplot's figures, files."""

import inspect
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import lrrange
from lrrange.errors import NoWinner, OptionError, SaveError
from lrrange.policy import Policy
from tests.plot.shapes import RESULTS, USUAL
from tests.plot.test_layout import comparison, grid

THINGS: dict[str, Any] = {"a result": USUAL, "a grid": grid(3), "a comparison": comparison(2)}
AXES = {"a result": 1, "a grid": 3, "a comparison": 2}


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    pyplot.close("all")


@pytest.fixture(params=list(THINGS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_all_plots_have_the_same_signature_and_say_what_it_means(name: str) -> None:
    plot = type(THINGS[name]).plot
    signature = inspect.signature(plot)
    assert list(signature.parameters) == ["self", "ax", "path"]
    assert signature == inspect.signature(lrrange.RangeTestResult.plot)
    assert all(f"{argument}:" in (plot.__doc__ or "") for argument in ("ax", "path"))


def test_a_new_figure_is_pyplot_s_and_the_first_axes_are_returned(name: str) -> None:
    ax = THINGS[name].plot()
    assert isinstance(ax, Axes)
    assert pyplot.get_fignums() == [1]
    assert pyplot.gcf() is ax.figure
    assert ax is ax.figure.axes[0]
    assert sum(panel.axison for panel in ax.figure.axes) == AXES[name]


def test_a_file_is_written_and_no_figure_stays_open(name: str, tmp_path: Path) -> None:
    for file, start in ((tmp_path / "x.svg", b"<?xml"), (str(tmp_path / "y.PNG"), b"\x89PNG")):
        assert isinstance(THINGS[name].plot(path=file), Axes)
        assert Path(file).read_bytes().startswith(start)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.svg", "y.PNG"]
    assert pyplot.get_fignums() == []


def test_a_wrong_suffix_is_an_error_before_anything_is_drawn(name: str, tmp_path: Path) -> None:
    figure = Figure()
    with pytest.raises(OptionError, match=r"\.png, \.svg or \.pdf"):
        THINGS[name].plot(figure, path=tmp_path / "x.xyz")
    assert figure.axes == []


def test_a_file_that_cannot_be_written_leaves_what_was_there(name: str, tmp_path: Path) -> None:
    (tmp_path / "x.png").mkdir()
    with pytest.raises(SaveError):
        THINGS[name].plot(path=tmp_path / "x.png")
    assert [path.name for path in tmp_path.iterdir()] == ["x.png"]


def test_given_axes_or_a_figure_or_a_part_of_one_are_drawn_on(name: str, tmp_path: Path) -> None:
    count = AXES[name]
    several = Figure().subplots(count, 1, squeeze=False)
    assert THINGS[name].plot(several) is several[0, 0]
    assert THINGS[name].plot(list(Figure().subplots(1, count, squeeze=False)[0])) is not None
    whole = Figure(layout="constrained")
    assert THINGS[name].plot(ax=whole).figure is whole
    parent = Figure(layout="constrained", figsize=(12, 5))
    left, right = parent.subfigures(1, 2)
    ax = THINGS[name].plot(left, path=tmp_path / "both.png")
    USUAL.plot(right)
    assert ax.figure is left
    assert len(parent.axes) == len(left.axes) + 1
    assert (tmp_path / "both.png").exists()
    assert pyplot.get_fignums() == []


@pytest.mark.parametrize(
    ("thing", "count", "message"),
    [
        ("a result", 2, "ax= has 2 axes, and a range test needs 1"),
        ("a grid", 1, "ax= has 1 axes, and a grid of 3 settings needs 3"),
        ("a grid", 4, "ax= has 4 axes, and a grid of 3 settings needs 3"),
        ("a comparison", 3, "ax= has 3 axes, and a comparison needs 1 or 2"),
        ("a comparison", 0, "ax= has 0 axes"),
    ],
)
def test_another_number_of_axes_is_an_error_with_the_number(thing: str, count: int, message: str) -> None:
    axes = np.array(Figure().subplots(1, 5))[:count]
    with pytest.raises(OptionError, match=message):
        THINGS[thing].plot(axes)
    assert not any(ax.has_data() for ax in axes)


def test_a_file_in_the_place_of_axes_is_an_error_that_names_the_argument(name: str, tmp_path: Path) -> None:
    for file in ("x.png", tmp_path / "x.png"):
        with pytest.raises(OptionError, match=r"To write the picture to it: plot\(path='.*x.png'\)"):
            THINGS[name].plot(file)
    with pytest.raises(OptionError, match=r"ax= is an int\. Give matplotlib axes"):
        THINGS[name].plot(3)
    assert list(tmp_path.iterdir()) == []


def test_a_metric_and_its_loss_are_drawn_on_two_axes_or_the_metric_alone_on_one() -> None:
    result = RESULTS["a metric"]
    ax = result.plot()
    assert [panel.get_ylabel() for panel in ax.figure.axes] == ["accuracy", "loss"]
    two = Figure().subplots(2)
    result.plot(two)
    assert [panel.get_ylabel() for panel in two] == ["accuracy", "loss"]
    one = Figure().subplots()
    assert result.plot(one).get_ylabel() == "accuracy"
    with pytest.raises(OptionError, match="has 3 axes, and a range test needs 1 or 2"):
        result.plot(Figure().subplots(3))


def test_a_comparison_on_one_axes_shows_the_loss_alone() -> None:
    assert comparison(2).plot(Figure().subplots()).get_ylabel() == "loss"


def test_what_cannot_be_drawn_leaves_no_empty_figure() -> None:
    nothing = lrrange.Comparison(make_run="make", policies=(Policy(name="a", lr=(0.1,)),), steps=1, seeds=(0,))
    with pytest.raises(NoWinner):
        nothing.plot()
    assert pyplot.get_fignums() == []


def test_a_backend_without_a_display_is_no_obstacle_to_a_file_and_is_not_switched(tmp_path: Path) -> None:
    USUAL.save(tmp_path / "run.json")
    script = (
        "import lrrange, matplotlib; result = lrrange.load('run.json'); result.plot(path='x.png')\n"
        "print(matplotlib.get_backend(auto_select=False))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "DISPLAY"} | {"MPLBACKEND": "TkAgg"}
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.strip().lower() == "tkagg"
    assert (tmp_path / "x.png").exists()


def test_axes_that_are_logarithmic_already_show_the_whole_curve_above_zero() -> None:
    curve = USUAL.curve
    lowered = [loss - min(curve.loss) + 1e-3 for loss in curve.loss]  # so that the usual limits reach below zero
    near_zero = attrs.evolve(USUAL, curve=lrrange.Curve(lr=curve.lr, loss=lowered))
    _, linear = pyplot.subplots()
    near_zero.plot(linear)
    assert linear.get_ylim()[0] < 0
    _, ax = pyplot.subplots()
    ax.set_yscale("log")
    near_zero.plot(ax)  # without a warning of matplotlib's, which would be an error here
    bottom, top = ax.get_ylim()
    assert 0 < bottom < min(near_zero.curve.smoothed)
    assert top > near_zero.curve.loss[0]
    assert ax.get_yscale() == "log"
