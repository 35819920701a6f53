"""Registered plug-ins. Those that are installed are in test_entry_points."""

import contextlib
import types

import pytest

import lrrange
from lrrange import LRRange, find_lr, hookimpl, list_plugins, make_schedule, register, unregister
from lrrange.advice.heuristics import HEURISTICS
from lrrange.errors import BackendNotFound, LRRangeError, OptionError, PluginUnavailable, UnknownName
from lrrange.plugins import checked_name, heuristics, hook_of, make_manager
from tests.core.strategies import Landscape
from tests.core.training import Loop

BOUNDS = LRRange(base_lr=0.1, max_lr=1.0, rule="mine", source="me")


def names():
    return [plugin.name for plugin in list_plugins()]


class Empty:
    """A plug-in without a hook."""


class Offers:
    """A plug-in with heuristics."""

    def __init__(self, **offered):
        self.offered = offered

    @hookimpl
    def lrrange_offer_heuristics(self):
        return self.offered


class WrongSignature:
    @hookimpl
    def lrrange_adapt(self, target, colour):
        raise AssertionError(colour)


class UnknownHook:
    @hookimpl
    def lrrange_adopt(self, target):
        raise AssertionError(target)


def test_a_registered_plug_in_is_listed_first_and_unregistered_it_is_gone(registered):
    before = names()
    plugin = registered(Empty(), "empty")
    assert names() == ["empty", *before]
    listed = list_plugins()[0]
    assert (listed.source, listed.plugin, listed.problem, listed.hooks) == ("registered", plugin, None, ())
    unregister("empty")
    assert names() == before


def test_its_default_name_is_that_of_its_module_or_class():
    module = types.ModuleType("a_module")
    for plugin, name in ((module, "a_module"), (Empty(), "Empty")):
        register(plugin)
        assert names()[0] == name
        unregister(name)


def test_the_hooks_of_a_plug_in_are_listed(registered):
    registered(Offers(), "offers")
    assert list_plugins()[0].hooks == ("lrrange_offer_heuristics",)


def test_a_second_plug_in_by_a_name_replaces_the_first(registered):
    registered(Offers(first=lambda _: 0.1), "offers")
    registered(Offers(second=lambda _: 0.2), "offers")
    assert names().count("offers") == 1
    assert {"first", "second"} & heuristics(make_manager()).keys() == {"second"}


def test_a_plug_in_under_two_names_does_not_take_the_others_with_it(registered):
    plugin = Offers(mine=lambda _: 0.01)
    registered(plugin, "one")
    with contextlib.suppress(LRRangeError):  # an error for the second name is fine too
        registered(plugin, "two")
    assert find_lr(Loop(), heuristic="mine").lr == 0.01


def test_unregistering_what_is_not_registered_is_refused_with_its_name():
    with pytest.raises(BackendNotFound, match="no plug-in 'nobody' was registered") as caught:
        unregister("nobody")
    assert caught.value.name == "nobody"


@pytest.mark.parametrize(("plugin", "said"), [(WrongSignature(), "colour"), (UnknownHook(), "lrrange_adopt")])
def test_a_plug_in_that_does_not_fit_the_hooks_is_refused_with_what_is_wrong_and_not_registered(plugin, said):
    before = names()
    with pytest.raises(PluginUnavailable, match=f"(?s)'odd'.*does not match lrrange's hooks.*{said}") as caught:
        register(plugin, "odd")
    assert caught.value.plugin == "odd"
    assert names() == before


def test_an_implementation_may_take_fewer_arguments_than_its_hook_gives(registered):
    class Brief:
        @hookimpl
        def lrrange_adapt(self):
            return Loop()

    registered(Brief(), "brief")
    assert find_lr(object()).provenance.backend == "brief"


def test_the_last_one_registered_is_not_asked_before_the_first(registered):
    called = []

    class Records:
        def __init__(self, name):
            self.name = name

        @hookimpl
        def lrrange_adapt(self):
            called.append(self.name)

    for name in ("one", "two"):
        registered(Records(name), name)
    find_lr(Loop())
    assert called == ["one", "two"]


class Adapts:
    @hookimpl
    def lrrange_adapt(self):
        raise AssertionError


def test_a_backend_by_a_name_that_nothing_has_is_refused_and_those_that_train_are_named(registered):
    registered(Adapts(), "adapts")
    registered(Empty(), "empty")
    with pytest.raises(BackendNotFound, match=r"no plug-in 'theano' is installed\. Installed: adapts") as caught:
        find_lr(Loop(), backend="theano")
    assert caught.value.name == "theano"
    assert "empty" not in str(caught.value)


def test_a_name_that_is_known_is_not_compared_with_others(registered, monkeypatch):
    registered(Adapts(), "first")
    monkeypatch.setattr("lrrange.plugins.did_you_mean", lambda *_: pytest.fail("compared"))
    assert checked_name("lrrange_adapt", "first") == "first"


