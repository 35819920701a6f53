"""The table as text: its lines fit, no word is cut, the answer comes first, and the rest comes on request."""

import re

import attrs
import pytest

import lrrange
from lrrange.errors import StillFalls
from tests.core.strategies import Landscape
from tests.core.training import Loop
from tests.prints.values import a_comparison, a_grid, a_refusal, a_result

# Compiled under a short name, because a table names the file that failed, and a checkout may have a path of any length.
defined = {}
exec(compile('def fail(seed):\n    raise OSError("the disk with the data is gone")\n', "train.py", "exec"), defined)
fail = defined["fail"]


MAKERS = {
    "result": a_result,
    "confirmed": lambda: a_result(confirm=True, train_steps=9000),
    "refused": a_refusal,
    "grid": a_grid,
    "comparison": a_comparison,
    "failed runs": lambda: lrrange.compare(fail, [0.1, 0.5], steps=4, repeats=2, retries=0),
}
VALUES = {name: make() for name, make in MAKERS.items()}

LONG = "batch norm and the number of warm-up steps of the training that is going on " * 4


def names(text):
    return [line.split("  ")[0].strip() for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("verbose", [False, True])
@pytest.mark.parametrize("name", VALUES)
def test_lines_fit_and_no_word_is_cut(name, verbose, width):
    text = VALUES[name].summary(verbose=verbose, width=width)
    assert max(map(len, text.splitlines())) <= width
    whole = set(VALUES[name].summary(verbose=verbose, width=1000).split())
    # Rules are as long as their columns, and a narrow table leaves columns out.
    assert {word for word in text.split() if set(word) != {"-"}} <= whole


def test_what_comes_first_is_the_answer_the_range_the_interval_the_verdict_and_what_to_do_next():
    text = str(a_result())
    assert names(text)[:4] == ["lr", "range", "best in", "verdict"]
    order = [text.index(f"\n {name} ") for name in ("range", "best in", "verdict", "next", "read", "stopped")]
    assert order == sorted(order)


def test_heuristics_alternatives_and_versions_come_on_request():
    result = a_result()
    for shown in ("steepest", "max/20", "python 3", "rate_in_force"):
        assert shown not in str(result)
        assert shown in result.summary(verbose=True)


def test_text_is_at_most_80_wide_however_wide_the_terminal_is(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert 70 < max(map(len, str(a_result()).splitlines())) <= 80
    monkeypatch.setenv("COLUMNS", "60")
    assert max(map(len, str(a_result()).splitlines())) <= 60
    monkeypatch.setenv("COLUMNS", "3")
    assert max(map(len, str(a_result()).splitlines())) <= 40


@pytest.mark.parametrize("name", ["NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TERM", "JUPYTER_COLUMNS"])
def test_no_variable_of_the_environment_changes_the_text(name, monkeypatch):
    before = str(a_result())
    monkeypatch.setenv(name, "1")
    assert str(a_result()) == before


def test_the_next_step_has_every_argument_that_a_doubt_asks_for():
    result = attrs.evolve(
        a_result(num_steps=40), provenance=lrrange.Provenance(backend="x", untried=("confirm", "repeats"))
    )
    (line,) = [line for line in str(result).splitlines() if line.startswith(" next ")]
    assert line.split(None, 1)[1] == f"find_lr(..., {', '.join(result.verdict.ways)})"
    assert "num_steps=80" in result.verdict.ways
    assert "confirm=True" in result.verdict.ways


def test_a_loss_that_does_not_blow_up_asks_for_a_higher_end():
    landscape = Landscape(noise=0.02, decades=0.8, blow_up=2.0)
    result = lrrange.find_lr(Loop(landscape), end_lr=5e-3, num_steps=120)
    assert result.refusal is None
    assert "end_lr=0.5" in result.verdict.ways


def test_doubts_about_a_confirmed_answer_ask_for_longer_trials():
    result = a_result(confirm=True)
    assert not result.verdict.confident
    (steps,) = {trial.steps for trial in result.confirmation.trials}
    assert f"find_lr(..., confirm=True, confirm_steps={4 * 2 * steps})" in str(result)  # four trials, twice as long


def test_the_remedy_of_a_refusal_is_what_to_do_next():
    result = lrrange.find_lr(Loop(Landscape(fall=0.5, blow_up=5.0)), end_lr=1.0, num_steps=100)
    assert isinstance(result.refusal, StillFalls)
    text = result.summary(width=400)
    finding, _, remedy = str(result.refusal).partition(". ")
    assert f" reason  {finding}." in text
    assert f" next    {remedy}" in text


def test_a_reason_of_many_cells_stands_once_below_the_grid():
    text = a_grid().summary(width=60)
    rows = [line for line in text.splitlines() if re.match(r"\s+(16|64) ", line)]
    assert [row.split()[-1] for row in rows] == ["uncertain", "uncertain", "[3]", "[3]"]
    assert " ".join(text.split()).count("the loss does not fall between") == 1


def test_long_values_of_a_setting_leave_the_table_readable():
    grid = lrrange.grid(lambda **_: Loop(), {LONG: [LONG, 1], "b": [object()]})
    text = grid.summary(width=80)
    assert max(map(len, text.splitlines())) <= 80
    assert f"{grid[0].result.lr:.2e}" in text


def test_what_was_set_aside_and_what_was_not_kept_are_shown_without_asking():
    origin = attrs.evolve(
        a_result().provenance,
        details={"set_aside": "broken: ImportError: gone", "not_kept": {"loader": "it is an iterator"}},
    )
    text = str(attrs.evolve(a_result(), provenance=origin))
    assert "set aside  broken: ImportError: gone" in text
    assert "not kept   loader (it is an iterator)" in text


@pytest.mark.parametrize("details", [{"not_kept": 3}, {"set_aside": ["x"]}, {"group_ratios": "x", "group_rates": {}}])
def test_details_of_another_kind_than_ours_are_shown_and_break_nothing(details):
    origin = attrs.evolve(a_result().provenance, details=details)
    assert "verdict" in attrs.evolve(a_result(), provenance=origin).summary(verbose=True)
