"""Watchers of a comparison: what they are called for while its runs take their steps, and what their errors do."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from lrrange import hookimpl
from tests.compare.training import compare, make, make_recovering


class Diary:
    """A watcher that writes down every call."""

    def __init__(self):
        self.calls = []

    @hookimpl
    def lrrange_run_started(self, policy, seed, steps):
        self.calls.append(("started", policy.name, seed, steps))

    @hookimpl
    def lrrange_run_advanced(self, policy, seed, step, loss):
        self.calls.append(("advanced", policy.name, seed, step, loss))

    @hookimpl
    def lrrange_run_finished(self, policy, seed, error):
        self.calls.append(("finished", policy.name, seed, type(error)))

    @hookimpl
    def lrrange_compared(self, run, policy):
        self.calls.append(("compared", policy.name, run.seed))


class Own:
    """A driver that owns its loop."""

    def __init__(self, loop):
        self.loop = loop

    def run(self, sweep):
        state = self.loop.snapshot()
        while sweep.running:
            sweep.tell(self.loop.step(sweep.lr))
        self.loop.restore(state)


def make_own(seed=0):
    return Own(make(seed))


@pytest.mark.parametrize("make_run", [make, make_own])
def test_each_run_starts_takes_its_steps_and_is_compared(make_run):
    diary = Diary()
    comparison = compare(make_run, watchers=[diary])
    expected = []
    for seed in comparison.seeds:
        for policy in comparison.policies:
            (run,) = [run for run in comparison.runs if (run.policy, run.seed) == (policy.name, seed)]
            expected.append(("started", policy.name, seed, 30))
            expected += [("advanced", policy.name, seed, step, loss) for step, loss in enumerate(run.losses)]
            expected.append(("finished", policy.name, seed, type(None)))
            expected.append(("compared", policy.name, seed))
    assert repr(diary.calls) == repr(expected)  # one run diverges, and NaN does not equal itself


def test_watchers_change_no_loss():
    assert [run.losses for run in compare(watchers=[Diary()]).runs] == [run.losses for run in compare().runs]


def test_with_an_executor_a_run_is_only_announced_when_it_is_over():
    diary = Diary()
    with ThreadPoolExecutor(2) as executor:
        compare(executor=executor, watchers=[diary])
    assert [call[0] for call in diary.calls] == ["compared"] * 6


def test_a_run_that_is_tried_again_starts_again(tmp_path, monkeypatch):
    monkeypatch.setenv("MARKS", str(tmp_path))
    diary = Diary()

    def make_failing_once(seed=0):
        run = make(seed)
        run.snapshot = lambda: make_recovering(seed).snapshot()
        return run

    compare(make_failing_once, [0.1], repeats=1, watchers=[diary])
    assert [call[0] for call in diary.calls if call[0] != "advanced"] == [
        *("started", "finished"),
        *("started", "finished", "compared"),
    ]
    assert [call[3] for call in diary.calls if call[0] == "finished"] == [OSError, type(None)]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("make_run", [make, make_own])
def test_a_run_that_ends_the_comparison_is_announced_as_finished(make_run, error):
    class Interrupting(Diary):
        @hookimpl
        def lrrange_run_advanced(self, policy, seed, step):
            if step == 5:
                raise error

    diary = Interrupting()
    with pytest.raises(error):
        compare(make_run, watchers=[diary])
    assert [call[0] for call in diary.calls] == ["started", "finished"]
    assert diary.calls[-1][3] is error


@pytest.mark.parametrize(
    "hook", ["lrrange_run_started", "lrrange_run_advanced", "lrrange_run_finished", "lrrange_compared"]
)
@pytest.mark.parametrize("make_run", [make, make_own])
def test_an_error_of_a_watcher_reaches_the_user_and_is_no_failed_run(hook, make_run):
    def fail(self):
        raise FloatingPointError("the disk is full")  # of a kind that a training raises at a rate that is too high

    fail.__name__ = hook
    watcher = type("Clumsy", (), {hook: hookimpl(fail)})()
    with pytest.raises(FloatingPointError, match="the disk is full") as caught:
        compare(make_run, watchers=[watcher])
    assert f"Raised in {hook} of 'Clumsy'." in caught.value.__notes__
