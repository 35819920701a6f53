"""What makes an answer uncertain: each reason is given on the curve it is for, and none on a good one."""

import math

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrrange import LRRangeError, Suggestion, TrainingFacts, find_lr
from lrrange.advice.calibration import COEFFICIENTS, INTERVALS, Features, chance_of_bad, interval_around, log_odds
from lrrange.advice.midway import find_fall_and_blow_up
from lrrange.advice.verdict import Circumstances, Verdict, read_features
from lrrange.advice.ways_out import MORE_STEPS, join_ways
from tests.core.strategies import Landscape, landscapes
from tests.core.training import Loop, SeededLoop

# A typical training: it learns nothing at low rates, learns from some rate on, and blows up about two decades above.
good = landscapes(noise=0.03, fall=-3.5, decades=1.5, blow_up=-1.5, steepness=4.0)

# What is known of a training for which the default answer is seldom bad, and a curve that is as easy to read.
KNOWN = TrainingFacts(optimizer="adam", steps_taken=0, train_steps=2000)
CALM = Landscape(noise=0.01, decades=0.5, blow_up=-2.0, steepness=1.0)


def range_test(landscape, **arguments):
    return find_lr(Loop(landscape), **arguments)


def known(landscape=CALM, **facts):
    """Return the test of a training of which everything is known."""
    return attrs.evolve(range_test(landscape), facts=attrs.evolve(KNOWN, **facts))


def doubts(result, reason):
    assert not result.verdict.confident
    assert any(reason in text for text in result.verdict.reasons)
    return True


def suggest(name, lr=1e-3, **bounds):
    return Suggestion(heuristic=name, lr=lr, **bounds)


def with_answers(result, *rates):
    """Return the result as if the other heuristics had answered with these rates."""
    others = [
        Suggestion(heuristic=answer.heuristic, lr=lr) for answer, lr in zip(result.answers[1:], rates, strict=False)
    ]
    return attrs.evolve(result, answers=(result.answers[0], *others))


@given(st.integers(0, 2**32))
def test_a_good_curve_of_a_training_that_is_known_gives_a_confident_answer(seed):
    verdict = known(attrs.evolve(CALM, seed=seed)).verdict
    assert (verdict.reasons, verdict.confident, str(verdict)) == ((), True, "confident")
    assert 0 < verdict.chance_of_bad < 0.05


class Scaled(Loop):
    """A training whose loss is `height` times as high after the first step."""

    def __init__(self, height):
        super().__init__(CALM)
        self.height = height

    def loss(self, lr):
        return super().loss(lr) * (self.height if len(self.rates) > 1 else 1.0)


def test_a_fall_behind_a_jump_of_the_loss_is_doubted_because_the_sweep_starts_too_high():
    """What falls there is what the first steps have left of the model."""
    result = find_lr(Scaled(20.0), start_lr=1e-5)
    assert doubts(result, "in the first steps, so start_lr=1e-05 is too high: lower it")
    assert "start_lr=1e-08" in result.verdict.ways


def test_a_small_jump_is_not_blamed_on_the_start():
    assert not any("start_lr" in reason for reason in find_lr(Scaled(1.05), start_lr=1e-5).verdict.reasons)


@given(landscapes(noise=0.02, blow_up=math.inf, fall=-5.0))
def test_a_loss_that_does_not_blow_up_is_a_reason(landscape):
    """Without a blow-up the curve does not show how far up the best rate is."""
    assert doubts(range_test(landscape, end_lr=1.0), "the loss does not blow up, so the best rate may lie higher")


def test_the_way_out_of_a_missing_blow_up_is_a_higher_end_or_else_trials():
    landscape = Landscape(blow_up=math.inf, fall=-5.0)
    assert doubts(range_test(landscape, end_lr=1.0), "may lie higher: raise end_lr=1")
    highest = Landscape(blow_up=math.inf, fall=-0.5)
    assert doubts(range_test(highest, end_lr=1e4), "may lie higher: give confirm=True")


def test_a_wide_interval_of_another_heuristic_is_named_with_the_interval():
    result = attrs.evolve(range_test(Landscape()), heuristic="mine", answers=(suggest("mine", low=1e-5, high=1e-2),))
    assert doubts(result, "the interval 1e-05 to 0.01 is 3.0 decades wide: give paired=True or a higher num_steps")


def test_heuristics_that_lie_more_than_a_decade_away_are_a_reason_and_are_named():
    result = range_test(Landscape(noise=0.02))
    far = with_answers(result, 20 * result.lr, result.lr / 20, result.lr)
    assert doubts(far, f"steepest ({20 * result.lr:.2g}), valley ({result.lr / 20:.2g}) lie more than a decade away")


def test_a_minority_of_heuristics_a_decade_away_is_no_reason():
    result = known()
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


