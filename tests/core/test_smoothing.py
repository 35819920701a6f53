"""Both smoothers. test_laws shows that the unit of the loss changes no advice read from a smoothed curve."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrrange.errors import UnknownName
from lrrange.sweep.smoothing import DECADES, OnlineSmoother, check_kind, smooth
from tests.core.strategies import PLAN, STEP, Landscape, finite_losses, plans

KINDS = ["ema", "median", "none"]

X = [math.log10(lr) for lr in PLAN.rates]


@pytest.mark.parametrize("kind", KINDS)
@given(plan=plans(max_steps=60), level=finite_losses)
def test_a_constant_loss_stays_constant(kind, plan, level):
    assert smooth(plan.rates, [level] * plan.num_steps, kind) == (level,) * plan.num_steps


@given(plans(min_steps=6, max_steps=60, shape="exponential"), st.floats(-100.0, 100.0), st.floats(0.01, 10.0))
def test_ema_leaves_a_straight_fall_straight_up_to_both_ends(plan, level, slope):
    line = [level - slope * math.log10(lr) for lr in plan.rates]
    span = max(line) - min(line)
    assert smooth(plan.rates, line) == pytest.approx(line, abs=1e-6 * span)


@given(st.floats(-5.0, -1.0), st.floats(0.3, 2.0))
def test_ema_has_no_lag(fall, decades):
    """The middle of a symmetric fall stays where it is, at any steepness."""
    landscape = Landscape(fall=fall, decades=decades, blow_up=math.inf)
    smoothed = smooth(PLAN.rates, landscape.losses())
    middle = landscape.top - landscape.drop / 2
    crossed = next(i for i, value in enumerate(smoothed) if value < middle)
    assert X[crossed - 1] - STEP / 4 < fall < X[crossed] + STEP / 4


def test_ema_has_no_lag_in_either_direction():
    losses = Landscape(noise=0.1).losses()[:120]
    mirrored = [10 ** (X[0] + X[119] - x) for x in X[119::-1]]
    smoothed = smooth(PLAN.rates[:120], losses)
    # The start of a curve sets its ceiling, so a fall is mirrored with the sign of its losses.
    backwards = smooth(mirrored, [-loss for loss in losses[::-1]])
    assert [-value for value in backwards[::-1]] == pytest.approx(smoothed)


def test_ema_takes_noise_away_but_not_the_fall():
    landscape = Landscape(blow_up=math.inf, noise=0.1)
    smoothed = smooth(PLAN.rates, landscape.losses())
    clean = [landscape.at(lr) for lr in PLAN.rates]
    error = [abs(value - truth) for value, truth in zip(smoothed, clean, strict=True)]
    assert sum(error) / len(error) < 0.6 * landscape.noise * landscape.drop


@given(st.integers(1, 198), st.floats(-1e6, 1e6))
def test_a_single_spike_is_invisible(step, height):
    """Up to the one loss that it hides."""
    landscape = Landscape(blow_up=math.inf, noise=0.02)
    spiked = landscape.losses()
    spiked[step] += height
    difference = [
        abs(a - b) for a, b in zip(smooth(PLAN.rates, spiked), smooth(PLAN.rates, landscape.losses()), strict=True)
    ]
    assert max(difference) < 0.15 * landscape.drop


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_gaps_stay_gaps_and_touch_no_other_point(kind, data):
    losses = Landscape(noise=0.05).losses()[:80]
    gaps = data.draw(st.sets(st.integers(0, 79), max_size=20))
    kept = [i for i in range(80) if i not in gaps]
    with_gaps = [
        data.draw(st.sampled_from([math.nan, math.inf, -math.inf])) if i in gaps else losses[i] for i in range(80)
    ]
    smoothed = smooth(PLAN.rates[:80], with_gaps, kind)
    assert [i for i in range(80) if not math.isnan(smoothed[i])] == kept
    assert [smoothed[i] for i in kept] == list(smooth([PLAN.rates[i] for i in kept], [losses[i] for i in kept], kind))


@pytest.mark.parametrize("kind", ["ema", "median"])
@given(st.floats(10.0, 1e30))
def test_the_height_of_an_explosion_changes_nothing_before_it(kind, height):
    valley = Landscape(blow_up=math.inf, noise=0.02).losses()[:120]
    low, high = ([*valley, *[top] * 5] for top in (10.0, height))
    assert smooth(PLAN.rates[:125], high, kind) == smooth(PLAN.rates[:125], low, kind)


def test_none_is_the_losses_as_they_are():
    losses = Landscape(noise=0.2, spikes=((50, 30.0),)).losses()
    assert smooth(PLAN.rates, losses, "none") == tuple(losses)


def test_median_is_the_median_of_the_losses_within_an_eighth_of_a_decade():
    random_ = random.Random(1)
    losses = [5.0 - i / 100 + random_.uniform(-0.01, 0.01) for i in range(50)]
    rates = [10 ** (i / 16 - 4) for i in range(50)]
    smoothed = smooth(rates, losses, "median")
    assert all(smoothed[i] == sorted(losses[i - 2 : i + 3])[2] for i in range(2, 48))


def test_a_wider_average_is_smoother():
    losses = Landscape(blow_up=math.inf, fall=math.inf, noise=0.2).losses()
    spread = [
        max(values) - min(values) for values in (smooth(PLAN.rates, losses, "ema", width) for width in (0.1, 0.5))
    ]
    assert spread[1] < spread[0] / 1.5


@given(plans(max_steps=3), st.data())
def test_curves_of_zero_to_three_points_are_smoothed_too(plan, data):
    length = data.draw(st.integers(0, plan.num_steps))
    losses = data.draw(st.lists(finite_losses, min_size=length, max_size=length))
    smoothed = smooth(plan.rates[:length], losses)
    assert len(smoothed) == length
    assert all(math.isfinite(value) for value in smoothed)


def test_an_unknown_kind_is_refused_and_the_others_are_named():
    with pytest.raises(UnknownName, match="ema, median, none") as caught:
        check_kind("gauss")
    assert caught.value.name == "gauss"


@given(plans(max_steps=60), finite_losses)
def test_online_a_constant_loss_is_constant_from_the_first_step_on(plan, level):
    smoother = OnlineSmoother()
    assert {smoother.add(lr, level) for lr in plan.rates} == {level}


def test_online_a_single_spike_is_invisible():
    smoother = OnlineSmoother()
    losses = [1.0] * 200
    losses[50] = 1e9
    assert {smoother.add(lr, loss) for lr, loss in zip(PLAN.rates, losses, strict=True)} == {1.0}


@pytest.mark.parametrize("steps", [50, 100, 200, 400])
def test_online_a_straight_line_is_late_by_the_stated_lag_and_one_step(steps):
    rates = [10 ** (-7 + 8 * i / (steps - 1)) for i in range(steps)]
    step = 8 / (steps - 1)
    smoother = OnlineSmoother()
    for i, lr in enumerate(rates):
        x = -7 + i * step
        smoothed = smoother.add(lr, -3.0 * x)
        if x > -4:  # the weight of the first losses has decayed to nothing
            assert smoothed / -3.0 == pytest.approx(x - smoother.lag - step, abs=1e-6)


def test_online_the_lag_is_about_the_width_and_zero_at_first():
    smoother = OnlineSmoother()
    assert smoother.lag == 0.0
    for lr in PLAN.rates:
        smoother.add(lr, 1.0)
    assert smoother.lag == pytest.approx(DECADES, abs=STEP)


def test_online_and_offline_smoother_differ_by_that_lag():
    losses = [-1.0 * x for x in X]
    smoother = OnlineSmoother()
    online = [smoother.add(lr, loss) for lr, loss in zip(PLAN.rates, losses, strict=True)]
    offline = smooth(PLAN.rates, losses)
    assert online[150] - offline[150] == pytest.approx(smoother.lag + STEP, abs=1e-6)
