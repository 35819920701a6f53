"""Curves, results, grids and comparisons as CSV, which needs no library."""

import csv
import io
import math
import os
import sys

import attrs
import pytest

import lrrange
from lrrange.errors import MissingExtra, OptionError, SaveError
from lrrange.policy import Checkpoint, Policy, Run
from lrrange.quantity import Quantity
from lrrange.sweep.curve import paired_curve
from tests.core.strategies import Landscape
from tests.core.training import Loop

GOOD = lrrange.find_lr(Loop(Landscape(noise=0.02)))


def rows_of(text):
    """The rows of a CSV, by column, with a number where there is one."""

    def value(cell):
        try:
            return float(cell)
        except ValueError:
            return cell

    return [{name: value(cell) for name, cell in row.items()} for row in csv.DictReader(io.StringIO(text))]


def same(numbers, others):
    """Whether these are equal to the last bit, NaN too."""
    return list(map(repr, map(float, numbers))) == list(map(repr, map(float, others)))


def compared():
    policies = (
        Policy(name="flat", lr=(0.1, 0.1, 0.1), about="given"),
        Policy(name='a "cycle", up', lr=(0.1, 0.2, 0.1), momentum=(0.9, 0.8, 0.9), about="two\nlines"),
    )
    flat = Run(policy="flat", seed=0, losses=(2.0, 1.5, 1.25), held_out=(Checkpoint(step=3, loss=1.3),), final=1.3)
    cycle = Run(policy='a "cycle", up', seed=0, losses=(2.0, math.nan), momentum=True, final=math.inf)
    failed = Run(policy="flat", seed=1, error="OSError: gone", attempts=2)
    other = attrs.evolve(cycle, seed=1, losses=(2.0,), momentum=False)
    return lrrange.Comparison(
        make_run="train:make", policies=policies, steps=3, seeds=(0, 1), runs=(flat, failed, cycle, other)
    )


def test_a_curve_has_a_row_for_each_point_with_all_digits():
    rows = rows_of(GOOD.curve.to_csv())
    assert list(rows[0]) == ["step", "lr", "loss", "smoothed"]
    assert [row["step"] for row in rows] == list(range(len(GOOD.curve)))
    for name in ("lr", "loss", "smoothed"):
        assert same([row[name] for row in rows], getattr(GOOD.curve, name))


def test_losses_that_are_not_finite_come_back():
    curve = lrrange.Curve(lr=(1e-3, 1e-2, 0.1, 1.0, 5.0), loss=(1.0, math.nan, math.inf, -math.inf, 5e-324))
    rows = rows_of(curve.to_csv())
    assert same([row["loss"] for row in rows], curve.loss)
    assert same([row["smoothed"] for row in rows], curve.smoothed)


def test_a_paired_curve_has_its_baseline_and_the_losses_as_measured():
    curve = paired_curve(lrrange.Curve(lr=(0.1, 0.2, 0.3), loss=(2.0, 1.0, 0.5)), [2.0, 1.5, 2.5])
    rows = rows_of(curve.to_csv())
    assert list(rows[0]) == ["step", "lr", "loss", "smoothed", "baseline", "measured"]
    assert same([row["baseline"] for row in rows], [2.0, 1.5, 2.5])
    assert same([row["measured"] for row in rows], [2.0, 1.0, 0.5])


def test_a_metric_is_a_column_of_its_name_in_its_own_sign_beside_the_loss():
    accuracy = Quantity(name="accuracy", higher_is_better=True)
    rates, loss = (0.1, 0.2, 0.3), lrrange.Curve(lr=(0.1, 0.2, 0.3), loss=(2.0, 1.0, 0.5))
    curve = lrrange.Curve(lr=rates, loss=(-0.1, -0.2, -0.4), quantity=accuracy, also=loss)
    rows = rows_of(curve.to_csv())
    assert list(rows[0]) == ["step", "lr", "accuracy", "smoothed", "loss", "smoothed_loss"]
    assert same([row["accuracy"] for row in rows], [0.1, 0.2, 0.4])
    assert same([row["smoothed"] for row in rows], [-value for value in curve.smoothed])
    assert same([row["loss"] for row in rows], loss.loss)
    assert same([row["smoothed_loss"] for row in rows], loss.smoothed)


def test_a_metric_of_a_comparison_is_in_its_own_sign():
    accuracy = Quantity(name="accuracy", higher_is_better=True)
    run = Run(policy="flat", seed=0, losses=(-0.1, -0.4), held_out=(Checkpoint(step=2, loss=-0.3),), final=-0.3)
    run = attrs.evolve(run, quantity=accuracy)
    policies = (Policy(name="flat", lr=(0.1, 0.1)),)
    comparison = lrrange.Comparison(make_run="train:make", policies=policies, steps=2, seeds=(0,), runs=(run,))
    rows = rows_of(comparison.to_csv())
    assert [(row["accuracy"], row["held_out"]) for row in rows[1:]] == [(0.4, 0.3)]
    assert [row["final"] for row in rows_of(comparison.to_csv(rows="runs"))] == [0.3]
    assert [row["final"] for row in rows_of(comparison.to_csv(rows="policies"))] == [0.3]


def test_the_rows_of_a_result_are_those_of_its_curve():
    assert GOOD.to_csv() == GOOD.curve.to_csv()


def test_a_curve_without_points_has_the_line_of_names_alone():
    assert lrrange.Curve(lr=(), loss=()).to_csv() == "step,lr,loss,smoothed\n"


