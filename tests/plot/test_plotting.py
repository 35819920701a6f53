import math
import random
import subprocess
import sys

import attrs
import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure

import lrrange
from lrrange.errors import OptionError, SaveError
from lrrange.sweep import paired_curve


def drawn(artist):
    return tuple(artist.get_xdata()), tuple(artist.get_ydata())


def test_the_points_are_the_raw_losses_and_the_line_the_smoothed_ones(result, axes, labelled):
    result.plot(axes)
    assert drawn(labelled(axes, "loss")) == (result.curve.lr, result.curve.loss)
    assert drawn(labelled(axes, "smoothed loss")) == (result.curve.lr, result.curve.smoothed)


def suggestions_of(result):
    suggestions = [answer for answer in result.answers if isinstance(answer, lrrange.Suggestion)]
    assert len(suggestions) >= 4
    return suggestions


def test_every_suggestion_is_marked_at_its_rate_on_the_smoothed_line(result, axes, labelled):
    result.plot(axes)
    x, y = np.log(result.curve.lr), result.curve.smoothed
    for answer in suggestions_of(result):
        (lr,), (height,) = drawn(labelled(axes, answer.heuristic))
        assert lr == answer.lr
        assert height == pytest.approx(np.interp(math.log(lr), x, y))


def test_the_chosen_suggestion_alone_is_called_that_and_has_a_line(result, axes, labelled):
    result.plot(axes)
    labels = [line.get_label() for line in axes.lines]
    assert [label for label in labels if "(chosen)" in label] == [f"steepest  {result.lr:.2e}  (chosen)"]
    upright = [line for line in axes.lines if tuple(line.get_xdata()) == (result.lr, result.lr)]
    assert len(upright) == 1


def test_the_interval_of_the_chosen_suggestion_is_drawn_through_it_and_is_within_the_picture(result, axes, labelled):
    chosen = lrrange.Suggestion(heuristic="steepest", lr=1e-3, low=1e-6, high=5.0)
    answers = tuple(chosen if answer.heuristic == "steepest" else answer for answer in result.answers)
    attrs.evolve(result, answers=answers).plot(axes)
    bar = labelled(axes, "interval")
    (height,) = labelled(axes, "steepest").get_ydata()
    assert drawn(bar) == ((1e-6, 5.0), (height, height))
    assert axes.get_xlim()[0] < 1e-6
    assert axes.get_xlim()[1] > 5.0


def test_the_range_is_shaded_from_base_lr_to_max_lr(result, axes, labelled):
    result.plot(axes)
    band = labelled(axes, "range")
    assert band.get_x() == pytest.approx(result.range.base_lr)
    assert band.get_x() + band.get_width() == pytest.approx(result.range.max_lr)


def test_a_suggestion_below_the_first_rate_is_within_the_picture(result_of, axes, labelled):
    """No heuristic suggests one, but a file may hold one."""
    valley = [2.0 - 0.1 * i for i in range(10)] + [1.1 + 0.1 * i for i in range(50)]
    below = lrrange.Suggestion(heuristic="min/10", lr=1e-6)
    result = attrs.evolve(result_of(valley, heuristic="min/10"), answers=(below,))
    result.plot(axes)
    assert result.lr < result.curve.lr[0]
    assert axes.get_xlim()[0] < result.lr
    assert drawn(labelled(axes, "min/10")) == ((result.lr,), (result.curve.smoothed[0],))


@pytest.mark.parametrize("shape", ["exponential", "linear"])
def test_the_rates_axis_is_logarithmic_and_both_axes_are_named(result_of, losses, axes, shape):
    result_of(losses, shape=shape).plot(axes)
    assert axes.get_xscale() == "log"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("learning rate", "loss")


