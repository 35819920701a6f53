"""`find_lr` on trainings without a framework: what it refuses, what it restores, and what it returns."""

import itertools
import json
import math

import pytest

from lrrange import Divergence, LRRangeError, StopReason, Suggestion, find_lr
from lrrange.errors import TargetError
from lrrange.storage.documents import SCHEMA
from tests.core.strategies import Landscape
from tests.core.training import Loop, OwnLoop, SeededLoop, SeededOwnLoop

TRAININGS = [Loop, OwnLoop]


def steps_of(target):
    return len((target.loop if isinstance(target, OwnLoop) else target).rates)


@pytest.mark.parametrize("training", TRAININGS)
def test_a_training_is_swept_and_gets_an_answer(training):
    target = training(Landscape(noise=0.02))
    result = find_lr(target)
    assert result.stop_reason is StopReason.DIVERGED
    assert math.log10(result.lr) == pytest.approx(-2.9, abs=0.2)
    assert result.range.base_lr < result.lr < result.range.max_lr
    assert result.provenance.backend == training.__name__
    assert len(result.curve) == result.provenance.steps_run == steps_of(target)


@pytest.mark.parametrize("training", TRAININGS)
def test_data_that_run_out_end_the_sweep_as_data_exhausted_and_keep_the_points_before(training):
    result = find_lr(training(batches=20), num_steps=100)
    assert (result.stop_reason, len(result.curve)) == (StopReason.DATA_EXHAUSTED, 20)


def test_a_driver_that_stops_without_a_stop_reason_is_an_error():
    with pytest.raises(TargetError, match="ended its training after 20 of 100 steps without saying why") as caught:
        find_lr(OwnLoop(batches=20, ends=None), num_steps=100)
    assert caught.value.steps_run == 20


@pytest.mark.parametrize("training", TRAININGS)
def test_an_empty_training_gives_a_result_without_points_whose_rate_is_refused(training):
    result = find_lr(training(batches=0))
    assert (result.stop_reason, len(result.curve)) == (StopReason.DATA_EXHAUSTED, 0)
    with pytest.raises(LRRangeError, match="this curve has 0"):
        _ = result.lr


def test_the_seed_is_set_after_the_snapshot_and_gives_the_same_curve_again():
    target = SeededLoop()
    first, second = find_lr(target, seed=7), find_lr(target, seed=7)
    assert target.log[:2] == ["snapshot", "seed 7"]
    assert first.curve == second.curve
    assert first.provenance.seed == 7
    assert find_lr(target, seed=8).curve != first.curve


def test_a_driver_is_seeded_before_it_runs():
    target = SeededOwnLoop()
    assert find_lr(target, seed=7).curve == find_lr(target, seed=7).curve
    assert target.loop.log[:2] == ["seed 7", "snapshot"]


def test_without_a_seed_nothing_is_seeded():
    target = SeededLoop()
    find_lr(target)
    assert not any(str(entry).startswith("seed") for entry in target.log)


def test_a_second_sweep_gives_the_same_curve():
    target = Loop(Landscape(noise=0.1))
    assert find_lr(target).curve == find_lr(target).curve


def test_the_requested_heuristic_is_the_chosen_one():
    result = find_lr(Loop(), heuristic="steepest")
    assert (result.heuristic, result.chosen.heuristic) == ("steepest", "steepest")
    assert math.log10(result.lr) == pytest.approx(-3.5, abs=0.2)


def test_fastai_s_name_of_a_heuristic_is_accepted():
    assert find_lr(Loop(), heuristic="steep").heuristic == "steepest"


def test_without_a_requested_heuristic_lrrange_chooses():
    result = find_lr(Loop())
    assert (result.heuristic, result.chosen.heuristic) == (None, "midway")


def test_a_heuristic_may_be_a_function_of_the_user_s_own():
    def half_of_the_last(curve):
        return curve.lr[-1] / 2

    result = find_lr(Loop(), heuristic=half_of_the_last)
    assert (result.heuristic, result.lr) == ("half_of_the_last", result.curve.lr[-1] / 2)
    assert isinstance(result.chosen, Suggestion)


def test_a_heuristic_may_be_a_callable_object():
    class Late:
        def __call__(self, curve):
            return curve.lr[-4]

    result = find_lr(Loop(), heuristic=Late())
    assert (result.heuristic, result.lr) == ("Late", result.curve.lr[-4])


def test_options_of_the_sweep_reach_it():
    landscape = Landscape(noise=0.02)
    never = find_lr(Loop(landscape), divergence=None)
    assert never.stop_reason is StopReason.COMPLETED
    early = find_lr(Loop(landscape), divergence=Divergence(drops=0.5))
    assert len(early.curve) < len(find_lr(Loop(landscape)).curve)
    linear = find_lr(Loop(landscape), shape="linear", start_lr=1e-4, end_lr=1e-1, num_steps=50)
    assert linear.plan.shape == "linear"
    unsmoothed = find_lr(Loop(landscape), smoothing="none")
    assert unsmoothed.curve.smoothed == unsmoothed.curve.loss


@pytest.mark.parametrize("limit", [1, 3, 6])
def test_non_finite_losses_end_the_sweep_once_they_reach_the_limit(limit):
    class Breaks(Loop):
        def step(self, lr):
            super().step(lr)
            return math.nan

    result = find_lr(Breaks(), non_finite_limit=limit)
    assert (result.stop_reason, len(result.curve)) == (StopReason.NON_FINITE, limit)


def test_the_report_of_the_backend_is_in_the_provenance():
    class Reports(Loop):
        def report(self):
            return {"versions": {"fake": "1.2"}, "skipped_steps": 3}

    provenance = find_lr(Reports(), num_steps=50).provenance
    assert provenance.details == {"skipped_steps": 3, "rate_in_force": "proved by the backend"}
    assert provenance.versions["fake"] == "1.2"
    assert {"python", "lrrange"} <= provenance.versions.keys()
    assert provenance.wall_time > 0


def test_progress_writes_only_to_standard_error_and_does_not_change_the_result(capsys):
    without_bar, with_bar = (find_lr(Loop(), progress=progress) for progress in (False, True))
    assert with_bar.curve == without_bar.curve
    assert capsys.readouterr().out == ""


def test_a_plug_in_that_adapts_a_target_takes_precedence_over_the_target_s_own_run_method(adapter):
    adapter.made = Loop()
    target = OwnLoop()
    result = find_lr(target, colour="red")
    assert result.provenance.backend == "adapter"
    assert adapter.asked == [(target, {"colour": "red"})]
    assert steps_of(target) == 0


def test_a_backend_requested_by_name_is_the_only_one_called(adapter):
    with pytest.raises(TargetError, match=r"Tried: adapter \(not of its kind\)"):
        find_lr(Loop(), backend="adapter")
    assert len(adapter.asked) == 1


def test_the_result_of_a_sweep_can_be_saved(tmp_path):
    path = tmp_path / "result.json"
    find_lr(Loop()).save(path)
    assert json.loads(path.read_text())["schema"] == SCHEMA


@pytest.mark.parametrize("training", TRAININGS)
def test_the_training_takes_the_rates_of_the_plan_in_order(training):
    target = training()
    result = find_lr(target, start_lr=1e-4, end_lr=1e-1, num_steps=30)
    rates = (target.loop if training is OwnLoop else target).rates
    assert tuple(rates) == result.plan.rates[: len(rates)]
    assert all(before < after for before, after in itertools.pairwise(rates))
