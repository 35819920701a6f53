"""What all trackers have in common, on one that keeps what it is told."""

import gc
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from lrrange_trackers.tracker import Tracker

import lrrange
from lrrange.errors import MissingExtra
from tests.core.strategies import Landscape
from tests.core.training import Loop, SeededLoop
from tests.trackers.training import CONFIRM, Accuracy, Stop, compare, find


class Log:
    def __init__(self, name, params):
        self.name, self.params = name, params
        self.added, self.answers, self.closed = [], [], []

    def __len__(self):
        return 0  # nobody may ask whether a log is true

    def add(self, series, step, values):
        assert not self.closed
        self.added.append((str(series), step, values))

    def conclude(self, answer):
        assert not self.closed
        self.answers.append(answer)

    def close(self, *, failed):
        self.closed.append(failed)

    def steps(self, series):
        return [step for name, step, _ in self.added if name == series]

    def values(self, series, value):
        return [values[value] for name, _, values in self.added if name == series and value in values]


class Keeping(Tracker):
    def __init__(self):
        super().__init__()
        self.logs = []

    def open(self, name, params):
        self.logs.append(Log(name, dict(params)))
        return self.logs[-1]


def test_a_range_test_is_one_log_with_every_step_and_the_answer():
    tracker = Keeping()
    result = find(tracker)
    (log,) = tracker.logs
    assert (log.name, log.params, log.closed) == ("range test", {}, [False])
    assert log.values("sweep", "lr") == list(result.curve.lr)
    assert log.values("sweep", "loss") == list(result.curve.loss)
    assert log.steps("sweep") == list(range(len(result.curve)))
    assert len(log.values("sweep", "smoothed loss")) == len(result.curve)
    (answer,) = log.answers
    assert (answer.facts, answer.csv) == (result.to_dict(), result.to_csv())
    assert answer.picture.startswith(b"\x89PNG")


def test_the_trials_are_curves_of_their_rates():
    tracker = Keeping()
    result = find(tracker, **CONFIRM)
    (log,) = tracker.logs
    for trial in result.confirmation.trials:
        assert log.steps(f"trial {trial.lr:.2e}") == list(range(trial.steps))
    assert log.answers[0].facts["lr"] == result.confirmation.lr


def test_repeated_sweeps_are_numbered():
    tracker = Keeping()
    result = find(tracker, repeats=3, seed=0)
    (log,) = tracker.logs
    for name, sweep in zip(("sweep", "sweep 2", "sweep 3"), result.sweeps, strict=True):
        assert log.values(name, "loss") == list(sweep.loss)


def test_a_metric_is_written_in_its_own_sign_and_by_its_name_beside_the_loss():
    tracker = Keeping()
    result = lrrange.find_lr(Accuracy(), watchers=[tracker], **CONFIRM)
    (log,) = tracker.logs
    assert log.values("sweep", "accuracy@1") == list(result.curve.values)
    assert log.values("sweep", "loss") == list(result.curve.of("loss").values)
    assert log.values("sweep", "smoothed accuracy@1")[0] == result.curve.values[0]
    trial = f"trial {result.confirmation.trials[0].lr:.2e}"
    assert all(1 - accuracy > 0 for accuracy in log.values(trial, "accuracy@1")[:1])


def test_a_metric_of_a_comparison_is_written_in_its_own_sign():
    live, late = Keeping(), Keeping()
    options = {"steps": 6, "repeats": 1}
    comparison = lrrange.compare(lambda seed: Accuracy(), [0.001], **options, watchers=[live])
    with ThreadPoolExecutor(1) as executor:
        lrrange.compare(lambda seed: Accuracy(), [0.001], **options, watchers=[late], executor=executor)
    (run,) = comparison.runs
    accuracies = [-loss for loss in run.losses]
    for tracker in (live, late):
        assert tracker.logs[0].values("comparison", "accuracy@1") == accuracies
        assert tracker.logs[0].answers[0].facts["final accuracy@1"] == -run.final


def test_a_refusal_is_an_answer_too():
    tracker = Keeping()
    result = lrrange.find_lr(Loop(Landscape(fall=float("inf"), blow_up=float("inf"))), watchers=[tracker])
    assert tracker.logs[0].answers[0].facts == {"refused": str(result.refusal)}
    assert tracker.logs[0].closed == [False]


def test_each_cell_of_a_grid_is_a_log():
    tracker = Keeping()
    grid = lrrange.grid(lambda size: SeededLoop(), {"size": [1, 2]}, watchers=[tracker])
    assert [log.answers[0].facts for log in tracker.logs] == [cell.result.to_dict() for cell in grid]


@pytest.mark.parametrize("error", [RuntimeError("gone"), KeyboardInterrupt()], ids=["error", "Ctrl-C"])
def test_a_range_test_that_is_stopped_closes_its_log_as_failed(error):
    tracker = Keeping()
    with pytest.raises(type(error)):
        find(tracker, Stop(error))
    (log,) = tracker.logs
    assert (log.steps("sweep"), log.answers, log.closed) == (list(range(7)), [], [True])


