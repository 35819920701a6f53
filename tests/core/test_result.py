import math
import sys

import attrs
import pytest

from lrrange import LRRangeError, Refusal, StopReason, Suggestion, find_lr, hookimpl
from lrrange.advice.heuristics import HEURISTICS
from lrrange.advice.ranges import RANGE_RULES
from lrrange.errors import FlatCurve, MissingExtra, NoInterval, OnlyRises, TargetError, UnknownName
from tests.core.strategies import Landscape
from tests.core.training import Loop

GOOD = find_lr(Loop(Landscape(noise=0.02)))
FLAT = find_lr(Loop(Landscape(fall=math.inf, blow_up=math.inf, noise=0.02)))
RISES = find_lr(Loop(Landscape(fall=math.inf, blow_up=-4.0, noise=0.02)), heuristic="steepest", start_lr=1e-6)


def test_a_result_has_every_heuristic_s_answer_and_every_rule_s_range():
    assert [answer.heuristic for answer in GOOD.answers] == list(HEURISTICS)
    assert [bounds.rule for bounds in GOOD.ranges] == list(RANGE_RULES)
    assert GOOD.stop_reason is StopReason.DIVERGED


def test_the_answer_is_the_one_of_the_chosen_heuristic():
    assert (GOOD.lr, GOOD.low, GOOD.high) == (GOOD.chosen.lr, GOOD.chosen.low, GOOD.chosen.high)
    assert GOOD.low <= GOOD.lr <= GOOD.high


@pytest.mark.parametrize("name", ["lr", "low", "high", "verdict"])
def test_a_refused_answer_raises_the_reason_with_its_numbers(name):
    assert isinstance(FLAT.chosen, Refusal)
    with pytest.raises(FlatCurve, match="does not fall") as caught:
        getattr(FLAT, name)
    assert caught.value.noise == pytest.approx(0.04, rel=0.3)
    assert caught.value.heuristic == "midway"


def test_a_chosen_heuristic_that_refuses_is_not_replaced():
    with pytest.raises(OnlyRises, match="only rises"):
        _ = RISES.lr


def test_no_other_heuristic_answers_in_the_place_of_the_default_when_it_refuses():
    refusals = [Refusal(heuristic=name, kind="FlatCurve", reason="flat.") for name in ("midway", "min/10")]
    answered = [Suggestion(heuristic=name, lr=0.1) for name in ("slide", "valley")]
    for answers in ((*refusals, *answered), (*answered, *refusals)):
        result = attrs.evolve(GOOD, answers=answers)
        assert result.chosen is refusals[0]
        with pytest.raises(FlatCurve, match=r"^flat\. .*\(slide 0.1, valley 0.1\).* as heuristic=.valley.\."):
            _ = result.lr
        assert attrs.evolve(result, heuristic="valley").lr == 0.1


def test_without_any_answer_of_the_default_the_first_one_counts():
    answered = [Suggestion(heuristic=name, lr=lr) for name, lr in (("mine", 0.1), ("yours", 0.2))]
    assert attrs.evolve(GOOD, answers=answered).lr == 0.1


@pytest.mark.parametrize("bounds", [{}, {"low": 0.1, "high": 0.1}, {"low": 0.05}, {"high": 0.5}])
def test_a_rate_without_an_interval_has_neither_bound_and_no_confident_verdict(bounds):
    bare = attrs.evolve(GOOD, answers=(Suggestion(heuristic="midway", lr=0.1, **bounds),))
    assert (bare.lr, bare.interval) == (0.1, None)
    for name in ("low", "high"):
        with pytest.raises(NoInterval, match='"midway" suggests lr=0.1, and no interval around it'):
            getattr(bare, name)
    assert not bare.verdict.confident
    assert "there is no interval around the rate" in bare.verdict.reasons


