"""The example scripts run, and print what their readers look for."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("script", ["jax_digits.py", "jax_nnx.py"])
def test_an_example_of_jax_runs_and_ends_with_a_good_accuracy(script, tmp_path):
    environment = {**os.environ, "PYTHONWARNINGS": "error::UserWarning"}
    command = [sys.executable, str(ROOT / "examples" / script)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    accuracies = [float(each) for each in re.findall(r"(0\.\d{3}|1\.000)$", done.stdout, re.M)]
    assert max(accuracies) > 0.85
    assert "<ProvedRate" in done.stdout
    if script == "jax_digits.py":
        assert "compiled 1 time" in done.stdout
