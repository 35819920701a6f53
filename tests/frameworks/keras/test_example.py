import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[3] / "examples" / "keras_digits.py"


@pytest.mark.shows("Keras (torch)", "finds")
@pytest.mark.shows("Keras (JAX)", "finds")
def test_the_example_finds_a_rate_that_trains_better_than_the_one_of_keras(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, EXAMPLE, "--epochs", "1"], cwd=tmp_path, env=dict(os.environ), capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    losses = {kind: float(loss) for kind, loss in re.findall(r"rate (found|of Keras) .* loss ([\d.]+)", ran.stdout)}
    assert losses["found"] < losses["of Keras"], ran.stdout
