"""`to_pandas` gives frames that pandas computes with."""

import math

import pandas

import lrrange
from tests.core.strategies import Landscape
from tests.core.training import Loop

GOOD = lrrange.find_lr(Loop(Landscape(noise=0.02)))


def test_the_frame_of_a_result_holds_its_curve():
    frame = GOOD.to_pandas()
    assert list(frame.columns) == ["step", "lr", "loss", "smoothed"]
    assert tuple(frame["loss"]) == GOOD.curve.loss
    assert frame.dtypes.map(str).to_list() == ["int64", "float64", "float64", "float64"]
    assert frame.loc[frame["smoothed"].idxmin(), "lr"] == GOOD.curve.lr[GOOD.curve.lowest]
    pandas.testing.assert_frame_equal(frame, GOOD.curve.to_pandas())


def test_the_csv_read_by_pandas_is_the_frame_to_the_last_bit(tmp_path):
    curve = lrrange.Curve(lr=(1e-3, 1e-2, 0.1, 1.0), loss=(1 / 3, math.nan, math.inf, -math.inf))
    for value in (curve, GOOD):
        value.to_csv(tmp_path / "out.csv")
        read = pandas.read_csv(tmp_path / "out.csv")
        pandas.testing.assert_frame_equal(read, value.to_pandas(), check_exact=True)


def test_the_frame_of_a_comparison_groups_by_policy_and_seed():
    comparison = lrrange.compare(lambda seed: Loop(Landscape(seed=seed, noise=0.02)), [1e-3, 1e-1], steps=20, repeats=2)
    frame = comparison.to_pandas()
    assert len(frame) == 2 * 2 * 20
    last = frame.groupby(["policy", "seed"])["loss"].last()
    assert all(last[run.policy, run.seed] == run.losses[-1] for run in comparison.runs)
    finals = comparison.to_pandas(rows="runs").set_index(["policy", "seed"])["final"]
    assert all(finals[run.policy, run.seed] == run.final for run in comparison.runs)
    assert comparison.to_pandas(rows="policies").loc[0, "policy"] == comparison.winner


def test_the_frame_of_a_grid_can_be_sorted_by_its_answers():
    flat = Landscape(fall=math.inf, blow_up=math.inf)
    grid = lrrange.grid(
        lambda batch_size: Loop(flat if batch_size == 8 else Landscape(fall=-2 - batch_size / 64, noise=0.02)),
        {"batch_size": [8, 16, 64]},
    )
    frame = grid.to_pandas()
    assert frame["lr"].isna().to_list() == [True, False, False]
    assert frame.sort_values("max_lr")["batch_size"].to_list()[-1] == 8
    assert frame.set_index("batch_size").loc[16, "max_lr"] == grid[1].result.range.max_lr


def test_a_frame_of_refusals_alone_still_has_columns_of_numbers():
    flat = Landscape(fall=math.inf, blow_up=math.inf)
    frame = lrrange.grid(lambda x: Loop(flat), {"x": [1]}).to_pandas()
    assert frame["lr"].dtype == float
    assert frame["lr"].isna().all()
