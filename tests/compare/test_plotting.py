import math
import sys

import matplotlib
import pytest

from lrrange.errors import MissingExtra, NoWinner, OptionError
from tests.compare.training import compare

matplotlib.use("Agg")


@pytest.fixture
def axes():
    """Axes of the user's own, without pyplot."""
    from matplotlib.figure import Figure

    return tuple(Figure().subplots(2))


@pytest.fixture(scope="module")
def comparison():
    return compare(policies={"low": 0.1, "decay": lambda step: 0.5 / (1 + step), "bold": 3.0}, evaluate_every=10)


def test_each_policy_is_a_line_of_losses_and_one_of_rates(comparison, axes):
    losses, rates = comparison.plot(axes), axes[1]
    lines = [line for line in losses.lines if not line.get_label().startswith("_")]
    assert [line.get_label().split("  ")[0] for line in lines] == ["low", "decay", "bold"]
    assert list(rates.lines[1].get_ydata()) == list(comparison.policy("decay").lr)
    assert [line.get_color() for line in lines] == [line.get_color() for line in rates.lines]


def test_bands_span_the_seeds_and_circles_are_the_held_out_losses(comparison, axes):
    losses = comparison.plot(axes)
    assert len(losses.collections) == 3
    circles = next(line for line in losses.lines if line.get_marker() == "o")
    assert list(circles.get_xdata()) == [10, 20, 30]


def test_a_line_is_the_median_of_the_seeds(compared, axes):
    losses = compared(clr=[0.1, 0.2, 0.9], fixed=[0.2, 0.3, 1.0]).plot(axes)
    assert losses.lines[0].get_ydata()[-1] == pytest.approx((1.2 + 0.2) / 2)


def test_the_legend_says_where_each_ended_and_which_diverged(comparison, axes):
    losses = comparison.plot(axes)
    labels = [text.get_text() for text in losses.get_legend().get_texts()]
    assert labels[0] == f"low  (ends at {comparison.table[[r.policy for r in comparison.table].index('low')].mean:.4g})"
    assert labels[2] == "bold  (2 of 2 diverged)"


def test_a_divergence_does_not_flatten_the_others(comparison, axes):
    losses = comparison.plot(axes)
    highest_start = max(run.losses[0] for run in comparison.runs)
    assert losses.get_ylim()[1] < 10 * highest_start


def test_losses_below_zero_are_drawn_on_a_linear_scale(compared, axes):
    losses = compared(clr=[-1.5, -1.6], fixed=[-1.1, -1.2]).plot(axes)
    assert losses.get_yscale() == "linear"
    assert losses.get_ylim()[0] < -0.6


def test_the_title_says_who_wins_and_whether_that_is_certain(compared, axes):
    losses = compared(clr=[0.1], fixed=[0.2]).plot(axes)
    assert losses.get_title(loc="left") == "clr wins, but not for certain"


def test_a_comparison_in_which_everything_diverged_is_drawn_without_a_winner(compared, axes):
    losses = compared(clr=[math.inf], fixed=[math.inf]).plot(axes)
    assert losses.get_title(loc="left") == "no winner"


def test_nothing_finished_is_nothing_to_draw(compared, axes):
    with pytest.raises(NoWinner, match="nothing to draw"):
        compared(clr=[None]).plot(axes)


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_a_picture_is_written_in_the_format_its_suffix_names(comparison, tmp_path, suffix):
    comparison.plot(path=tmp_path / f"plot.{suffix}")
    start = (tmp_path / f"plot.{suffix}").read_bytes()[:5]
    assert start == {"png": b"\x89PNG\r", "svg": b"<?xml"}[suffix]


def test_a_new_figure_has_its_legend_under_the_axes(comparison):
    from matplotlib import pyplot

    losses = comparison.plot()
    assert losses.get_legend() is None
    assert len(losses.figure.legends) == 1
    pyplot.close(losses.figure)


def test_a_suffix_that_is_no_picture_is_refused(comparison, tmp_path):
    with pytest.raises(OptionError, match=r"\.txt"):
        comparison.plot(path=tmp_path / "plot.txt")


def test_without_matplotlib_the_extra_is_named(comparison, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtra, match="lrrange\\[plot\\]"):
        comparison.plot()
