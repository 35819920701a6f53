"""Plug-ins whose hooks raise, or return what they may not: each is named with its hook, or set aside if not needed."""

import pytest

from lrrange import RangeTestResult, find_lr, hookimpl, load
from lrrange.advice.heuristics import HEURISTICS
from lrrange.errors import PluginUnavailable, TargetError, UnknownName
from tests.core.training import Loop

RESULT = find_lr(Loop())


def plugin(hook, does):
    """Return a plug-in with this hook, which returns a value or calls a function."""

    def implementation(self):
        return does() if callable(does) else does

    implementation.__name__ = hook
    return type("Junk", (), {hook: hookimpl(implementation)})()


def fail():
    raise AttributeError("no attribute 'fit'")


class Mine:
    """Adapts the string "mine"."""

    @hookimpl
    def lrrange_adapt(self, target):
        return Loop() if target == "mine" else None


JUNK = [42, "step", [], object(), lambda: fail(), True]
IDS = ["int", "str", "list", "object", "raises", "bool"]


@pytest.mark.parametrize("target", [Loop, lambda: "mine"], ids=["its own backend", "of another plug-in"])
@pytest.mark.parametrize("does", JUNK, ids=IDS)
def test_a_plug_in_that_adapts_to_junk_is_set_aside_where_another_can_train(registered, does, target):
    registered(plugin("lrrange_adapt", does), "junk")
    registered(Mine(), "mine")
    result = find_lr(target())
    assert result.lr > 0
    assert "junk: " in result.provenance.details["set_aside"]


@pytest.mark.parametrize("does", JUNK[:4], ids=IDS[:4])
@pytest.mark.parametrize("backend", [None, "junk"])
def test_where_no_other_can_the_error_names_the_plug_in_the_hook_and_what_is_wanted(registered, does, backend):
    registered(plugin("lrrange_adapt", does), "junk")
    returned = f"returned a value of type {type(does).__name__}.*must return a TrainingStep"
    said = f"lrrange_adapt of the plug-in 'junk' {returned}"
    with pytest.raises(PluginUnavailable, match=said) as caught:
        find_lr(object(), backend=backend)
    assert caught.value.plugin == "junk"


@pytest.mark.parametrize("backend", [None, "junk"])
def test_an_error_of_the_hook_passes_with_a_note_that_names_both(registered, backend):
    registered(plugin("lrrange_adapt", fail), "junk")
    with pytest.raises(AttributeError, match="no attribute 'fit'") as caught:
        find_lr(object(), backend=backend)
    assert caught.value.__notes__ == ["Raised in lrrange_adapt of 'junk'."]


def test_an_error_of_lrrange_s_own_passes_as_it_is(registered):
    def refuse():
        raise TargetError("compile the model first")

    registered(plugin("lrrange_adapt", refuse), "mine")
    with pytest.raises(TargetError, match=r"^compile the model first$") as caught:
        find_lr(Loop())
    assert not hasattr(caught.value, "__notes__")


@pytest.mark.parametrize("does", [42, "valley", [lambda _: 0.1], {3: lambda _: 0.1}, lambda: fail()])
def test_a_plug_in_that_offers_no_mapping_of_heuristics_is_answered_with_the_reason(registered, does):
    registered(plugin("lrrange_offer_heuristics", does), "junk")
    result = find_lr(Loop())
    assert [answer.heuristic for answer in result.answers] == [*HEURISTICS, "junk"]
    assert result.lr == RESULT.lr
    assert "lrrange_offer_heuristics of the plug-in 'junk'" in result.answers[-1].reason
    with pytest.raises(UnknownName):
        find_lr(Loop(), heuristic="missing")


@pytest.mark.parametrize("rule", [0.1, None, "valley", [1]])
def test_a_heuristic_that_is_no_function_refuses_with_the_plug_in_and_what_is_wanted(registered, rule):
    registered(plugin("lrrange_offer_heuristics", {"good": lambda _: 0.1, "bad": rule}), "junk")
    result = find_lr(Loop())
    answers = {answer.heuristic: answer for answer in result.answers}
    assert result.lr == RESULT.lr
    assert answers["good"].lr == 0.1
    assert "of the plug-in 'junk' returned a value of type" in answers["bad"].reason
    assert "a function of a Curve as the heuristic 'bad'" in answers["bad"].reason
    assert "'junk'" in find_lr(Loop(), heuristic="bad").chosen.reason


def test_a_refusal_of_a_broken_plug_in_is_saved_and_read_like_any_other(registered, tmp_path):
    registered(plugin("lrrange_offer_heuristics", 42), "junk")
    result = find_lr(Loop())
    result.save(tmp_path / "result.json")
    assert load(tmp_path / "result.json") == result


class Sets:
    """Sets the rate of a list."""

    @hookimpl
    def lrrange_apply(self, optimizer, lr):
        if not isinstance(optimizer, list):
            return None
        optimizer[:] = [lr]
        return {"lr": lr}


@pytest.mark.parametrize("does", [42, "lr", [0.1], lambda: fail()])
def test_a_plug_in_that_applies_to_junk_is_set_aside_where_another_sets_the_rate(registered, does):
    registered(plugin("lrrange_apply", does), "junk")
    registered(Sets(), "sets")
    optimizer = []
    assert RESULT.apply(optimizer, lr=0.5) == {"lr": 0.5}
    assert optimizer == [0.5]


def test_where_no_other_sets_it_the_error_names_the_plug_in_and_the_hook(registered):
    registered(plugin("lrrange_apply", 42), "junk")
    with pytest.raises(PluginUnavailable, match="lrrange_apply of the plug-in 'junk' returned a value of type int"):
        RESULT.apply({}, lr=0.5)
    registered(plugin("lrrange_apply", fail), "junk")
    with pytest.raises(AttributeError) as caught:
        RESULT.apply({}, lr=0.5)
    assert caught.value.__notes__ == ["Raised in lrrange_apply of 'junk'."]


@pytest.mark.parametrize("hook", ["lrrange_started", "lrrange_advanced", "lrrange_finished"])
@pytest.mark.parametrize("as_watcher", [True, False])
def test_an_error_of_a_watcher_names_it_and_its_hook(registered, hook, as_watcher):
    class Sound:
        @hookimpl
        def lrrange_started(self): ...
        @hookimpl
        def lrrange_advanced(self): ...
        @hookimpl
        def lrrange_finished(self): ...

    junk, options = plugin(hook, fail), {}
    if as_watcher:
        options["watchers"] = [Sound(), junk, Sound()]
    else:
        registered(junk, "junk")
        registered(Sound(), "sound")
    loop = Loop()
    before = loop.state
    with pytest.raises(AttributeError) as caught:
        find_lr(loop, **options)
    assert f"Raised in {hook} of {'Junk' if as_watcher else 'junk'!r}." in caught.value.__notes__
    assert loop.state == before


def test_a_bounds_or_report_that_is_no_mapping_is_named():
    class Bounds(Loop):
        def bounds(self):
            return None

    class Report(Loop):
        def report(self):
            return ["a"]

    with pytest.raises(TargetError, match=r"bounds\(\) of a Bounds returned a NoneType.*Return a mapping"):
        find_lr(Bounds())
    with pytest.raises(TargetError, match=r"report\(\) of a Report returned a list.*Return a mapping"):
        find_lr(Report())


def test_nothing_is_said_to_be_set_aside_where_nothing_is():
    assert isinstance(RESULT, RangeTestResult)
    assert "set_aside" not in RESULT.provenance.details