@pytest.mark.parametrize("stop_reason", lrrange.StopReason)
def test_the_title_has_the_rate_and_the_stop_reason(result_of, losses, axes, stop_reason):
    result = result_of(losses, stop_reason=stop_reason)
    result.plot(axes)
    assert axes.get_title(loc="left") == f"lr = {result.lr:.2e}  ({result.chosen.heuristic})"
    words = stop_reason.value.split("_")
    assert any(all(word in text.get_text() for word in words) and "60" in text.get_text() for text in axes.texts)


def test_gaps_are_marked_and_break_the_line(result_of, losses, axes, labelled):
    losses[20] = losses[21] = math.nan
    losses[40] = math.inf
    result = result_of(losses)
    result.plot(axes)
    gaps = labelled(axes, "not finite")
    assert tuple(gaps.get_xdata()) == tuple(result.curve.lr[i] for i in (20, 21, 40))
    assert gaps.get_label() == "not finite  (3 of 60)"
    assert np.isnan(labelled(axes, "smoothed loss").get_ydata()[[20, 21, 40]]).all()


def test_an_exploding_loss_leaves_the_descent_legible_and_is_marked_at_the_edge(result_of, losses, axes, labelled):
    losses[55:] = [50.0, 1e3, 1e5, 1e9, 1e30]
    result = result_of(losses, stop_reason=lrrange.StopReason.DIVERGED)
    result.plot(axes)
    bottom, top = axes.get_ylim()
    assert bottom < min(losses)
    assert 2.3 < top < 10
    carets = labelled(axes, "loss off the scale")
    assert tuple(carets.get_xdata()) == result.curve.lr[55:]
    assert "1e+30" in carets.get_label()


def test_without_an_explosion_every_loss_is_within_the_picture(result, axes):
    result.plot(axes)
    bottom, top = axes.get_ylim()
    assert bottom < min(result.curve.loss)
    assert max(result.curve.loss) < top
    assert not any("off the scale" in str(line.get_label()) for line in axes.lines)


@pytest.mark.parametrize(
    "losses",
    [
        [2.3] * 60,
        [1.0 + i for i in range(60)],
        [2.0, 1.0],
        [math.nan] * 5,
        [],
        [1.5e308 * (-1) ** i for i in range(60)],
    ],
    ids=["flat", "rising", "short", "none finite", "empty", "largest floats"],
)
def test_a_result_without_a_suggestion_is_drawn_and_says_so(result_of, losses, axes, labelled, tmp_path):
    result = result_of(losses)
    result.plot(axes)
    assert axes.get_title(loc="left") == f"no learning rate: every heuristic refused ({result.chosen.kind})"
    low, high = axes.get_ylim()
    shown = [loss if low <= loss <= high else math.nan for loss in losses]
    np.testing.assert_equal(labelled(axes, "loss").get_ydata(), np.array(shown, dtype=float))
    assert not any("(chosen)" in str(line.get_label()) or "range" in str(line.get_label()) for line in axes.lines)
    result.plot(path=tmp_path / "x.png")
    assert (tmp_path / "x.png").stat().st_size > 1000


def test_a_refused_choice_is_named_in_the_title_while_others_are_marked(result_of, losses, axes):
    result = result_of([losses[i] for i in range(25, 35)], heuristic="valley")
    result.plot(axes)
    assert axes.get_title(loc="left") == 'no learning rate: "valley" refused (TooFewPoints)'
    labels = [str(line.get_label()) for line in axes.lines]
    assert any(label.startswith("steepest  ") and label.endswith("  (not chosen)") for label in labels)
    assert not any("(chosen)" in label for label in labels)


@pytest.mark.parametrize("shifts", [(0, -10), (-10, 0)])
def test_two_results_on_one_axes_are_both_within_it(result_of, losses, axes, shifts):
    for shift in shifts:
        result_of([loss + shift for loss in losses]).plot(axes)
    bottom, top = axes.get_ylim()
    assert bottom < min(losses) - 10
    assert top > max(losses)


def test_given_axes_are_returned_and_no_figure_is_opened(result, axes):
    before = pyplot.get_fignums()
    assert result.plot(axes) is axes
    assert pyplot.get_fignums() == before


