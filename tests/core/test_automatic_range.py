"""Bounds and length of a sweep if the user gives none, and when a sweep goes on beyond its default bounds."""

import math

import pytest

from lrrange import StopReason, SweepPlan, find_lr
from lrrange.errors import LRRangeError, OnlyRises, PlanError
from tests.core.strategies import Landscape
from tests.core.training import Loop


class Bounded(Loop):
    """A training with default bounds of its own for its optimizer."""

    def __init__(self, landscape=None, **bounds):
        super().__init__(landscape)
        self.limits = bounds

    def bounds(self):
        return self.limits


def sweeps(target):
    return target.log.count("snapshot")


class Constant(Loop):
    """A training that does not move at all."""

    def loss(self, lr):
        return 2.3


def test_by_default_1e_7_to_10_are_swept_with_4_rates_a_decade_then_16_and_20_where_the_loss_moves():
    rates = find_lr(Loop(Landscape(fall=-2.0, blow_up=0.0, noise=0.02)), divergence=None).plan.rates
    assert (rates[0], rates[-1]) == (1e-7, 10.0)
    counts = [
        sum(low <= lr / (1 + 1e-9) < high for lr in rates) for low, high in ((1e-7, 1e-4), (1e-4, 1e-3), (0.1, 1))
    ]
    assert counts == [12, 16, 20]


@pytest.mark.parametrize(
    ("start", "end", "steps"), [(1e-5, 1.0, 125), (1e-9, 10.0, 250), (1e-2, 1.0, 50), (0.1, 1.0, 50)]
)
def test_the_length_in_even_steps_follows_the_decades_and_is_never_under_50(start, end, steps):
    """Steps are even where that makes few, or after a sweep whose loss fell below 1e-4."""
    plan = find_lr(Loop(Landscape(fall=-4.5, noise=0.02)), start_lr=start, end_lr=end).plan
    assert plan == SweepPlan(start_lr=start, end_lr=end, num_steps=steps)


@pytest.mark.parametrize(
    ("start", "end", "steps"),
    [(1e-5, 1.0, 1 + 4 + 64), (1e-9, 10.0, 1 + 20 + 80), (1e-3, 1.0, 1 + 48), (1e-12, 1e-5, 1 + 28)],
)
def test_the_length_where_nothing_moves_follows_the_decades_on_either_side_of_1e_4(start, end, steps):
    plan = find_lr(Constant(), start_lr=start, end_lr=end).plan
    assert (plan.start_lr, plan.end_lr, plan.num_steps) == (start, end, steps)


def test_a_linear_sweep_has_200_steps():
    assert find_lr(Loop(), shape="linear", start_lr=1e-4, end_lr=0.1).plan.num_steps == 200


def test_the_backend_s_bounds_come_before_the_defaults():
    assert find_lr(Bounded(end_lr=1.0, start_lr=1e-6)).plan == SweepPlan(start_lr=1e-6, end_lr=1.0, num_steps=150)


def test_the_user_s_bounds_come_before_the_backend_s():
    plan = find_lr(Bounded(end_lr=1.0, start_lr=1e-6), end_lr=0.5).plan
    assert (plan.start_lr, plan.end_lr) == (1e-6, 0.5)


def test_bounds_that_do_not_rise_together_are_refused_before_the_first_step():
    target = Bounded(end_lr=1.0)
    with pytest.raises(PlanError, match="end_lr=1 is not above start_lr=2"):
        find_lr(target, start_lr=2.0)
    assert target.rates == []


def test_a_loss_that_still_falls_at_a_default_end_is_swept_two_decades_further():
    target = Bounded(Landscape(fall=-2.0, blow_up=0.0, noise=0.01), end_lr=0.02)
    before = target.state
    result = find_lr(target)
    assert result.plan.end_lr == pytest.approx(2.0)
    assert result.plan.start_lr == 1e-7
    assert sweeps(target) == 1
    assert tuple(target.rates) == result.plan.rates[: len(target.rates)]
    assert 0.02 in result.plan.rates  # the default end, and 20 for each decade on
    assert sum(lr > 0.02 for lr in result.plan.rates) == 40
    assert max(target.rates) > 0.02
    assert result.provenance.steps_run == len(target.rates)
    assert math.log10(result.lr) == pytest.approx(-1.9, abs=0.3)
    assert target.state == before


