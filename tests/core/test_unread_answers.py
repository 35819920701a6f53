"""The answers that nobody has asked for yet: they are read later, once, and nobody can tell."""

import copy
import pickle

import attrs
import pytest

from lrrange import Suggestion, find_lr, hookimpl, load
from lrrange.advice import readings
from lrrange.advice.advice import Advice
from lrrange.advice.unread import Unread
from lrrange.errors import NoSuggestion
from tests.core.strategies import Landscape
from tests.core.training import Loop


class Middle:
    """A plug-in that offers a heuristic, which counts its calls."""

    def __init__(self, error=None):
        self.calls = 0
        self.error = error

    @hookimpl
    def lrrange_offer_heuristics(self):
        return {"middle": self.middle}

    def middle(self, curve):
        self.calls += 1
        if self.error is not None:
            raise self.error
        return curve.lr[len(curve) // 2]


class Last:
    """A watcher that keeps the result."""

    @hookimpl
    def lrrange_found(self, result):
        self.result = result


def swept(*watchers, **options):
    return find_lr(Loop(Landscape(noise=0.02)), watchers=watchers, **options)


def is_read(result):
    return not any(isinstance(getattr(Advice, name).held(result), Unread) for name in ("answers", "ranges"))


def test_only_the_chosen_heuristic_is_called_before_the_answers_are_asked_for():
    plugin = Middle()
    result = swept(plugin)
    assert (result.lr, result.interval, result.chosen.heuristic) == (result.chosen.lr, result.interval, "midway")
    assert plugin.calls == 0
    assert [answer.heuristic for answer in result.answers][-1] == "middle"
    asked = plugin.calls
    assert asked > 0
    assert result.answers is result.answers
    assert plugin.calls == asked


def test_the_chosen_heuristic_is_called_for_its_own_answer_only_once():
    plugin = Middle()
    result = swept(plugin, heuristic="middle")
    asked = plugin.calls
    assert result.chosen in result.answers
    assert plugin.calls == asked > 0


def test_no_range_is_read_before_the_ranges_are_asked_for(monkeypatch):
    asked = []
    monkeypatch.setattr(readings, "range_rule", lambda name, facts: asked.append(name) or (lambda curve: name))
    result = swept()
    assert not asked
    assert list(result.ranges) == list(result.ranges) == asked


def test_a_result_whose_answers_nobody_has_asked_for_equals_one_that_was_read():
    plugin = Middle()
    unread, read = swept(plugin), swept(plugin)
    assert read.answers
    assert read.ranges
    assert (is_read(read), is_read(unread)) == (True, False)
    made = attrs.evolve(read, provenance=unread.provenance)
    assert made == unread
    assert is_read(unread)


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda result: pickle.loads(pickle.dumps(result)), attrs.evolve]
)
def test_a_copy_of_an_unread_result_has_all_its_answers_and_none_of_its_functions(copied):
    result = swept(heuristic=lambda curve: curve.lr[30])  # which cannot be pickled
    assert not is_read(result)
    again = copied(result)
    assert is_read(again)
    assert (again.answers, again.ranges) == (result.answers, result.ranges)


def test_an_unread_result_is_saved_with_all_its_answers(tmp_path):
    result = swept(Middle())
    result.save(tmp_path / "result.json")
    loaded = load(tmp_path / "result.json")
    assert (loaded.answers, loaded.ranges) == (result.answers, result.ranges)
    assert isinstance(loaded.answers[-1], Suggestion)


def test_another_choice_reads_only_its_own_answer():
    result = swept().with_heuristic("valley")
    assert result.chosen.heuristic == "valley"
    assert not is_read(result)


def test_a_heuristic_that_fails_when_it_is_asked_later_refuses_and_takes_no_answer_with_it():
    result = swept(Middle(ZeroDivisionError("of mine")))
    last = result.answers[-1]
    assert (last.heuristic, last.kind) == ("middle", "NoSuggestion")
    assert "failed with ZeroDivisionError: of mine" in last.reason
    assert isinstance(result.answers[0], Suggestion)


def test_ctrl_c_while_answers_are_read_leaves_them_to_be_read_again():
    plugin = Middle(KeyboardInterrupt())
    result = swept(plugin)
    with pytest.raises(KeyboardInterrupt):
        _ = result.answers
    plugin.error = None
    assert result.answers[-1].heuristic == "middle"


def test_a_heuristic_of_the_users_own_that_fails_is_known_when_find_lr_returns():
    def mine(_):
        raise ZeroDivisionError("of mine")

    watcher = Last()
    result = swept(watcher, heuristic=mine)
    assert watcher.result is result
    with pytest.raises(NoSuggestion, match="failed with ZeroDivisionError: of mine"):
        _ = result.lr


def test_a_result_without_any_answer_cannot_be_made():
    with pytest.raises(ValueError, match="at least one answer"):
        attrs.evolve(swept(), answers=())
