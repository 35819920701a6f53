"""Two processes under torchrun: one curve, one answer, one end, and no process that waits for another in vain."""

import json
import os
import re
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import ROOT

# The processes' own time-out is half a minute: whoever waits for another that is gone ends by then.
_TIME_LIMIT = 150

SWEPT = ["ddp-loader-step", "ddp-own-step", "ddp-own-step-numbers", "fsdp-loader-step", "fsdp-own-step"]

Found = Callable[[str], tuple[dict[str, Any], dict[str, Any]]]


def torchrun(*arguments: str, folder: Path, script: str = "script.py") -> subprocess.CompletedProcess[str]:
    foreign = {"RANK", "LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"}
    environment = {name: value for name, value in os.environ.items() if name not in foreign}
    environment |= {
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        "OMP_NUM_THREADS": "1",
        "PYTHONWARNINGS": "ignore",
    }
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    return subprocess.run(
        [*command, str(Path(__file__).parent / script), *arguments],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=_TIME_LIMIT,
    )


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """What the two processes found in a case, of one run for all cases."""
    folder = tmp_path_factory.mktemp("processes")
    done = torchrun(str(folder), folder=folder)
    assert done.returncode == 0, done.stderr

    def of(case: str) -> tuple[dict[str, Any], dict[str, Any]]:
        zero, one = (json.loads((folder / f"{case}-{rank}.json").read_text()) for rank in (0, 1))
        return zero, one

    return of


@pytest.mark.parametrize("case", SWEPT)
def test_both_processes_read_the_mean_of_their_losses_and_end_together(case: str, found: Found) -> None:
    zero, one = found(case)
    assert zero["own"] != one["own"]
    mean = [statistics.mean(pair) for pair in zip(zero["own"], one["own"], strict=True)]
    assert zero["loss"] == one["loss"] == pytest.approx(mean)
    assert zero["lr"] == one["lr"]
    assert zero["ended"] == one["ended"] == "DIVERGED"
    assert zero["details"]["processes"] == 2


@pytest.mark.parametrize("case", SWEPT)
def test_each_process_is_left_as_it_was(case: str, found: Found) -> None:
    for rank in found(case):
        assert rank["same"]
        assert rank["details"]["restore_verified"]
        assert rank["again"]
        assert rank["went on"]


@pytest.mark.parametrize("case", SWEPT)
def test_the_snapshot_of_a_process_is_of_what_it_holds(case: str, found: Found) -> None:
    for rank in found(case):
        assert rank["details"]["copied_bytes"] == rank["held"]


def test_a_sharded_model_has_a_smaller_snapshot_in_each_process(found: Found) -> None:
    for sharded, whole in zip(found("fsdp-loader-step"), found("ddp-loader-step"), strict=True):
        assert sharded["held"] < 0.75 * whole["held"]


@pytest.mark.parametrize("case", ["loader-first", "loader", "loss", "fsdp-loss"])
def test_where_one_process_raises_all_end_and_can_sweep_again(case: str, found: Found) -> None:
    zero, one = found(case)
    place = case.split("-")[-1].replace("first", "loader")
    own = f"ValueError: raised on purpose in the {place} of one process"
    assert one["raised"] == own
    assert re.match(f"ProcessFailed: 1 of 2 processes failed, .*: process 1 raised {own}", zero["raised"])
    assert zero["same"]
    assert one["same"]
    assert len(zero["again"]) > 20
    assert zero["again"] == one["again"]


def test_where_the_data_of_one_process_run_out_both_end_there(found: Found) -> None:
    assert found("uneven") == ({"ended": "DATA_EXHAUSTED", "points": 7},) * 2


def test_trials_are_judged_by_the_mean_of_the_held_out_losses(found: Found) -> None:
    zero, one = found("held-out")
    assert zero == one


def test_a_model_that_is_not_shared_is_swept_without_the_other_process(found: Found) -> None:
    zero, one = found("alone")
    assert zero["points"] > 20
    assert one["points"] == 0


def test_only_the_first_process_shows_progress(found: Found) -> None:
    assert found("progress") == ({"lines": 2}, {"lines": 0})


def test_an_error_that_nobody_catches_ends_both_processes(tmp_path: Path) -> None:
    done = torchrun("fail", "own_step", folder=tmp_path)
    assert done.returncode != 0
    assert "ValueError: raised on purpose in the loss of one process" in done.stderr


def test_both_processes_read_the_same_paired_losses(found: Found) -> None:
    zero, one = found("paired")
    assert zero["loss"] == one["loss"]
    assert zero["first"][0] == zero["first"][1]
    assert zero["noise"][0] < zero["noise"][1]
    assert zero["same"]
    assert one["same"]


def test_both_processes_read_the_same_metric_and_the_loss_of_a_sweep_without_it(found: Found) -> None:
    zero, one = found("metric")
    assert zero["names"] == ["l1_loss", "loss"]
    assert zero["values"] == one["values"]
    assert zero["trials"] == one["trials"]
    assert zero["own step"] == one["own step"]
    assert zero["loss"] == one["loss"] == zero["plain"]
    assert zero["same"]
    assert one["same"]
