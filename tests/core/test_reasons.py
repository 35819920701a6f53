"""The reason of a refusal is what went wrong: its first sentence names the cause, and its remedy is possible there."""

import enum
import math

import attrs
import pytest

from lrrange import StopReason, SweepPlan, find_lr, load
from lrrange.advice.ending import Ending
from lrrange.advice.heuristics import HEURISTICS
from lrrange.advice.ranges import RANGE_RULES
from lrrange.advice.readings import read_answers, read_ranges
from lrrange.errors import (
    EndedEarly,
    FlatCurve,
    NonFiniteLosses,
    NoSuggestion,
    OnlyRises,
    RatesTooFarApart,
    StillFalls,
    TooFewPoints,
)
from lrrange.report.formatting import format_stop
from lrrange.sweep.curve import Curve
from tests.core.strategies import Landscape
from tests.core.training import Loop, OwnLoop, SeededLoop

FLAT = Landscape(fall=math.inf, blow_up=math.inf, noise=0.02)


class Spoiled(SeededLoop):
    """A training whose loss is `value` at some steps, whatever the rate.

    Args:
        spoiled: returns whether the loss of a step, counted from 0, is spoiled.
        value: the spoiled loss.
    """

    def __init__(self, spoiled, value=math.nan, landscape=None):
        super().__init__(landscape)
        self.spoiled, self.value, self.taken = spoiled, value, 0

    def step(self, lr):
        loss = super().step(lr)
        self.taken += 1
        return self.value if self.spoiled(self.taken - 1) else loss

    def snapshot(self):
        self.taken = 0
        return super().snapshot()


class Ordered(Loop):
    """A training whose loss follows the order of its batches, and not the rate.

    Args:
        batch: returns the loss of a batch, counted from 0.
        batches: number of batches of an epoch; None for one endless epoch.
    """

    def __init__(self, batch, epoch=None):
        super().__init__(FLAT)
        self.batch, self.epoch, self.taken = batch, epoch, 0

    def step(self, lr):
        loss = super().step(lr) + self.batch(self.taken if self.epoch is None else self.taken % self.epoch)
        self.taken += 1
        return loss

    def snapshot(self):
        return super().snapshot(), self.taken

    def restore(self, state):
        super().restore(state[0])
        self.taken = state[1]


def refusal_of(result):
    """Return the error that the default answer raises, and check that every way to it gives the same cause."""
    with pytest.raises(NoSuggestion) as caught:
        _ = result.lr
    assert str(caught.value).startswith(result.chosen.reason)
    for read in (lambda: result.high, lambda: result.verdict, lambda: result.apply(object())):
        with pytest.raises(type(caught.value)) as again:
            read()
        assert str(again.value) == str(caught.value)
    with pytest.raises(type(caught.value)) as of_range:
        _ = result.range
    assert str(of_range.value) == result.chosen.reason
    return result.chosen.error


def first_sentence(error):
    return str(error).split(". ")[0]


@pytest.mark.parametrize(("value", "word"), [(math.nan, "NaN"), (math.inf, "infinite"), (-math.inf, "infinite")])
def test_a_loss_that_is_not_finite_from_the_first_step_on_is_blamed_on_the_data(value, word):
    error = refusal_of(find_lr(Spoiled(lambda step: True, value)))
    assert type(error) is NonFiniteLosses
    expected = f"the loss was {word} at 3 of 3 steps, from the first step on, at lr=1e-07, before any rate could have"
    assert expected in first_sentence(error)
    assert "Check the data (NaN" in str(error)
    assert "end_lr" not in str(error)
    assert "start_lr" not in str(error)


@pytest.mark.parametrize("begin", [1, 5, 6, 11, 12, 20, 60])
def test_a_loss_that_becomes_nan_before_any_rate_moved_it_is_blamed_on_the_data(begin):
    error = refusal_of(find_lr(Spoiled(lambda step: step >= begin), num_steps=200))
    assert type(error) is NonFiniteLosses
    assert f"the loss was NaN at 3 of {begin + 3} steps" in first_sentence(error)
    assert "Check the data" in str(error)
    assert "end_lr" not in str(error)
    assert "holds the parameters" not in str(error)


def test_a_loss_that_is_now_nan_and_now_infinite_is_called_both():
    class Both(Loop):
        def step(self, lr):
            super().step(lr)
            return math.nan if len(self.rates) % 2 else math.inf

    assert "the loss was NaN or infinite at 3 of 3 steps" in first_sentence(refusal_of(find_lr(Both())))


