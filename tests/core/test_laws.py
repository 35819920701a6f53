"""Neither the unit nor the zero of the loss may change when a sweep stops, what is suggested, or what is refused."""

import pytest
from hypothesis import given

from lrrange import Curve, LRRangeError, Suggestion, Sweep
from lrrange.advice.heuristics import HEURISTICS, ask_heuristic
from lrrange.advice.ranges import RANGE_RULES
from tests.core.strategies import PLAN, constants, exact_sequences, factors, replay


def suggestion(name, losses):
    """Return the suggested rate, or the kind of the refusal."""
    answer = ask_heuristic(name, HEURISTICS[name], Curve(lr=PLAN.rates[: len(losses)], loss=losses))
    return pytest.approx(answer.lr, rel=1e-6) if isinstance(answer, Suggestion) else answer.kind


def bounds(rule, losses):
    try:
        lr_range = RANGE_RULES[rule](Curve(lr=PLAN.rates[: len(losses)], loss=losses))
    except LRRangeError as error:
        return type(error).__name__
    return pytest.approx(lr_range.base_lr, rel=1e-6), pytest.approx(lr_range.max_lr, rel=1e-6)


def end(losses):
    sweep = replay(Sweep(PLAN), losses)
    return len(sweep.points), sweep.stop_reason


def moved(losses, constant):
    return [loss + constant for loss in losses]


def scaled(losses, factor):
    return [loss * factor for loss in losses]


@given(exact_sequences(), constants)
def test_adding_a_constant_to_every_loss_does_not_move_the_stop(losses, constant):
    assert end(moved(losses, constant)) == end(losses)


@given(exact_sequences(), factors)
def test_multiplying_every_loss_does_not_move_the_stop(losses, factor):
    assert end(scaled(losses, factor)) == end(losses)


@pytest.mark.parametrize("name", HEURISTICS)
@given(losses=exact_sequences(), constant=constants)
def test_adding_a_constant_to_every_loss_changes_no_suggestion_and_no_refusal(name, losses, constant):
    assert suggestion(name, moved(losses, constant)) == suggestion(name, losses)


@pytest.mark.parametrize("name", HEURISTICS)
@given(losses=exact_sequences(), factor=factors)
def test_multiplying_every_loss_changes_no_suggestion_and_no_refusal(name, losses, factor):
    assert suggestion(name, scaled(losses, factor)) == suggestion(name, losses)


@pytest.mark.parametrize("rule", RANGE_RULES)
@given(losses=exact_sequences(), constant=constants)
def test_adding_a_constant_to_every_loss_changes_no_range(rule, losses, constant):
    assert bounds(rule, moved(losses, constant)) == bounds(rule, losses)


@pytest.mark.parametrize("rule", RANGE_RULES)
@given(losses=exact_sequences(), factor=factors)
def test_multiplying_every_loss_changes_no_range(rule, losses, factor):
    assert bounds(rule, scaled(losses, factor)) == bounds(rule, losses)