@pytest.mark.parametrize("make", [lambda: GOOD, lambda: GOOD.curve, compared], ids=["result", "curve", "comparison"])
def test_a_path_gets_the_text_whole_or_not_at_all(make, tmp_path):
    value = make()
    assert value.to_csv(tmp_path / "out.csv") is None
    assert (tmp_path / "out.csv").read_text() == value.to_csv()
    assert os.listdir(tmp_path) == ["out.csv"]
    with pytest.raises(SaveError, match=r"could not be written to .*gone.*Give a path you can write to"):
        value.to_csv(tmp_path / "gone" / "out.csv")


def test_a_comparison_has_a_row_for_each_step_of_each_run():
    rows = rows_of(compared().to_csv())
    assert list(rows[0]) == ["policy", "seed", "step", "lr", "loss", "momentum", "held_out"]
    assert [(row["policy"], row["seed"], row["step"]) for row in rows] == [
        *(("flat", 0, step) for step in range(3)),
        *(('a "cycle", up', 0, step) for step in range(2)),
        ('a "cycle", up', 1, 0),
    ]
    assert same([row["lr"] for row in rows], [0.1, 0.1, 0.1, 0.1, 0.2, 0.1])
    assert same([row["loss"] for row in rows], [2, 1.5, 1.25, 2, math.nan, 2])
    assert same([row["momentum"] for row in rows], [*[math.nan] * 3, 0.9, 0.8, math.nan])
    assert same([row["held_out"] for row in rows], [math.nan, math.nan, 1.3, *[math.nan] * 3])


def test_a_comparison_has_a_row_for_each_run_even_one_that_failed():
    rows = rows_of(compared().to_csv(rows="runs"))
    assert [(row["policy"], row["seed"], row["steps"], row["error"]) for row in rows] == [
        ("flat", 0, 3, ""),
        ("flat", 1, 0, "OSError: gone"),
        ('a "cycle", up', 0, 2, ""),
        ('a "cycle", up', 1, 1, ""),
    ]
    assert same([row["final"] for row in rows], [1.3, math.nan, math.inf, math.inf])
    assert [row["diverged"] for row in rows] == ["False", "False", "True", "True"]


def test_a_comparison_has_its_standings_best_first():
    comparison = lrrange.compare(lambda seed: Loop(Landscape(seed=seed, noise=0.02)), [1e-3, 1e-1], steps=20, repeats=2)
    rows = rows_of(comparison.to_csv(rows="policies"))
    assert [str(row["policy"]) for row in rows] == [standing.policy for standing in comparison.table]
    assert same([row["final"] for row in rows], [standing.mean for standing in comparison.table])
    behind = comparison.table[1].behind
    assert same([row["behind"] for row in rows], [math.nan, behind.mean])
    assert same([rows[1]["behind_low"], rows[1]["behind_high"]], behind.interval)


def test_rows_that_a_comparison_does_not_have_are_an_error_that_names_those_it_has():
    with pytest.raises(OptionError, match='rows=.seeds. is none of "steps", "runs" and "policies"'):
        compared().to_csv(rows="seeds")


def test_a_grid_has_a_row_for_each_cell_with_its_answer_or_refusal():
    flat = Landscape(fall=math.inf, blow_up=math.inf)
    grid = lrrange.grid(
        lambda kind, lr: Loop(flat if kind == "flat" else Landscape(noise=0.02)),
        {"kind": ["falls", "flat"], "lr": [None]},
    )
    falls, refused = rows_of(grid.to_csv())
    assert list(falls) == ["kind", "setting_lr", "lr", "low", "high", "base_lr", "max_lr", "verdict", "refused"]
    answer = grid[0].result
    assert (falls["kind"], falls["verdict"], falls["refused"]) == ("falls", str(answer.verdict), "")
    numbers = [answer.lr, *answer.interval, *answer.range]
    assert same([falls[name] for name in ("lr", "low", "high", "base_lr", "max_lr")], numbers)
    assert (refused["kind"], refused["verdict"]) == ("flat", "")
    assert refused["refused"] == str(grid[1].result.refusal)
    assert same([refused[name] for name in ("lr", "low", "high", "base_lr", "max_lr")], [math.nan] * 5)


def test_a_range_unpacks_into_its_two_rates():
    base_lr, max_lr = GOOD.range
    assert (base_lr, max_lr) == (GOOD.range.base_lr, GOOD.range.max_lr)
    low, high = GOOD.interval
    assert (low, high) == (GOOD.low, GOOD.high)


def test_a_range_that_unpacks_is_stored_as_before(tmp_path):
    GOOD.save(tmp_path / "result.json")
    assert lrrange.load(tmp_path / "result.json") == GOOD


def test_the_summary_holds_the_answer_in_plain_values():
    base_lr, max_lr = GOOD.range
    assert GOOD.to_dict() == {
        "lr": GOOD.lr,
        "low": GOOD.low,
        "high": GOOD.high,
        "verdict": str(GOOD.verdict),
        "chance_of_bad": GOOD.verdict.chance_of_bad,
        "base_lr": base_lr,
        "max_lr": max_lr,
    }


def test_without_pandas_the_error_names_the_extra_and_the_csv(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    for value in (GOOD, GOOD.curve, compared()):
        with pytest.raises(MissingExtra, match=r"pip install 'lrrange\[pandas\]'.*to_csv") as caught:
            value.to_pandas()
        assert caught.value.extra == "pandas"
