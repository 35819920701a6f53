"""Every public value has a repr of one short line, and the results print as their tables."""

import logging
import pickle

import attrs
import pytest
from hypothesis import given

import lrrange
from lrrange.policy import Checkpoint
from lrrange.sweep.pace import plan_to_begin_with
from tests.core.strategies import results
from tests.prints.values import a_comparison, a_grid, a_refusal, a_result

# A line of a log, with the time and the logger before it.
LONGEST = 100


def values():
    result, grid, comparison = a_result(confirm=True, train_steps=5000), a_grid(), a_comparison()
    refusal = a_refusal()
    sweep = lrrange.Sweep(lrrange.SweepPlan())
    long_name = "a policy with a very long name, such as one that a program has made of all its settings" * 3
    return {
        "AdaptivePlan": [plan_to_begin_with(1e-7, 1000 / 3)],
        "Comparison": [comparison, attrs.evolve(comparison, runs=())],
        "Confirmation": [result.confirmation],
        "Curve": [result.curve, lrrange.Curve(lr=[], loss=[]), lrrange.Curve(lr=[1e-3], loss=[float("nan")])],
        "Cycle": [lrrange.triangular(result, steps_per_half_cycle=100)],
        "Divergence": [lrrange.Divergence()],
        "Grid": [grid, lrrange.Grid(cells=())],
        "GridCell": list(grid),
        "LRRange": list(result.ranges),
        "OneCycle": [lrrange.one_cycle(result, total_steps=1000)],
        "Point": [lrrange.Point(step=100, lr=1 / 3e5, loss=1 / 3, smoothed=2 / 3)],
        "Policy": [*comparison.policies, lrrange.Policy(name=long_name, lr=(0.1,) * 10_000, about="x" * 500)],
        "Provenance": [
            result.provenance,
            lrrange.Provenance(backend=long_name, details={"raised": ["x" * 1000]}, versions={"x": "y" * 1000}),
        ],
        "RangeTestResult": [result, refusal, a_result(), a_result(repeats=3), a_result(heuristic="valley")],
        "Refusal": [answer for answer in refusal.answers if isinstance(answer, lrrange.Refusal)],
        "Run": [
            *comparison.runs,
            lrrange.Run(policy=long_name, seed=2**100, error="x" * 1000),
            lrrange.Run(policy="p", seed=1, losses=[0.1] * 1000, held_out=[Checkpoint(step=1, loss=0.1)] * 100),
        ],
        "StopReason": list(lrrange.StopReason),
        "Suggestion": [answer for answer in result.answers if isinstance(answer, lrrange.Suggestion)],
        "Sweep": [sweep],
        "SweepPlan": [result.plan],
        "TrainingFacts": [result.facts],
        "Trial": list(result.confirmation.trials),
        "Verdict": [result.verdict, a_result().verdict],
    }


VALUES = values()

# Classes of which no object is shown, errors, which have a message, and functions.
WITHOUT_REPR = {"Driver", "TrainingStep", "LRRangeError", "NoSuggestion", "NoWinner"}


def test_every_public_value_is_in_this_test():
    classes = {name for name in lrrange.__all__ if isinstance(getattr(lrrange, name), type)}
    assert classes - WITHOUT_REPR == set(VALUES)


@pytest.mark.parametrize("name", VALUES)
def test_a_repr_is_one_short_line(name):
    for value in VALUES[name]:
        assert "\n" not in repr(value)
        limit = 120 if name in ("Point", "TrainingFacts") else LONGEST  # a few numbers by name
        assert len(repr(value)) <= limit, repr(value)


def test_the_repr_of_a_result_has_the_rate_the_verdict_the_steps_and_the_end():
    result = a_result()
    assert repr(result) == f"<RangeTestResult lr={result.lr:.2e} uncertain, {len(result.curve)} steps, diverged>"
    assert repr(a_refusal()) == "<RangeTestResult refused, FlatCurve, 200 steps, completed>"
    confirmed = a_result(confirm=True)
    assert f"lr={confirmed.lr:.2e} confirmed by {len(confirmed.confirmation.trials)} trials" in repr(confirmed)


def test_a_confident_result_says_so():
    facts = lrrange.TrainingFacts(optimizer="adam", steps_taken=0, train_steps=2000)
    confirmed = a_result(confirm=True).confirmation
    middle = attrs.evolve(confirmed, trials=confirmed.trials[:3], low=confirmed.lr / 2, high=confirmed.lr * 2)
    best = attrs.evolve(middle.trials[1], loss=0.0, difference=0.0, error=0.0)
    middle = attrs.evolve(middle, trials=(middle.trials[0], best, middle.trials[2]))
    result = attrs.evolve(a_result(), facts=facts, confirmation=middle)
    assert " confident, " in repr(result)
    assert "next     result.apply(optimizer)" in str(result)


@given(results())
def test_every_result_has_a_short_repr_and_a_table(result):
    assert len(repr(result)) <= LONGEST
    assert "stopped" in str(result)


@pytest.mark.parametrize("make", [a_result, a_refusal, a_grid, a_comparison])
def test_printing_formatting_and_logging_show_the_table_and_repr_the_line(make, capsys, caplog):
    value = make()
    print(value)  # noqa: T201  what is tested
    table = value.summary()
    assert capsys.readouterr().out == f"{table}\n"
    assert f"{value}" == str(value) == table
    with caplog.at_level(logging.INFO):
        logging.getLogger("mine").info("%s and %r", value, value)
    assert caplog.messages == [f"{table} and {value!r}"]
    assert "\x1b" not in table
    assert table.isascii()


def test_values_still_pickle_compare_evolve_and_hash():
    result = a_result()
    assert pickle.loads(pickle.dumps(result)) == result
    assert attrs.evolve(result, heuristic="valley") != result
    assert len({*result.ranges, *result.ranges}) == len(result.ranges)
    assert hash(result.chosen) == hash(attrs.evolve(result.chosen))


def test_a_failed_assertion_of_pytest_shows_where_two_results_differ():
    left, right = a_result(), attrs.evolve(a_result(), heuristic="valley")
    with pytest.raises(AssertionError) as caught:
        assert left == right
    assert "heuristic" in str(caught.value)