def test_a_curve_without_a_range_raises_why():
    assert FLAT.ranges == ()
    for rule in RANGE_RULES:
        with pytest.raises(FlatCurve, match="does not fall"):
            FLAT.range_by(rule)
    with pytest.raises(FlatCurve):
        _ = FLAT.range


@pytest.mark.parametrize("rule", RANGE_RULES)
def test_the_range_is_read_by_a_rule_s_name(rule):
    assert GOOD.range_by(rule).rule == rule
    assert GOOD.range_by(rule) == RANGE_RULES[rule](GOOD.curve)


def test_an_unknown_rule_is_refused():
    with pytest.raises(UnknownName, match="smith"):
        GOOD.range_by("best")


def test_with_heuristic_reads_the_same_curve_by_another_heuristic():
    other = GOOD.with_heuristic("steep")
    assert (other.heuristic, other.lr) == ("steepest", HEURISTICS["steepest"](GOOD.curve).lr)
    assert (other.curve, other.plan, other.provenance) == (GOOD.curve, GOOD.plan, GOOD.provenance)
    assert GOOD.heuristic is None


def test_with_heuristic_takes_a_function_of_the_user_s_own():
    def half(curve):
        return curve.lr[-1] / 2

    other = GOOD.with_heuristic(half)
    assert (other.heuristic, other.lr) == ("half", GOOD.curve.lr[-1] / 2)


def test_with_heuristic_none_the_choice_is_lrrange_s_again():
    assert GOOD.with_heuristic("slide").with_heuristic(None) == GOOD


def test_an_unknown_heuristic_is_refused():
    with pytest.raises(UnknownName, match="midway"):
        GOOD.with_heuristic("best")


def test_a_result_is_a_value_that_cannot_be_changed():
    with pytest.raises(AttributeError):
        GOOD.curve = FLAT.curve
    assert attrs.evolve(GOOD) == GOOD != FLAT


class Setter:
    """A plug-in that sets the rate of a list."""

    @hookimpl
    def lrrange_apply(self, optimizer, lr, scheduler):
        if not isinstance(optimizer, list):
            return None
        optimizer[:] = [lr, scheduler]
        return {"lr": lr}


def test_apply_sets_the_suggested_rate_by_the_plug_in_that_knows_the_optimizer(registered):
    registered(Setter(), "setter")
    optimizer = []
    assert GOOD.apply(optimizer, scheduler="cosine") == {"lr": GOOD.lr}
    assert optimizer == [GOOD.lr, "cosine"]


def test_apply_sets_another_rate_where_one_is_given(registered):
    registered(Setter(), "setter")
    optimizer = []
    GOOD.apply(optimizer, lr=GOOD.range.max_lr)
    assert optimizer == [GOOD.range.max_lr, None]


def test_apply_to_an_optimizer_that_no_plug_in_knows_is_refused_with_its_type(registered):
    registered(Setter(), "setter")
    with pytest.raises(TargetError, match="no plug-in can set the rate of a dict") as caught:
        GOOD.apply({})
    assert caught.value.lr == GOOD.lr


def test_apply_without_a_suggestion_raises_why_and_sets_nothing(registered):
    registered(Setter(), "setter")
    optimizer = ["untouched"]
    with pytest.raises(FlatCurve):
        FLAT.apply(optimizer)
    assert optimizer == ["untouched"]


def test_plotting_without_matplotlib_names_the_extra_that_brings_it(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtra, match=r"lrrange\[plot\]"):
        GOOD.plot()


@pytest.mark.parametrize("result", [GOOD, FLAT, RISES], ids=["good", "flat", "rises"])
def test_every_result_is_rendered_as_html_that_says_how_it_ended_and_what_was_answered(result):
    html = result._repr_html_()
    assert all(answer.heuristic in html for answer in result.answers)
    assert result.stop_reason.name.lower().replace("_", " ") in html.lower().replace("_", " ")


def test_no_answer_is_a_returned_none():
    for result in (FLAT, RISES):
        with pytest.raises(LRRangeError):
            _ = result.lr