@pytest.mark.parametrize(
    ("verdict", "confident", "text"),
    [
        (Verdict(), True, "confident"),
        (Verdict(chance_of_bad=0.0), True, "confident"),
        (Verdict(chance_of_bad=0.0499), True, "confident"),
        (Verdict(chance_of_bad=0.05), False, "uncertain: 5% of such answers are bad"),
        (Verdict(chance_of_bad=0.01, reasons=("one",)), False, "uncertain: one"),
        (Verdict(chance_of_bad=0.9, reasons=("one",)), False, "uncertain: one"),
    ],
)
def test_only_a_chance_under_five_in_a_hundred_and_no_reason_is_confident(verdict, confident, text):
    assert (verdict.confident, str(verdict)) == (confident, text)


# What is known of a training or seen on its curve, and the reason that it gives. Each alone is enough for a doubt.
DOUBTS = {
    "an optimizer of steps of one length": ({"optimizer": "sign"}, 'an optimizer of the kind "sign" are often far off'),
    "SGD": ({"optimizer": "sgd"}, "the best rate of SGD differs much from one training to another: give confirm=True"),
    "an unknown optimizer": ({"optimizer": None}, "the kind of the optimizer is not known"),
    "a training that goes on": ({"steps_taken": 700}, "the optimizer has taken 700 steps already"),
}


@pytest.mark.parametrize("case", DOUBTS)
def test_what_is_known_of_the_training_is_a_reason_for_doubt(case):
    facts, reason = DOUBTS[case]
    assert known().verdict.confident
    assert doubts(known(**facts), reason)


def test_a_training_whose_length_nobody_knows_is_a_doubt_with_its_way_out():
    unknown = attrs.evolve(known(), facts=TrainingFacts())
    assert unknown.verdict.chance_of_bad > known().verdict.chance_of_bad
    assert log_odds(features_of(unknown))["unknown_length"] > 0


@pytest.mark.parametrize("kind", ["adam", "rmsprop", "adagrad", "muon"])
def test_a_usual_training_is_no_reason_for_doubt(kind):
    assert known(optimizer=kind).verdict.confident


def test_a_loss_that_explodes_is_a_reason():
    assert doubts(known(Landscape(noise=0.01, steepness=30.0)), "the loss blows up abruptly")


def test_a_fall_that_noise_hides_is_a_reason_with_the_options_that_show_it():
    landscape = Landscape(noise=1.0, drop=0.5, top=2.0, fall=math.inf, blow_up=-2.0, steepness=8.0)
    result = range_test(landscape)
    assert result.lr > 0
    assert doubts(result, "no fall of the loss stands out of its noise: give paired=True or a higher num_steps")
    seeded = find_lr(SeededLoop(landscape))
    assert doubts(seeded, "out of its noise: give paired=True, repeats=3 or a higher num_steps")
    repeated = find_lr(SeededLoop(landscape), repeats=2)
    assert not any("repeats" in reason for reason in repeated.verdict.reasons)


def test_a_heuristic_that_was_not_measured_is_never_confident():
    for name in ("steepest", "valley", "min/10", "slide"):
        result = range_test(Landscape(noise=0.01), heuristic=name)
        assert result.verdict.chance_of_bad is None
        assert doubts(result, f'how often "{name}" is far off has not been measured: leave heuristic= out')


def test_an_option_that_was_used_or_cannot_be_used_is_no_way_out():
    result = known(optimizer="sign")
    assert result.provenance.untried == ("paired", "confirm")
    assert doubts(result, "are often far off: give confirm=True")
    used = attrs.evolve(result, provenance=attrs.evolve(result.provenance, untried=()))
    assert any(reason.endswith("are often far off") for reason in used.verdict.reasons)
    assert not any("give" in reason for reason in used.verdict.reasons)


class AtRateZero(SeededLoop):
    """A training that can take a step at rate zero."""

    def step(self, lr):
        return super().step(max(lr, 1e-12))


def test_the_options_that_are_left_are_those_that_this_training_can_take():
    assert find_lr(Loop()).provenance.untried == ("paired", "confirm")
    assert find_lr(SeededLoop()).provenance.untried == ("paired", "repeats", "confirm")
    assert find_lr(AtRateZero(), paired=True).provenance.untried == ("repeats", "confirm")
    assert find_lr(SeededLoop(), repeats=2).provenance.untried == ("paired", "confirm")
    assert find_lr(SeededLoop(), repeats=2, confirm=True).provenance.untried == ("paired",)

    class Evaluates(Loop):
        held_out = None

        def evaluate(self):
            return self.held_out

    assert find_lr(Evaluates(), confirm=True).provenance.untried == ("paired", "val_loader")

    class HeldOut(Evaluates):
        held_out = 1.0

    assert find_lr(HeldOut(), confirm=True).provenance.untried == ("paired",)


