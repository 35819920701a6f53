import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrrange import Curve
from lrrange.errors import CurveError
from lrrange.sweep.smoothing import smooth
from tests.core.strategies import PLAN, Landscape, finite_losses, landscapes, losses, non_finite_losses, plans


def curve(*readings, **fields):
    return Curve(lr=PLAN.rates[: len(readings)], loss=readings, **fields)


@given(plans(max_steps=40), st.data())
def test_rates_losses_and_smoothed_losses_are_tuples_of_equal_length(plan, data):
    readings = data.draw(st.lists(losses, min_size=plan.num_steps, max_size=plan.num_steps))
    measured = Curve(lr=list(plan.rates), loss=readings)
    assert [type(values) for values in (measured.lr, measured.loss, measured.smoothed)] == [tuple] * 3
    assert len(measured) == len(measured.lr) == len(measured.loss) == len(measured.smoothed) == plan.num_steps


@given(st.lists(losses, max_size=40))
def test_a_curve_is_smoothed_unless_its_smoothed_losses_are_given(readings):
    assert repr(curve(*readings).smoothed) == repr(smooth(PLAN.rates[: len(readings)], readings))
    assert curve(1.0, 2.0, smoothed=[5.0, 6.0]).smoothed == (5.0, 6.0)


@given(st.lists(losses, max_size=20))
def test_curves_with_the_same_gaps_are_equal(readings):
    assert curve(*readings, math.nan) == curve(*readings, float("nan"))


def test_a_curve_cannot_be_changed_after_it_was_checked():
    with pytest.raises(AttributeError):
        curve(1.0).loss = (2.0,)


@pytest.mark.parametrize(
    ("rates", "before", "after"),
    [
        ([1e-3, 1e-3], 1e-3, 1e-3),
        ([1e-2, 1e-3], 1e-2, 1e-3),
        ([0.0, 1e-3], 0.0, 0.0),
        ([-1e-3, 1e-3], 0.0, -1e-3),
        ([1e-3, math.inf], 1e-3, math.inf),
        ([1e300, 1e-300], 1e300, 1e-300),
    ],
)
def test_rates_that_are_not_positive_finite_and_rising_are_refused_with_the_pair(rates, before, after):
    with pytest.raises(CurveError, match="positive, finite and rising") as caught:
        Curve(lr=rates, loss=[1.0, 2.0])
    assert (caught.value.before, caught.value.after) == (before, after)


def test_a_rate_that_is_nan_is_refused():
    with pytest.raises(CurveError, match="positive, finite and rising"):
        Curve(lr=[1e-3, math.nan], loss=[1.0, 2.0])


@pytest.mark.parametrize("readings", [[], [1.0], [1.0, 2.0, 3.0]])
def test_more_or_fewer_losses_than_rates_are_refused_with_both_numbers(readings):
    with pytest.raises(CurveError, match="one loss for each rate") as caught:
        Curve(lr=[1e-3, 1e-2], loss=readings)
    assert (caught.value.rates, caught.value.losses) == (2, len(readings))


def test_more_smoothed_losses_than_rates_are_refused():
    with pytest.raises(CurveError, match="one loss for each rate"):
        curve(1.0, 2.0, smoothed=[1.0, 2.0, 3.0])


@given(st.lists(st.one_of(finite_losses, non_finite_losses), max_size=40))
def test_finite_is_the_curve_without_its_gaps(readings):
    measured = curve(*readings)
    kept = [i for i, loss in enumerate(readings) if math.isfinite(loss)]
    assert measured.finite.lr == tuple(measured.lr[i] for i in kept)
    assert measured.finite.loss == tuple(measured.loss[i] for i in kept)
    assert measured.finite.finite == measured.finite


@given(st.lists(finite_losses, max_size=40))
def test_the_halves_are_sweeps_of_half_as_many_steps(readings):
    measured = curve(*readings)
    even, odd = measured.halves
    assert sorted([*even.lr, *odd.lr]) == list(measured.lr)
    assert even.loss == measured.loss[::2]
    assert even == Curve(lr=measured.lr[::2], loss=measured.loss[::2])


@given(st.floats(0.01, 0.5), st.integers(0, 2**32))
def test_noise_is_the_standard_deviation_of_a_single_loss(noise, seed):
    measured = Landscape(noise=noise, seed=seed, blow_up=math.inf).curve().noise
    assert measured == pytest.approx(noise * 2.0, rel=0.4)


@given(landscapes(noise=0.1))
def test_a_valley_falls_and_rises(landscape):
    measured = landscape.curve()
    assert (measured.falls, measured.rises) == (True, True)


@given(landscapes(noise=0.1, fall=math.inf))
def test_a_blow_up_alone_rises_and_does_not_fall(landscape):
    measured = landscape.curve()
    assert (measured.falls, measured.rises) == (False, True)


def test_start_is_the_median_of_the_first_five_finite_losses():
    assert curve(9.0, 1.0, 2.0, math.nan, 3.0, 4.0, 100.0).start == 3.0


@pytest.mark.parametrize("readings", [[], [math.nan], [math.inf, math.nan]])
@pytest.mark.parametrize("name", ["start", "lowest"])
def test_a_curve_without_a_finite_loss_has_neither_start_nor_lowest_point(readings, name):
    with pytest.raises(CurveError, match="no finite loss") as caught:
        getattr(curve(*readings), name)
    assert caught.value.points == len(readings)


def test_lowest_counts_finite_points_and_takes_the_first_of_several():
    assert curve(3.0, 2.0, 1.0, 1.0, 2.0, smoothed=[3.0, 2.0, 1.0, 1.0, 2.0]).lowest == 2
    assert curve(math.nan, 2.0, 1.0, smoothed=[math.nan, 2.0, 1.0]).lowest == 1


@given(landscapes(noise=0.0))
def test_drop_is_how_far_the_loss_falls(landscape):
    assert landscape.curve().drop == pytest.approx(landscape.drop, rel=0.1)


def test_a_loss_that_does_not_fall_has_no_drop():
    assert curve(*[1.0] * 20).drop == 0.0
    assert curve(*[1.0] * 20, smoothed=[1.0] * 10 + [2.0] * 10).drop == 0.0


@given(st.lists(losses, min_size=1, max_size=40))
def test_whatever_the_losses_rates_stay_rising(readings):
    assert all(before < after for before, after in pairwise(curve(*readings).finite.lr))
