"""Two processes sweep in step, stop together, get the same answer, and continue to train."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).parent / "ddp_script.py"


def run(package: str, what: str, folder: Path) -> subprocess.CompletedProcess[str]:
    foreign = {"LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"}
    environment = {name: value for name, value in os.environ.items() if name not in foreign}
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    environment |= {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(SCRIPT), package, what, str(folder)]
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=300)


def test_two_processes_agree_on_every_rate_and_train_on_as_without_a_sweep(tmp_path: Path) -> None:
    done = run("pytorch_lightning", "agree", tmp_path)
    assert done.returncode == 0, done.stderr
    zero, one = (json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in (0, 1))
    assert zero["lr"] == one["lr"]
    assert zero["loss"] == one["loss"]
    assert zero["ended"] == one["ended"] == "DIVERGED"
    assert (zero["processes"], zero["snapshot"]) == (2, "lazy")
    for rank in (zero, one):
        assert rank["after"] == rank["without"] == rank["inside"]
    # Each process has seen its own half of the data, and both hold the same parameters (batch norm's buffers differ).
    assert zero["after"][1] != one["after"][1]
    assert zero["after"][0][0] == one["after"][0][0]
    lr, applied = zero["applied"]
    assert applied["param group 0"] == applied["self.lr"] == lr == zero["lr"]
    assert one["applied"] == [lr, applied]
    assert zero["trained"][0] != zero["without"][0]
    assert zero["trained"][0][0] == one["trained"][0][0]


def test_a_failure_in_one_process_ends_both(tmp_path: Path) -> None:
    done = run("lightning.pytorch", "fail", tmp_path)  # hangs until its time limit if a process waits for the other
    assert done.returncode != 0
    assert "raised on purpose in one process" in done.stderr
    assert list(tmp_path.glob("*.json")) == []


@pytest.mark.parametrize("strategy", ["ddp_spawn", "ddp_fork", "ddp_notebook"])
def test_processes_whose_result_would_be_lost_are_refused(pl: Any, strategy: str) -> None:
    from lrrange import find_lr
    from lrrange.errors import TargetError
    from tests.lightning.trainings import loader, plain, trainer

    with pytest.raises(TargetError, match="processes of its own"):
        find_lr(trainer(pl, devices=2, strategy=strategy), model=plain(pl), train_dataloaders=loader())
