"""Smith's range rule and its shortcuts. The default rule is in test_midway."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrrange import Curve, LRRange, LRRangeError
from lrrange.advice.ranges import DEFAULT_RANGE, RANGE_RULES, range_rule, smith
from lrrange.errors import CurveError, FlatCurve, NoDescent, OnlyRises, TooFewPoints, UnknownName
from tests.core.strategies import PLAN, STEP, Landscape, landscapes, losses

FRACTIONS = {"max/3": 3, "max/4": 4, "max/10": 10, "max/20": 20}


def curve(readings):
    return Curve(lr=PLAN.rates[: len(readings)], loss=readings)


@given(landscapes(noise=0.0))
def test_smith_s_range_goes_from_a_tenth_of_the_drop_to_nine_tenths(landscape):
    bounds = smith(landscape.curve())
    assert math.log10(bounds.base_lr) == pytest.approx(landscape.falls_to(0.1), abs=3 * STEP)
    assert math.log10(bounds.max_lr) == pytest.approx(landscape.falls_to(0.9), abs=4 * STEP)


@given(landscapes(noise=0.03))
def test_smith_s_range_does_so_in_noise_too(landscape):
    bounds = smith(landscape.curve())
    assert math.log10(bounds.base_lr) == pytest.approx(landscape.falls_to(0.1), abs=0.4)
    assert math.log10(bounds.max_lr) == pytest.approx(landscape.falls_to(0.9), abs=0.5)


@pytest.mark.parametrize("seed", range(5))
def test_the_maximum_of_smith_s_range_is_lower_if_the_loss_gets_ragged(seed):
    calm, random_ = Landscape(fall=-3.0, decades=3.0, noise=0.01), random.Random(seed)
    readings = [
        loss + random_.gauss(0.0, 0.5 * calm.drop) * (math.log10(lr) > -2.5)
        for lr, loss in zip(PLAN.rates, calm.losses(), strict=True)
    ]
    assert -3.2 < math.log10(smith(curve(readings)).max_lr) < -2.0 < math.log10(smith(calm.curve()).max_lr)


def test_a_single_high_loss_is_not_ragged():
    calm = Landscape(noise=0.01)
    spiked = Landscape(noise=0.01, spikes=((90, 2.0),))
    assert smith(spiked.curve()).max_lr == pytest.approx(smith(calm.curve()).max_lr, rel=0.3)


@pytest.mark.parametrize("rule", FRACTIONS)
@given(landscape=landscapes(noise=0.05))
def test_a_shortcut_has_smith_s_maximum_and_the_named_part_of_it_as_base(rule, landscape):
    bounds, whole = RANGE_RULES[rule](landscape.curve()), smith(landscape.curve())
    assert bounds.max_lr == whole.max_lr
    assert bounds.base_lr == pytest.approx(whole.max_lr / FRACTIONS[rule])


def test_every_rule_names_itself_and_cites_where_it_comes_from():
    ranges = {name: rule(Landscape().curve()) for name, rule in RANGE_RULES.items()}
    assert {name: bounds.rule for name, bounds in ranges.items()} == {name: name for name in RANGE_RULES}
    assert all("Smith 2017, section 3.3" in ranges[name].source for name in ("smith", "max/3", "max/4"))
    assert all("Smith 2018 (arXiv:1803.09820), section 4.1" in ranges[name].source for name in ("max/10", "max/20"))
    assert "lrrange's own rule" in ranges["midway"].source


@pytest.mark.parametrize("rule", RANGE_RULES)
def test_every_rule_refuses_a_curve_without_a_fall(rule):
    refusals = {
        TooFewPoints: [],
        FlatCurve: [1.0] * 100,
        OnlyRises: [1.0 + 0.001 * (k % 3) + 0.1 * k for k in range(100)],
    }
    for reason, readings in refusals.items():
        with pytest.raises(reason):
            RANGE_RULES[rule](curve(readings))


@given(st.integers(6, 40), st.floats(0.5, 100.0))
def test_smith_refuses_a_loss_that_falls_only_at_the_last_rate(length, depth):
    calm = [1.0 + 0.001 * (k % 2) for k in range(length)]
    try:
        bounds = smith(curve([*calm, 1.0 - depth]))
    except NoDescent:
        return
    assert bounds.base_lr < bounds.max_lr


@given(st.lists(losses, max_size=60))
def test_whatever_the_losses_every_rule_gives_a_range_or_a_reason(readings):
    measured = curve(readings)
    for rule in RANGE_RULES.values():
        try:
            bounds = rule(measured)
        except LRRangeError:
            continue
        assert 0 < bounds.base_lr < bounds.max_lr < math.inf


@given(st.lists(st.floats(-100.0, 100.0), min_size=12, max_size=40))
def test_rates_however_close_give_a_range_or_a_reason_too(readings):
    rates = [1e-3]
    while len(rates) < len(readings):
        rates.append(math.nextafter(rates[-1], 1.0))
    for rule in RANGE_RULES.values():
        try:
            bounds = rule(Curve(lr=rates, loss=readings))
        except LRRangeError:
            continue
        assert bounds.base_lr < bounds.max_lr


@pytest.mark.parametrize(
    ("base", "top"), [(1.0, 1.0), (1.0, 0.1), (0.0, 1.0), (-1.0, 1.0), (0.1, math.inf), (math.nan, 1.0)]
)
def test_bounds_that_are_not_a_rising_pair_of_positive_rates_are_refused_with_both(base, top):
    with pytest.raises(CurveError, match="not a rising pair") as caught:
        LRRange(base_lr=base, max_lr=top, rule="mine", source="me")
    assert repr((caught.value.base_lr, caught.value.max_lr)) == repr((base, top))


def test_a_rule_that_does_not_exist_is_refused_and_the_others_are_named():
    assert range_rule("smith") is RANGE_RULES["smith"]
    assert range_rule(DEFAULT_RANGE)(Landscape().curve()) == RANGE_RULES[DEFAULT_RANGE](Landscape().curve())
    with pytest.raises(UnknownName, match="midway, smith, max/3, max/4, max/10, max/20") as caught:
        range_rule("max/5")
    assert caught.value.name == "max/5"
