"""What a plot marks: a metric in its own sign, what the answer was read from, and the trials that confirm it."""

import math
from typing import Any

import attrs
import numpy as np
import pytest
from matplotlib.figure import Figure

import lrrange
from lrrange.report.plots.result_picture import ResultPicture
from lrrange.sweep import Quantity
from tests.plot.shapes import RESULTS, USUAL, confirmed


def plotted(result: lrrange.RangeTestResult) -> Any:
    return ResultPicture(result).figure().axes[0]


def labelled(ax: Any, start: str) -> Any:
    handles, labels = ax.get_legend_handles_labels()
    (found,) = [handle for handle, label in zip(handles, labels, strict=True) if label.startswith(start)]
    return found


def test_an_accuracy_rises_under_its_own_name() -> None:
    result = RESULTS["a metric"]
    ax = plotted(result)
    assert ax.get_ylabel() == "accuracy"
    points = labelled(ax, "accuracy").get_ydata()
    np.testing.assert_allclose(points, result.curve.values)
    line = labelled(ax, "smoothed accuracy").get_ydata()
    start, best = np.nanmedian(line[:20]), np.nanmax(line)
    assert 0 < start < 0.5 < best <= 1
    low, high = ax.get_ylim()
    assert low < start < best < high < 1.2
    labels = ax.get_legend_handles_labels()[1]
    assert not any("loss" in label for label in labels)
    (mark,) = labelled(ax, "midway  ").get_ydata()
    assert start < mark < best


def test_the_second_panel_has_the_loss_of_the_same_sweep_and_the_same_answer() -> None:
    result = RESULTS["a metric"]
    upper, lower = ResultPicture(result).figure().axes
    points = next(line for line in lower.lines if line.get_label() == "loss")
    assert result.curve.also is not None
    shown = np.array(points.get_ydata())
    assert np.isfinite(shown).mean() > 0.7
    np.testing.assert_allclose(shown[np.isfinite(shown)], np.array(result.curve.also.loss)[np.isfinite(shown)])
    for ax in (upper, lower):
        assert any(tuple(line.get_xdata()) == (result.lr, result.lr) for line in ax.lines)
    assert upper.get_xlim() == lower.get_xlim()


def test_a_metric_that_collapses_is_marked_at_the_lower_edge() -> None:
    wrong = [min(500.0, loss) for loss in RESULTS["exploding"].curve.loss]
    score = Quantity(name="score", higher_is_better=True)
    curve = lrrange.Curve(lr=USUAL.curve.lr, loss=wrong, quantity=score)
    ax = plotted(attrs.evolve(RESULTS["exploding"], curve=curve))
    carets = labelled(ax, "score off the scale")
    assert set(carets.get_ydata()) == {ax.get_ylim()[0]}
    assert carets.get_label() == "score off the scale  (down to -500)"


def test_the_rates_that_the_answer_was_read_from_are_marked_on_the_curve_and_named() -> None:
    ax = plotted(USUAL)
    assert isinstance(USUAL.chosen, lrrange.Suggestion)
    read = USUAL.chosen.read
    marks = labelled(ax, "midway reads")
    assert tuple(marks.get_xdata()) == (read["fall"], read["blow_up"])
    assert marks.get_label() == f"midway reads  fall {read['fall']:.2e}, blow-up {read['blow_up']:.2e}"
    names = {text.get_text(): text.xy[0] for text in ax.texts if text.get_text() in ("fall", "blow-up")}
    assert names == {"fall": read["fall"], "blow-up": read["blow_up"]}


def test_a_heuristic_that_says_nothing_of_what_it_read_has_no_such_marks() -> None:
    ax = plotted(USUAL.with_heuristic("valley"))
    assert not [text for text in ax.texts if text.get_text() in ("fall", "blow-up")]
    assert not any("reads" in label for label in ax.get_legend_handles_labels()[1])


def test_the_names_of_a_fall_and_a_blow_up_that_are_close_are_one_below_the_other() -> None:
    assert isinstance(USUAL.chosen, lrrange.Suggestion)
    near = attrs.evolve(USUAL.chosen, read={"fall": 1e-3, "blow_up": 2e-3})
    answers = tuple(near if answer is USUAL.chosen else answer for answer in USUAL.answers)
    figure = ResultPicture(attrs.evolve(USUAL, answers=answers)).figure()
    figure.draw_without_rendering()
    fall, blow_up = [
        text.get_window_extent() for text in figure.axes[0].texts if text.get_text() in ("fall", "blow-up")
    ]
    assert blow_up.y1 <= fall.y0 + 1


def test_each_trial_is_drawn_at_its_rate_with_its_loss_and_error_and_the_confirmed_rate_is_a_star() -> None:
    result = confirmed(USUAL)
    assert result.confirmation is not None
    ax = plotted(result)
    trials = sorted(result.confirmation.trials, key=lambda trial: trial.lr)
    line, _, (bars,) = labelled(ax, "trials")
    assert tuple(line.get_xdata()) == tuple(trial.lr for trial in trials)
    assert tuple(line.get_ydata()) == tuple(trial.loss for trial in trials)
    lengths = [(segment[1, 1] - segment[0, 1]) / 2 for segment in bars.get_segments()]
    assert lengths == pytest.approx([trial.error for trial in trials])
    label = next(label for label in ax.get_legend_handles_labels()[1] if label.startswith("trials"))
    assert all(f"{trial.lr:.2e}" in label for trial in trials)
    assert "training loss" in label
    assert tuple(labelled(ax, "confirmed").get_xdata()) == (result.lr,)


def test_a_trial_that_did_not_stay_finite_is_a_cross_at_the_edge() -> None:
    result = RESULTS["a trial that diverged"]
    ax = plotted(result)
    crosses = labelled(ax, "trial that did not stay finite")
    assert result.confirmation is not None
    assert list(crosses.get_xdata()) == [trial.lr for trial in result.confirmation.trials if trial.loss == math.inf]
    assert list(crosses.get_ydata()) == [ax.get_ylim()[1]]


def test_trials_of_a_metric_are_drawn_in_its_own_sign() -> None:
    line, _, _ = labelled(plotted(RESULTS["a confirmed metric"]), "trials, training accuracy")
    assert tuple(line.get_ydata()) == (0.5, 0.9, 0.6)


def test_trials_in_another_unit_than_the_curve_are_marked_on_the_curve() -> None:
    result = RESULTS["a confirmed metric"]
    assert result.confirmation is not None
    confirmation = attrs.evolve(result.confirmation, quantity=Quantity(), held_out=True)
    ax = plotted(attrs.evolve(result, confirmation=confirmation))
    marks = labelled(ax, "trials, held-out loss")
    assert all(0 <= height <= 1 for height in marks.get_ydata())
    assert ax.get_ylim()[0] > -0.5


def test_on_small_axes_the_names_of_other_heuristics_give_way_first() -> None:
    def labels(size: tuple[float, float]) -> list[str]:
        ax = Figure(figsize=size, layout="constrained").subplots()
        USUAL.plot(ax)
        return [text.get_text() for text in ax.get_legend().get_texts()]

    assert any(label.startswith("steepest") for label in labels((9, 6)))
    small = labels((4, 3))
    assert not any(label.startswith(("steepest", "slide")) for label in small)
    assert {"midway", "range", "smoothed loss"} <= set(small)


def test_an_ascent_is_called_a_rise() -> None:
    ax = plotted(RESULTS["a metric"])
    assert {"rise", "blow-up"} <= {text.get_text() for text in ax.texts}
    assert "reads  rise" in labelled(ax, "midway reads").get_label()
