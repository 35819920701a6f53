import json
import math

import pytest

import lrrange
from lrrange.errors import LoadError, NoWinner, UnknownName

INF = math.inf


def test_the_table_is_in_the_order_of_the_mean_final_losses(compared):
    comparison = compared(fixed=[0.4, 0.5, 0.6], clr=[0.2, 0.3, 0.4], slow=[0.9, 1.0, 1.1])
    assert [row.policy for row in comparison.table] == ["clr", "fixed", "slow"]
    assert comparison.winner == "clr"
    assert comparison.table[1].mean == pytest.approx(0.5)
    assert comparison.table[1].spread == pytest.approx(0.1)
    assert comparison.table[0].behind is None


def test_a_clear_win_is_confident_and_the_headline_has_its_numbers(compared):
    comparison = compared(fixed=[0.50, 0.61, 0.72], clr=[0.40, 0.50, 0.60])
    assert comparison.verdict.confident
    assert comparison.headline.startswith("clr wins: 0.11 below fixed (95 % interval ")
    assert comparison.headline.endswith("lower on 3 of 3 seeds")


def test_a_small_gap_among_spread_out_seeds_is_no_confident_win(compared):
    comparison = compared(fixed=[0.41, 0.52, 0.58], clr=[0.40, 0.50, 0.60])
    assert comparison.winner == "clr"
    assert "the seeds' spread is too wide to tell clr from fixed" in str(comparison.verdict)


def test_the_verdict_is_about_the_runner_up_and_not_about_the_last(compared):
    comparison = compared(last=[5.0, 5.1, 5.3], second=[0.41, 0.52, 0.58], first=[0.40, 0.50, 0.60])
    assert not comparison.verdict.confident
    assert comparison.difference("first", "last").reason is None


def test_one_seed_is_never_a_confident_win(compared):
    assert "raise repeats" in str(compared(fixed=[9.0], clr=[0.1]).verdict)


def test_a_policy_that_diverged_once_ranks_below_one_that_never_did(compared):
    comparison = compared(bold=[0.1, INF, 0.1], shy=[0.9, 0.9, 0.8])
    assert comparison.winner == "shy"
    assert comparison.table[1].diverged == 1
    assert comparison.table[1].mean == INF


def test_an_opponent_that_diverges_on_every_seed_is_beaten_for_certain(compared):
    comparison = compared(bold=[INF, INF], shy=[0.9, 0.8])
    assert comparison.verdict.confident
    assert comparison.headline == "shy wins: ahead of bold, lower on 2 of 2 seeds"


def test_if_every_run_diverged_there_is_no_winner(compared):
    with pytest.raises(NoWinner, match="Lower the rates"):
        _ = compared(bold=[INF, INF], bolder=[INF, INF]).winner


def test_a_failed_run_leaves_its_seed_out_of_the_table_and_is_said(compared):
    comparison = compared(fixed=[0.5, 0.6, 0.7], clr=[0.4, None, 0.6])
    assert [row.finals for row in comparison.table] == [(0.4, 0.6), (0.5, 0.7)]
    assert comparison.table[0].failed == 1
    assert "1 of 6 runs did not finish" in str(comparison.verdict)


def test_a_policy_without_a_finished_run_is_last_and_leaves_the_seeds_of_the_others(compared):
    comparison = compared(broken=[None, None], fixed=[0.5, 0.6], clr=[0.4, 0.4])
    assert [row.policy for row in comparison.table] == ["clr", "fixed", "broken"]
    assert comparison.table[0].finals == (0.4, 0.4)


def test_if_every_run_failed_the_first_reasons_are_given(compared):
    with pytest.raises(NoWinner, match=r"clr, seed 0: OSError: gone \(train.py:3\)"):
        _ = compared(clr=[None], fixed=[None]).winner


def test_one_policy_alone_wins_against_nobody(compared):
    comparison = compared(clr=[0.4, 0.5])
    assert comparison.headline == "clr wins"
    assert "no other policy" in str(comparison.verdict)


