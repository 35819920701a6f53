"""`WandbWatcher`, read back from the files that W&B writes offline."""

import json
import math
import os
import pickle
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import wandb
from lrrange_trackers import WandbWatcher
from wandb.proto import wandb_internal_pb2

import lrrange
from tests.core.strategies import Landscape
from tests.core.training import Loop
from tests.trackers.training import CONFIRM, Stop, compare, find

# In seconds. Long enough for the busiest machine; nothing waits for it.
LONG = 60


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory):
    """The folder in which W&B's own process writes, once it has started. It and its threads end with this module."""
    folder, threads = tmp_path_factory.mktemp("wandb"), threading.active_count()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("WANDB_MODE", "offline")
        patch.setenv("WANDB_SILENT", "true")
        yield folder
        wandb.teardown()
    assert threading.active_count() == threads


@pytest.fixture
def files(folder):
    """Return a function that returns the files which match a pattern and were written in this test."""
    before = set(folder.rglob("*"))

    def find_files(pattern):
        return sorted(set(folder.rglob(pattern)) - before)

    return find_files


class Offline:
    """A run in a file of W&B."""

    def __init__(self, path):
        self.rows, self.summary, self.config, self.axes, self.exit_code = [], {}, {}, {}, None
        for record in records(path):
            kind = record.WhichOneof("record_type")
            if kind == "run":
                self.name, self.project = record.run.display_name, record.run.project
                self.group, self.job_type = record.run.run_group, record.run.job_type
                self.config |= values(record.run.config.update)
            elif kind == "history":
                self.rows.append(values(record.history.item))
            elif kind == "summary":
                self.summary |= values(record.summary.update)
            elif kind == "metric" and record.metric.step_metric:
                self.axes[record.metric.glob_name] = record.metric.step_metric
            elif kind == "exit":
                self.exit_code = record.exit.exit_code

    def column(self, name):
        return [row[name] for row in self.rows if name in row]


def values(items):
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}


def records(path):
    """Yield the records of a file. It is a log of LevelDB: blocks of 32 KiB, with records in one part or several."""
    data, position, whole = path.read_bytes(), 7, b""
    while position + 7 <= len(data):
        left = 32768 - position % 32768
        if left < 7:
            position += left
            continue
        _, length, kind = struct.unpack("<IHB", data[position : position + 7])
        whole += data[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):  # the only part, or the last one
            record = wandb_internal_pb2.Record()
            record.ParseFromString(whole)
            yield record
            whole = b""


@pytest.fixture
def runs(files):
    """Return a function that returns the runs of this test by name, once W&B has written that they are over."""

    def read_runs():
        end = time.monotonic() + LONG
        while time.monotonic() < end:
            found = list(map(Offline, files("*.wandb")))
            if all(run.exit_code is not None for run in found):
                return {run.name: run for run in found}
            time.sleep(0.05)
        raise AssertionError("W&B did not write the end of a run")

    return read_runs


def test_a_range_test_is_a_run_with_the_loss_against_the_rate_and_the_answer(runs, files):
    result = find(WandbWatcher(project="lenet"), **CONFIRM)
    assert wandb.run is None
    (run,) = runs().values()
    assert (run.name, run.project, run.job_type, run.exit_code) == ("range test", "lenet", "range test", 0)
    assert run.axes["sweep/*"] == "sweep/lr"
    assert run.column("sweep/lr") == list(result.curve.lr)
    assert run.column("sweep/loss") == list(result.curve.loss)
    for trial in result.confirmation.trials:
        assert len(run.column(f"trial {trial.lr:.2e}/loss")) == trial.steps
        assert run.axes[f"trial {trial.lr:.2e}/*"] == f"trial {trial.lr:.2e}/step"
    assert {name: run.summary[f"answer/{name}"] for name in result.to_dict()} == result.to_dict()
    (picture,) = files("curve_*.png")
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_your_run_gets_the_answer_and_no_row_of_the_sweep(runs):
    mine = wandb.init(project="lenet", name="mine", group="tuning")
    result = find(WandbWatcher())
    assert wandb.run is mine
    for step in range(3):
        mine.log({"loss": step}, step=step)
    mine.finish()
    mine, test = runs()["mine"], runs()["range test"]
    assert mine.column("loss") == [0, 1, 2]
    assert {name: mine.summary[f"lrrange/{name}"] for name in result.to_dict()} == result.to_dict()
    assert mine.rows[0]["lrrange/curve/width"] == 900
    assert (test.project, test.group, test.exit_code) == ("lenet", "tuning", 0)
    assert test.column("sweep/loss") == list(result.curve.loss)