def test_an_end_of_the_user_s_own_is_not_passed():
    target = Loop(Landscape(fall=-2.0, blow_up=0.0, noise=0.01))
    result = find_lr(target, end_lr=0.02)
    assert sweeps(target) == 1
    assert max(target.rates) <= 0.02
    with pytest.raises(LRRangeError, match="Raise end_lr"):
        _ = result.lr


def test_a_loss_that_only_rises_from_a_default_start_is_swept_four_decades_lower():
    target = Loop(Landscape(fall=-8.0, blow_up=-6.8, noise=0.01, decades=0.5))
    result = find_lr(target)
    assert sweeps(target) == 2
    assert result.plan.start_lr == pytest.approx(1e-11)
    assert result.plan.end_lr < 1e-4
    assert math.log10(result.lr) == pytest.approx(0.6 * -7.85 + 0.4 * -6.55 - 0.75, abs=0.3)


def test_a_start_of_the_user_s_own_is_not_undercut():
    target = Loop(Landscape(fall=math.inf, blow_up=-4.5, noise=0.01))
    result = find_lr(target, start_lr=1e-5)
    assert sweeps(target) == 1
    assert min(target.rates) == 1e-5
    with pytest.raises(OnlyRises, match="Lower start_lr"):
        _ = result.lr


@pytest.mark.parametrize(
    "landscape",
    [Landscape(fall=-2.0, blow_up=0.0, noise=0.01), Landscape(fall=-8.0, blow_up=-6.8, noise=0.01, decades=0.5)],
    ids=["still falls", "only rises"],
)
def test_a_number_of_steps_is_a_budget_and_not_spent_twice(landscape):
    target = Bounded(landscape, end_lr=0.02)
    find_lr(target, num_steps=80)
    assert len(target.rates) <= 80
    assert sweeps(target) == 1


@pytest.mark.parametrize(
    ("landscape", "in_even_steps"),
    [
        (Landscape(fall=-2.5, noise=0.02), False),
        (Landscape(fall=math.inf, blow_up=math.inf, noise=0.02), True),
        (Landscape(fall=-5.0, noise=0.02), True),
    ],
    ids=["valley", "flat", "wide valley"],
)
def test_no_other_curve_is_swept_over_other_rates(landscape, in_even_steps):
    """One with too few steps where it falls, or to show whether it falls, is swept over the same rates again."""
    target = Loop(landscape)
    result = find_lr(target)
    assert (result.plan.start_lr, result.plan.end_lr) == (1e-7, 10.0)
    assert sweeps(target) == 1 + in_even_steps
    evenly = Loop(landscape)
    find_lr(evenly, num_steps=200)
    assert sweeps(evenly) == 1


def test_a_sweep_whose_data_ran_out_while_the_loss_fell_is_not_extended():
    target = Bounded(Landscape(fall=-2.0, noise=0.01), end_lr=0.02)
    target.batches = 40
    result = find_lr(target)
    assert result.stop_reason is StopReason.DATA_EXHAUSTED
    assert result.curve.falls
    assert result.curve.lr[-1] < result.plan.end_lr == 0.02
    assert sweeps(target) == 1


@pytest.mark.parametrize("steps", [100, 400])
def test_half_or_twice_the_steps_move_the_answer_by_less_than_a_fifth_of_a_decade(steps):
    """In a real training the loss falls with the sum of the rates so far, not with the last rate."""

    class Learns(Loop):
        def loss(self, lr):
            learnt = math.exp(-self.weights / 0.05)
            blown_up = max(4 * (math.log10(lr) + 0.5), 0.0) ** 2
            return 0.3 + 2 * learnt + blown_up + self.random.gauss(0.0, 0.02)

    usual, other = (find_lr(Learns(), num_steps=number).lr for number in (200, steps))
    assert abs(math.log10(other / usual)) < 0.2
