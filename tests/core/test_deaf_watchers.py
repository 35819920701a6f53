"""A watcher that would never be called is an error before the first step. So is a method that is meant as a hook."""

import re
import sys
import types
from concurrent.futures import ThreadPoolExecutor

import pytest

import lrrange
from lrrange import compare, find_lr, grid, hookimpl, hookspecs
from lrrange.errors import OptionError
from lrrange.watchers import COMPARED_HOOKS, RUN_HOOKS, SWEEP_HOOKS, TRIAL_HOOKS
from tests.core.training import Loop


class Sweeps:
    def __init__(self):
        self.steps = 0

    @hookimpl
    def lrrange_advanced(self):
        self.steps += 1


class Runs:
    def __init__(self):
        self.calls = []

    @hookimpl
    def lrrange_compared(self, run):
        self.calls.append(run.policy)


class RunSteps:
    @hookimpl
    def lrrange_run_advanced(self):
        pass


class Trials:
    @hookimpl
    def lrrange_trial_advanced(self):
        pass


class Backend:
    @hookimpl
    def lrrange_adapt(self, target):
        pass


class Unmarked:
    @hookimpl
    def lrrange_started(self):
        pass

    def lrrange_finished(self):
        pass


class Misspelt:
    def lrrange_advance(self, point):
        pass


class MisspeltAndMarked:
    @hookimpl
    def lrrange_advance(self, point):
        pass


class MisspeltBesideAnother(Sweeps):
    @hookimpl
    def lrrange_finish(self):
        pass


class Unlike:
    def lrrange_xyzzy(self):
        pass


class ByAnotherName:
    def on_advanced(self, point):
        pass


class WrongArguments:
    @hookimpl
    def lrrange_advanced(self, punkt):
        pass


def refused(call, *watchers, **options):
    loop = Loop()
    with pytest.raises(OptionError) as caught:
        call(loop, watchers=list(watchers), **options)
    assert loop.log == []
    return str(caught.value)


def compare_rates(loop, policies=(0.1, 0.2), **options):
    return compare(lambda seed: loop, list(policies), steps=4, repeats=1, **options)


@pytest.mark.parametrize(
    ("watcher", "said"),
    [
        (
            object(),
            r"the watcher object has no hook that find_lr calls, so it would never be called. The hooks that find_lr",
        ),
        (print, "the watcher builtin_function_or_method has no hook that find_lr calls"),
        (None, "the watcher NoneType has no hook that find_lr calls"),
        (Runs(), "the watcher Runs has no hook that find_lr calls, .*It has lrrange_compared, which compare calls."),
        (RunSteps(), "It has lrrange_run_advanced, which compare calls if it has no executor."),
        (Trials(), r"It has lrrange_trial_advanced, which find_lr\(..., confirm=True\) calls."),
        (Backend(), r"It has lrrange_adapt, which only registered plug-ins are asked for \(lrrange.register\)."),
        (Sweeps, r"the watcher Sweeps is a class. Give an object of it: watchers=\[Sweeps\(...\)\]."),
        (Unmarked(), "Unmarked has lrrange_finished, which is not marked as a hook .* Put @lrrange.hookimpl above it."),
        (Misspelt(), "has lrrange_advance, and there is no such hook. Did you mean lrrange_advanced?"),
        (MisspeltAndMarked(), "has lrrange_advance, and there is no such hook. Did you mean lrrange_advanced?"),
        (MisspeltBesideAnother(), "has lrrange_finish, and there is no such hook. Did you mean lrrange_finished?"),
        (Unlike(), "has lrrange_xyzzy, and there is no such hook. The hooks are .*lrrange_started"),
        (ByAnotherName(), "Is its on_advanced meant as lrrange_advanced?"),
        (WrongArguments(), "the watcher WrongArguments does not match lrrange's hooks: .*punkt"),
    ],
    ids=lambda value: "" if isinstance(value, str) else getattr(value, "__name__", type(value).__name__),
)
def test_find_lr_refuses_a_watcher_that_it_would_not_call(watcher, said):
    assert re.search(said, refused(find_lr, watcher), re.DOTALL)


def test_a_watcher_given_twice_is_refused():
    watcher = Sweeps()
    assert "the watcher Sweeps is given twice" in refused(find_lr, watcher, watcher)


def test_a_watcher_among_others_is_refused_too():
    assert "the watcher object has no hook" in refused(find_lr, Sweeps(), object())


def test_a_grid_refuses_it_before_the_first_cell():
    assert "the watcher Runs has no hook" in refused(
        lambda loop, **options: grid(lambda x: loop, {"x": [1]}, **options), Runs()
    )


def test_trials_are_heard_with_confirm():
    find_lr(Loop(), watchers=[Trials()], confirm=True, confirm_steps=90)


def test_a_comparison_refuses_a_watcher_of_sweeps_when_it_takes_none():
    text = refused(compare_rates, Sweeps())
    assert text.startswith("the watcher Sweeps has no hook that this comparison calls, so it would never be called.")
    assert "It has lrrange_advanced, which find_lr calls." in text


def test_a_comparison_with_a_range_test_calls_the_watchers_of_sweeps_and_those_of_runs():
    sweeps, runs = Sweeps(), Runs()
    compare_rates(Loop(), policies=("found", 0.1), watchers=[sweeps, runs])
    assert sweeps.steps == find_lr(Loop()).provenance.steps_run > 50
    assert sorted(runs.calls) == ["0.1", "found"]


def test_with_an_executor_the_steps_of_runs_are_not_heard():
    with ThreadPoolExecutor(1) as executor:
        text = refused(compare_rates, RunSteps(), executor=executor)
    assert "It has lrrange_run_advanced, which compare calls if it has no executor." in text


def test_a_module_can_be_a_watcher(monkeypatch):
    module = types.ModuleType("diary")
    module.steps = []

    def lrrange_advanced(point):
        module.steps.append(point)

    module.lrrange_advanced = hookimpl(lrrange_advanced)
    result = find_lr(Loop(), watchers=[module])
    assert len(module.steps) == len(result.curve)
    assert "the watcher sys has no hook" in refused(find_lr, sys)


def test_attributes_that_are_no_methods_may_have_any_name():
    class Holder(Sweeps):
        lrrange_version = "1.0"

    holder = Holder()
    find_lr(Loop(), watchers=[holder], num_steps=200)
    assert holder.steps > 100


def test_every_hook_is_of_plug_ins_alone_or_fired_by_a_known_call():
    known = {name for name in vars(hookspecs) if name.startswith("lrrange_")}
    fired = [*SWEEP_HOOKS, *TRIAL_HOOKS, *RUN_HOOKS, *COMPARED_HOOKS]
    assert len(fired) == len(set(fired))
    assert known - set(fired) == {
        *("lrrange_adapt", "lrrange_schedule", "lrrange_apply", "lrrange_applied", "lrrange_verify"),
    }
    assert lrrange.hookimpl is hookimpl
