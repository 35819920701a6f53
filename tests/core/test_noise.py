"""How often pure noise passes for a fall, and how small a fall is seen. The seeds are fixed, so the shares are too."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrrange.sweep.noise import (
    despike,
    noise_from,
    noise_level,
    rounding_of,
    significant_changes,
    start_level,
)
from tests.core.strategies import Landscape, finite_losses

CURVES = 400


def significant_fall(losses):
    return significant_changes(losses)[0]


def significant_rise(losses):
    return significant_changes(losses)[1]


def normal(random_):
    return random_.gauss(0.0, 1.0)


def uniform(random_):
    return random_.random()


def skewed(random_):
    return random_.lognormvariate(0.0, 1.0)


def counted(random_):
    """Return the number of mistakes in a batch of ten, a metric with few values and many ties."""
    return float(sum(random_.random() < 0.2 for _ in range(10)))


def student(random_):
    """Draw from Student's t with 3 degrees of freedom: one value in a hundred is beyond four standard deviations."""
    return random_.gauss(0.0, 1.0) / math.sqrt(sum(random_.gauss(0.0, 1.0) ** 2 for _ in range(3)) / 3)


def false_alarms(kind, length, test=significant_fall):
    """Return the share of curves of pure noise that pass for a fall."""
    random_ = random.Random(length)
    return sum(test([kind(random_) for _ in range(length)]) for _ in range(CURVES)) / CURVES


@pytest.mark.parametrize("length", [20, 50, 100, 200, 400])
@pytest.mark.parametrize("kind", [normal, uniform])
def test_pure_noise_falls_in_one_of_two_hundred_curves_at_most(kind, length):
    assert false_alarms(kind, length) <= 0.005


@pytest.mark.parametrize("length", [6, 8, 12, 16])
def test_pure_noise_falls_as_rarely_in_short_curves(length):
    assert false_alarms(normal, length) <= 0.005


@pytest.mark.parametrize("kind", [skewed, counted])
def test_skewed_or_counted_noise_falls_as_rarely(kind):
    assert false_alarms(kind, 200) <= 0.005


@pytest.mark.parametrize("length", [20, 50, 100, 200])
def test_heavy_tailed_noise_falls_in_one_of_forty_curves_at_most(length):
    assert false_alarms(student, length) <= 0.025


def test_noise_rises_as_rarely_as_it_falls():
    assert false_alarms(normal, 200, significant_rise) <= 0.005


def seen(drops_in_noise, **shape):
    """Return the share of noisy valleys whose fall is seen. The drop is this many standard deviations of the noise."""
    curves = [Landscape(noise=1 / drops_in_noise, seed=seed, **shape).losses()[:150] for seed in range(100)]
    return sum(map(significant_fall, curves)) / len(curves)


def test_a_fall_of_three_standard_deviations_is_seen():
    assert seen(3.0) == 1.0


def test_a_fall_of_one_and_a_half_standard_deviations_is_seen_four_times_in_five():
    assert seen(1.5) >= 0.8


def test_a_short_deep_valley_is_seen():
    assert seen(5.0, fall=-1.5, decades=0.3, blow_up=-1.2) == 1.0


@given(st.lists(finite_losses, max_size=60).map(sorted))
def test_losses_that_only_rise_do_not_fall(losses):
    assert not significant_fall(losses)


@given(st.lists(finite_losses, max_size=60))
def test_a_rise_is_the_fall_of_the_negated_losses(losses):
    assert significant_rise(losses) == significant_fall([-loss for loss in losses])


@given(finite_losses, st.integers(0, 60))
def test_a_constant_loss_neither_falls_nor_rises(loss, length):
    assert not significant_fall([loss] * length)
    assert not significant_rise([loss] * length)


@given(st.floats(0.1, 1e3), st.integers(0, 2**32))
def test_rounding_alone_is_no_fall(level, seed):
    random_ = random.Random(seed)
    losses = [level * (1 + random_.randint(-4, 4) * 2.0**-52) for _ in range(100)]
    assert not significant_fall(losses)


@pytest.mark.parametrize("level", [0.0, 1.0, -1.0, 1e6])
def test_a_fall_without_any_noise_is_seen_from_any_level(level):
    losses = [level] * 50 + [level - 0.25 * k for k in range(50)]
    assert significant_fall(losses)
    assert not significant_rise(losses)


def test_coming_back_from_an_explosion_is_no_fall_and_from_a_valley_no_rise():
    random_ = random.Random(0)
    level = [random_.gauss(0.0, 0.01) for _ in range(200)]
    explosion = [value + (5.0 if 80 <= k < 120 else 0.0) for k, value in enumerate(level)]
    assert not significant_fall(explosion)
    assert not significant_rise([-value for value in explosion])


@given(st.floats(-1e3, 1e3), st.floats(-10.0, 10.0))
def test_a_straight_line_has_no_noise(level, slope):
    line = [level + slope * k for k in range(50)]
    assert noise_level(line) <= 4 * max(map(abs, line)) * 2.0**-52


@pytest.mark.parametrize("losses", [[], [1.0], [1.0, 5.0]])
def test_fewer_than_three_losses_have_no_noise(losses):
    assert noise_level(losses) == 0.0
    assert noise_from([]) == 0.0


@given(st.floats(0.01, 100.0), st.integers(0, 2**32))
def test_noise_level_is_the_standard_deviation(scale, seed):
    random_ = random.Random(seed)
    assert noise_level([random_.gauss(0.0, scale) for _ in range(400)]) == pytest.approx(scale, rel=0.35)


def test_the_one_steep_part_of_a_curve_is_not_noise():
    steep = Landscape(decades=0.3).losses()
    assert noise_level(steep) < 0.01


def test_despike_gives_a_single_spike_the_loss_of_a_neighbour_and_leaves_pairs_alone():
    assert despike([1.0, 1.0, 9.0, 1.0, 1.0], 0.1) == [1.0] * 5
    assert despike([1.0, 1.0, 9.0, 9.0, 1.0, 1.0], 0.1) == [1.0, 1.0, 9.0, 9.0, 1.0, 1.0]
    assert despike([1.0, 1.0, 1.5, 1.0], 0.1) == [1.0, 1.0, 1.5, 1.0]


@given(st.lists(finite_losses, max_size=30), st.floats(0.0, 10.0))
def test_despike_leaves_both_ends_and_makes_up_no_loss(losses, noise):
    despiked = despike(losses, noise)
    assert (despiked[:1], despiked[-1:]) == (losses[:1], losses[-1:])
    assert set(despiked) <= set(losses)


def test_start_level_is_the_median_of_the_first_five():
    assert start_level([5.0, 1.0, 2.0, 3.0, 4.0, -100.0]) == 3.0


def test_rounding_follows_from_the_first_losses_and_not_from_an_explosion():
    assert rounding_of([1.0, 2.0, 1.0, 1.0, 1.0, 1e300]) == rounding_of([2.0])
    assert rounding_of([]) == 0.0
