"""When a sweep stops early. test_laws shows that neither the unit nor the zero of the loss matters."""

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lrrange import Divergence, StopReason, Sweep, SweepPlan
from tests.core.strategies import PLAN, STEP, Landscape, landscapes, replay


def stopped_at(sweep):
    """Return log10 of the last rate of a sweep that stopped because its loss diverged."""
    assert sweep.stop_reason is StopReason.DIVERGED
    return math.log10(sweep.points[-1].lr)


@given(landscapes())
def test_a_blow_up_stops_the_sweep_after_the_loss_has_passed_its_start(landscape):
    assert stopped_at(landscape.sweep()) > landscape.back_at_top - STEP


@given(landscapes(steepness=6.0))
def test_a_steep_blow_up_stops_the_sweep_within_a_decade(landscape):
    assert stopped_at(landscape.sweep()) < landscape.blow_up + 1.0


@given(landscapes(blow_up=math.inf))
def test_a_sweep_that_ends_before_the_blow_up_completes(landscape):
    assert landscape.sweep().stop_reason is StopReason.COMPLETED


@given(landscapes(blow_up=math.inf, top=-100.0))
def test_a_negative_loss_is_no_reason_to_stop(landscape):
    sweep = landscape.sweep()
    assert max(point.loss for point in sweep.points) < 0
    assert sweep.stop_reason is StopReason.COMPLETED


def test_a_loss_that_falls_through_zero_runs_to_the_end():
    assert replay(Sweep(PLAN), [2.0 - 0.05 * k for k in range(200)]).stop_reason is StopReason.COMPLETED


@pytest.mark.parametrize("factor", [1.1, 2.0, 10.0, 100.0])
@pytest.mark.parametrize("steps", [50, 200])
def test_a_loss_that_grows_by_a_factor_at_every_step_stops_the_sweep(factor, steps):
    plan = SweepPlan(num_steps=steps)
    onset = steps // 2
    valley = Landscape(blow_up=math.inf).losses(plan.rates)
    readings = [loss + (factor ** min(max(k - onset, 0), 100) - 1.0) for k, loss in enumerate(valley)]
    sweep = replay(Sweep(plan), readings)
    assert sweep.stop_reason is StopReason.DIVERGED
    assert len(sweep.points) - onset < 30


@pytest.mark.parametrize("loss", [1e30, 3e38, 1e200, 1.7e308])
def test_losses_up_to_the_largest_float_stop_a_sweep_and_break_nothing(loss):
    sweep = replay(Sweep(PLAN), [*Landscape().losses()[:120], *[loss] * 80])
    assert sweep.stop_reason is StopReason.DIVERGED
    assert sweep.curve.loss[-1] == loss


def test_a_step_up_to_a_level_far_above_the_start_stops_the_sweep():
    sweep = replay(Sweep(PLAN), [*Landscape(noise=0.05).losses()[:120], *[50.0] * 80])
    assert stopped_at(sweep) < math.log10(PLAN.rates[120]) + 0.5


@given(st.integers(0, 199), st.floats(-100.0, 100.0))
@example(0, 50.0)
@example(0, -50.0)
@example(1, 50.0)
@example(1, -50.0)
def test_one_spike_however_high_stops_no_sweep(step, height):
    spiked = Landscape(blow_up=math.inf, noise=0.02, spikes=((step, height),))
    assert spiked.sweep().stop_reason is StopReason.COMPLETED


@given(st.integers(0, 2**32))
def test_noise_alone_stops_no_sweep(seed):
    assert Landscape(fall=math.inf, blow_up=math.inf, noise=0.3, seed=seed).sweep().stop_reason is StopReason.COMPLETED


def test_a_constant_loss_runs_to_the_end():
    assert replay(Sweep(PLAN), [0.3] * 200).stop_reason is StopReason.COMPLETED


def test_a_loss_that_only_climbs_is_stopped():
    landscape = Landscape(fall=math.inf, blow_up=-6.0)
    assert stopped_at(landscape.sweep()) < -3.0


def test_a_count_that_wavers_by_one_before_it_falls_is_not_stopped():
    readings = [40.0 + (k // 7) % 2 for k in range(100)] + [40.0 - 0.3 * k for k in range(100)]
    assert replay(Sweep(PLAN), readings).stop_reason is StopReason.COMPLETED


def test_no_sweep_stops_before_min_points_finite_losses():
    explodes = [4.0**k for k in range(200)]
    for least in (8, 20, 50):
        sweep = replay(Sweep(PLAN, divergence=Divergence(drops=0.0, noises=0.0, min_points=least)), explodes)
        assert len(sweep.points) == least


@pytest.mark.parametrize("setting", ["drops", "noises"])
def test_a_larger_setting_stops_later(setting):
    readings = Landscape(noise=0.05, steepness=2.0).losses()
    ends = [
        stopped_at(replay(Sweep(PLAN, divergence=Divergence(**{setting: value})), readings)) for value in (1.0, 6.0)
    ]
    assert ends[0] < ends[1]


@given(landscapes(noise=0.0, steepness=4.0, blow_up=-1.0))
def test_a_sweep_stops_at_about_the_same_rate_whatever_its_number_of_steps(landscape):
    ends = [stopped_at(landscape.sweep(SweepPlan(num_steps=steps))) for steps in (100, 200, 400)]
    assert max(ends) - min(ends) < 0.5