def test_runs_of_one_seed_that_did_not_start_alike_are_noticed(compared):
    import attrs

    comparison = compared(fixed=[0.50, 0.61, 0.72], clr=[0.40, 0.50, 0.60])
    odd = attrs.evolve(comparison.runs[0], losses=(2.3, 1.0))
    comparison = attrs.evolve(comparison, runs=(odd, *comparison.runs[1:]))
    assert "the first losses of seed 0 differ (2 to 2.3)" in str(comparison.verdict)


def test_what_the_runs_are_judged_by_is_said(compared):
    assert compared(clr=[0.1]).judged_by == "held-out loss"
    assert "because there is no held-out data" in compared(held_out=False, clr=[0.1]).judged_by


def test_an_unknown_policy_is_refused_with_those_there_are(compared):
    with pytest.raises(UnknownName, match="'one-cycle' is not one of clr, fixed"):
        compared(clr=[0.1], fixed=[0.2]).difference("one-cycle", "clr")


def test_a_comparison_comes_back_from_its_file_as_it_was(compared, tmp_path, range_test):
    import attrs

    comparison = attrs.evolve(compared(clr=[0.1, INF], fixed=[0.2, None]), range_test=range_test)
    comparison.save(tmp_path / "comparison.json")
    assert lrrange.Comparison.load(tmp_path / "comparison.json") == comparison


def test_a_comparison_of_another_schema_names_the_version_that_wrote_it(compared, tmp_path):
    path = tmp_path / "comparison.json"
    compared(clr=[0.1]).save(path)
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": 99, "lrrange": "9.0"}))
    with pytest.raises(LoadError, match=r"schema 99, written by lrrange 9\.0"):
        lrrange.Comparison.load(path)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda text: text[:-40], "is not JSON"),
        (lambda text: text.replace('"seeds"', '"sedes"'), "damaged comparison"),
        (lambda text: "[1, 2]", "not a comparison"),
    ],
)
def test_a_file_that_is_no_whole_comparison_is_refused(compared, tmp_path, change, text):
    path = tmp_path / "comparison.json"
    compared(clr=[0.1]).save(path)
    path.write_text(change(path.read_text()))
    with pytest.raises(LoadError, match=text):
        lrrange.Comparison.load(path)


def test_a_result_and_a_comparison_are_told_apart(compared, tmp_path, range_test):
    range_test.save(tmp_path / "result.json")
    compared(clr=[0.1]).save(tmp_path / "comparison.json")
    with pytest.raises(LoadError, match="not a comparison that lrrange saved"):
        lrrange.Comparison.load(tmp_path / "result.json")
    with pytest.raises(LoadError, match="not a result that lrrange saved"):
        lrrange.load(tmp_path / "comparison.json")


@pytest.fixture
def shown():
    def show(comparison):
        import io

        from rich.console import Console

        console = Console(file=io.StringIO(), width=120)
        console.print(comparison)
        return console.file.getvalue()

    return show


def test_the_table_shows_the_winner_the_gaps_the_verdict_and_what_failed(compared, shown):
    text = shown(compared(fixed=[0.50, 0.61, 0.72], clr=[0.40, 0.50, 0.60], bold=[INF, INF, 3.0], broken=[None] * 3))
    rows = [line.split() for line in text.splitlines() if line.strip()]
    first = next(number for number, row in enumerate(rows) if row[0] == "policy") + 2  # after the head and its rule
    assert [row[0] for row in rows[first : first + 4]] == ["clr", "fixed", "bold", "broken"]
    assert "3 of 3" in " ".join(rows[first + 1])
    assert "2 of 3 diverged" in text
    assert "clr wins: 0.11 below fixed" in text
    assert "- 3 of 12 runs did not finish" in text
    assert "broken, seed 2, attempt 2: OSError: gone (train.py:3)" in text


def test_the_table_without_a_winner_says_why(compared, shown):
    assert "none  every run under every policy diverged" in shown(compared(clr=[INF], fixed=[INF]))


def test_names_that_look_like_markup_are_shown_as_they_are(compared, shown):
    assert "[bold]" in shown(compared(**{"[bold]": [0.1], "clr": [0.2]}))


def test_a_notebook_gets_the_same_table(compared):
    html = compared(fixed=[0.5, 0.6], clr=[0.4, 0.4])._repr_html_()
    assert html.startswith("<div")
    assert "clr wins" in html
    assert html.count("<tr") > html.count("<table") > 1
