"""The chosen answer says what it read from the curve and what was made of that; a confirmed one, why it lies there."""

import math

import attrs
import pytest

import lrrange
from lrrange import Confirmation, TrainingFacts, Trial
from lrrange.report.pages.groups import describe_groups
from lrrange.report.pages.reading import describe_reading, explain_confirmation
from tests.core.strategies import Landscape
from tests.core.training import Loop
from tests.prints.values import a_result

ADAM = TrainingFacts(optimizer="adam", train_steps=2000)


def test_the_row_of_the_default_answer_has_the_fall_the_blow_up_and_the_assumptions():
    result = a_result()
    read = result.chosen.read
    (row,) = [
        line for line in result.summary(verbose=True, width=200).splitlines() if line.split()[:2] == ["*", "midway"]
    ]
    assert row.endswith(f"fall {read['fall']:.2e}, blow-up {read['blow_up']:.2e}")


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (ADAM, "Adam, 2,000 steps"),
        (TrainingFacts(optimizer="sgd", momentum=0.9, train_steps=10), "SGD with momentum, 10 steps (counted as 150)"),
        (TrainingFacts(optimizer="sgd", train_steps=1), "SGD, 1 step (counted as 150)"),
        (TrainingFacts(optimizer="of our own"), "of our own, 500 steps assumed"),
        (TrainingFacts(train_steps=90_000), "optimizer not known, 90,000 steps (counted as 5,000)"),
    ],
)
def test_the_training_that_the_rate_is_for_is_named(facts, said):
    answer = lrrange.find_lr(Loop()).with_heuristic(None).chosen
    assert describe_reading(answer, facts).endswith(f"({said})")


def test_what_is_made_of_the_fall_and_the_blow_up_gives_the_rate():
    result = lrrange.find_lr(Loop(Landscape(noise=0.01)), train_steps=2000)
    read = result.chosen.read
    way, shift = read["part"], read["shift"]
    assert f"{way:.0%} of the way up, then {-shift:.2g} decades down" in describe_reading(result.chosen, result.facts)
    assert result.lr == pytest.approx(read["usual_fall"] ** (1 - way) * read["blow_up"] ** way * 10**shift)


@pytest.mark.parametrize(
    ("landscape", "said"),
    [
        (Landscape(drop=0.5, fall=math.inf), "no fall stands out of the noise, blow-up"),
        (Landscape(fall=-5.0, blow_up=math.inf), "no blow-up up to 1.00e+01; 1.4 decades up"),
    ],
)
def test_what_the_curve_does_not_show_is_said(landscape, said):
    curve = landscape.curve()
    (answer,) = [lrrange.advice.heuristics.midway(curve)]
    assert said in describe_reading(answer, TrainingFacts())


def test_a_dense_sweep_says_where_its_fall_would_be_at_the_usual_density():
    result = lrrange.find_lr(Loop(), num_steps=800)
    text = describe_reading(result.chosen, result.facts)
    assert f"(as {result.chosen.read['usual_fall']:.2e} at 25 steps per decade)" in text


def test_what_a_heuristic_of_a_plug_in_has_read_is_shown_by_its_own_names():
    def knee(_):
        return lrrange.Suggestion(heuristic="knee", lr=1e-3, read={"knee": 2e-3})

    assert "knee 0.002" in str(lrrange.find_lr(Loop(), heuristic=knee))


def confirmation(lr, losses, best_error=0.0):
    best = min(losses.values())
    trials = tuple(
        Trial(lr=rate, steps=161, loss=loss, difference=loss - best, error=best_error) for rate, loss in losses.items()
    )
    return Confirmation(trials=trials, held_out=True, lr=lr, low=lr / 2, high=lr * 2, max_lr=2 * lr)


