"""Curves at the edge of what floats can hold are read or refused: nothing divides by zero, and no sum overflows."""

import contextlib
import io
import math
import statistics
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from lrrange import Curve, Provenance, RangeTestResult, Refusal, StopReason, Suggestion, SweepPlan, find_lr
from lrrange.advice.ending import Ending
from lrrange.advice.heuristics import HEURISTICS
from lrrange.advice.ranges import RANGE_RULES
from lrrange.advice.readings import read_answers, read_ranges
from lrrange.averages import mean, standard_deviation
from lrrange.comparison.paired_t import Difference
from lrrange.errors import LRRangeError
from lrrange.result import dumps
from lrrange.sweep.smoothing import OnlineSmoother
from tests.core.strategies import PLAN, Landscape
from tests.core.training import Loop

TINY, LARGEST = 5e-324, sys.float_info.max

absurd = st.sampled_from(
    [0.0, TINY, -TINY, 1e-300, 1.0, 1.0 + 2**-52, 1e16, 1e154, 1e300, LARGEST, -LARGEST, math.nan, math.inf, -math.inf]
)


def neighbours(first, number):
    """Return this many floats, each the next larger one."""
    rates = [first]
    while len(rates) < number:
        rates.append(math.nextafter(rates[-1], math.inf))
    return rates


@st.composite
def absurd_curves(draw):
    """Draw curves over the usual rates, neighbouring floats or all floats, of any losses or of steep valleys."""
    number = draw(st.sampled_from([0, 1, 2, 5, 6, 8, 12, 20, 40]))
    rates = draw(
        st.sampled_from(
            [
                PLAN.rates[:number],
                PLAN.rates[:: 200 // max(number, 1)][:number],
                [10 ** (-300 + 600 * i / 40) for i in range(number)],
                *(neighbours(first, number)[:number] for first in (1.0, 1.9999999999, 1e-7, TINY, 1e307)),
            ]
        )
    )
    valley = [Landscape().at(lr) for lr in PLAN.rates[:: 200 // max(number, 1)][:number]]
    scale, level = draw(st.sampled_from([1.0, 1e-310, 1e300, 7e306, -1.0])), draw(st.sampled_from([0.0, 1e16]))
    losses = draw(
        st.one_of(
            st.lists(absurd, min_size=number, max_size=number),
            st.just([scale * loss + level for loss in valley]),
            absurd.map(lambda loss: [loss] * number),
            st.lists(st.sampled_from([1.0, 2.0]), min_size=number, max_size=number),
        )
    )
    return Curve(lr=rates, loss=losses)


@given(absurd_curves(), st.sampled_from(StopReason), st.sampled_from([TINY, 1e-3, LARGEST]))
def test_absurd_curves_are_read_or_refused_and_shown(curve, stop_reason, mine):
    plan = SweepPlan()
    answers = read_answers(curve, HEURISTICS, (), Ending(plan=plan, stop_reason=stop_reason))
    assert not [answer.reason for answer in answers if isinstance(answer, Refusal) and "failed with" in answer.reason]
    wide = Suggestion(heuristic="mine", lr=mine, low=LARGEST, high=TINY)
    for heuristic in (None, "mine"):
        result = RangeTestResult(
            plan=plan,
            curve=curve,
            stop_reason=stop_reason,
            answers=(*answers, wide),
            heuristic=heuristic,
            ranges=read_ranges(curve),
            provenance=Provenance(backend="none"),
        )
        assert dumps(result)
        Console(file=io.StringIO(), width=100).print(result)
        for rule in RANGE_RULES:
            with contextlib.suppress(LRRangeError):
                result.range_by(rule)


@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_a_training_without_a_drop_is_confirmed_by_parts_of_its_noise(noise):
    """It was trained before, so every rate can only raise its loss."""

    class Trained(Loop):
        def loss(self, lr):
            return 0.5 + 4 * max(0.0, math.log10(lr) + 2) ** 2 + self.random.gauss(0.0, noise)

    def mine(curve):
        return 1e-3

    for heuristic in (None, mine):
        result = find_lr(Trained(), heuristic=heuristic, confirm=True, num_steps=200)
        assert result.curve.drop <= noise
        assert 0 < result.low <= result.lr <= result.high


def test_an_optimizer_that_barely_moves_is_confirmed():
    class Barely(Loop):
        def loss(self, lr):
            return 2.3

    result = find_lr(Barely(), heuristic=lambda curve: 1e-3, confirm=True)
    assert (result.curve.drop, result.curve.noise) == (0.0, 0.0)
    assert result.low <= result.confirmation.best.lr <= result.high


def test_a_curve_of_gaps_can_be_confirmed_if_a_heuristic_of_the_user_s_own_answers():
    class Late(Loop):
        def step(self, lr):
            loss = super().step(lr)
            return loss if lr > 1e-6 else math.nan

    result = find_lr(Late(), heuristic=lambda curve: 5e-7, confirm=True, non_finite_limit=24, num_steps=200)
    assert result.curve.finite.lr == ()
    assert result.lr > 0


def test_the_mean_of_the_largest_losses_is_a_number():
    assert mean([LARGEST, LARGEST]) == pytest.approx(LARGEST)
    assert mean([LARGEST, -LARGEST]) == 0.0
    assert math.isnan(mean([math.inf, -math.inf]))
    assert mean([math.inf, 1.0]) == math.inf
    assert standard_deviation([LARGEST, -LARGEST]) == math.inf


@given(st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=20))
def test_usual_means_and_deviations_are_those_of_the_standard_library(values):
    assert mean(values) == statistics.fmean(values)
    assert standard_deviation(values) == statistics.stdev(values)


def test_losses_near_the_largest_float_are_smoothed_and_compared():
    smoother = OnlineSmoother()
    assert all(math.isfinite(smoother.add(lr, LARGEST)) for lr in (1e-3, 2e-3))
    gaps = Difference(better="a", other="b", gaps=(LARGEST, -LARGEST, LARGEST))
    assert gaps.interval is not None
    assert str(gaps)
    assert gaps.reason