def test_a_test_looks_for_the_hooks_of_a_plug_in_once(registered):
    looked_for = []

    class Counts:
        def __getattr__(self, name):
            looked_for.append(name)
            raise AttributeError(name)

    registered(Counts(), "counts")
    find_lr(Loop(), num_steps=50)
    looked_for.clear()
    find_lr(Loop(), num_steps=50)
    assert looked_for == []


def test_a_plug_in_that_trains_nothing_is_no_backend(registered):
    registered(Adapts(), "adapts")
    registered(Empty(), "empty")
    with pytest.raises(BackendNotFound, match=r"'empty' is no backend: it has no lrrange_adapt\. Installed: adapts"):
        find_lr(Loop(), backend="empty")


def test_one_plug_in_alone_is_asked_or_all(registered):
    for name in ("one", "two"):
        registered(Offers(**{name: lambda _: 0.1}), name)
    manager = make_manager()
    assert [list(offer) for offer in hook_of(manager, "lrrange_offer_heuristics", "one")()] == [["one"]]
    assert len(hook_of(manager, "lrrange_offer_heuristics", None)()) >= 2


def test_a_heuristic_that_a_plug_in_offers_is_asked_with_the_others_and_chosen_by_name(registered):
    registered(Offers(late=lambda curve: curve.lr[-4]), "offers")
    result = find_lr(Loop(), heuristic="late")
    assert [answer.heuristic for answer in result.answers] == [*HEURISTICS, "late"]
    assert result.lr == result.curve.lr[-4]


def test_a_plug_in_cannot_replace_lrrange_s_own_heuristics(registered):
    registered(Offers(valley=lambda _: 1.0), "offers")
    assert heuristics(make_manager())["valley"] is HEURISTICS["valley"]


def test_a_heuristic_of_a_plug_in_that_is_gone_is_unknown(registered):
    registered(Offers(last=lambda curve: curve.lr[-1]), "offers")
    unregister("offers")
    with pytest.raises(UnknownName):
        find_lr(Loop(), heuristic="last")


def test_a_heuristic_of_a_plug_in_that_fails_takes_no_other_answer_with_it(registered):
    registered(Offers(broken=lambda _: 1 / 0), "offers")
    result = find_lr(Loop(Landscape(noise=0.02)))
    assert result.chosen.heuristic == "midway"
    assert "ZeroDivisionError" in result.answers[-1].reason


class Schedules:
    """A plug-in that makes a scheduler for a list."""

    @hookimpl
    def lrrange_schedule(self, optimizer, bounds, mode, options):
        return (bounds, mode, dict(options)) if isinstance(optimizer, list) else None


def test_a_scheduler_is_made_by_the_plug_in_that_knows_the_optimizer(registered):
    registered(Schedules(), "schedules")
    assert make_schedule([], BOUNDS) == (BOUNDS, "triangular2", {})
    assert make_schedule([], BOUNDS, mode="triangular", step_size=20) == (BOUNDS, "triangular", {"step_size": 20})


def test_a_result_gives_its_range_to_the_scheduler(registered):
    registered(Schedules(), "schedules")
    result = find_lr(Loop(Landscape(noise=0.02)))
    assert make_schedule([], result, mode="triangular2")[0] == result.range_by("smith")
    assert make_schedule([], result, mode="one_cycle")[0] == result.range


def test_an_optimizer_that_no_plug_in_knows_has_no_scheduler(registered):
    registered(Schedules(), "schedules")
    with pytest.raises(OptionError, match="no plug-in makes a 'triangular2' scheduler for a dict") as caught:
        make_schedule({}, BOUNDS)
    assert caught.value.mode == "triangular2"


def test_watchers_are_heard_beside_plug_ins_and_for_one_call_only(registered):
    heard = []

    class Hears:
        def __init__(self, name):
            self.name = name

        @hookimpl
        def lrrange_finished(self):
            heard.append(self.name)

    registered(Hears("plug-in"), "hears")
    find_lr(Loop(), watchers=[Hears("watcher")])
    assert sorted(heard) == ["plug-in", "watcher"]
    find_lr(Loop())
    assert sorted(heard) == ["plug-in", "plug-in", "watcher"]


def test_one_watcher_given_twice_is_heard_or_refused_by_lrrange():
    heard = []

    class Hears:
        @hookimpl
        def lrrange_finished(self):
            heard.append(True)

    watcher = Hears()
    with contextlib.suppress(LRRangeError):
        find_lr(Loop(), watchers=[watcher, watcher])
    assert len(heard) <= 2


def test_the_names_a_plug_in_needs_are_at_the_front_door():
    assert {"hookimpl", "register", "unregister", "list_plugins", "make_schedule"} <= set(lrrange.__all__)
