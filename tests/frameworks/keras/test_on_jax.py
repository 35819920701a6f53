"""All tests of this folder once more on JAX, in a process of its own, because Keras has one backend in each."""

import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[2]


@pytest.mark.skipif(os.environ["KERAS_BACKEND"] == "jax", reason="this is that process")
def test_every_test_of_this_folder_passes_on_jax(tmp_path: Path) -> None:
    # Most of the time goes to compiling the same steps again, which this cache saves.
    cache = {
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    report = tmp_path / "report.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", str(HERE)]
    ran = subprocess.run(
        command, cwd=ROOT, env={**inherited, **cache, "KERAS_BACKEND": "jax"}, capture_output=True, text=True
    )
    cases = ElementTree.parse(report).getroot().iter("testcase") if report.exists() else []
    outcomes = {f"{case.get('classname')}::{case.get('name')}": [each.tag for each in case] for case in cases}
    failed = [name for name, tags in outcomes.items() if {"failure", "error"} & set(tags)]
    passed = [name for name, tags in outcomes.items() if not tags]
    assert (ran.returncode, failed) == (0, []), "\n".join([*failed, ran.stdout[-6000:], ran.stderr[-2000:]])
    written = sum(len(re.findall(r"^def test_", path.read_text(), re.M)) for path in HERE.glob("test_*.py"))
    assert len({name.partition("[")[0] for name in passed}) >= written - 3, sorted(passed)
