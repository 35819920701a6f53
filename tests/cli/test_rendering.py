import io
import math
import random
import sys

import attrs
import pytest
from rich.console import Console

import lrrange
from lrrange.advice.heuristics import HEURISTICS
from lrrange.advice.readings import read_answers, read_ranges
from lrrange.report.pages.result_page import page_of
from tests.core.strategies import Landscape
from tests.core.training import Loop


def result_of(loss, lr=None, stop_reason=lrrange.StopReason.COMPLETED, **fields):
    plan = lrrange.SweepPlan(start_lr=1e-5, end_lr=1.0, num_steps=max(len(loss), 2))
    curve = lrrange.Curve(lr=lr or plan.rates[: len(loss)], loss=loss)
    origin = lrrange.Provenance(
        backend="torch", versions={"torch": "2.4"}, seed=7, steps_run=len(loss), wall_time=1.5, details={"skipped": 3}
    )
    return lrrange.RangeTestResult(
        plan=plan,
        curve=curve,
        stop_reason=stop_reason,
        provenance=origin,
        answers=read_answers(curve, HEURISTICS),
        ranges=read_ranges(curve),
        **fields,
    )


def descending(n=60):
    noise = random.Random(0)
    return [2.3 - 2.0 / (1 + math.exp(-12 * (i / n - 0.5))) + noise.gauss(0, 0.01) for i in range(n)]


REFUSED = {
    "flat": [2.3] * 60,
    "rising": [2.3 + 0.05 * i for i in range(60)],
    "short": [2.0, 1.0, 0.5],
    "none finite": [math.nan] * 5,
    "empty": [],
}


def text_of(result, width=200, verbose=True):
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(page_of(result).as_rich(verbose=verbose))
    return console.file.getvalue()


def rows(text):
    return [line.split() for line in text.splitlines()]


def suggestions_of(result):
    return [answer for answer in result.answers if isinstance(answer, lrrange.Suggestion)]


def test_every_suggestion_is_shown_and_the_chosen_one_marked():
    result = result_of(descending(), heuristic="steepest")
    text = text_of(result)
    suggestions = suggestions_of(result)
    assert [answer.heuristic for answer in suggestions] == ["midway", "steepest", "valley", "slide"]
    for answer in suggestions:
        mark = ["*"] if answer.heuristic == "steepest" else []
        assert [*mark, answer.heuristic, f"{answer.lr:.2e}"] in [row[: 2 + len(mark)] for row in rows(text)]
    assert sum(row[:1] == ["*"] for row in rows(text)) == 1
    assert f"{result.lr:.2e}  steepest, as asked" in text


def test_a_heuristic_that_lrrange_chose_is_marked_and_not_named_again():
    result = result_of(descending())
    shown = rows(text_of(result))
    assert ["lr", f"{result.lr:.2e}"] in shown
    assert ["*", "midway", f"{result.lr:.2e}"] in [row[:3] for row in shown]


def test_the_interval_of_a_suggestion_is_shown_beside_it():
    answers = (
        lrrange.Suggestion(heuristic="wide", lr=1e-3, low=2e-4, high=5e-3),
        lrrange.Suggestion(heuristic="sharp", lr=1e-3, low=1e-3, high=1e-3),
        lrrange.Suggestion(heuristic="bare", lr=1e-3),
    )
    shown = rows(text_of(attrs.evolve(result_of(descending()), answers=answers)))
    assert ["*", "wide", "1.00e-03", "2.00e-04", "to", "5.00e-03"] in shown
    assert ["sharp", "1.00e-03", "-"] in shown
    assert ["bare", "1.00e-03", "-"] in shown
    assert ["best", "in", "2.00e-04", "to", "5.00e-03"] in shown


@pytest.mark.parametrize("bounds", [{}, {"low": 1e-3, "high": 1e-3}, {"low": 1e-4}])
def test_a_rate_without_an_interval_has_a_dash_where_the_interval_would_be(bounds):
    bare = (lrrange.Suggestion(heuristic="mine", lr=1e-3, **bounds),)
    text = text_of(attrs.evolve(result_of(descending()), answers=bare))
    assert ["best", "in", "-"] in rows(text)
    assert "there is no interval around the rate" in text


def test_when_the_default_refuses_the_other_answers_stand_beside_it_unmarked():
    result = result_of(descending()[:28])
    assert result.chosen.kind == "StillFalls"
    text = text_of(result)
    assert ["lr", "none", '"midway"', "refused"] in rows(text)
    assert suggestions_of(result)
    for answer in suggestions_of(result):
        assert [answer.heuristic, f"{answer.lr:.2e}"] in [row[:2] for row in rows(text)]
    assert not any(row[:1] == ["*"] for row in rows(text))
    assert "smith, though there is no rate" in text