def test_a_loss_that_becomes_nan_while_it_falls_names_both_causes_and_not_the_end_of_the_plan():
    """It stays a `StillFalls`: after that no other heuristic answers."""
    error = refusal_of(find_lr(Spoiled(lambda step: step >= 100), num_steps=200))
    assert type(error) is StillFalls
    assert first_sentence(error).startswith("the loss was NaN from step 101 of 200 on, lr=0.001, which ended the sweep")
    assert "Check the data" in str(error)
    assert "end_lr" not in str(error)


def test_a_loss_that_explodes_within_five_steps_is_blamed_on_the_start():
    class Explodes(Loop):
        def step(self, lr):
            super().step(lr)
            return [2.3, 1e5, 1e30, math.nan, math.nan, math.nan][len(self.rates) - 1]

    error = refusal_of(find_lr(Explodes(), start_lr=1.0))
    assert type(error) is OnlyRises
    assert "from 2.3 to 1e+30 within 3 steps from lr=1 on, and is NaN after that" in first_sentence(error)
    assert "Lower start_lr" in str(error)


def test_a_loss_that_explodes_after_a_few_more_steps_is_blamed_on_the_start_too():
    class Explodes(Loop):
        def step(self, lr):
            super().step(lr)
            step = len(self.rates) - 1
            return 2.3 * 1e5**step if step < 7 else math.inf

    error = refusal_of(find_lr(Explodes(), start_lr=1e-4))
    assert type(error) is OnlyRises
    assert "from 2.3 to 2.3e+30 within 7 steps from lr=0.0001 on, and is infinite" in first_sentence(error)
    assert "Lower start_lr" in str(error)


def test_a_loss_that_jumps_in_the_first_steps_and_comes_back_is_blamed_on_the_start():
    class Jumps(Loop):
        def step(self, lr):
            loss = super().step(lr)
            jump = [0, 110, 425, 1167, 0, 27, 6]
            return loss + (jump[len(self.rates) - 1] if len(self.rates) <= len(jump) else 0)

    error = refusal_of(find_lr(Jumps(FLAT), start_lr=1.0, end_lr=100.0))
    assert type(error) is OnlyRises
    assert first_sentence(error).endswith("in the first steps, so start_lr=1 is too high")
    assert str(error).endswith("Lower it.")


def test_a_few_finite_losses_before_nan_leave_the_start_as_a_second_cause():
    error = refusal_of(find_lr(Spoiled(lambda step: step >= 1), start_lr=1.0))
    assert "after only 1 finite losses" in first_sentence(error)
    assert "If they are sound, start_lr=1 is far too high" in str(error)
    assert "start_lr" not in str(refusal_of(find_lr(Spoiled(lambda step: step >= 1), start_lr=1e-11)))


def test_single_gaps_in_a_flat_curve_are_named_before_the_flatness():
    error = refusal_of(find_lr(Spoiled(lambda step: step % 5 == 0, landscape=FLAT)))
    assert type(error) is FlatCurve
    assert "the loss was NaN at 40 of 200 steps, from the first step on" in first_sentence(error)
    assert "At the other steps the loss does not fall" in str(error)


def test_gaps_between_finite_losses_were_caused_by_no_rate():
    error = refusal_of(find_lr(Spoiled(lambda step: step in (2, 5, 6) or step > 40), num_steps=200))
    assert type(error) is NonFiniteLosses
    assert "the loss was NaN at 6 of 44 steps, first at step 3, at lr=1.2e-07, and finite again" in first_sentence(
        error
    )
    assert "start_lr" not in str(error)


def test_too_few_losses_because_most_are_gaps_are_blamed_on_the_gaps():
    error = refusal_of(
        find_lr(Spoiled(lambda step: step % 10 != 3, landscape=FLAT), num_steps=100, non_finite_limit=20)
    )
    assert type(error) is NonFiniteLosses
    assert "the loss was NaN at 90 of 100 steps" in first_sentence(error)


def test_nan_after_a_blow_up_is_no_fault_of_the_data():
    result = find_lr(Spoiled(lambda step: step >= 158), num_steps=200)
    assert result.stop_reason is StopReason.NON_FINITE
    assert result.lr > 0


@pytest.mark.parametrize("training", [Loop, OwnLoop])
@pytest.mark.parametrize("batches", [0, 1, 5, 8, 20, 60])
def test_data_that_run_out_are_named_with_both_numbers(training, batches):
    error = refusal_of(find_lr(training(batches=batches), num_steps=200))
    assert type(error) is EndedEarly
    assert f"the data ran out: there were batches for {batches} of the 200 steps needed" in first_sentence(error)
    assert "Give a loader that can start again" in str(error)
    assert (error.steps_run, error.num_steps) == (batches, 200)
    for remedy in ("more steps", "end_lr", "num_steps", "NaN"):
        assert remedy not in str(error)