def test_a_run_of_yours_that_is_not_the_active_one_can_be_given(runs):
    mine = wandb.init(project="lenet", name="mine", reinit="create_new")
    assert wandb.run is None
    result = find(WandbWatcher(run=mine))
    mine.finish()
    assert runs()["mine"].summary["lrrange/lr"] == result.lr


def test_each_run_of_a_comparison_is_a_run(runs):
    comparison = compare(WandbWatcher(project="lenet", group="policies"), repeats=1)
    for policy in ("0.1", "one/cycle"):
        (trained,) = comparison.of(policy)
        run = runs()[f"{policy}, seed 0"]
        assert (run.project, run.group, run.exit_code) == ("lenet", "policies", 0)
        assert {name: run.config[name] for name in ("policy", "seed")} == {"policy": policy, "seed": 0}
        assert run.axes["*"] == "step"
        assert run.column("loss") == list(trained.losses)
        assert run.column("lr") == list(comparison.policy(policy).lr)
        assert run.column("held-out loss") == [checkpoint.loss for checkpoint in trained.held_out]
        assert run.summary["final loss"] == trained.final


def test_what_the_training_prints_is_not_taken_into_the_run(tmp_path):
    program = """
import lrrange
from lrrange_trackers import WandbWatcher
from tests.core.training import Loop

class Printing(Loop):
    def step(self, lr):
        print("training says", lr)
        return super().step(lr)

lrrange.find_lr(Printing(), num_steps=12, watchers=[WandbWatcher()])
"""
    path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "WANDB_DIR": str(tmp_path), "PYTHONPATH": path}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert "training says" in done.stdout
    (run,) = tmp_path.rglob("*.wandb")
    assert b"training says" not in run.read_bytes()
    assert not list(tmp_path.rglob("output.log"))


@pytest.mark.parametrize("error", [RuntimeError("gone"), KeyboardInterrupt()], ids=["error", "Ctrl-C"])
def test_a_stopped_sweep_is_a_failed_run_with_the_steps_before_it(runs, error):
    with pytest.raises(type(error)):
        find(WandbWatcher(), Stop(error))
    (run,) = runs().values()
    assert (len(run.column("sweep/loss")), run.exit_code) == (7, 1)


def test_a_refusal_is_in_the_summary(runs):
    flat = Landscape(fall=math.inf, blow_up=math.inf)
    result = lrrange.find_lr(Loop(flat), watchers=[WandbWatcher()])
    assert runs()["range test"].summary["answer/refused"] == str(result.refusal)


def test_disabled_it_writes_nothing(files):
    find(WandbWatcher(mode="disabled"))
    compare(WandbWatcher(mode="disabled"), repeats=1)
    mine = wandb.init(mode="disabled")
    find(WandbWatcher())
    mine.finish()
    assert files("*run-*") == []


def test_the_training_is_the_same_with_it(changes_nothing):
    changes_nothing(WandbWatcher(project="lenet"))


def test_a_watcher_that_was_sent_to_another_process_writes_beside_the_run_that_was_active_here(files):
    with wandb.init(project="lenet", group="pair") as yours:
        sent = pickle.dumps(WandbWatcher())
    find(pickle.loads(sent))
    ours = [Offline(path) for path in files("*.wandb") if yours.id not in path.name]
    assert [(run.project, run.group) for run in ours] == [("lenet", "pair")]
