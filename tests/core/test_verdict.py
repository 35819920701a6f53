"""What makes an answer uncertain: each reason is given on the curve it is for, and none on a good one."""

import math

import attrs
import pytest
from hypothesis import given

from lrrange import LRRangeError, Suggestion, find_lr
from lrrange.advice.verdict import Verdict
from tests.core.strategies import Landscape, landscapes
from tests.core.training import Loop

# A typical training: it learns nothing at low rates, learns from some rate on, and blows up about two decades above.
good = landscapes(noise=0.03, fall=-3.5, decades=1.5, blow_up=-1.5, steepness=4.0)


def range_test(landscape, **arguments):
    return find_lr(Loop(landscape), **arguments)


def doubts(result, reason):
    assert not result.verdict.confident
    assert any(reason in text for text in result.verdict.reasons)
    return True


def with_answers(result, *rates):
    """Return the result as if the other heuristics had answered with these rates."""
    others = [
        Suggestion(heuristic=answer.heuristic, lr=lr) for answer, lr in zip(result.answers[1:], rates, strict=False)
    ]
    return attrs.evolve(result, answers=(result.answers[0], *others))


@given(good)
def test_a_good_curve_gives_a_confident_answer(landscape):
    result = range_test(landscape)
    assert result.verdict.reasons == ()
    assert result.verdict.confident
    assert str(result.verdict) == "confident"


@given(landscapes(noise=0.02, blow_up=math.inf, fall=-5.0))
def test_an_interval_wider_than_a_decade_is_a_reason(landscape):
    """Without a blow-up the curve does not show how far up the best rate is."""
    assert doubts(range_test(landscape, end_lr=1.0), "decades wide")


def test_the_reason_names_the_interval():
    result = range_test(Landscape(blow_up=math.inf, fall=-5.0), end_lr=1.0)
    assert doubts(result, f"the interval {result.low:.2g} to {result.high:.2g} is 1.5 decades wide")


def test_heuristics_that_lie_more_than_a_decade_away_are_a_reason_and_are_named():
    result = range_test(Landscape(noise=0.02))
    far = with_answers(result, 20 * result.lr, result.lr / 20, result.lr)
    assert doubts(far, f"steepest ({20 * result.lr:.2g}), valley ({result.lr / 20:.2g}) lie more than a decade away")


def test_a_minority_of_heuristics_a_decade_away_is_no_reason():
    result = range_test(Landscape(noise=0.02))
    assert with_answers(result, 20 * result.lr, result.lr, result.lr).verdict.confident


def test_a_loss_that_still_falls_at_the_last_rate_is_a_reason_for_the_other_heuristics():
    result = range_test(Landscape(blow_up=math.inf, fall=-2.0, noise=0.01), end_lr=0.02, heuristic="steepest")
    assert doubts(result, "the loss still falls at end_lr=0.02: raise it")


def test_for_the_default_heuristic_a_loss_that_still_falls_is_a_refusal():
    result = range_test(Landscape(blow_up=math.inf, fall=-2.0, noise=0.01), end_lr=0.02)
    with pytest.raises(LRRangeError, match="Raise end_lr"):
        _ = result.verdict


@pytest.mark.parametrize("steps", [30, 40])
def test_few_steps_a_decade_are_a_reason(steps):
    assert doubts(range_test(Landscape(noise=0.01), num_steps=steps), "steps a decade are few: raise num_steps")


def test_two_steps_a_decade_are_a_refusal():
    with pytest.raises(LRRangeError, match="Raise num_steps"):
        _ = range_test(Landscape(noise=0.01), num_steps=18).verdict


def test_every_reason_is_shown():
    verdict = Verdict(reasons=("one", "two"))
    assert not verdict.confident
    assert str(verdict) == "uncertain: one; two"


@given(good)
def test_a_confirmed_answer_within_the_rates_tried_is_confident(landscape):
    result = range_test(landscape, confirm=True)
    rates = sorted({trial.lr for trial in result.confirmation.trials})
    assert result.verdict.confident == (result.confirmation.best.lr not in (rates[0], rates[-1]))


@given(landscapes(fall=math.inf, blow_up=math.inf, noise=0.05))
def test_an_answer_that_was_refused_has_no_verdict_but_its_reason(landscape):
    with pytest.raises(LRRangeError, match="does not fall"):
        _ = range_test(landscape).verdict