def test_data_that_run_out_while_the_loss_falls_are_named_and_no_other_heuristic_answers():
    error = refusal_of(find_lr(Loop(batches=100), num_steps=200))
    assert type(error) is StillFalls
    assert "there were batches for 100 of the 200 steps needed, at lr=0.00095" in first_sentence(error)
    assert "Raise end_lr" not in str(error)
    assert "num_steps=100" in str(error)


def test_fewer_steps_are_advised_only_if_they_would_be_enough():
    assert "num_steps=" not in str(refusal_of(find_lr(Loop(batches=60), num_steps=200)))
    assert find_lr(Loop(batches=100), num_steps=100).lr > 0


def test_data_that_run_out_in_a_sparse_sweep_are_named_too():
    error = refusal_of(find_lr(Loop(batches=14), num_steps=20))
    assert type(error) is RatesTooFarApart
    assert "there were batches for 14 of the 20 steps needed" in first_sentence(error)
    assert "Raise num_steps" not in str(error)


def test_an_interrupted_sweep_says_so():
    error = refusal_of(find_lr(OwnLoop(batches=30, ends=StopReason.INTERRUPTED), num_steps=200))
    assert type(error) is EndedEarly
    assert "the sweep was interrupted after 30 of 200 steps, at lr=1.5e-06" in first_sentence(error)
    assert "Run it again" in str(error)
    assert "Raise" not in str(error)


def test_a_stop_reason_that_is_not_known_here_is_named_by_its_value():
    class Later(enum.Enum):
        OUT_OF_POWER = "out_of_power"

    plan = SweepPlan()
    curve = Curve(lr=plan.rates[:30], loss=FLAT.losses()[:30])
    (answer, *_) = read_answers(curve, HEURISTICS, (), Ending(plan=plan, stop_reason=Later.OUT_OF_POWER))
    result = attrs.evolve(find_lr(Loop(FLAT)), curve=curve, stop_reason=Later.OUT_OF_POWER, answers=(answer,))
    assert format_stop(result) == "out of power after 30 of 200 steps (lr=1.46e-06)"
    assert answer.kind == "EndedEarly"
    assert answer.reason.startswith("the sweep ended (out of power) after 30 of 200 steps, at lr=1.5e-06")


