"""`MLflowWatcher`, read back with `MlflowClient` from a store of its own."""

import math
import pickle
import threading
from pathlib import Path

import mlflow
import pytest
from lrrange_trackers import MLflowWatcher

import lrrange
from tests.core.strategies import Landscape
from tests.core.training import Loop
from tests.trackers.training import CONFIRM, Accuracy, Stop, compare, find

# MLflow's own use of SQLAlchemy.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store, as `mlflow.set_tracking_uri` sets it."""
    folder, before = tmp_path_factory.mktemp("mlflow"), mlflow.get_tracking_uri()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
        yield folder
        mlflow.set_experiment("Default")  # which every store has; a test after these may use another store
    mlflow.set_tracking_uri(before)


@pytest.fixture
def runs(store, request):
    """Return a function that returns the runs of this test, oldest first, each with its whole history of a metric."""
    experiment = mlflow.set_experiment(request.node.name).experiment_id
    client = mlflow.MlflowClient()

    def find_runs():
        return client.search_runs([experiment], order_by=["attributes.start_time"])

    return find_runs


def history(run, metric):
    return [point.value for point in mlflow.MlflowClient().get_metric_history(run.info.run_id, metric)]


def artifact(run, name):
    return Path(mlflow.MlflowClient().download_artifacts(run.info.run_id, name)).read_bytes()


def test_a_range_test_is_a_run_with_its_curve_and_its_answer(runs):
    result = find(MLflowWatcher(tags={"team": "vision"}), **CONFIRM)
    (run,) = runs()
    assert (run.info.run_name, run.info.status, run.data.tags["team"]) == ("range test", "FINISHED", "vision")
    assert history(run, "sweep/loss") == list(result.curve.loss)
    assert history(run, "sweep/lr") == list(result.curve.lr)
    assert len(history(run, "sweep/smoothed loss")) == len(result.curve)
    for trial in result.confirmation.trials:
        assert len(history(run, f"trial {trial.lr:.2e}/loss")) == trial.steps
    base_lr, max_lr = result.range
    answer = {name: run.data.metrics[f"answer/{name}"] for name in ("lr", "low", "high", "base_lr", "max_lr")}
    assert answer == {"lr": result.lr, "low": result.low, "high": result.high, "base_lr": base_lr, "max_lr": max_lr}
    assert run.data.tags["lrrange.verdict"] == str(result.verdict)
    assert artifact(run, "curve.csv").decode() == result.to_csv()
    assert artifact(run, "curve.png").startswith(b"\x89PNG")


def test_the_steps_so_far_are_in_the_store_while_it_runs(runs, monkeypatch):
    monkeypatch.setattr("lrrange_trackers.mlflow._SECONDS", 0.0)
    seen = []

    class Looking:
        @lrrange.hookimpl
        def lrrange_advanced(self, point):
            if point.step == 9:
                (run,) = runs()
                seen.append((run.info.status, len(history(run, "sweep/loss"))))

    find(Looking(), MLflowWatcher(), num_steps=20)
    assert seen == [("RUNNING", 10)]


def test_a_refusal_is_a_tag(runs):
    flat = Landscape(fall=math.inf, blow_up=math.inf)
    result = lrrange.find_lr(Loop(flat), watchers=[MLflowWatcher()])
    (run,) = runs()
    assert (run.data.tags["lrrange.refused"], run.info.status) == (str(result.refusal), "FINISHED")


def test_a_metric_has_a_name_that_mlflow_allows(runs):
    result = lrrange.find_lr(Accuracy(), watchers=[MLflowWatcher()])
    (run,) = runs()
    assert history(run, "sweep/accuracy_1") == list(result.curve.values)
    assert history(run, "sweep/loss") == list(result.curve.of("loss").values)


def test_your_run_stays_active_and_is_the_parent(runs):
    with mlflow.start_run(run_name="mine") as mine:
        find(MLflowWatcher())
        assert mlflow.active_run() is mine
        mlflow.log_metric("loss", 1.0, step=0)
    assert mlflow.active_run() is None
    mine, test = runs()
    assert (mine.info.run_name, mine.data.metrics, mine.info.status) == ("mine", {"loss": 1.0}, "FINISHED")
    assert test.data.tags["mlflow.parentRunId"] == mine.info.run_id


def test_without_a_run_of_yours_none_is_active_afterwards_or_meanwhile(runs):
    class Looking:
        @lrrange.hookimpl
        def lrrange_advanced(self):
            assert mlflow.active_run() is None

    find(MLflowWatcher(), Looking())
    assert mlflow.active_run() is None
    assert [run.data.tags.get("mlflow.parentRunId") for run in runs()] == [None]


def test_each_run_of_a_comparison_is_a_run(runs):
    comparison = compare(MLflowWatcher(), repeats=1)
    fixed, cycled = runs()
    for run, policy in ((fixed, "0.1"), (cycled, "one/cycle")):
        (trained,) = comparison.of(policy)
        assert run.info.run_name == f"{policy}, seed 0"
        assert run.data.params == {"policy": policy, "seed": "0", "steps": "12"}
        assert history(run, "loss") == list(trained.losses)
        assert history(run, "lr") == list(comparison.policy(policy).lr)
        assert history(run, "held-out loss") == [checkpoint.loss for checkpoint in trained.held_out]
        assert run.data.metrics["final loss"] == trained.final
    assert history(cycled, "momentum") == list(comparison.policy("one/cycle").momentum)


@pytest.mark.parametrize("error", [RuntimeError("gone"), KeyboardInterrupt()], ids=["error", "Ctrl-C"])
def test_a_stopped_sweep_is_a_failed_run_with_the_steps_before_it(runs, error):
    with pytest.raises(type(error)):
        find(MLflowWatcher(), Stop(error))
    (run,) = runs()
    assert run.info.status == "FAILED"
    assert len(history(run, "sweep/loss")) == 7


def test_a_stopped_run_of_a_comparison_is_a_failed_run(runs):
    with pytest.raises(KeyboardInterrupt):
        compare(MLflowWatcher(), Stop(KeyboardInterrupt()))
    (run,) = runs()
    assert (run.info.status, len(history(run, "loss"))) == ("FAILED", 7)


def test_the_training_is_the_same_with_it_and_no_thread_stays(runs, changes_nothing):
    before = threading.active_count()
    changes_nothing(MLflowWatcher())
    assert threading.active_count() == before


def test_a_watcher_that_was_sent_to_another_process_writes_below_the_run_that_was_active_here(runs):
    with mlflow.start_run() as yours:
        sent = pickle.dumps(MLflowWatcher(tags={"team": "vision"}))
    experiment = mlflow.set_experiment("of the other process").experiment_id
    find(pickle.loads(sent))
    first, second = runs()
    assert first.info.run_id == yours.info.run_id
    assert (second.info.status, second.data.tags["team"]) == ("FINISHED", "vision")
    assert second.data.tags["mlflow.parentRunId"] == yours.info.run_id
    assert mlflow.MlflowClient().search_runs([experiment]) == []