def test_without_axes_a_new_figure_is_opened_with_its_legend_below(result):
    ax = result.plot()
    try:
        assert pyplot.gcf() is ax.figure
        assert ax.get_legend() is None
        (legend,) = ax.figure.legends
        ax.figure.canvas.draw()
        assert legend.get_window_extent().y1 < ax.get_window_extent().y0
        labels = [text.get_text().split("  ")[0] for text in legend.get_texts()]
        heuristics = [answer.heuristic for answer in suggestions_of(result)]
        assert {"range", "loss", "smoothed loss", *heuristics} <= set(labels)
    finally:
        pyplot.close(ax.figure)


def test_title_stop_reason_and_axes_do_not_overlap(result_of, losses):
    ax = result_of([loss * 1e300 for loss in losses]).plot()
    try:
        ax.figure.canvas.draw()
        (reason,) = [text for text in ax.texts if "completed" in text.get_text()]
        edges = [ax.get_window_extent(), reason.get_window_extent(), ax._left_title.get_window_extent()]
        assert edges[0].y1 <= edges[1].y0
        assert edges[1].y1 <= edges[2].y0
        assert ax.yaxis.get_offset_text().get_text() == ""
    finally:
        pyplot.close(ax.figure)


@pytest.mark.parametrize(
    ("name", "start"), [("x.png", b"\x89PNG"), ("x.SVG", b"<?xml"), ("x.pdf", b"%PDF"), ("x", b"\x89PNG")]
)
def test_the_suffix_names_the_format_and_png_is_the_default(result, tmp_path, name, start):
    result.plot(path=tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(start)


def test_an_unknown_suffix_is_an_error_that_names_known_ones(result, tmp_path):
    with pytest.raises(OptionError, match=r"\.png, \.svg or \.pdf"):
        result.plot(path=tmp_path / "x.xyz")
    assert list(tmp_path.iterdir()) == []


def test_a_plot_that_cannot_be_written_leaves_what_was_there(result, tmp_path):
    (tmp_path / "x.png").mkdir()
    with pytest.raises(SaveError, match="the plot could not be written"):
        result.plot(path=tmp_path / "x.png")
    assert [path.name for path in tmp_path.iterdir()] == ["x.png"]


def test_saving_a_plot_needs_no_pyplot(result, tmp_path):
    result.save(tmp_path / "run.json")
    script = (
        "import sys, lrrange\nlrrange.load('run.json').plot(path='x.png'); print('matplotlib.pyplot' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (run.stdout, run.stderr) == ("False\n", "")
    assert (tmp_path / "x.png").exists()


def confirmed(result):
    trials = tuple(lrrange.Trial(lr=lr, steps=150, loss=loss) for lr, loss in ((1e-3, 0.9), (3e-3, 0.4), (1e-2, 0.5)))
    values = {"trials": trials, "held_out": False, "lr": 2.5e-3, "low": 1e-3, "high": 5e-3, "max_lr": 6e-2}
    return attrs.evolve(result, confirmation=lrrange.Confirmation(**values))


def test_a_confirmed_rate_is_marked_beside_the_one_the_sweep_chose(result, axes, labelled):
    result = confirmed(result)
    result.plot(axes)
    assert tuple(labelled(axes, "confirmed").get_xdata()) == (2.5e-3,)
    assert tuple(labelled(axes, "interval").get_xdata()) == (1e-3, 5e-3)
    band = labelled(axes, "range")
    assert band.get_x() + band.get_width() == pytest.approx(6e-2)
    assert axes.get_title(loc="left") == "lr = 2.50e-03  (steepest, confirmed)"


def test_repeated_sweeps_are_drawn_as_a_band_from_the_lowest_to_the_highest(result, result_of, losses, axes):
    lower = result_of([loss - 0.2 for loss in losses]).curve
    higher = result_of([loss + 0.2 for loss in losses[:50]]).curve
    attrs.evolve(result, sweeps=(lower, higher)).plot(axes)
    (drawn_band,) = [area for area in axes.collections if area.get_label() == "smoothed loss of 2 sweeps"]
    heights = drawn_band.get_paths()[0].vertices[:, 1]
    assert heights.min() == pytest.approx(min(lower.smoothed))
    assert heights.max() == pytest.approx(max(higher.smoothed))


def test_a_grid_is_one_panel_for_each_setting_on_common_axes(result, result_of, losses):
    flat = result_of([2.3] * 60)
    results = [result, result, flat, result]
    cells = [lrrange.GridCell(setting={"batch_size": 16 * i}, result=result) for i, result in enumerate(results)]
    figure = lrrange.Grid(cells=tuple(cells)).plot(Figure()).figure
    panels = [panel for panel in figure.axes if panel.axison]
    titles = [panel.get_title(loc="left").split("\n") for panel in panels]
    assert [label for label, _ in titles] == [f"batch_size={16 * i}" for i in range(4)]
    assert [answer for _, answer in titles] == [f"lr = {result.lr:.2e}"] * 2 + [
        "no lr: FlatCurve",
        f"lr = {result.lr:.2e}",
    ]
    assert len({panel.get_ylim() for panel in panels}) == len({panel.get_xlim() for panel in panels}) == 1
    bottom, top = panels[0].get_ylim()
    assert bottom < min(losses) < max(losses) < top
    assert [len(panel.patches) for panel in panels] == [1, 1, 0, 1]  # the shaded range, where there is one


def test_a_paired_curve_shows_the_losses_as_measured_faintly_behind_the_paired_ones(result, losses, axes, labelled):
    noise = [random.Random(1).gauss(0, 0.5) * (-1) ** i for i in range(60)]
    noise = [value * (1 + i % 3) for i, value in enumerate(noise)]
    measured = [loss + value for loss, value in zip(losses, noise, strict=True)]
    plain = lrrange.Curve(lr=result.curve.lr, loss=measured)
    curve = paired_curve(plain, [2.3 + value for value in noise])
    attrs.evolve(result, curve=curve).plot(axes)
    faint, paired = labelled(axes, "loss measured"), labelled(axes, "paired loss")
    assert tuple(faint.get_ydata()) == plain.loss
    assert tuple(paired.get_ydata()) == curve.loss
    assert faint.get_alpha() < paired.get_alpha()
    assert faint.zorder <= paired.zorder
    low, high = axes.get_ylim()
    assert sum(low <= loss <= high for loss in measured) > 45


def test_a_confirmed_rate_of_a_curve_that_has_no_range_is_drawn_without_one(result_of, losses, axes):
    result = result_of(losses)
    midway = next(answer for answer in result.answers if answer.heuristic == "midway")
    refused = lrrange.Refusal(heuristic="midway", kind="TooFewPoints", reason="too few points")
    confirmed = lrrange.Confirmation(
        trials=(lrrange.Trial(lr=midway.lr, steps=9, loss=0.5),),
        held_out=False,
        lr=midway.lr,
        low=midway.lr / 3,
        high=midway.lr * 3,
        max_lr=midway.lr * 5,
    )
    curve = lrrange.Curve(lr=result.curve.lr[::20], loss=result.curve.loss[::20])
    answers = tuple(refused if answer is midway else answer for answer in result.answers)
    sparse = attrs.evolve(result, curve=curve, answers=answers, ranges=(), heuristic="steepest", confirmation=confirmed)
    with pytest.raises(lrrange.NoSuggestion):
        _ = sparse.range
    sparse.plot(axes)
    assert "confirmed" in axes.get_title(loc="left")
    assert "range" not in " ".join(axes.get_legend_handles_labels()[1])
    assert "<img" in sparse._repr_html_()
    assert "for the same reason" not in str(sparse)
    assert "midway" in next(line for line in str(sparse).splitlines() if line.startswith(" range"))
