import math

import pytest

from benchmarks.quality.regret import TaskRegret
from benchmarks.quality.report.reliability import coverage
from benchmarks.quality.report.statistics import difference, finder_regret, movement, steps
from tests.benchmarks.stand_ins import store_with_ground_truth

TASK = "logistic"


@pytest.fixture
def regret(tmp_path):
    store = store_with_ground_truth(tmp_path, TASK, constant=[9.0, 4.0, 2.0, None], onecycle=[9.0, 6.0, 2.0, 3.0])
    return TaskRegret(TASK, store)


def row(lr, max_lr=None, **more):
    return {"task": TASK, "seed": 10, "lr": lr, "max_lr": max_lr or lr, "low": None, "high": None, **more}


def test_the_best_rate_of_each_protocol_has_no_regret(regret):
    assert regret.best_lr("constant") == 0.1
    assert regret.at(0.1, "constant") == 0
    assert regret.at(0.1, "onecycle") == 0


def test_regret_is_the_fraction_of_the_possible_improvement_that_is_missing(regret):
    # Strict: against the best constant output, whose loss is 8. Otherwise: against the initial loss of 10.
    assert regret.at(0.01, "constant") == pytest.approx((4 - 2) / (8 - 2))
    assert regret.at(0.01, "constant", strict=False) == pytest.approx((4 - 2) / (10 - 2))


def test_between_two_rates_the_loss_is_linear_in_the_logarithm(regret):
    assert regret.at(math.sqrt(0.01 * 0.1), "constant") == pytest.approx((3 - 2) / (8 - 2))


def test_a_rate_worse_than_a_constant_output_has_all_the_regret(regret):
    assert regret.at(0.001, "constant") == 1
    assert regret.at(0.001, "constant", strict=False) == pytest.approx((9 - 2) / (10 - 2))


def test_a_diverged_run_counts_with_its_initial_loss(regret):
    assert regret.at(1.0, "constant") == 1
    assert regret.loss["constant"][-1] == 10


def test_below_the_grid_the_improvement_shrinks_with_the_rate(regret):
    assert regret.at(0.0001, "constant", strict=False) == pytest.approx((9.9 - 2) / (10 - 2))


@pytest.mark.parametrize("no_answer", [None, math.nan, 0.0, -1.0, math.inf, 2.0])
def test_no_answer_and_a_rate_above_the_grid_have_all_the_regret(regret, no_answer):
    assert regret.at(no_answer, "constant") == 1


def test_one_cycle_is_judged_by_the_upper_end_of_the_range(regret):
    measured = finder_regret([row(0.1, max_lr=1.0), row(0.1, max_lr=0.1)], {TASK: regret})
    assert measured.by_protocol == {"constant": 0, "onecycle": pytest.approx((3 - 2) / (8 - 2) / 2)}
    assert measured.bad == {"constant": 0, "onecycle": 0.5}
    assert measured.mean == pytest.approx((3 - 2) / (8 - 2) / 4)


def test_a_refusal_is_counted_and_costs_everything(regret):
    measured = finder_regret([row(None), row(0.1)], {TASK: regret})
    assert (measured.unanswered, measured.suggestions, measured.mean) == (1, 2, 0.5)
    assert measured.catastrophic == {"constant": 0.5, "onecycle": 0.5}


def test_a_finder_that_did_not_run_on_a_task_has_no_regret(regret):
    assert finder_regret([row(0.1)], {TASK: regret, "another": regret}) is None


def test_coverage_is_the_share_of_intervals_that_hold_the_best_rate(regret):
    rows = [
        row(0.1, low=0.05, high=0.5),
        row(1.0, low=0.1 * 10**0.4, high=10.0),
        row(0.001, low=0.0001, high=0.01),
        row(None),
    ]
    found = [coverage(rows, {TASK: regret}, within) for within in (0.0, 0.5, 1.0)]
    assert [one.near for one in found] == pytest.approx([1 / 3, 2 / 3, 1])
    assert found[0].inside == pytest.approx(1 / 3)
    assert found[0].answers == 3
    assert found[0].width == pytest.approx(1.6)
    assert coverage([row(None)], {TASK: regret}, 0) is None


def test_a_difference_is_taken_task_by_task(regret):
    found = difference([row(0.01)], [row(0.1)], {TASK: regret})
    assert (found.mean, found.low, found.high) == pytest.approx([(2 / 6 + 4 / 6) / 2] * 3)
    assert difference([row(0.1)], [], {TASK: regret}) is None


def test_movement_is_the_median_distance_for_the_same_task_and_seed():
    rows = [row(0.1), row(0.1) | {"seed": 11}, row(None) | {"seed": 12}]
    others = [row(1.0), row(0.1) | {"seed": 11}, row(0.1) | {"seed": 12}]
    assert movement(rows, others, "constant") == pytest.approx(0.5)


def test_steps_are_means_of_the_counts():
    counted = [row(0.1, forwards=200, optimizer_steps=190, evaluations=0), row(0.1, forwards=450)]
    cost = steps(counted)
    assert (cost.forwards, cost.most_forwards, cost.optimizer_steps, cost.extended) == (325, 450, 190, 0.5)
    assert steps([row(0.1, forwards=0)]) is None
