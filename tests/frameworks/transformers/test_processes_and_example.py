"""Two processes find one rate; the example finds a better rate than the default."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import transformers

ROOT = Path(__file__).parents[3]


def run(*command: str) -> str:
    path = os.pathsep.join([*filter(None, [os.environ.get("PYTHONPATH")]), str(ROOT)])
    environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_two_processes_find_one_rate_and_leave_no_trace() -> None:
    script = str(ROOT / "tests" / "frameworks" / "transformers" / "ddp_script.py")
    said = run("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", script)
    assert said.count("agreed") == 2


@pytest.mark.skipif(transformers.__version__ < "5", reason="it takes long, and differs in nothing between versions")
def test_the_example_finds_a_better_rate_than_the_default() -> None:
    said = run(str(ROOT / "examples" / "transformers_digits.py"))
    by_default, found = map(float, re.findall(r"^accuracy (\S+)", said, flags=re.MULTILINE))
    assert found > by_default + 0.1
    assert "seen in force in the first steps: True" in said