@pytest.mark.parametrize(
    ("steps", "shown"),
    [(5000, "5,000 steps"), (1, "1 steps"), (None, "training length not given: assumed 500 steps")],
)
def test_the_length_of_the_training_that_the_rate_is_for_is_shown(steps, shown):
    facts = lrrange.TrainingFacts(train_steps=steps)
    assert ["for", *shown.split()] in rows(text_of(result_of(descending(), facts=facts)))


def test_the_range_its_rule_and_its_alternatives_are_shown():
    result = result_of(descending())
    text = text_of(result)
    first, *others = result.ranges
    assert f"{first.base_lr:.2e} to {first.max_lr:.2e}  from base_lr to max_lr of a cycle" in text
    assert f"{first.rule}: {first.source}" in text
    assert "smith" in [bounds.rule for bounds in others]
    for bounds in others:
        assert f"{bounds.rule} from {bounds.base_lr:.2e}" in text


def test_the_peak_that_all_ranges_share_is_given_once():
    result = result_of(descending())
    smith, *shortcuts = [bounds for bounds in result.ranges if bounds.rule != "midway"]
    text = text_of(attrs.evolve(result, ranges=(smith, *shortcuts)))
    assert len(shortcuts) == 4
    assert text.count(f"{smith.max_lr:.2e}") == 1


def test_the_origin_has_steps_time_seed_versions_and_details_on_request_alone():
    shown = rows(text_of(result_of(descending())))
    assert ["from", "torch:", "60", "steps", "in", "1.5", "s,", "seed", "7"] in shown
    assert ["versions", "torch", "2.4"] in shown
    assert ["details", "skipped=3"] in shown
    assert not {"from", "versions", "details"} & {
        row[0] for row in rows(text_of(result_of(descending()), verbose=False)) if row
    }


@pytest.mark.parametrize("stop_reason", lrrange.StopReason)
def test_the_stop_reason_is_shown_with_its_steps(stop_reason):
    result = result_of(descending(), stop_reason=stop_reason)
    (line,) = [row for row in rows(text_of(result)) if row[:1] == ["stopped"]]
    assert " ".join(line[1:]).replace("-", " ").startswith(stop_reason.value.replace("_", " "))
    assert "60" in line


def test_gaps_are_counted():
    losses = descending()
    losses[3] = losses[20] = math.nan
    assert "2 of 60 losses were not finite" in text_of(result_of(losses))
    assert "not finite" not in text_of(result_of(descending()))


@pytest.mark.parametrize("case", REFUSED)
def test_when_every_heuristic_refused_the_reasons_are_shown_and_nothing_is_marked(case):
    result = result_of(REFUSED[case])
    text = text_of(result, width=400)
    assert "every heuristic refused" in text
    finding, _, remedy = result.answers[0].reason.partition(". ")
    assert f"reason  {finding}" in text
    assert f"next    {remedy}" in text
    assert not any(row[:1] == ["*"] for row in rows(text))
    assert ["range", "none"] in [[word.strip(":,") for word in row[:2]] for row in rows(text)]


def test_a_reason_that_several_share_is_given_once():
    result = result_of(REFUSED["flat"])
    text = text_of(result, width=400)
    assert len({answer.reason for answer in result.answers}) == 1
    assert text.count("does not fall") == 1
    assert text.count("for the reason above") == 1
    assert text.count(f"as {result.answers[0].heuristic}") == len(result.answers) - 1


def test_a_heuristic_that_the_user_chose_and_that_refuses_is_marked():
    result = result_of(descending(8), heuristic="valley")
    text = text_of(result)
    assert ["*", "valley", "refused"] in [row[:3] for row in rows(text)]
    assert '"valley" refused' in text


def test_brackets_in_a_reason_are_shown_as_they_are():
    refusal = lrrange.Refusal(heuristic="mine", kind="NoSuggestion", reason="[bold]x[/bold] [red")
    result = attrs.evolve(result_of(descending()), answers=(refusal,))
    assert "[bold]x[/bold] [red" in text_of(result)


def test_rich_prints_a_result_as_its_table():
    console = Console(file=io.StringIO(), width=200, color_system=None)
    result = result_of(descending())
    console.print(result)
    assert console.file.getvalue() == text_of(result, verbose=False)


def test_html_escapes_what_a_reason_holds():
    refusal = lrrange.Refusal(heuristic="mine", kind="NoSuggestion", reason="<script>alert(1)</script>")
    html = attrs.evolve(result_of(descending()), answers=(refusal,))._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_the_table_fits_a_narrow_terminal_without_losing_a_rate():
    result = result_of(descending())
    text = text_of(result, width=50)
    assert max(map(len, text.splitlines())) <= 50
    for answer in suggestions_of(result):
        assert f"{answer.lr:.2e}" in text