def test_the_next_range_test_after_a_failed_one_is_a_new_log():
    tracker = Keeping()
    with pytest.raises(RuntimeError):
        find(tracker, Stop(RuntimeError()))
    result = find(tracker)
    assert [log.closed for log in tracker.logs] == [[True], [False]]
    assert tracker.logs[1].values("sweep", "loss") == list(result.curve.loss)


def test_each_run_of_a_comparison_is_a_log_that_is_written_while_it_trains():
    tracker = Keeping()

    class AtTheFifthStep:
        def __init__(self):
            self.seen = []

        @lrrange.hookimpl
        def lrrange_run_advanced(self, policy, seed, step):
            if step == 5:
                self.seen.append((tracker.logs[-1].name, len(tracker.logs[-1].added)))

    looker = AtTheFifthStep()
    comparison = compare(looker, tracker)  # the last one is called first
    assert looker.seen == [(log.name, 6) for log in tracker.logs]
    assert [log.params for log in tracker.logs] == [
        {"policy": policy, "seed": seed, "steps": 12} for seed in (0, 1) for policy in ("0.1", "one/cycle")
    ]
    for log in tracker.logs:
        (run,) = [run for run in comparison.of(log.params["policy"]) if run.seed == log.params["seed"]]
        assert log.values("comparison", "loss") == list(run.losses)
        assert log.values("comparison", "lr") == list(comparison.policy(run.policy).lr)
        assert log.values("comparison", "held-out loss") == [checkpoint.loss for checkpoint in run.held_out]
        assert log.answers[0].facts["final loss"] == run.final
        assert log.closed == [False]
    cycled = comparison.policy("one/cycle")
    assert tracker.logs[1].values("comparison", "momentum") == list(cycled.momentum)
    assert tracker.logs[0].values("comparison", "momentum") == []


def test_the_runs_of_an_executor_are_written_when_they_are_over():
    alone, tracker = Keeping(), Keeping()
    compare(alone)
    with ThreadPoolExecutor(1) as executor:
        compare(tracker, executor=executor)
    assert [(log.name, sorted(log.added, key=repr)) for log in tracker.logs] == [
        (log.name, sorted(log.added, key=repr)) for log in alone.logs
    ]
    assert [log.closed for log in tracker.logs] == [[False]] * 4


def test_a_run_that_is_stopped_closes_its_log_as_failed():
    tracker = Keeping()
    with pytest.raises(KeyboardInterrupt):
        compare(tracker, Stop(KeyboardInterrupt()))
    (log,) = tracker.logs
    assert (len(log.added), log.closed) == (7, [True])


def test_a_run_that_is_tried_again_is_a_new_log_and_a_failed_run_says_why():
    tracker = Keeping()

    class Failing(Loop):
        def step(self, lr):
            if len(self.rates) == 3:
                raise OSError("the disk is gone")
            return super().step(lr)

    lrrange.compare(lambda seed: Failing(), [0.1], steps=8, repeats=1, retries=1, watchers=[tracker])
    assert [log.closed for log in tracker.logs] == [[True], [True]]
    assert tracker.logs[0].answers == []
    assert "the disk is gone" in tracker.logs[1].answers[0].facts["error"]


def test_what_an_error_left_open_is_closed_as_failed_with_the_watcher():
    tracker = Keeping()
    logs = tracker.logs
    with pytest.raises(ValueError, match="full"):
        compare(tracker, Stop(ValueError("full")))  # of a watcher, which ends the comparison
    assert logs[0].closed == []
    del tracker
    gc.collect()
    assert logs[0].closed == [True]


@pytest.mark.parametrize("rank", ["1", "7"])
def test_only_the_first_of_several_processes_writes(monkeypatch, rank):
    monkeypatch.setenv("RANK", rank)
    tracker = Keeping()
    find(tracker, **CONFIRM)
    compare(tracker)
    assert tracker.logs == []
    monkeypatch.setenv("RANK", "0")
    find(tracker)
    assert len(tracker.logs) == 1


def test_without_matplotlib_there_is_no_picture(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    tracker = Keeping()
    find(tracker)
    assert tracker.logs[0].answers[0].picture is None


@pytest.mark.parametrize(
    ("name", "library", "arguments"),
    [("TensorBoardWatcher", "tensorboard", ["logs"]), ("MLflowWatcher", "mlflow", []), ("WandbWatcher", "wandb", [])],
)
def test_without_its_library_a_watcher_names_the_extra_when_it_is_made(monkeypatch, name, library, arguments):
    import lrrange_trackers

    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtra, match=rf"{name} needs .*pip install 'lrrange\[{library}\]'") as caught:
        getattr(lrrange_trackers, name)(*arguments)
    assert caught.value.extra == library