ORDERS = {
    "line": lambda batch: 0.02 * batch,
    "parabola": lambda batch: 0.001 * batch**2,
    "stairs": lambda batch: 0.5 * (batch // 20),
}


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
@pytest.mark.parametrize("epoch", [None, 50, 150])
def test_a_loss_that_rises_with_the_batches_is_blamed_on_their_order(order, epoch):
    """The default sweep goes down to 1e-11, where no rate raises a loss."""
    result = find_lr(Ordered(order, epoch))
    assert result.plan.start_lr == pytest.approx(1e-11)
    error = refusal_of(result)
    assert type(error) is OnlyRises
    assert "it follows the order of the batches" in first_sentence(error)
    assert "Shuffle them (shuffle=True)" in str(error)
    assert "start_lr" not in str(error)


@pytest.mark.parametrize("start_lr", [1e-10, 1e-11, 1e-30])
def test_no_sweep_that_starts_where_nothing_trains_is_told_to_start_lower(start_lr):
    error = refusal_of(find_lr(Ordered(ORDERS["line"]), start_lr=start_lr, end_lr=10 * start_lr))
    assert "order of the batches" in str(error)
    assert "ower start_lr" not in str(error)


def test_a_loss_that_rises_at_once_from_a_usual_rate_names_both_causes():
    error = refusal_of(find_lr(Ordered(ORDERS["parabola"]), start_lr=1e-5))
    assert "Lower start_lr. If the loss then rises in the same way, it follows the order of the batches" in str(error)


def test_a_loss_that_is_level_for_decades_and_then_rises_did_not_start_too_high():
    result = find_lr(Loop(Landscape(fall=math.inf, blow_up=-2.0, noise=0.02)), heuristic="steepest")
    with pytest.raises(OnlyRises, match="level up to lr=.*start_lr is low enough.*trained already"):
        _ = result.lr


def test_a_loss_that_falls_up_to_a_rate_that_nothing_trains_at_is_not_told_to_go_on():
    error = refusal_of(find_lr(Ordered(lambda batch: -(1.1**batch))))
    assert type(error) is StillFalls
    assert error.end_lr == pytest.approx(1000)
    assert "check that the step uses the rate it is given" in str(error)
    assert "Raise end_lr" not in str(error)


@pytest.mark.parametrize("end_lr", [1e3, 1e300])
def test_a_flat_loss_up_to_a_rate_that_nothing_trains_at_is_not_told_to_go_on(end_lr):
    error = refusal_of(find_lr(Loop(FLAT), end_lr=end_lr))
    assert "Raise num_steps, and check that the optimizer holds the parameters" in str(error)
    assert "end_lr" not in str(error)


def test_a_loss_that_is_exactly_the_same_at_every_rate_is_not_told_to_take_more_steps():
    class Constant(Loop):
        def loss(self, lr):
            return 2.3

    error = refusal_of(find_lr(Constant()))
    assert "it is exactly 2.3 at every rate between lr=1e-07 and 10" in first_sentence(error)
    assert "that their gradients are not zero" in str(error)
    assert "Raise" not in str(error)


def test_too_few_steps_are_told_to_be_more_steps_and_nothing_else():
    error = refusal_of(find_lr(Loop(FLAT), num_steps=8))
    assert type(error) is TooFewPoints
    assert str(error) == (
        '"midway" needs 12 finite losses and this curve has 8. Raise num_steps=8: 25 steps a decade are usual.'
    )


def test_a_sweep_that_blew_up_is_not_told_to_raise_its_end():
    plan = SweepPlan()
    ending = Ending(plan=plan, stop_reason=StopReason.DIVERGED)
    curve = Curve(lr=plan.rates[:60], loss=FLAT.losses()[:60])
    for error in (
        FlatCurve("flat. Raise end_lr.", finding="flat"),
        StillFalls("falls. Raise end_lr.", finding="falls"),
    ):
        explained = ending.explain(error, curve)
        assert type(explained) is type(error)
        assert "the loss rose far above its lowest at step 60 of 200, lr=2.4e-05" in first_sentence(explained)
        assert "end_lr" not in str(explained)


def test_a_reason_of_the_user_s_own_stands_behind_the_cause():
    def mine(curve):
        raise NoSuggestion("not on a Monday. Wait a day.")

    error = refusal_of_lr(find_lr(Loop(batches=20), heuristic=mine, num_steps=200))
    assert "there were batches for 20 of the 200 steps needed" in first_sentence(error)
    assert "not on a Monday. Wait a day." in str(error)
    error = refusal_of_lr(find_lr(Loop(), heuristic=mine))
    assert (type(error), str(error)) == (NoSuggestion, "not on a Monday. Wait a day.")


def refusal_of_lr(result):
    with pytest.raises(NoSuggestion) as caught:
        _ = result.lr
    return caught.value


def test_a_heuristic_that_fails_because_there_is_nothing_to_read_is_refused_for_that_cause():
    error = refusal_of_lr(find_lr(Spoiled(lambda step: True), heuristic=lambda curve: curve.finite.lr[0]))
    assert "before any rate could have caused it" in first_sentence(error)


def test_repeated_sweeps_give_the_same_cause_as_one():
    error = refusal_of(find_lr(Spoiled(lambda step: True), repeats=2))
    assert type(error) is NonFiniteLosses
    error = refusal_of(find_lr(SeededLoop(batches=60), repeats=2, reset=None, num_steps=200))
    assert type(error) is EndedEarly


def test_the_cause_survives_the_file_and_another_heuristic(tmp_path):
    for training, kind in ((Loop(batches=20), EndedEarly), (Spoiled(lambda step: True), NonFiniteLosses)):
        result = find_lr(training, num_steps=200)
        result.save(tmp_path / "result.json")
        loaded = load(tmp_path / "result.json")
        assert loaded == result
        assert type(refusal_of(loaded)) is kind
        for name in HEURISTICS:
            assert loaded.with_heuristic(name).chosen.kind == kind.__name__


@pytest.mark.parametrize("rule", RANGE_RULES)
def test_no_range_is_refused_with_the_same_cause(rule):
    with pytest.raises(EndedEarly, match="there were batches for 20 of the 200 steps needed"):
        find_lr(Loop(batches=20), num_steps=200).range_by(rule)


def test_explaining_changes_no_answer():
    """Neither the suggestions nor which of the answers is chosen."""
    for batches in (14, 60, 90, 100, 110, 125, 140, None):
        result = find_lr(Loop(batches=batches))
        plain = attrs.evolve(result, answers=read_answers(result.curve, HEURISTICS), ranges=read_ranges(result.curve))
        assert type(plain.chosen) is type(result.chosen)
        assert plain.chosen.heuristic == result.chosen.heuristic
        assert [getattr(answer, "lr", None) for answer in plain.answers] == [
            getattr(answer, "lr", None) for answer in result.answers
        ]