def test_rendering_needs_no_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert "steepest" in text_of(result_of(descending()))


def confirmed(**fields):
    shown = ((1e-3, 0.9, 0.7, 0.1), (3e-3, 0.2, 0.0, 0.0), (1e-2, 0.3, 0.05, 0.12))
    trials = tuple(
        lrrange.Trial(lr=lr, steps=175, loss=loss, difference=difference, error=error)
        for lr, loss, difference, error in shown
    )
    values = {"trials": trials, "held_out": False, "lr": 2.5e-3, "low": 1e-3, "high": 5e-3, "max_lr": 6e-3, **fields}
    return attrs.evolve(result_of(descending()), confirmation=lrrange.Confirmation(**values))


def test_trials_are_shown_by_rate_with_their_difference_from_the_best_and_its_error():
    text = text_of(confirmed())
    shown = rows(text)
    assert "training loss" in text
    assert ["1.00e-03", "175", "0.9", "0.7", "+/-", "0.1"] in shown
    assert ["*", "3.00e-03", "175", "0.2", "best"] in shown
    assert ["1.00e-02", "175", "0.3", "0.05", "+/-", "0.12:", "as", "good"] in shown
    assert "held-out loss" in text_of(confirmed(held_out=True))


def test_trials_of_an_earlier_version_are_shown_without_a_difference():
    trials = tuple(lrrange.Trial(lr=lr, steps=75, loss=loss) for lr, loss in ((1e-3, 0.9), (3e-3, 0.4), (1e-2, 0.5)))
    trials += (lrrange.Trial(lr=3e-3, steps=150, loss=0.2), lrrange.Trial(lr=1e-2, steps=150, loss=0.3))
    shown = rows(text_of(confirmed(trials=trials)))
    assert ["3.00e-03", "75", "0.4"] in shown
    assert ["*", "3.00e-03", "150", "0.2", "best"] in shown


def test_a_confirmed_rate_goes_before_the_one_the_sweep_chose():
    result = confirmed()
    text = text_of(result)
    assert (result.lr, result.range.max_lr) == (2.5e-3, 6e-3)
    assert f"2.50e-03  moved from {result.chosen.lr:.2e} by 3 trials" in text
    assert "1.00e-03 to 5.00e-03" in text
    assert "to 6.00e-03  from base_lr to max_lr" in text
    assert result.verdict.confident


def test_a_best_trial_at_the_edge_of_what_was_tried_is_uncertain():
    trials = (lrrange.Trial(lr=1e-3, steps=75, loss=0.5), lrrange.Trial(lr=1e-2, steps=150, loss=0.3))
    assert "the best trial is the highest rate tried, 0.01" in text_of(confirmed(trials=trials))
    low = (lrrange.Trial(lr=1e-3, steps=150, loss=0.5), lrrange.Trial(lr=1e-2, steps=75, loss=0.9))
    assert "the best trial is the lowest rate tried, 0.001" in text_of(confirmed(trials=low))


def test_the_verdict_is_shown_with_its_reasons():
    calm = Landscape(noise=0.01, decades=0.5, blow_up=-2.0, steepness=1.0)
    known = lrrange.TrainingFacts(optimizer="adam", steps_taken=0, train_steps=2000)
    result = attrs.evolve(lrrange.find_lr(Loop(calm)), facts=known)
    shown = [row for row in rows(text_of(result)) if row[:1] == ["verdict"]]
    assert shown == [f"verdict confident ({result.verdict.chance_of_bad:.0%} of such answers are bad)".split()]
    shown = [
        row for row in rows(text_of(attrs.evolve(result, facts=lrrange.TrainingFacts()))) if row[:1] == ["verdict"]
    ]
    assert shown[0][1] == "uncertain"
    wide = (lrrange.Suggestion(heuristic="mine", lr=1e-3, low=1e-5, high=1e-2),)
    text = text_of(attrs.evolve(result_of(descending()), answers=wide))
    assert "- the loss still falls at end_lr=1: raise it" in text
    assert "- the interval 1e-05 to 0.01 is 3.0 decades wide: give a higher num_steps" in text


def test_what_came_of_pairing_has_a_line_of_its_own():
    result = result_of(descending())
    origin = attrs.evolve(result.provenance, details={"paired": "noise 0.2 of a loss before, 0.01 after"})
    lines = [row for row in rows(text_of(attrs.evolve(result, provenance=origin))) if "paired" in " ".join(row)]
    assert lines == [["paired", "noise", "0.2", "of", "a", "loss", "before,", "0.01", "after"]]
    assert "paired" not in text_of(result)