@pytest.mark.parametrize(
    ("confirmed", "said"),
    [
        (confirmation(1e-3, {3e-4: 1.0, 1e-3: 1.0, 3e-3: 1.0}, best_error=0.1), "no trial can be told from the others"),
        (confirmation(2e-3, {3e-4: 2.0, 1e-3: 1.0, 3e-3: 0.5}), "2 times above the sweep's 1.00e-03, between that and"),
        (confirmation(4e-4, {3e-4: 0.2, 1e-3: 1.0, 3e-3: 1.5}), "2.5 times below the sweep's 1.00e-03, between that"),
        (confirmation(7e-4, {3e-4: 2.0, 1e-3: 0.2, 3e-3: 1.5}), "though the trial there was the best"),
        (confirmation(7e-4, {3e-4: 2.0, 1e-3: 0.3, 3e-3: 0.2}), "away from the best trial, at 3.00e-03"),
        (confirmation(1e-3, {3e-4: 2.0, 1e-3: 0.2, 3e-3: 1.5}), "the trials favour neither a higher rate"),
    ],
)
def test_why_the_confirmed_rate_lies_where_it_does_is_said_in_words(confirmed, said):
    assert said in explain_confirmation(confirmed, 1e-3, ADAM)


def test_the_length_that_the_trials_do_not_have_is_part_of_the_reason():
    moved = confirmation(2e-3, {3e-4: 2.0, 1e-3: 1.0, 3e-3: 0.5})
    text = explain_confirmation(moved, 1e-3, attrs.evolve(ADAM, train_steps=5000))
    assert "The best rate of 161 steps is taken to be 2.2 times that of the whole training, of 5,000 steps." in text
    assert "whole training" not in explain_confirmation(moved, 1e-3, attrs.evolve(ADAM, train_steps=50))


def test_a_confirmed_result_shows_its_trials_and_why():
    text = a_result(confirm=True).summary()
    assert "trial at lr" in text
    assert "\n trials  " in text
    assert "the sweep's" in text


@pytest.mark.parametrize(
    ("details", "lines"),
    [
        ({}, []),
        ({"group_ratios": [1.0]}, []),
        ({"group_ratios": [1.0, 1.0], "group_rates": [[0.1, 0.1]]}, []),
        ({"group_ratios": [1.0, 100.0]}, ["group 0 at 1.00e-03, group 1 at 1.00e-01 (100 times)"]),
        ({"group_ratios": [1.0, 0.0]}, ["group 0 at 1.00e-03, group 1 at 0"]),
        (
            {"group_ratios": [1.0, 0.5, 10.0], "group_rates": [[1, 2], [3]], "optimizer": "Adam, SGD"},
            ["Adam: group 0 at 1.00e-03, group 1 at 5.00e-04 (0.5 times)", "SGD: 1.00e-02 (10 times)"],
        ),
        (
            {"group_ratios": [1.0, 4.0], "group_rates": [[1], [4]], "optimizer": "Adam, Adam"},
            ["optimizer 0 (Adam): 1.00e-03", "optimizer 1 (Adam): 4.00e-03 (4 times)"],
        ),
        (
            {"group_ratios": [1.0, 2.0, 4.0, 8.0, 0.0]},
            ["5 groups, from 1.00e-03 in group 0 to 8.00e-03 (8 times) in group 3; 1 at 0 stay there"],
        ),
        ({"group_ratios": "x"}, []),
        ({"group_ratios": [1.0, "x"]}, []),
        (
            {"group_ratios": [1.0, 2.0], "group_rates": [[1], "x"]},
            ["group 0 at 1.00e-03, group 1 at 2.00e-03 (2 times)"],
        ),
    ],
)
def test_the_rates_of_the_param_groups_at_the_answer_are_listed(details, lines):
    assert describe_groups(1e-3, details) == lines


def test_many_optimizers_are_summarised():
    details = {
        "group_ratios": [1.0 + number for number in range(30)],
        "group_rates": [[1.0]] * 30,
        "optimizer": ", ".join(["SGD"] * 30),
    }
    lines = describe_groups(1e-3, details)
    assert len(lines) == 5
    assert lines[-1] == "and 26 more optimizers"