def test_ways_out_are_joined_as_in_a_sentence():
    assert join_ways(("paired", "repeats", "confirm"), "paired", "repeats", "confirm") == (
        "paired=True, repeats=3 or confirm=True"
    )
    assert join_ways(("repeats",), "paired", "repeats", MORE_STEPS) == "repeats=3 or a higher num_steps"
    assert join_ways((), "paired", MORE_STEPS) == "a higher num_steps"
    assert join_ways((), "paired", "confirm") == ""
    assert "val_loader=" in join_ways(("val_loader",), "val_loader")


# -- the calibration ---------------------------------------------------------------------------------------------------


def test_every_feature_has_a_coefficient_and_only_the_intercept_is_no_feature():
    assert set(COEFFICIENTS) == {"intercept", *(field.name for field in attrs.fields(Features))}


@given(st.builds(Features, slow=st.floats(0, 300), short=st.floats(0, 300), disagreement=st.floats(0, 300)))
def test_the_chance_is_a_chance_whatever_the_features(features):
    assert 0 <= chance_of_bad(features) <= 1


@given(
    st.dictionaries(st.sampled_from(sorted(COEFFICIENTS)), st.floats(-1e3, 1e3)),
    st.builds(Features, abrupt=st.floats(0, 1), slow=st.floats(0, 10)),
)
def test_the_chance_is_the_logistic_function_of_the_sum(changed, features):
    coefficients = COEFFICIENTS | changed
    odds = coefficients["intercept"] + sum(log_odds(features, coefficients).values())
    if abs(odds) < 30:
        assert chance_of_bad(features, coefficients) == pytest.approx(1 / (1 + math.exp(-odds)))
    assert (chance_of_bad(features, coefficients) > 0.5) == (odds > 0) or abs(odds) < 1e-9


@pytest.mark.parametrize(("fall", "blow_up", "category"), [
    (True, True, "fall and blow-up"), (True, False, "fall only"), (False, True, "blow-up only"),
])  # fmt: skip
def test_the_interval_follows_from_what_the_curve_shows(fall, blow_up, category):
    below, above = INTERVALS[category]
    low, high = interval_around(1e-3, fall=fall, blow_up=blow_up)
    assert (low, high) == (pytest.approx(1e-3 / 10**below), pytest.approx(1e-3 * 10**above))
    assert below > 0 < above


def test_the_answer_of_a_sweep_has_the_calibrated_interval():
    result = range_test(Landscape(noise=0.01))
    low, high = interval_around(result.lr, fall=True, blow_up=True)
    assert result.interval == (pytest.approx(low), pytest.approx(high))


def features_of(result):
    around = Circumstances(
        answers=result.answers,
        curve=result.curve,
        plan=result.plan,
        stop_reason=result.stop_reason,
        facts=result.facts,
    )
    return read_features(find_fall_and_blow_up(result.curve), result.chosen, around)


def test_the_features_of_a_curve_are_what_it_shows():
    landscape = Landscape(noise=0.02, decades=1.5, steepness=2.0)
    features = features_of(find_lr(SeededLoop(landscape), repeats=3, seed=0))
    assert (features.no_fall, features.no_blow_up, features.hidden) == (False, False, False)
    assert features.slow == pytest.approx(landscape.falls_to(0.8) - landscape.falls_to(0.1), abs=0.3)
    # The loss is at its start where it has climbed by the drop, and as far above that at the square root of two.
    climbing = (math.sqrt(2) - 1) / landscape.steepness
    assert features.abrupt == pytest.approx(1 - climbing, abs=0.15)
    assert (features.unknown_optimizer, features.unknown_length, features.goes_on) == (True, True, False)


def test_the_features_of_a_training_without_a_drop_divide_by_nothing():
    class Trained(Loop):
        def loss(self, lr):
            return 0.5 + 4 * max(0.0, math.log10(lr) + 2) ** 2

    result = find_lr(Trained(), num_steps=200)
    assert result.curve.drop == 0
    features = features_of(result)
    assert (features.no_fall, features.slow) == (True, 0.0)
    assert not result.verdict.confident


@pytest.mark.parametrize(("steps", "short"), [(None, 0.0), (100, 1.0), (1000, 0.0), (50_000, 0.0)])
def test_a_training_is_short_below_a_thousand_steps(steps, short):
    assert features_of(known(train_steps=steps)).short == pytest.approx(short)


@given(good)
def test_a_confirmed_answer_is_confident_only_if_the_trials_tell_the_best_rate_from_both_ends(landscape):
    result = range_test(landscape, confirm=True)
    rates = sorted({trial.lr for trial in result.confirmation.trials})
    if result.verdict.confident:
        assert rates[0] < result.confirmation.best.lr < rates[-1]
        assert result.confirmation.told_apart
        assert result.high / result.low <= 10
    else:
        assert all(": " in reason for reason in result.verdict.reasons)  # each says what to do


@given(landscapes(fall=math.inf, blow_up=math.inf, noise=0.05))
def test_an_answer_that_was_refused_has_no_verdict_but_its_reason(landscape):
    with pytest.raises(LRRangeError, match="does not fall"):
        _ = range_test(landscape).verdict
